// A subscriber of the chaos run: writes down which events of a key it saw, in which order and when. Of some orders it
// cannot take the confirmation: for kLateFor, where the product is "late"; never, where it is "dead". While an order
// can still go on it sets a timer at each of its events, which replaces that of the event before, and writes down the
// message of the timer like an event; where an order is called off, shipped or at its end it cancels the timer.
#include <fmt/format.h>

#include <chrono>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"

#include "tests/chaos/ledger/ledger.pb.h"
#include "tests/chaos/ledger/work.h"
#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

namespace {

namespace chaos = tradewind::chaos::v1;
namespace order = tradewind::order::v1;

constexpr absl::Duration kLateFor = absl::Seconds(1);
// Longer than most orders wait between two events when all is well, and shorter than most faults last.
constexpr absl::Duration kRemindAfter = absl::Seconds(3);
constexpr char kReminder[] = "reminder";
// What a handler that computes something takes, so that faults meet batches that are under way.
constexpr std::chrono::milliseconds kWork{2};

tradewind::Outcome WriteDown(tradewind::Context& context) {
  tradewind::chaos::Work(kWork);
  const auto journal = context.Load<chaos::Journal>(context.key());
  journal->set_length(journal->length() + 1);
  const auto entry = context.Load<chaos::JournalEntry>(fmt::format("{}#{}", context.key(), journal->length()));
  entry->set_event_id(std::string(context.event_id()));
  entry->set_time_us(absl::ToUnixMicros(context.now()));
  return tradewind::Ack();
}

tradewind::Outcome WriteDownAndRemind(tradewind::Context& context) {
  context.SetTimer(kReminder, context.now() + kRemindAfter, chaos::Reminder());
  return WriteDown(context);
}

tradewind::Outcome WriteDownAndSettle(tradewind::Context& context) {
  context.CancelTimer(kReminder);
  return WriteDown(context);
}

tradewind::Outcome OnConfirmed(const order::OrderConfirmed& event, tradewind::Context& context) {
  using google::protobuf::util::TimeUtil;
  const std::string& product = event.lines(0).product_id();
  if (product == "dead") return tradewind::Dead("a dead product");
  const absl::Time happened = absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(event.confirm_time()));
  if (product == "late" && context.now() < happened + kLateFor) return tradewind::Retry({}, "a late product");
  return WriteDownAndRemind(context);
}

template <typename... Events>
void OnEach(tradewind::App& app, tradewind::Outcome (*handle)(tradewind::Context&)) {
  (app.On<Events>([handle](const Events& /*event*/, tradewind::Context& context) { return handle(context); }), ...);
}

}  // namespace

int main(int argc, char** argv) {
  auto app = tradewind::App("auditor", argc, argv);
  app.On<order::OrderConfirmed>(OnConfirmed);
  OnEach<order::OrderCreated, order::OrderReserved>(app, WriteDownAndRemind);
  OnEach<order::OrderRejected, order::OrderCancelRequested, order::OrderCancelled, order::OrderShipped,
         order::OrderDelivered>(app, WriteDownAndSettle);
  OnEach<chaos::Booked>(app, WriteDown);
  app.OnTimer<chaos::Reminder>(
      [](const chaos::Reminder& /*timer*/, tradewind::Context& context) { return WriteDown(context); });
  return app.Run();
}
