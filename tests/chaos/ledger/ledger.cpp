// A subscriber of the chaos run: for every order that is confirmed, money goes from the user's account to a merchant's,
// and back when it is cancelled; one that is cancelled before it was confirmed moves none. Users are many and have
// their bookings in order; merchants are few, so that tasks meet on them and their writes conflict.
#include <fmt/format.h>

#include <chrono>
#include <string>

#include "tests/chaos/ledger/ledger.pb.h"
#include "tests/chaos/ledger/work.h"
#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

namespace {

namespace chaos = tradewind::chaos::v1;
namespace order = tradewind::order::v1;

constexpr int kMerchants = 5;
// What a handler that computes something takes, so that faults meet batches that are under way.
constexpr std::chrono::milliseconds kWork{4};

void Book(const std::string& key, int64_t amount, tradewind::Context& context) {
  const auto account = context.Load<chaos::Account>(key);
  account->set_balance(account->balance() + amount);
  account->set_bookings(account->bookings() + 1);
  chaos::Booked booked;
  booked.set_account(key);
  booked.set_number(account->bookings());
  booked.set_balance(account->balance());
  booked.set_amount(amount);
  booked.set_cause(std::string(context.event_id()));
  context.Emit(booked);
}

tradewind::Outcome Transfer(const std::string& user, const std::string& order_id, int64_t amount,
                            tradewind::Context& context) {
  tradewind::chaos::Work(kWork);
  Book(user, -amount, context);
  Book(fmt::format("merchant-{}", order_id.back() % kMerchants), amount, context);
  return tradewind::Ack();
}

tradewind::Outcome OnConfirmed(const order::OrderConfirmed& event, tradewind::Context& context) {
  context.Load<chaos::Charge>(event.order_id())->set_amount(event.total().units());
  return Transfer(event.user_id(), event.order_id(), event.total().units(), context);
}

// A user's events are taken in their order: an order that was confirmed has its charge by now.
tradewind::Outcome OnCancelled(const order::OrderCancelled& event, tradewind::Context& context) {
  const auto charge = context.Load<chaos::Charge>(event.order_id());
  if (!charge.exists()) return tradewind::Ack();
  const int64_t amount = charge->amount();
  charge.Remove();
  return Transfer(event.user_id(), event.order_id(), -amount, context);
}

}  // namespace

int main(int argc, char** argv) {
  auto app = tradewind::App("ledger", argc, argv);
  app.On<order::OrderConfirmed, chaos::Booked>(OnConfirmed).KeyedBy(&order::OrderConfirmed::user_id);
  app.On<order::OrderCancelled, chaos::Booked>(OnCancelled).KeyedBy(&order::OrderCancelled::user_id);
  return app.Run();
}
