#include "tests/chaos/ledger/work.h"

#include <pthread.h>

#include <array>
#include <thread>

namespace tradewind::chaos {

void Work(std::chrono::milliseconds time) {
  // Linux: at most 15 bytes and a null byte.
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  pthread_setname_np(pthread_self(), "at work");
  std::this_thread::sleep_for(time);
  pthread_setname_np(pthread_self(), name.data());
}

}  // namespace tradewind::chaos
