#include "tradewind/faults/crash_point.h"

#ifdef TRADEWIND_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace tradewind::faults {
namespace {

struct Wish {
  Wish() {
    const char* wish = std::getenv("TRADEWIND_CRASH_AT");  // NOLINT(concurrency-mt-unsafe): nobody changes it.
    if (wish == nullptr) return;
    name = wish;
    const size_t colon = name.rfind(':');
    if (colon == std::string::npos) return;
    passes_left = std::atoi(name.c_str() + colon + 1);
    name.resize(colon);
  }
  std::string name;
  std::atomic<int> passes_left{1};
};

}  // namespace

void PassCrashPoint(std::string_view name) {
  static Wish wish;
  if (name != wish.name || --wish.passes_left != 0) return;
  // The one trace that it leaves, beside the exit status.
  std::fprintf(stderr, "crash point %s\n", wish.name.c_str());
  kill(getpid(), SIGKILL);
  while (true) {
  }
}

}  // namespace tradewind::faults

#endif
