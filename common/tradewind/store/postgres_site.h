// The PostgreSQL server that the tests of PostgresStore share, and a schema in it for one test. ctest starts the
// server; see tests/integration/CMakeLists.txt.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "tradewind/store/postgres_connection.h"
#include "tradewind/store/postgres_store.h"

namespace tradewind::store {

class TestServer {
 public:
  // Throws where the tests were not started by ctest.
  static std::string Url() {
    static const std::string url = Script("url");
    return url;
  }
  // The url with another part in place of "user:password@host:port/database", each empty for what it is.
  static std::string UrlWith(const std::string& password, const std::string& port, const std::string& database) {
    const std::string url = Url();
    const size_t colon = url.find(':', url.find("://") + 3);
    const size_t at = url.find('@');
    const size_t slash = url.rfind('/');
    const size_t port_at = url.rfind(':');
    return url.substr(0, colon + 1) + (password.empty() ? url.substr(colon + 1, at - colon - 1) : password) +
           url.substr(at, port_at - at + 1) + (port.empty() ? url.substr(port_at + 1, slash - port_at - 1) : port) +
           "/" + (database.empty() ? url.substr(slash + 1) : database);
  }
  static int Port() {
    const std::string url = Url();
    return std::stoi(url.substr(url.rfind(':') + 1));
  }
  // As if it crashed, but at once.
  static void Stop() { Script("stop --immediate"); }
  static void Start() { Script("start --no-sync"); }

  static PostgresConfig Config() { return {.url = config::Secret(Url())}; }
  // A connection as some other program has one.
  static std::unique_ptr<PostgresConnection> Connect() {
    auto connection = PostgresConnection::Open({.url = Url(), .application = "test"});
    if (!connection.ok()) throw std::runtime_error(std::string(connection.status().message()));
    return *std::move(connection);
  }
  static void Execute(const std::string& sql) {
    const absl::Status done = Connect()->Execute(sql);
    if (!done.ok()) throw std::runtime_error(std::string(done.message()));
  }
  // The first column of the first row, a bigint.
  static int64_t Number(PostgresConnection& connection, const char* sql) {
    const PostgresCall call{sql, false, {}};
    const auto results = connection.Run({&call, 1});
    if (!results.ok()) throw std::runtime_error(std::string(results.status().message()));
    return results->front().Bigint(0, 0);
  }

 private:
  static std::string Script(const std::string& verb) {
    const char* const script = getenv("TRADEWIND_TEST_POSTGRES_SERVER");  // NOLINT(concurrency-mt-unsafe)
    const char* const folder = getenv("TRADEWIND_TEST_POSTGRES");         // NOLINT(concurrency-mt-unsafe)
    if (script == nullptr || folder == nullptr) {
      throw std::runtime_error("these tests need a server: start them by ctest, or see cmake/TradewindTargets.cmake");
    }
    const std::string command = std::string(script) + " " + verb + " --dir " + folder;
    // The server that a script starts keeps its standard error: only its output is read.
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string output;
    std::array<char, 256> part;
    while (fgets(part.data(), part.size(), pipe.get()) != nullptr) output += part.data();
    if (!output.empty() && output.back() == '\n') output.pop_back();
    if (output.empty()) throw std::runtime_error(command + " failed");
    return output;
  }
};

// A schema that no other test has.
class TemporarySchema {
 public:
  TemporarySchema() {
    static std::atomic<int> count = 0;
    name_ = "test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  }
  ~TemporarySchema() {
    const auto connection = PostgresConnection::Open({.url = TestServer::Url(), .application = "test"});
    if (connection.ok()) (void)(*connection)->Execute("DROP SCHEMA IF EXISTS " + Quoted() + " CASCADE");
  }
  TemporarySchema(const TemporarySchema&) = delete;
  TemporarySchema& operator=(const TemporarySchema&) = delete;

  const std::string& name() const { return name_; }
  std::string Quoted() const { return "\"" + name_ + "\""; }

 private:
  std::string name_;
};

}  // namespace tradewind::store
