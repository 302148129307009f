#include "tradewind/store/sqlite_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/time/time.h"

#include "tradewind/store/short_key.h"
#include "tradewind/store/sqlite_rows.h"

namespace tradewind::store {
namespace {

// Reads are short and bound by the processor: more connections than this only cost memory.
constexpr size_t kMaxLanes = 8;
// Pages of a connection are dropped whenever the writer commits, so much memory would not help.
constexpr const char* kLanePragmas = "PRAGMA query_only = ON; PRAGMA cache_size = -8192";

// CROSS JOIN keeps the index the outer loop: rows come in its order and the limit stops it early.
#define TRADEWIND_LIST(after, order)                                                 \
  "SELECT coalesce(a.long_key, a.key), a.value, i.\"order\" FROM aggregate_index i " \
  "CROSS JOIN aggregate a ON a.kind = ?1 AND a.key = i.key "                         \
  "WHERE i.index_name = ?2 AND i.value = ?3 " after " ORDER BY " order " LIMIT ?4"
constexpr const char* kListAscending = TRADEWIND_LIST("", R"(i."order", i.key)");
constexpr const char* kListAscendingAfter =
    TRADEWIND_LIST(R"(AND (i."order", i.key) > (?5, ?6))", R"(i."order", i.key)");
constexpr const char* kListDescending = TRADEWIND_LIST("", R"(i."order" DESC, i.key DESC)");
constexpr const char* kListDescendingAfter =
    TRADEWIND_LIST(R"(AND (i."order", i.key) < (?5, ?6))", R"(i."order" DESC, i.key DESC)");
#undef TRADEWIND_LIST

}  // namespace

class SqliteReader::Lease {
 public:
  Lease(SqliteReader* reader, std::unique_ptr<Lane> lane) : reader_(reader), lane_(std::move(lane)) {}
  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (lane_ != nullptr) reader_->Release(std::move(lane_));
  }
  Lane* operator->() const { return lane_.get(); }

 private:
  SqliteReader* reader_;
  std::unique_ptr<Lane> lane_;
};

absl::StatusOr<SqliteReader::Lease> SqliteReader::Acquire() {
  {
    std::unique_lock lock(mutex_);
    const auto free = [this] { return !idle_.empty() || open_ < kMaxLanes; };
    if (!released_.wait_for(lock, absl::ToChronoNanoseconds(kMaxReaderWait), free)) {
      return absl::UnavailableError(fmt::format("{}: all {} connections for queries were busy for {}; try again later",
                                                file_, kMaxLanes, absl::FormatDuration(kMaxReaderWait)));
    }
    if (!idle_.empty()) {
      std::unique_ptr<Lane> lane = std::move(idle_.back());
      idle_.pop_back();
      return Lease(this, std::move(lane));
    }
    ++open_;
  }
  absl::StatusOr<std::unique_ptr<Lane>> lane = OpenLane();
  if (!lane.ok()) {
    {
      const std::lock_guard lock(mutex_);
      --open_;
    }
    released_.notify_one();
    return lane.status();
  }
  return Lease(this, *std::move(lane));
}

void SqliteReader::Release(std::unique_ptr<Lane> lane) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(lane));
  }
  released_.notify_one();
}

absl::StatusOr<std::unique_ptr<SqliteReader::Lane>> SqliteReader::OpenLane() const {
  auto lane = std::make_unique<Lane>();
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(file_, Connection::Mode::kReadOnly);
  if (!connection.ok()) return connection.status();
  lane->connection = *std::move(connection);
  if (absl::Status set = lane->connection->Execute(kLanePragmas); !set.ok()) return set;
  absl::StatusOr<SqliteNames> names = SqliteNames::Prepare(*lane->connection);
  if (!names.ok()) return names.status();
  lane->names = *std::move(names);
  const std::pair<Statement*, const char*> statements[] = {
      {&lane->get, "SELECT version, value FROM aggregate WHERE kind = ?1 AND key = ?2"},
      {&lane->list.ascending, kListAscending},
      {&lane->list.ascending_after, kListAscendingAfter},
      {&lane->list.descending, kListDescending},
      {&lane->list.descending_after, kListDescendingAfter},
      {&lane->list_kept,
       "SELECT " TRADEWIND_KEPT_COLUMNS " FROM kept WHERE " TRADEWIND_KEPT_FILTER " AND id > ?6 ORDER BY id LIMIT ?7"},
      {&lane->count_kept, R"(SELECT count(*) FROM kept WHERE "group" = ?1 AND state = ?2)"},
      {&lane->progress, R"(SELECT progress FROM task WHERE "group" = ?1 AND partition = ?2)"},
  };
  for (const auto& [statement, sql] : statements) {
    absl::StatusOr<Statement> prepared = lane->connection->Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    *statement = *std::move(prepared);
  }
  return lane;
}

