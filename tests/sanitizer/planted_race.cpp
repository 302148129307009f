// A data race on purpose: two threads write one number and nothing orders them. `tests/run sanitizers` expects
// ThreadSanitizer to catch it, which shows that the flags of the preset are at work.
#include <cstdio>
#include <thread>

namespace {

int g_unguarded = 0;

void WriteOften() {
  for (int i = 0; i < 1000; ++i) {
    g_unguarded += i;
  }
}

}  // namespace

int main() {
  std::thread other(WriteOften);
  WriteOften();
  other.join();
  std::printf("%d\n", g_unguarded);
  return 0;
}
