#include "tradewind/store/postgres_store.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"

#include "tradewind/store/postgres_link.h"
#include "tradewind/store/postgres_reader.h"
#include "tradewind/store/postgres_schema.h"
#include "tradewind/store/postgres_session.h"
#include "tradewind/store/postgres_status.h"

namespace tradewind::store {
namespace {

constexpr absl::Duration kMinTimeout = absl::Milliseconds(100);
constexpr int32_t kMaxReaders = 64;
// Longer names are cut off by PostgreSQL, so that two could meet in one schema.
constexpr size_t kMaxNameBytes = 63;
constexpr int kOldestServer = 130000;

class PostgresStore final : public Store {
 public:
  PostgresStore(PostgresPlace place, size_t max_readers) : place_(std::move(place)), reader_(place_, max_readers) {}

  const std::string& id() const override { return place_.id; }
  bool predates_mesh_names() const override { return place_.predates_mesh_names; }
  absl::StatusOr<std::unique_ptr<Session>> OpenSession() override { return std::make_unique<PostgresSession>(place_); }
  Reader& reader() override { return reader_; }
  absl::StatusOr<int64_t> Request(const KeptFilter& filter, KeptAction action) override {
    return reader_.Request(filter, action);
  }
  absl::StatusOr<std::map<std::string, int32_t>> PinPartitions(const std::map<std::string, int32_t>& counts,
                                                               bool replace) override {
    return reader_.PinPartitions(counts, replace);
  }

 private:
  const PostgresPlace place_;
  PostgresReader reader_;
};

absl::Status Check(const PostgresConfig& config, std::string_view name) {
  if (config.url.value().empty()) return absl::InvalidArgumentError("store.postgres.url is empty");
  for (const auto& [setting, value] : {std::pair("connect_timeout", config.connect_timeout),
                                       std::pair("statement_timeout", config.statement_timeout)}) {
    if (value < kMinTimeout) {
      return absl::InvalidArgumentError(fmt::format("store.postgres.{} is {}: it must be at least {}", setting,
                                                    absl::FormatDuration(value), absl::FormatDuration(kMinTimeout)));
    }
  }
  if (config.max_readers < 1 || config.max_readers > kMaxReaders) {
    return absl::InvalidArgumentError(
        fmt::format("store.postgres.max_readers is {}: it may be 1 to {}", config.max_readers, kMaxReaders));
  }
  if (name.empty() || name.size() > kMaxNameBytes || name.find('\0') != std::string_view::npos ||
      absl::StartsWith(absl::string_view(name.data(), name.size()), "pg_")) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' cannot be the name of a store: it names a schema, which has up to {} bytes and does not "
                    "begin with pg_",
                    name, kMaxNameBytes));
  }
  return absl::OkStatus();
}

// What to do about an error of opening; nothing where the message says it.
std::string_view AdviceFor(const absl::Status& status) {
  const std::string sqlstate = SqlStateOf(status);
  if (sqlstate == "3D000") return "create it, for instance with createdb, or set store.postgres.url to one that exists";
  if (sqlstate == "42501") {
    return "let the user create schemas there (GRANT CREATE ON DATABASE ...), or set store.postgres.url to another";
  }
  if (absl::StartsWith(sqlstate, "28")) {
    return "check user and password in store.postgres.url, and the server's pg_hba.conf";
  }
  if (absl::IsUnavailable(status)) return "start it, or set store.postgres.url to where it is";
  return {};
}

absl::Status Advise(const absl::Status& status, std::string_view name) {
  const std::string text(status.message());
  if (absl::IsInvalidArgument(status) && SqlStateOf(status).empty()) {
    return absl::InvalidArgumentError(fmt::format("store.postgres.url: {}", text));
  }
  const std::string_view advice = AdviceFor(status);
  if (advice.empty()) return status;
  return absl::Status(status.code(), fmt::format("cannot open the store '{}': {}; {}", name, text, advice));
}

absl::StatusOr<std::unique_ptr<Store>> Open(const PostgresConfig& config, std::string_view name) {
  PostgresPlace place;
  place.target = {.url = config.url.value(),
                  .application = fmt::format("tradewind-{}", name),
                  .connect_timeout = config.connect_timeout,
                  .statement_timeout = config.statement_timeout};
  PostgresTarget for_migration = place.target;
  // Another instance may be migrating, for as long as that takes; a server that is gone shows by the keepalives.
  for_migration.statement_timeout = absl::Hours(1);
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection = PostgresConnection::Open(for_migration);
  if (!connection.ok()) return connection.status();
  if ((*connection)->server_version() < kOldestServer) {
    return absl::FailedPreconditionError(
        fmt::format("{} has version {}: PostgreSQL {} or newer is needed; update it or set store.postgres.url to "
                    "another",
                    (*connection)->where(), (*connection)->server_version() / 10000, kOldestServer / 10000));
  }
  absl::StatusOr<PostgresIdentity> identity = UpdatePostgresSchema(**connection, name);
  if (!identity.ok()) return identity.status();
  place.quoted_schema = (*connection)->Quote(name);
  place.id = std::move(identity->id);
  place.predates_mesh_names = identity->predates_mesh_names;
  return std::make_unique<PostgresStore>(std::move(place), static_cast<size_t>(config.max_readers));
}

}  // namespace

void Describe(config::Schema& schema, PostgresConfig& config) {
  auto section = schema.Section("store.postgres", "The database, where store.kind is postgres.");
  section.Field("url", &config.url, "postgresql://user:password@host:port/database").NotEmpty();
  section.Field("connect_timeout", &config.connect_timeout, "longest wait for a connection, for each host of the url")
      .Min(kMinTimeout);
  section.Field("statement_timeout", &config.statement_timeout, "longest call to the database").Min(kMinTimeout);
  section.Field("max_readers", &config.max_readers, "connections for queries; the worker has one more")
      .Min(1)
      .Max(kMaxReaders);
}

absl::StatusOr<std::unique_ptr<Store>> OpenPostgresStore(const PostgresConfig& config, std::string_view name) {
  if (absl::Status checked = Check(config, name); !checked.ok()) return checked;
  absl::StatusOr<std::unique_ptr<Store>> store = Open(config, name);
  if (!store.ok()) return Advise(store.status(), name);
  return store;
}

}  // namespace tradewind::store
