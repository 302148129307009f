// One typed configuration from a YAML file, TRADEWIND_* environment variables and flags, in rising order of
// precedence. A field is described once; its YAML place, its variable, its flag, its line in --help and its check all
// follow from that.
//
//   struct HttpConfig { std::string address = "127.0.0.1:8080"; absl::Duration timeout = absl::Seconds(5); };
//   void Describe(config::Schema& schema, HttpConfig& config) {
//     auto section = schema.Section("http", "HTTP front door.");
//     section.Field("address", &config.address, "host:port to listen on");
//     section.Field("timeout", &config.timeout, "longest request").Min(absl::Milliseconds(1));
//   }
//
// gives `http: {timeout: 2s}` in YAML, TRADEWIND_HTTP_TIMEOUT=2s and --http.timeout=2s. YAML keys and flags that nobody
// described are refused with the nearest known name. So is a TRADEWIND_* variable within two letters of a known one;
// others are let pass, because executables with different settings share one environment (Docker Compose, tests).
// TRADEWIND_CONFIG names the YAML file where --config does not, and TRADEWIND_TEST_* belongs to the tests.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/net/host_port.h"

namespace tradewind::config {

// A text that --print-config and logs show as "******".
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& value() const { return value_; }

 private:
  std::string value_;
};

// A size in bytes, written "64MiB", "10kB" or a plain number.
struct ByteSize {
  int64_t bytes = 0;
  // clang-tidy 14 takes the zero of a three-way comparison for a pointer. NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const ByteSize&, const ByteSize&) = default;
};

// What Min and Max can be said of.
template <typename T>
concept Ordered = std::same_as<T, int32_t> || std::same_as<T, int64_t> || std::same_as<T, double> ||
    std::same_as<T, absl::Duration> || std::same_as<T, ByteSize>;
// What OneOf can be said of; of a list, each element.
template <typename T>
concept Listable = std::same_as<T, std::string> || std::same_as<T, int32_t> || std::same_as<T, int64_t> ||
    std::same_as<T, std::vector<std::string>>;
// What NotEmpty can be said of.
template <typename T>
concept MayBeEmpty = std::same_as<T, std::string> || std::same_as<T, Secret> ||
    std::same_as<T, std::vector<std::string>> || std::same_as<T, std::map<std::string, std::string>>;

// What addresses can be said of: one, several separated by commas, or the values of a map.
template <typename T>
concept Addressable = std::same_as<T, std::string> || std::same_as<T, std::map<std::string, std::string>>;

class FieldBase;

// Adds checks to the field it was returned for. A default must pass them too: one that does not makes the setting one
// that has to be given.
template <typename T>
class FieldHandle {
 public:
  explicit FieldHandle(FieldBase* field) : field_(field) {}
  FieldHandle& Min(T minimum) requires Ordered<T>;
  FieldHandle& Max(T maximum) requires Ordered<T>;
  // Only these values, compared as text.
  FieldHandle& OneOf(std::vector<std::string> values) requires Listable<T>;
  FieldHandle& NotEmpty() requires MayBeEmpty<T>;
  // host:port at which this process listens, or empty for none. No two such fields of a schema may hold the same port.
  FieldHandle& ListensOn(net::Use use = net::Use::kListen) requires std::same_as<T, std::string>;
  // host:port of another process, or empty; of a map, each value. A target that names gRPC's way of resolving it
  // ("dns:///order:50053") is let pass.
  FieldHandle& Reaches() requires Addressable<T>;
  // As Kafka's clients read it: several of them, separated by commas, each with or without a port and "ssl://" or the
  // like.
  FieldHandle& ReachesBrokers() requires std::same_as<T, std::string>;

 private:
  FieldBase* field_;
};

class SchemaSection;
struct SchemaFields;

// The fields of one executable. The targets outlive it. Not thread-safe.
class Schema {
 public:
  Schema();
  ~Schema();
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;
  // `name` may be dotted, of lower-case words; it may be empty for settings outside any section. Asking again for a
  // section continues it.
  SchemaSection Section(std::string_view name, std::string_view help);
  // What one field cannot tell by itself: called once all have their values, also for --check-config. An error is what
  // Load then returns; it names the settings it is about.
  void Check(std::function<absl::Status()> check);

 private:
  friend class SchemaSection;
  friend class Loader;
  std::unique_ptr<SchemaFields> fields_;
};

class SchemaSection {
 public:
  // T: bool, int32_t, int64_t, double, std::string, absl::Duration ("250ms"), ByteSize, Secret,
  // std::vector<std::string> (YAML list, or comma-separated text), std::map<std::string, std::string> (YAML map, or
  // "a=b,c=d").
  template <typename T>
  FieldHandle<T> Field(std::string_view name, T* target, std::string_view help);

 private:
  friend class Schema;
  SchemaSection(Schema* schema, std::string prefix);
  Schema* schema_;
  std::string prefix_;
};

enum class Verb { kRun, kHelp, kVersion, kCheckConfig, kPrintConfig, kHealth };

struct Command {
  Verb verb = Verb::kRun;
  // What to print before exiting, for kHelp, kVersion and kPrintConfig.
  std::string output;
};

struct Program {
  std::string name;
  // One sentence for --help.
  std::string summary;
};

// Fills the targets from --config FILE, the environment and the flags, and tells what the command line asks for:
// nothing more, --help, --version, --check-config, --print-config or the verb `health`. --help and --version leave the
// targets alone. InvalidArgument with one line that names the setting, where it came from and what it may be; the
// targets are then unspecified. A value is refused even where another source overrides it. Internal where the schema
// itself is wrong: a field described twice. Reads the file and the environment; otherwise does not block.
absl::StatusOr<Command> Load(Schema& schema, const Program& program, int argc, const char* const* argv);

}  // namespace tradewind::config
