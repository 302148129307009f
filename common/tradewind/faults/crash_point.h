// Named places where a test build can be told to die, so that a test can look at what comes after. Compiled in only
// where the tests are (TRADEWIND_TESTS); elsewhere a point is nothing at all.
//
//   TRADEWIND_CRASH_POINT("commit.after");
//
// TRADEWIND_CRASH_AT=commit.after in the environment kills the process with SIGKILL the first time it passes there,
// commit.after:7 the seventh time. README.md lists the points.
#pragma once

#ifdef TRADEWIND_CRASH_POINTS

#include <string_view>

namespace tradewind::faults {

// Thread-safe. Does not return where the process was told to die.
void PassCrashPoint(std::string_view name);

}  // namespace tradewind::faults

#define TRADEWIND_CRASH_POINT(name) ::tradewind::faults::PassCrashPoint(name)

#else

#define TRADEWIND_CRASH_POINT(name) static_cast<void>(0)

#endif
