// A subscriber of the chaos run: writes down which events of a key it saw, in which order. Of some orders it cannot
// take the confirmation: for kLateFor, where the product is "late"; never, where it is "dead".
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"

#include "tests/chaos/ledger/ledger.pb.h"
#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

namespace {

namespace chaos = tradewind::chaos::v1;
namespace order = tradewind::order::v1;

constexpr absl::Duration kLateFor = absl::Seconds(1);
// What a handler that computes something takes, so that faults meet batches that are under way.
constexpr std::chrono::milliseconds kWork{2};

tradewind::Outcome WriteDown(tradewind::Context& context) {
  std::this_thread::sleep_for(kWork);
  const auto journal = context.Load<chaos::Journal>(context.key());
  journal->set_length(journal->length() + 1);
  context.Load<chaos::JournalEntry>(fmt::format("{}#{}", context.key(), journal->length()))
      ->set_event_id(std::string(context.event_id()));
  return tradewind::Ack();
}

tradewind::Outcome OnConfirmed(const order::OrderConfirmed& event, tradewind::Context& context) {
  using google::protobuf::util::TimeUtil;
  const std::string& product = event.lines(0).product_id();
  if (product == "dead") return tradewind::Dead("a dead product");
  const absl::Time happened = absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(event.confirm_time()));
  if (product == "late" && context.now() < happened + kLateFor) return tradewind::Retry({}, "a late product");
  return WriteDown(context);
}

template <typename... Events>
void WriteDownEach(tradewind::App& app) {
  (app.On<Events>([](const Events& /*event*/, tradewind::Context& context) { return WriteDown(context); }), ...);
}

}  // namespace

int main(int argc, char** argv) {
  auto app = tradewind::App("auditor", argc, argv);
  app.On<order::OrderConfirmed>(OnConfirmed);
  WriteDownEach<order::OrderCreated, order::OrderReserved, order::OrderRejected, order::OrderCancelRequested,
                order::OrderCancelled, order::OrderShipped, order::OrderDelivered, chaos::Booked>(app);
  return app.Run();
}
