#include "tradewind/store/postgres_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/time.h"

#include "tradewind/store/postgres_rows.h"
#include "tradewind/store/postgres_status.h"
#include "tradewind/store/short_key.h"

namespace tradewind::store {
namespace {

constexpr auto kRetryAfter = std::chrono::milliseconds(200);

// LATERAL keeps the index the outer loop: rows come in its order and the limit stops it early.
#define TRADEWIND_POSTGRES_LIST(after, order)                                                                         \
  "SELECT coalesce(found.long_key, i.key), found.value, i.\"order\" FROM aggregate_index i CROSS JOIN "               \
  "LATERAL (SELECT a.value, a.long_key FROM aggregate a WHERE a.kind = $1 AND a.key = i.key LIMIT 1) AS found WHERE " \
  "i.index_name = $2 AND "                                                                                            \
  "i.value = $3 " after " ORDER BY " order " LIMIT $4"
// A KeptFilter, whose parameters Filter makes: $1 to $6. Ids as a range, which the planner knows to look up.
#define TRADEWIND_POSTGRES_KEPT_FILTER                                                                     \
  "id >= $1 AND id <= $2 AND ($3::integer IS NULL OR state = $3) AND ($4::bytea IS NULL OR key = $4) AND " \
  "($5::bytea IS NULL OR type = $5) AND (NOT $6::boolean OR NOT (state = 3 AND due_ms = 0))"

constexpr std::array kStatements = {
    PostgresStatement{"get", "SELECT version, value FROM aggregate WHERE kind = $1 AND key = $2"},
    PostgresStatement{"list", TRADEWIND_POSTGRES_LIST("", R"(i."order", i.key)")},
    PostgresStatement{"list_after", TRADEWIND_POSTGRES_LIST(R"(AND (i."order", i.key) > ($5::bigint, $6::bytea))",
                                                            R"(i."order", i.key)")},
    PostgresStatement{"list_down", TRADEWIND_POSTGRES_LIST("", R"(i."order" DESC, i.key DESC)")},
    PostgresStatement{"list_down_after", TRADEWIND_POSTGRES_LIST(R"(AND (i."order", i.key) < ($5::bigint, $6::bytea))",
                                                                 R"(i."order" DESC, i.key DESC)")},
    PostgresStatement{
        "list_kept", "SELECT " TRADEWIND_POSTGRES_KEPT_COLUMNS
                     " FROM (SELECT r.*, sum(octet_length(r.record)) OVER before AS bytes_before FROM (SELECT * FROM "
                     "kept WHERE " TRADEWIND_POSTGRES_KEPT_FILTER
                     " ORDER BY id LIMIT $7) AS r WINDOW before AS (ORDER BY r.id ROWS BETWEEN UNBOUNDED PRECEDING AND "
                     "1 PRECEDING)) AS page WHERE coalesce(page.bytes_before, 0) < $8 ORDER BY id"},
    // Locked by rising id, as a commit does it.
    PostgresStatement{"request_kept", "WITH chosen AS (SELECT id FROM kept WHERE " TRADEWIND_POSTGRES_KEPT_FILTER
                                      " ORDER BY id FOR UPDATE) UPDATE kept SET requested = $7 "
                                      "WHERE id = ANY (ARRAY(SELECT id FROM chosen))"},
    PostgresStatement{"pin_partitions",
                      "INSERT INTO meta VALUES ('partitions of ' || convert_from($1, 'UTF8'), $2::integer::text) "
                      "ON CONFLICT (name) DO UPDATE SET value = CASE WHEN $3::boolean THEN excluded.value ELSE "
                      "meta.value END RETURNING value::integer"},
    PostgresStatement{"count_kept", R"(SELECT count(*) FROM kept WHERE "group" = $1 AND state = $2)"},
    PostgresStatement{"progress", R"(SELECT progress FROM task WHERE "group" = $1 AND partition = $2)"},
};
#undef TRADEWIND_POSTGRES_LIST
#undef TRADEWIND_POSTGRES_KEPT_FILTER

const char* ChooseList(bool down, bool after) {
  if (down) return after ? "list_down_after" : "list_down";
  return after ? "list_after" : "list";
}

// `key` lives as long as the parameters.
PostgresParameters Filter(const KeptFilter& filter, int64_t after, std::string& key) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  PostgresParameters parameters;
  // Nothing comes behind the greatest id, and 1 to 0 chooses nothing.
  const int64_t first = after == kMax ? 1 : after + 1;
  parameters.Bigint(std::max(first, filter.id.value_or(first))).Bigint(after == kMax ? 0 : filter.id.value_or(kMax));
  filter.state.has_value() ? parameters.Integer(static_cast<int32_t>(*filter.state)) : parameters.Null();
  filter.key.has_value() ? parameters.Bytes(ShortKey(*filter.key, key)) : parameters.Null();
  filter.type.has_value() ? parameters.Bytes(*filter.type) : parameters.Null();
  return std::move(parameters.Boolean(filter.failed_only));
}

}  // namespace

