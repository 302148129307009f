// What a measuring program does about an error: says it and ends.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

namespace bench {

[[noreturn]] inline void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::_Exit(1);
}

inline void Check(const absl::Status& status, const char* what) {
  if (!status.ok()) Die(fmt::format("{}: {}", what, std::string(status.message())));
}

template <typename T>
T Must(absl::StatusOr<T> value, const char* what) {
  Check(value.status(), what);
  return *std::move(value);
}

}  // namespace bench
