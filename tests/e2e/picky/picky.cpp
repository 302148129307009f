// A subscriber that fails on demand: events of a user whose id is a line of the file PICKY_FAIL are to be retried,
// those of any other are written to the file PICKY_LOG as "<user> <order> <event>". Started by test_parked.py.
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/time/time.h"

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

namespace {

namespace order = tradewind::order::v1;

bool IsToFail(const std::string& user) {
  std::ifstream file(std::getenv("PICKY_FAIL"));
  for (std::string line; std::getline(file, line);) {
    if (line == user) return true;
  }
  return false;
}

template <typename Event>
tradewind::Outcome Handle(const Event& event, tradewind::Context&) {
  // A user id whose events kill the process.
  const char* deadly = std::getenv("PICKY_DIES_OF");
  if (deadly != nullptr && event.user_id() == deadly) std::abort();
  if (IsToFail(event.user_id())) return tradewind::Retry(absl::ZeroDuration(), "picky about " + event.user_id());
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