class PostgresReader::Lease {
 public:
  Lease(PostgresReader* reader, std::unique_ptr<PostgresLink> link) : reader_(reader), link_(std::move(link)) {}
  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (link_ != nullptr) reader_->Release(std::move(link_));
  }
  PostgresLink* operator->() const { return link_.get(); }

 private:
  PostgresReader* reader_;
  std::unique_ptr<PostgresLink> link_;
};

PostgresReader::PostgresReader(const PostgresPlace& place, size_t max_connections)
    : place_(place), max_connections_(max_connections) {}

absl::StatusOr<PostgresReader::Lease> PostgresReader::Acquire() {
  std::unique_ptr<PostgresLink> link;
  {
    std::unique_lock lock(mutex_);
    const auto free = [this] { return !idle_.empty() || open_ < max_connections_; };
    if (!released_.wait_for(lock, absl::ToChronoNanoseconds(kMaxReaderWait), free)) {
      return absl::UnavailableError(
          fmt::format("all {} connections for queries (store.postgres.max_readers) were busy for {}; try again later",
                      max_connections_, absl::FormatDuration(kMaxReaderWait)));
    }
    if (std::chrono::steady_clock::now() < away_until_) {
      // The next one that waits was not told: what this one was told of stays free.
      released_.notify_one();
      return away_;
    }
    if (idle_.empty()) {
      ++open_;
      link = std::make_unique<PostgresLink>(place_, kStatements);
    } else {
      link = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  Lease lease(this, std::move(link));
  if (absl::Status ready = lease->Ready(); !ready.ok()) {
    // A server that only has no room for one more connection serves those that there are.
    if (absl::StartsWith(SqlStateOf(ready), "53")) return ready;
    const std::lock_guard lock(mutex_);
    away_ = ready;
    away_until_ = std::chrono::steady_clock::now() + kRetryAfter;
    return ready;
  }
  return lease;
}

void PostgresReader::Release(std::unique_ptr<PostgresLink> link) {
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(link));
  }
  released_.notify_one();
}

absl::StatusOr<std::optional<Aggregate>> PostgresReader::Get(std::string_view kind, std::string_view key) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  const auto kind_id = (*link)->names().Kind((*link)->connection(), kind, PostgresNames::IfMissing::kNothing);
  if (!kind_id.ok()) return kind_id.status();
  if (!kind_id->has_value()) return std::nullopt;
  std::string buffer;
  const absl::StatusOr<PostgresResult> row =
      (*link)->Run(PostgresCall{"get", true, PostgresParameters().Integer(**kind_id).Bytes(ShortKey(key, buffer))});
  if (!row.ok()) return row.status();
  if (row->rows() == 0) return std::nullopt;
  return Aggregate{static_cast<uint64_t>(row->Bigint(0, 0)), std::string(row->Bytes(0, 1))};
}

