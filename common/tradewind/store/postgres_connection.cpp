#include "tradewind/store/postgres_connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/store/postgres_status.h"

namespace tradewind::store {
namespace {

// What PostgreSQL takes as one message, less some room for its header.
constexpr size_t kMaxMessageBytes = (size_t{1} << 30) - (1 << 20);
constexpr int kBinary = 1;
constexpr int kLookAgainMs = 10;
constexpr std::string_view kLost = "the connection was lost";

int PollTimeout(absl::Time deadline) {
  constexpr int64_t kLongest = 60'000;
  return static_cast<int>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - clock::SteadyNow()) + 1, 0, kLongest));
}

// libpq's own message about a url it cannot read repeats parts of it, passwords included.
absl::Status CheckUrl(const std::string& url) {
  char* error = nullptr;
  PQconninfoOption* const options = PQconninfoParse(url.c_str(), &error);
  PQfreemem(error);
  if (options == nullptr) {
    return absl::InvalidArgumentError("it must look like postgresql://user:password@host:port/database");
  }
  PQconninfoFree(options);
  return absl::OkStatus();
}

}  // namespace

void PostgresConnection::Finisher::operator()(pg_conn* connection) const { PQfinish(connection); }

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const PostgresTarget& target) {
  if (absl::Status checked = CheckUrl(target.url); !checked.ok()) return checked;
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(target));
  if (absl::Status connected = connection->Connect(); !connected.ok()) return connected;
  return connection;
}

absl::Status PostgresConnection::Connect() {
  const std::string connect_ms = std::to_string(absl::ToInt64Milliseconds(target_.connect_timeout));
  // What the url says comes last and wins. The keepalives find a peer that vanished from an idle connection within
  // some ten seconds; the user timeout one that vanished while something was sent, a first packet included.
  const std::pair<const char*, const char*> settings[] = {
      {"keepalives", "1"},
      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", connect_ms.c_str()},
      // Looking for a Kerberos ticket that nobody has takes longer than all the rest of connecting.
      {"gssencmode", "disable"},
      // Of several hosts the one that takes writes: after a failover the others answer as well, with what is old.
      {"target_session_attrs", "read-write"},
      {"fallback_application_name", target_.application.c_str()},
      {"dbname", target_.url.c_str()},
      {"client_encoding", "UTF8"},
  };
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : settings) {
    keywords.push_back(keyword);
    values.push_back(value);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1));
  if (connection_ == nullptr) return absl::ResourceExhaustedError("out of memory");
  // At its most verbose the message has the SQLSTATE, which libpq gives no other way before there is a connection.
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
  const std::string_view hosts = PQhost(connection_.get()) != nullptr ? PQhost(connection_.get()) : "";
  const auto host_count = 1 + std::count(target_.url.begin(), target_.url.end(), ',');
  const absl::Time deadline = clock::SteadyNow() + target_.connect_timeout * host_count;

  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return ExplainConnect();
  while (state != PGRES_POLLING_OK) {
    pollfd descriptor{PQsocket(connection_.get()), state == PGRES_POLLING_READING ? short{POLLIN} : short{POLLOUT}, 0};
    const int ready = poll(&descriptor, 1, PollTimeout(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (clock::SteadyNow() > deadline) {
      return PostgresStatus("", fmt::format("PostgreSQL at {}:{}", hosts, PQport(connection_.get())),
                            fmt::format("no answer within {}", absl::FormatDuration(target_.connect_timeout)));
    }
    if (ready == 0) continue;
    state = PQconnectPoll(connection_.get());
    if (state == PGRES_POLLING_FAILED) return ExplainConnect();
  }
  where_ = fmt::format("PostgreSQL at {}:{}/{}", PQhost(connection_.get()), PQport(connection_.get()),
                       PQdb(connection_.get()));
  PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
  if (PQsetnonblocking(connection_.get(), 1) != 0) return Broken(PQerrorMessage(connection_.get()));
  return absl::OkStatus();
}

absl::Status PostgresConnection::ExplainConnect() const {
  const std::string_view message = PQerrorMessage(connection_.get());
  // libpq names the server itself.
  const std::string line = OneLine(message);
  const std::string sqlstate = SqlStateOfConnect(message);
  if (!sqlstate.empty()) return PostgresStatus(sqlstate, "PostgreSQL", line);
  // A value in the url that libpq cannot read, before it has tried anything.
  if (absl::StartsWith(line, "invalid ")) return absl::InvalidArgumentError(line);
  if (PQconnectionNeedsPassword(connection_.get()) == 1) return PostgresStatus("28P01", "PostgreSQL", line);
  return PostgresStatus("", "PostgreSQL", line);
}

absl::Status PostgresConnection::Execute(const std::string& sql) {
  const absl::Time deadline = Deadline();
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) return Broken(PQerrorMessage(connection_.get()));
  if (absl::Status flushed = Flush(deadline); !flushed.ok()) return flushed;
  return Receive(deadline).status();
}

