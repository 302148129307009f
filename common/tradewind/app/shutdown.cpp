#include "tradewind/app/shutdown.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <thread>

#include "absl/time/clock.h"

#include "tradewind/app/logger.h"
#include "tradewind/clock/steady_now.h"

namespace tradewind {
namespace {

int OpenSignalFd() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  // From a terminal that goes away. Who starts a process with nohup has it ignored, blocked or not.
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

ShutdownSignal::ShutdownSignal() : signal_fd_(OpenSignalFd()), request_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // A client that goes away while it is written to is that call's error, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
}

ShutdownSignal::~ShutdownSignal() {
  close(signal_fd_);
  close(request_fd_);
}

bool ShutdownSignal::WaitFor(absl::Duration timeout) {
  // Neither descriptor is ever read: once asked, every later call says so at once.
  pollfd descriptors[] = {{signal_fd_, POLLIN, 0}, {request_fd_, POLLIN, 0}};
  const absl::Time deadline = clock::SteadyNow() + timeout;
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(absl::Ceil(deadline - clock::SteadyNow(), absl::Milliseconds(1)));
    const int ready = poll(descriptors, 2, static_cast<int>(std::clamp<int64_t>(left, 0, 60'000)));
    if (ready > 0) return true;
    if (clock::SteadyNow() >= deadline) return false;
  }
}

void ShutdownSignal::Request() { eventfd_write(request_fd_, 1); }

void StartWatchdog(absl::Duration deadline) {
  std::thread([deadline] {
    absl::SleepFor(deadline);
    kLog.Error("the process did not end in time; what it had committed is safe", {{"deadline", deadline}});
    ExitNow(1);
  }).detach();
}

void ExitNow(int code) {
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace tradewind
