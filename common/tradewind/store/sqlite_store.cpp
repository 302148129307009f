#include "tradewind/store/sqlite_store.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "tradewind/config/config.h"
#include "tradewind/store/file_lock.h"
#include "tradewind/store/sqlite_checkpointer.h"
#include "tradewind/store/sqlite_open.h"
#include "tradewind/store/sqlite_reader.h"
#include "tradewind/store/sqlite_rows.h"
#include "tradewind/store/sqlite_schema.h"
#include "tradewind/store/sqlite_session.h"
#include "tradewind/store/sqlite_writer.h"

namespace tradewind::store {
namespace {

constexpr int64_t kMinCacheBytes = 1 << 20;

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string id, bool predates_mesh_names, FileLock lock, std::unique_ptr<SqliteWriter> writer,
              std::unique_ptr<SqliteCheckpointer> checkpointer, const std::string& file)
      : id_(std::move(id)),
        predates_mesh_names_(predates_mesh_names),
        lock_(std::move(lock)),
        writer_(std::move(writer)),
        checkpointer_(std::move(checkpointer)),
        reader_(file) {}

  const std::string& id() const override { return id_; }
  bool predates_mesh_names() const override { return predates_mesh_names_; }
  absl::StatusOr<std::unique_ptr<Session>> OpenSession() override { return std::make_unique<SqliteSession>(*writer_); }
  Reader& reader() override { return reader_; }
  absl::StatusOr<int64_t> Request(const KeptFilter& filter, KeptAction action) override {
    const std::lock_guard lock(writer_->mutex);
    std::string key;
    return BindFilter(writer_->statements.request_kept, filter, key).BindInteger(6, static_cast<int64_t>(action)).Run();
  }
  absl::StatusOr<std::map<std::string, int32_t>> PinPartitions(const std::map<std::string, int32_t>& counts,
                                                               bool replace) override;

 private:
  const std::string id_;
  const bool predates_mesh_names_;
  // Destroyed from the bottom up: the lock goes when every connection is closed.
  FileLock lock_;
  std::unique_ptr<SqliteWriter> writer_;
  std::unique_ptr<SqliteCheckpointer> checkpointer_;
  SqliteReader reader_;
};

absl::StatusOr<std::map<std::string, int32_t>> SqliteStore::PinPartitions(const std::map<std::string, int32_t>& counts,
                                                                          bool replace) {
  const std::lock_guard lock(writer_->mutex);
  absl::StatusOr<Statement> pin = writer_->connection->Prepare(
      "INSERT INTO meta VALUES ('partitions of ' || ?1, ?2) ON CONFLICT (name) DO UPDATE SET value = "
      "CASE WHEN ?3 THEN excluded.value ELSE value END");
  if (!pin.ok()) return pin.status();
  absl::StatusOr<Statement> look =
      writer_->connection->Prepare("SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'partitions of ' || ?1");
  if (!look.ok()) return look.status();
  std::map<std::string, int32_t> pinned;
  for (const auto& [topic, partitions] : counts) {
    const auto written =
        pin->BindText(1, topic).BindInteger(2, partitions).BindInteger(3, static_cast<int64_t>(replace)).Run();
    if (!written.ok()) return written.status();
    const ScopedReset reset(*look);
    const auto row = look->BindText(1, topic).Step();
    if (!row.ok()) return row.status();
    pinned[topic] = static_cast<int32_t>(look->Integer(0));
  }
  return pinned;
}

absl::Status MakeDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (!error) return absl::OkStatus();
  const std::string message =
      fmt::format("cannot make the folder {}: {}; make its parent writable or set store.directory to another folder",
                  directory, error.message());
  if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(message);
  return absl::PermissionDeniedError(message);
}

// Says what to do about an error of opening.
absl::Status Advise(const absl::Status& status) {
  const std::string text(status.message());
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return absl::DataLossError(fmt::format(
          "{}; restore the file from a backup, or move it away to begin with an empty store (store.directory)", text));
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError(
          fmt::format("{}; check that the file can be read and written (store.directory)", text));
    default:
      return status;
  }
}

absl::Status Check(const SqliteConfig& config, std::string_view name) {
  if (config.durability != "process" && config.durability != "power") {
    return absl::InvalidArgumentError(
        fmt::format("store.durability is '{}': it may be process or power", config.durability));
  }
  if (config.cache_bytes < kMinCacheBytes) {
    return absl::InvalidArgumentError(
        fmt::format("store.cache_bytes is {}: it must be at least {}", config.cache_bytes, kMinCacheBytes));
  }
  if (name.empty() || name.find('/') != std::string_view::npos) {
    return absl::InvalidArgumentError(fmt::format("'{}' cannot be the name of a store: it names a file", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Store>> Open(const SqliteConfig& config, const std::string& stem) {
  absl::StatusOr<FileLock> lock = FileLock::Acquire(stem + ".lock");
  if (!lock.ok()) return lock.status();
  const std::string file = stem + ".db";
  absl::StatusOr<std::unique_ptr<Connection>> connection = OpenForWriting(file, config);
  if (!connection.ok()) return connection.status();
  if (absl::Status updated = UpdateSqliteSchema(**connection); !updated.ok()) return updated;
  absl::StatusOr<std::string> id = (*connection)->QueryText("SELECT value FROM meta WHERE name = 'id'");
  if (!id.ok()) return id.status();
  if (id->empty()) return absl::DataLossError(fmt::format("{}: the store's id is missing", file));
  absl::StatusOr<std::string> predates =
      (*connection)->QueryText("SELECT value FROM meta WHERE name = 'predates_mesh_names'");
  if (!predates.ok()) return predates.status();
  absl::StatusOr<std::unique_ptr<SqliteWriter>> writer = SqliteWriter::Make(*std::move(connection));
  if (!writer.ok()) return writer.status();
  absl::StatusOr<std::unique_ptr<SqliteCheckpointer>> checkpointer =
      SqliteCheckpointer::Start(*(*writer)->connection, (*writer)->mutex, SqliteCheckpointer::Limits());
  if (!checkpointer.ok()) return checkpointer.status();
  return std::make_unique<SqliteStore>(*std::move(id), !predates->empty(), *std::move(lock), *std::move(writer),
                                       *std::move(checkpointer), file);
}

}  // namespace

void Describe(config::Schema& schema, SqliteConfig& config) {
  auto section = schema.Section("store", "Where the service keeps its state.");
  section.Field("directory", &config.directory, "folder of the database file").NotEmpty();
  section
      .Field("durability", &config.durability,
             "process: commits survive the death of the process; power: each batch is synced to disk")
      .OneOf({"process", "power"});
  section.Field("cache_bytes", &config.cache_bytes, "pages of the database kept in memory").Min(kMinCacheBytes);
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const SqliteConfig& config, std::string_view name) {
  if (absl::Status checked = Check(config, name); !checked.ok()) return checked;
  if (absl::Status made = MakeDirectory(config.directory); !made.ok()) return made;
  absl::StatusOr<std::unique_ptr<Store>> store =
      Open(config, (std::filesystem::path(config.directory) / name).string());
  if (!store.ok()) return Advise(store.status());
  return store;
}

}  // namespace tradewind::store