absl::Status PostgresConnection::Prepare(absl::Span<const PostgresStatement> statements) {
  const absl::Time deadline = Deadline();
  if (PQenterPipelineMode(connection_.get()) != 1) return Broken(PQerrorMessage(connection_.get()));
  for (const PostgresStatement& statement : statements) {
    if (PQsendPrepare(connection_.get(), statement.name, statement.sql, 0, nullptr) != 1) {
      return Broken(PQerrorMessage(connection_.get()));
    }
  }
  if (PQpipelineSync(connection_.get()) != 1) return Broken(PQerrorMessage(connection_.get()));
  if (absl::Status flushed = Flush(deadline); !flushed.ok()) return flushed;
  return Receive(deadline).status();
}

absl::StatusOr<std::vector<PostgresResult>> PostgresConnection::Run(absl::Span<const PostgresCall> calls) {
  for (const PostgresCall& call : calls) {
    if (const size_t bytes = call.parameters.total_bytes(); bytes > kMaxMessageBytes) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} bytes at once are more than PostgreSQL takes ({})", where_, bytes, kMaxMessageBytes));
    }
  }
  const absl::Time deadline = Deadline();
  if (PQenterPipelineMode(connection_.get()) != 1) return Broken(PQerrorMessage(connection_.get()));
  for (const PostgresCall& call : calls) {
    if (absl::Status sent = Send(call); !sent.ok()) return sent;
  }
  if (PQpipelineSync(connection_.get()) != 1) return Broken(PQerrorMessage(connection_.get()));
  if (absl::Status flushed = Flush(deadline); !flushed.ok()) return flushed;
  absl::StatusOr<std::vector<PostgresResult>> results = Receive(deadline);
  if (results.ok() && results->size() != calls.size()) {
    return Broken(fmt::format("{} results for {} statements", results->size(), calls.size()));
  }
  return results;
}

absl::Status PostgresConnection::Send(const PostgresCall& call) {
  const std::vector<const char*> values = call.parameters.Pointers();
  const std::vector<int> lengths = call.parameters.Lengths();
  const std::vector<int> formats(call.parameters.count(), kBinary);
  const int count = static_cast<int>(call.parameters.count());
  const int sent = call.is_prepared ? PQsendQueryPrepared(connection_.get(), call.text, count, values.data(),
                                                          lengths.data(), formats.data(), kBinary)
                                    : PQsendQueryParams(connection_.get(), call.text, count, nullptr, values.data(),
                                                        lengths.data(), formats.data(), kBinary);
  return sent == 1 ? absl::OkStatus() : Broken(PQerrorMessage(connection_.get()));
}

