#include "services/cli/new_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"

#include "services/cli/event_schema.h"
#include "services/cli/text.h"
#include "tradewind/mesh/v1/options.pb.h"

namespace tradewind::cli {
namespace {

namespace pb = google::protobuf;

constexpr std::string_view kPackage = "tradewind.";

// What may be no namespace, or one that would hide another.
constexpr std::array kReserved = {"absl",
                                  "alignas",
                                  "alignof",
                                  "and",
                                  "and_eq",
                                  "asm",
                                  "auto",
                                  "bitand",
                                  "bitor",
                                  "bool",
                                  "break",
                                  "case",
                                  "catch",
                                  "char",
                                  "char8_t",
                                  "char16_t",
                                  "char32_t",
                                  "class",
                                  "compl",
                                  "concept",
                                  "const",
                                  "consteval",
                                  "constexpr",
                                  "constinit",
                                  "const_cast",
                                  "continue",
                                  "co_await",
                                  "co_return",
                                  "co_yield",
                                  "decltype",
                                  "default",
                                  "delete",
                                  "do",
                                  "double",
                                  "dynamic_cast",
                                  "else",
                                  "enum",
                                  "explicit",
                                  "export",
                                  "extern",
                                  "false",
                                  "float",
                                  "for",
                                  "friend",
                                  "goto",
                                  "google",
                                  "grpc",
                                  "if",
                                  "inline",
                                  "int",
                                  "long",
                                  "main",
                                  "mutable",
                                  "namespace",
                                  "new",
                                  "noexcept",
                                  "not",
                                  "not_eq",
                                  "nullptr",
                                  "operator",
                                  "or",
                                  "or_eq",
                                  "private",
                                  "protected",
                                  "public",
                                  "register",
                                  "reinterpret_cast",
                                  "requires",
                                  "return",
                                  "short",
                                  "signed",
                                  "sizeof",
                                  "static",
                                  "static_assert",
                                  "static_cast",
                                  "std",
                                  "struct",
                                  "switch",
                                  "template",
                                  "testing",
                                  "this",
                                  "thread_local",
                                  "throw",
                                  "true",
                                  "try",
                                  "typedef",
                                  "typeid",
                                  "typename",
                                  "union",
                                  "unsigned",
                                  "using",
                                  "virtual",
                                  "void",
                                  "volatile",
                                  "wchar_t",
                                  "while",
                                  "xor",
                                  "xor_eq"};

// Functions of the C library, which a namespace of that name would collide with: those that a service might be called.
constexpr std::array kLibraryFunctions = {
    "abort",     "abs",      "accept", "access", "acct",   "alarm",    "bind",   "brk",  "ceil",     "clock",  "clone",
    "close",     "connect",  "cos",    "crypt",  "daemon", "daylight", "div",    "dup",  "environ",  "erf",    "exit",
    "exp",       "floor",    "fork",   "free",   "gamma",  "index",    "kill",   "link", "listen",   "log",    "nice",
    "open",      "pause",    "pipe",   "pow",    "printf", "puts",     "raise",  "rand", "random",   "read",   "recv",
    "remainder", "remove",   "rename", "revoke", "rewind", "round",    "select", "send", "shutdown", "signal", "sin",
    "sleep",     "socket",   "splice", "stat",   "swab",   "sync",     "system", "tan",  "tee",      "time",   "times",
    "timezone",  "truncate", "unlink", "wait",   "write"};

bool IsWellFormed(std::string_view name) {
  if (name.empty() || name.size() > kMaxServiceName || !absl::ascii_islower(name.front())) return false;
  if (name.ends_with('_') || name.find("__") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char letter) {
    return absl::ascii_islower(letter) || absl::ascii_isdigit(letter) || letter == '_';
  });
}

// Nothing where the message is no event that code can be written for.
std::optional<EventType> AsEvent(const pb::Descriptor& type) {
  const mesh::v1::MessageRule& rule = type.options().GetExtension(mesh::v1::message);
  const std::string_view file = type.file()->name();
  const std::string_view folder = "tradewind/";
  if (rule.key().empty() || rule.topic().find(".events.") == std::string::npos) return std::nullopt;
  if (!file.starts_with(folder) || type.containing_type() != nullptr) return std::nullopt;
  const std::string_view below = file.substr(folder.size());
  return EventType{.type = &type, .key = rule.key(), .domain = std::string(below.substr(0, below.find('/')))};
}

std::vector<EventType> EventsOf(const EventSchema& schema) {
  std::vector<EventType> events;
  for (const auto& [topic, types] : schema.topics()) {
    for (const std::string& name : types) {
      const pb::Descriptor* type = schema.Find(name);
      if (const auto event = type == nullptr ? std::nullopt : AsEvent(*type); event.has_value()) {
        events.push_back(*event);
      }
    }
  }
  return events;
}

// Without what all of them begin with.
std::string ShortName(const EventType& event) {
  const std::string& name = event.type->full_name();
  return name.starts_with(kPackage) ? name.substr(kPackage.size()) : name;
}

std::vector<std::string> ShortNames(const std::vector<EventType>& events) {
  std::vector<std::string> names;
  for (const EventType& event : events) names.push_back(ShortName(event));
  return names;
}

// What to type instead.
std::string Advice(const std::vector<EventType>& events, std::string_view typed) {
  std::vector<std::string> near = NearNames(typed, ShortNames(events));
  if (near.empty()) {
    // Perhaps the package is what is wrong, and the last part is not.
    std::vector<std::string> lasts;
    for (const EventType& event : events) lasts.push_back(event.type->name());
    for (const std::string& last : NearNames(typed.substr(typed.rfind('.') + 1), lasts)) {
      for (const EventType& event : events) {
        if (event.type->name() == last) near.push_back(ShortName(event));
      }
    }
  }
  if (!near.empty()) return fmt::format("did you mean {}?", fmt::join(near, ", "));
  return fmt::format("there are {}", fmt::join(ShortNames(events), ", "));
}

}  // namespace