absl::StatusOr<std::vector<ListedAggregate>> PostgresReader::List(const ListQuery& query) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  std::vector<ListedAggregate> listed;
  constexpr auto kNothing = PostgresNames::IfMissing::kNothing;
  const auto kind = (*link)->names().Kind((*link)->connection(), query.kind, kNothing);
  if (!kind.ok()) return kind.status();
  if (!kind->has_value()) return listed;
  const auto index = (*link)->names().Index((*link)->connection(), **kind, query.index, kNothing);
  if (!index.ok()) return index.status();
  if (!index->has_value()) return listed;
  PostgresCall call{ChooseList(query.descending, query.after.has_value()), true, {}};
  std::string value;
  std::string after;
  call.parameters.Integer(**kind)
      .Integer(**index)
      .Bytes(ShortKey(query.value, value))
      .Bigint(std::max<int64_t>(query.limit, 0));
  if (query.after.has_value()) {
    call.parameters.Bigint(query.after->order).Bytes(ShortKey(query.after->key, after));
  }
  const absl::StatusOr<PostgresResult> rows = (*link)->Run(call);
  if (!rows.ok()) return rows.status();
  for (int row = 0; row < rows->rows(); ++row) {
    listed.push_back({std::string(rows->Bytes(row, 0)), std::string(rows->Bytes(row, 1)), rows->Bigint(row, 2)});
  }
  return listed;
}

absl::StatusOr<std::vector<KeptRecord>> PostgresReader::ListKept(const KeptFilter& filter, int64_t after, int64_t limit,
                                                                 int64_t max_bytes) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  std::string key;
  PostgresCall call{"list_kept", true, Filter(filter, after, key)};
  call.parameters.Bigint(std::max<int64_t>(limit, 0)).Bigint(max_bytes);
  const absl::StatusOr<PostgresResult> rows = (*link)->Run(call);
  if (!rows.ok()) return rows.status();
  return ReadKeptRows(*rows);
}

absl::StatusOr<int64_t> PostgresReader::Request(const KeptFilter& filter, KeptAction action) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  std::string key;
  PostgresCall call{"request_kept", true, Filter(filter, 0, key)};
  call.parameters.Integer(static_cast<int32_t>(action));
  const absl::StatusOr<PostgresResult> chosen = (*link)->Run(call);
  if (!chosen.ok()) return chosen.status();
  return chosen->changed();
}

absl::StatusOr<int64_t> PostgresReader::CountKept(std::string_view group, KeptState state) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  const absl::StatusOr<PostgresResult> count = (*link)->Run(
      PostgresCall{"count_kept", true, PostgresParameters().Bytes(group).Integer(static_cast<int32_t>(state))});
  if (!count.ok()) return count.status();
  return count->Bigint(0, 0);
}

absl::StatusOr<std::string> PostgresReader::ProgressOf(const TaskId& task) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  const absl::StatusOr<PostgresResult> row =
      (*link)->Run(PostgresCall{"progress", true, PostgresParameters().Bytes(task.group).Integer(task.partition)});
  if (!row.ok()) return row.status();
  return row->rows() == 0 ? "" : std::string(row->Bytes(0, 0));
}

absl::StatusOr<std::map<std::string, int32_t>> PostgresReader::PinPartitions(
    const std::map<std::string, int32_t>& counts, bool replace) {
  absl::StatusOr<Lease> link = Acquire();
  if (!link.ok()) return link.status();
  std::map<std::string, int32_t> pinned;
  for (const auto& [topic, partitions] : counts) {
    const absl::StatusOr<PostgresResult> row =
        (*link)->Run({"pin_partitions", true, PostgresParameters().Bytes(topic).Integer(partitions).Boolean(replace)});
    if (!row.ok()) return row.status();
    pinned[topic] = row->Integer(0, 0);
  }
  return pinned;
}

}  // namespace tradewind::store