absl::StatusOr<std::vector<PostgresResult>> PostgresConnection::Receive(absl::Time deadline) {
  const bool pipeline = PQpipelineStatus(connection_.get()) != PQ_PIPELINE_OFF;
  std::vector<PostgresResult> results;
  absl::Status failed = absl::OkStatus();
  while (true) {
    const absl::StatusOr<pg_result*> next = NextResult(deadline);
    if (!next.ok()) return failed.ok() ? next.status() : failed;
    if (*next == nullptr) {
      // The end of one statement's results; without a pipeline the end of all.
      if (PQstatus(connection_.get()) == CONNECTION_BAD) return failed.ok() ? Broken(kLost) : failed;
      if (pipeline) continue;
      break;
    }
    PostgresResult result(*next);
    const ExecStatusType status = PQresultStatus(*next);
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      results.push_back(std::move(result));
    } else if (status == PGRES_FATAL_ERROR && failed.ok()) {
      const char* sqlstate = PQresultErrorField(*next, PG_DIAG_SQLSTATE);
      const char* primary = PQresultErrorField(*next, PG_DIAG_MESSAGE_PRIMARY);
      failed = PostgresStatus(sqlstate != nullptr ? sqlstate : "", where_,
                              primary != nullptr ? std::string(primary) : OneLine(PQresultErrorMessage(*next)));
      if (PQstatus(connection_.get()) == CONNECTION_BAD || EndsConnection(failed)) broken_ = true;
      if (PQstatus(connection_.get()) == CONNECTION_BAD) return failed;
    }
  }
  if (pipeline && PQexitPipelineMode(connection_.get()) != 1) return Broken(PQerrorMessage(connection_.get()));
  if (!failed.ok()) return failed;
  return results;
}

absl::Status PostgresConnection::Wait(bool to_write, absl::Time deadline) {
  // TLS may hold back the rest of what the socket has given it already, for which the socket will never be readable.
  const bool look_again = PQsslInUse(connection_.get()) == 1 && !to_write;
  while (true) {
    pollfd descriptor{PQsocket(connection_.get()), to_write ? short{POLLIN | POLLOUT} : short{POLLIN}, 0};
    const int longest = PollTimeout(deadline);
    const int ready = poll(&descriptor, 1, look_again ? std::min(longest, kLookAgainMs) : longest);
    if (ready < 0 && errno != EINTR) return Broken("waiting for the server failed");
    if (ready > 0 || (ready == 0 && look_again && clock::SteadyNow() < deadline)) {
      // Read also while there is something to write: a server that cannot get rid of its answers reads no more.
      if ((descriptor.revents & POLLOUT) != 0 && (descriptor.revents & POLLIN) == 0) return absl::OkStatus();
      if (PQconsumeInput(connection_.get()) != 1) return Broken(OneLine(PQerrorMessage(connection_.get())));
      return absl::OkStatus();
    }
    if (clock::SteadyNow() >= deadline) {
      return Broken(fmt::format("no answer within {}", absl::FormatDuration(target_.statement_timeout + kGrace)));
    }
  }
}

absl::Status PostgresConnection::Flush(absl::Time deadline) {
  while (true) {
    const int left = PQflush(connection_.get());
    if (left == 0) return absl::OkStatus();
    if (left < 0) return Broken(OneLine(PQerrorMessage(connection_.get())));
    if (absl::Status waited = Wait(/*to_write=*/true, deadline); !waited.ok()) return waited;
  }
}

absl::StatusOr<pg_result*> PostgresConnection::NextResult(absl::Time deadline) {
  while (PQisBusy(connection_.get()) == 1) {
    if (absl::Status waited = Wait(/*to_write=*/false, deadline); !waited.ok()) return waited;
  }
  return PQgetResult(connection_.get());
}

absl::Status PostgresConnection::Broken(std::string_view detail) {
  broken_ = true;
  return PostgresStatus("", where_, detail);
}

absl::Time PostgresConnection::Deadline() const { return clock::SteadyNow() + target_.statement_timeout + kGrace; }

void PostgresConnection::NoticeClosing() {
  if (broken_) return;
  pollfd descriptor{PQsocket(connection_.get()), POLLIN, 0};
  if (poll(&descriptor, 1, 0) == 0) return;
  // A closed connection reads as its farewell and then its end, which take one call each.
  for (int i = 0; i < 2; ++i) {
    if (PQconsumeInput(connection_.get()) != 1 || PQstatus(connection_.get()) == CONNECTION_BAD) broken_ = true;
  }
}

int PostgresConnection::server_version() const { return PQserverVersion(connection_.get()); }

std::string PostgresConnection::Quote(std::string_view name) const {
  char* const quoted = PQescapeIdentifier(connection_.get(), name.data(), name.size());
  std::string text = quoted != nullptr ? quoted : "";
  PQfreemem(quoted);
  return text;
}

}  // namespace tradewind::store
