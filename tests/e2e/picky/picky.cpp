// A subscriber that fails on demand: events of a user whose id is a line of the file PICKY_FAIL are to be retried, and
// the handler of those of a user whose id is such a line behind "hang " does not return before that line is gone. All
// others are written to the file PICKY_LOG as "<user> <order> <event>". Started by test_parked.py.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "absl/time/time.h"

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

namespace {

namespace order = tradewind::order::v1;

bool IsTold(const std::string& told) {
  std::ifstream file(std::getenv("PICKY_FAIL"));
  for (std::string line; std::getline(file, line);) {
    if (line == told) return true;
  }
  return false;
}

template <typename Event>
tradewind::Outcome Handle(const Event& event, tradewind::Context&) {
  // A user id whose events kill the process.
  const char* deadly = std::getenv("PICKY_DIES_OF");
  if (deadly != nullptr && event.user_id() == deadly) std::abort();
  while (IsTold("hang " + event.user_id())) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (IsTold(event.user_id())) return tradewind::Retry(absl::ZeroDuration(), "picky about " + event.user_id());
  std::ofstream log(std::getenv("PICKY_LOG"), std::ios::app);
  log << event.user_id() << ' ' << event.order_id() << ' ' << Event::descriptor()->name() << std::endl;
  return tradewind::Ack();
}

}  // namespace

int main(int argc, char** argv) {
  if (std::getenv("PICKY_FAIL") == nullptr || std::getenv("PICKY_LOG") == nullptr) return 2;
  auto app = tradewind::App("picky", argc, argv);
  app.On<order::OrderCreated>(Handle<order::OrderCreated>);
  app.On<order::OrderReserved>(Handle<order::OrderReserved>);
  app.On<order::OrderConfirmed>(Handle<order::OrderConfirmed>);
  app.On<order::OrderCancelRequested>(Handle<order::OrderCancelRequested>);
  app.On<order::OrderCancelled>(Handle<order::OrderCancelled>);
  return app.Run();
}