absl::StatusOr<std::optional<Aggregate>> SqliteReader::Get(std::string_view kind, std::string_view key) {
  absl::StatusOr<Lease> lane = Acquire();
  if (!lane.ok()) return lane.status();
  const absl::StatusOr<std::optional<int64_t>> kind_id = (*lane)->names.Kind(kind, SqliteNames::IfMissing::kNothing);
  if (!kind_id.ok()) return kind_id.status();
  if (!kind_id->has_value()) return std::nullopt;
  Statement& get = (*lane)->get;
  std::string buffer;
  const ScopedReset reset(get);
  const absl::StatusOr<bool> row = get.BindInteger(1, **kind_id).BindBytes(2, ShortKey(key, buffer)).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return Aggregate{static_cast<uint64_t>(get.Integer(0)), std::string(get.Bytes(1))};
}

absl::StatusOr<std::vector<ListedAggregate>> SqliteReader::List(const ListQuery& query) {
  absl::StatusOr<Lease> lane = Acquire();
  if (!lane.ok()) return lane.status();
  std::vector<ListedAggregate> listed;
  const absl::StatusOr<std::optional<int64_t>> kind = (*lane)->names.Kind(query.kind, SqliteNames::IfMissing::kNothing);
  if (!kind.ok()) return kind.status();
  if (!kind->has_value()) return listed;
  const absl::StatusOr<std::optional<int64_t>> index =
      (*lane)->names.Index(**kind, query.index, SqliteNames::IfMissing::kNothing);
  if (!index.ok()) return index.status();
  if (!index->has_value()) return listed;
  Statement& list = (*lane)->list.Choose(query.descending, query.after.has_value());
  std::string value;
  std::string after;
  const ScopedReset reset(list);
  list.BindInteger(1, **kind).BindInteger(2, **index).BindBytes(3, ShortKey(query.value, value));
  list.BindInteger(4, std::max<int64_t>(query.limit, 0));
  if (query.after.has_value()) {
    list.BindInteger(5, query.after->order).BindBytes(6, ShortKey(query.after->key, after));
  }
  absl::StatusOr<bool> row = list.Step();
  for (; row.ok() && *row; row = list.Step()) {
    listed.push_back({std::string(list.Bytes(0)), std::string(list.Bytes(1)), list.Integer(2)});
  }
  if (!row.ok()) return row.status();
  return listed;
}

absl::StatusOr<std::vector<KeptRecord>> SqliteReader::ListKept(const KeptFilter& filter, int64_t after, int64_t limit,
                                                               int64_t max_bytes) {
  absl::StatusOr<Lease> lane = Acquire();
  if (!lane.ok()) return lane.status();
  Statement& list = (*lane)->list_kept;
  std::string key;
  const ScopedReset reset(list);
  BindFilter(list, filter, key).BindInteger(6, after).BindInteger(7, std::max<int64_t>(limit, 0));
  return ReadKeptRows(list, max_bytes);
}

absl::StatusOr<int64_t> SqliteReader::CountKept(std::string_view group, KeptState state) {
  absl::StatusOr<Lease> lane = Acquire();
  if (!lane.ok()) return lane.status();
  Statement& count = (*lane)->count_kept;
  const ScopedReset reset(count);
  const absl::StatusOr<bool> row = count.BindText(1, group).BindInteger(2, static_cast<int64_t>(state)).Step();
  if (!row.ok()) return row.status();
  return count.Integer(0);
}

absl::StatusOr<std::string> SqliteReader::ProgressOf(const TaskId& task) {
  absl::StatusOr<Lease> lane = Acquire();
  if (!lane.ok()) return lane.status();
  Statement& progress = (*lane)->progress;
  const ScopedReset reset(progress);
  const absl::StatusOr<bool> row = progress.BindText(1, task.group).BindInteger(2, task.partition).Step();
  if (!row.ok()) return row.status();
  return *row ? std::string(progress.Bytes(0)) : "";
}

}  // namespace tradewind::store