absl::Status CheckServiceName(std::string_view name, const std::set<std::string, std::less<>>& taken) {
  if (!IsWellFormed(name)) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' cannot be the name of a service: it is made of lower-case letters, digits and single "
        "underscores, begins with a letter, ends with none of the underscores and has at most {} characters",
        Printable(name), kMaxServiceName));
  }
  if (taken.contains(name)) {
    return absl::AlreadyExistsError(fmt::format("there is a service '{}' already; choose another name", name));
  }
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
      std::find(kLibraryFunctions.begin(), kLibraryFunctions.end(), name) != kLibraryFunctions.end()) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' cannot be the name of a service: it would be a C++ namespace, and there the word means "
                    "something else; choose another name",
                    name));
  }
  return absl::OkStatus();
}

absl::StatusOr<EventType> FindEventType(const EventSchema& schema, std::string_view typed) {
  const std::vector<EventType> events = EventsOf(schema);
  std::vector<EventType> found;
  for (const EventType& event : events) {
    const bool by_full_name = event.type->full_name() == typed || ShortName(event) == typed;
    if (by_full_name) return event;
    if (event.type->name() == typed) found.push_back(event);
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("--on {}: there are several; say which: {}", Printable(typed), fmt::join(ShortNames(found), ", ")));
  }
  return absl::InvalidArgumentError(
      fmt::format("--on: there is no event type '{}'; {}", Printable(typed), Advice(events, typed)));
}

std::pair<int, int> DefaultPorts(std::string_view name) {
  // FNV-1a: the same everywhere and for ever, which std::hash is not.
  uint32_t hash = 2166136261;
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619;
  const int place = static_cast<int>(hash % 900);
  return {28100 + place, 29100 + place};
}

}  // namespace tradewind::cli
