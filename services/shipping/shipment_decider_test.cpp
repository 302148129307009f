#include "services/shipping/shipment_decider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

#include "tradewind/testing/fake_context.h"

namespace tradewind::shipping {
namespace {

using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using Kind = Outcome::Kind;

// Without the prefix, which is long.
constexpr v1::ShipmentState kNone = v1::SHIPMENT_STATE_UNSPECIFIED;
constexpr v1::ShipmentState kPreparing = v1::SHIPMENT_STATE_PREPARING;
constexpr v1::ShipmentState kInTransit = v1::SHIPMENT_STATE_IN_TRANSIT;
constexpr v1::ShipmentState kDelivered = v1::SHIPMENT_STATE_DELIVERED;
constexpr v1::ShipmentState kReturned = v1::SHIPMENT_STATE_RETURNED;
constexpr v1::ShipmentState kCancelled = v1::SHIPMENT_STATE_CANCELLED;

order::v1::OrderConfirmed Confirmed() {
  order::v1::OrderConfirmed event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  for (const auto& [product, quantity] : {std::pair("tea", 2), std::pair("pot", 1)}) {
    order::v1::OrderLine& line = *event.add_lines();
    line.set_product_id(product);
    line.set_quantity(quantity);
    line.mutable_unit_price()->set_currency_code("EUR");
  }
  return event;
}

order::v1::OrderCancelRequested CancelRequested() {
  order::v1::OrderCancelRequested event;
  event.set_order_id("o-1");
  event.set_user_id("u-1");
  event.set_reason("changed my mind");
  return event;
}

v1::UpdateShipmentRequest Update(v1::ShipmentState state, const std::string& carrier = "",
                                 const std::string& tracking_number = "") {
  v1::UpdateShipmentRequest command;
  command.set_id("o-1");
  command.set_state(state);
  command.set_carrier(carrier);
  command.set_tracking_number(tracking_number);
  return command;
}

class ShipmentDeciderTest : public ::testing::Test {
 protected:
  template <typename Message>
  Outcome Run(const Message& message) {
    return context_->Decide<ShipmentDecider>(message);
  }

  // Of the fourth revision, whatever was there before; kNone is no shipment at all.
  void GivenShipmentIn(v1::ShipmentState state) {
    context_.emplace();
    if (state == kNone) return;
    v1::Shipment shipment;
    shipment.set_id("o-1");
    shipment.set_user_id("u-1");
    shipment.set_state(state);
    shipment.set_carrier("Swift");
    shipment.set_tracking_number("S-1");
    shipment.set_revision(4);
    *shipment.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(1'000'000);
    *shipment.mutable_update_time() = TimeUtil::MicrosecondsToTimestamp(2'000'000);
    context_->Put("o-1", shipment);
  }

  const v1::Shipment* Shipment() const { return context_->Find<v1::Shipment>("o-1"); }
  int64_t Now() const { return absl::ToUnixMicros(context_->now()); }

  std::optional<testing::FakeContext> context_{std::in_place};
};

TEST_F(ShipmentDeciderTest, PreparesWhatWasOrdered) {
  ASSERT_EQ(Run(Confirmed()).kind(), Kind::kAck);

  const auto* shipment = Shipment();
  ASSERT_NE(shipment, nullptr);
  EXPECT_EQ(shipment->id(), "o-1");
  EXPECT_EQ(shipment->user_id(), "u-1");
  EXPECT_EQ(shipment->state(), kPreparing);
  ASSERT_EQ(shipment->lines_size(), 2);
  EXPECT_EQ(shipment->lines(0).product_id(), "tea");
  EXPECT_EQ(shipment->lines(0).quantity(), 2);
  EXPECT_EQ(shipment->lines(1).product_id(), "pot");
  EXPECT_EQ(shipment->lines(1).quantity(), 1);
  EXPECT_EQ(shipment->revision(), 1);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(shipment->create_time()), Now());
  EXPECT_EQ(shipment->update_time(), shipment->create_time());

  ASSERT_EQ(context_->events().size(), 1);
  const auto events = context_->Events<v1::ShipmentCreated>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(events[0].create_time(), shipment->create_time());
}

TEST_F(ShipmentDeciderTest, DispatchesWithCarrierAndTrackingNumber) {
  ASSERT_EQ(Run(Confirmed()).kind(), Kind::kAck);
  const auto created = Shipment()->create_time();
  context_->set_now(context_->now() + absl::Hours(3));
  ASSERT_EQ(Run(Update(kInTransit, "Swift", "S-1")).kind(), Kind::kAck);

  EXPECT_EQ(Shipment()->state(), kInTransit);
  EXPECT_EQ(Shipment()->carrier(), "Swift");
  EXPECT_EQ(Shipment()->tracking_number(), "S-1");
  EXPECT_EQ(Shipment()->lines_size(), 2);
  EXPECT_EQ(Shipment()->revision(), 2);
  EXPECT_EQ(Shipment()->create_time(), created);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(Shipment()->update_time()), Now());
  ASSERT_NE(context_->Answer<v1::Shipment>(), nullptr);
  EXPECT_TRUE(MessageDifferencer::Equals(*context_->Answer<v1::Shipment>(), *Shipment()));

  const auto events = context_->Events<v1::ShipmentDispatched>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(events[0].carrier(), "Swift");
  EXPECT_EQ(events[0].tracking_number(), "S-1");
  EXPECT_EQ(events[0].dispatch_time(), Shipment()->update_time());
}

TEST_F(ShipmentDeciderTest, TellsOfTheArrival) {
  GivenShipmentIn(kInTransit);
  ASSERT_EQ(Run(Update(kDelivered)).kind(), Kind::kAck);
  const auto events = context_->Events<v1::ShipmentDelivered>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].deliver_time()), Now());
}

TEST_F(ShipmentDeciderTest, TellsOfTheReturn) {
  GivenShipmentIn(kInTransit);
  ASSERT_EQ(Run(Update(kReturned)).kind(), Kind::kAck);
  const auto events = context_->Events<v1::ShipmentReturned>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].return_time()), Now());
}

TEST_F(ShipmentDeciderTest, TellsThatTheParcelStays) {
  GivenShipmentIn(kPreparing);
  ASSERT_EQ(Run(CancelRequested()).kind(), Kind::kAck);
  const auto events = context_->Events<v1::ShipmentCancelled>();
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0].order_id(), "o-1");
  EXPECT_EQ(events[0].user_id(), "u-1");
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(events[0].cancel_time()), Now());
}

TEST_F(ShipmentDeciderTest, KeepsCarrierAndTrackingNumberWhereEmptyAndTakesNewOnesWithAChange) {
  GivenShipmentIn(kPreparing);
  ASSERT_EQ(Run(Update(kInTransit)).kind(), Kind::kAck);
  EXPECT_EQ(Shipment()->carrier(), "Swift");
  EXPECT_EQ(Shipment()->tracking_number(), "S-1");
  EXPECT_EQ(context_->Events<v1::ShipmentDispatched>()[0].carrier(), "Swift");
  EXPECT_EQ(context_->Events<v1::ShipmentDispatched>()[0].tracking_number(), "S-1");

  ASSERT_EQ(Run(Update(kDelivered, "", "S-2")).kind(), Kind::kAck);
  EXPECT_EQ(Shipment()->carrier(), "Swift");
  EXPECT_EQ(Shipment()->tracking_number(), "S-2");
}

TEST_F(ShipmentDeciderTest, AnswersTheStateItIsInAlreadyUnchanged) {
  for (const v1::ShipmentState state : {kInTransit, kDelivered, kReturned}) {
    GivenShipmentIn(state);
    const v1::Shipment before = *Shipment();
    ASSERT_EQ(Run(Update(state, "Slow", "X-9")).kind(), Kind::kAck);
    EXPECT_TRUE(context_->events().empty());
    EXPECT_TRUE(MessageDifferencer::Equals(*Shipment(), before));
    ASSERT_NE(context_->Answer<v1::Shipment>(), nullptr);
    EXPECT_TRUE(MessageDifferencer::Equals(*context_->Answer<v1::Shipment>(), before));
  }
}

// All that can happen to a shipment, written down once more: each message in each state.
enum class Result { kChanges, kNothing, kAnsweredAsItIs, kNotFound, kCannotFollow };

struct Expected {
  v1::ShipmentState before;
  Result result;
  v1::ShipmentState after;
};

class TransitionTest : public ShipmentDeciderTest {
 protected:
  template <typename Message>
  void Check(const Message& message, const Expected& expected) {
    SCOPED_TRACE(v1::ShipmentState_Name(expected.before) + " and " + message.ShortDebugString());
    GivenShipmentIn(expected.before);
    const int64_t revision = expected.before == kNone ? 0 : 4;
    const Outcome outcome = Run(message);
    const bool refused = expected.result == Result::kNotFound || expected.result == Result::kCannotFollow;
    EXPECT_EQ(outcome.kind(), refused ? Kind::kReject : Kind::kAck);
    CheckRefusal(outcome, expected);
    const bool changes = expected.result == Result::kChanges;
    EXPECT_EQ(context_->events().size(), changes ? 1 : 0);
    for (const auto& event : context_->events()) {
      EXPECT_EQ(event->GetDescriptor()->full_name(), EventOf(expected.after));
    }
    EXPECT_EQ(Shipment() == nullptr, expected.after == kNone);
    if (Shipment() == nullptr) return;
    EXPECT_EQ(Shipment()->state(), expected.after);
    EXPECT_EQ(Shipment()->revision(), revision + (changes ? 1 : 0));
    EXPECT_EQ(TimeUtil::TimestampToMicroseconds(Shipment()->update_time()), changes ? Now() : 2'000'000);
  }

  static void CheckRefusal(const Outcome& outcome, const Expected& expected) {
    if (outcome.kind() != Kind::kReject) return;
    const errors::Problem& problem = outcome.problem();
    if (expected.result == Result::kNotFound) {
      EXPECT_EQ(problem.code, absl::StatusCode::kNotFound);
      EXPECT_EQ(problem.reason, "SHIPMENT_NOT_FOUND");
      return;
    }
    EXPECT_EQ(problem.code, absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(problem.reason, "SHIPMENT_STATE");
    EXPECT_THAT(problem.metadata,
                ElementsAre(std::pair("id", "o-1"), std::pair("state", v1::ShipmentState_Name(expected.before))));
  }

  static std::string EventOf(v1::ShipmentState state) {
    static const std::map<v1::ShipmentState, std::string> kEvents = {
        {kPreparing, v1::ShipmentCreated::descriptor()->full_name()},
        {kInTransit, v1::ShipmentDispatched::descriptor()->full_name()},
        {kDelivered, v1::ShipmentDelivered::descriptor()->full_name()},
        {kReturned, v1::ShipmentReturned::descriptor()->full_name()},
        {kCancelled, v1::ShipmentCancelled::descriptor()->full_name()}};
    return kEvents.at(state);
  }
};

TEST_F(TransitionTest, OrderConfirmedCountsOnce) {
  Check(Confirmed(), {kNone, Result::kChanges, kPreparing});
  for (const auto state : {kPreparing, kInTransit, kDelivered, kReturned, kCancelled}) {
    Check(Confirmed(), {state, Result::kNothing, state});
  }
}

TEST_F(TransitionTest, OrderCancelRequestedStopsWhatHasNotLeft) {
  Check(CancelRequested(), {kNone, Result::kChanges, kCancelled});
  Check(CancelRequested(), {kPreparing, Result::kChanges, kCancelled});
  for (const auto state : {kInTransit, kDelivered, kReturned, kCancelled}) {
    Check(CancelRequested(), {state, Result::kNothing, state});
  }
}

TEST_F(TransitionTest, UpdateToInTransitFollowsPreparing) {
  Check(Update(kInTransit), {kNone, Result::kNotFound, kNone});
  Check(Update(kInTransit), {kPreparing, Result::kChanges, kInTransit});
  Check(Update(kInTransit), {kInTransit, Result::kAnsweredAsItIs, kInTransit});
  for (const auto state : {kDelivered, kReturned, kCancelled}) {
    Check(Update(kInTransit), {state, Result::kCannotFollow, state});
  }
}

TEST_F(TransitionTest, UpdateToDeliveredFollowsInTransit) {
  Check(Update(kDelivered), {kNone, Result::kNotFound, kNone});
  Check(Update(kDelivered), {kInTransit, Result::kChanges, kDelivered});
  Check(Update(kDelivered), {kDelivered, Result::kAnsweredAsItIs, kDelivered});
  for (const auto state : {kPreparing, kReturned, kCancelled}) {
    Check(Update(kDelivered), {state, Result::kCannotFollow, state});
  }
}

TEST_F(TransitionTest, UpdateToReturnedFollowsInTransit) {
  Check(Update(kReturned), {kNone, Result::kNotFound, kNone});
  Check(Update(kReturned), {kInTransit, Result::kChanges, kReturned});
  Check(Update(kReturned), {kReturned, Result::kAnsweredAsItIs, kReturned});
  for (const auto state : {kPreparing, kDelivered, kCancelled}) {
    Check(Update(kReturned), {state, Result::kCannotFollow, state});
  }
}

TEST_F(TransitionTest, UpdateNeverAsksForWhatFollowsFromTheOrder) {
  const auto unknown = static_cast<v1::ShipmentState>(99);
  for (const auto state : {kNone, kPreparing, kInTransit, kDelivered, kReturned, kCancelled}) {
    for (const auto asked : {kNone, kPreparing, kCancelled, unknown}) {
      GivenShipmentIn(state);
      const Outcome outcome = Run(Update(asked));
      ASSERT_EQ(outcome.kind(), Kind::kReject);
      EXPECT_EQ(outcome.problem().code, absl::StatusCode::kInvalidArgument);
      ASSERT_EQ(outcome.problem().violations.size(), 1);
      EXPECT_EQ(outcome.problem().violations[0].field, "state");
      EXPECT_EQ(outcome.problem().violations[0].description,
                "must be SHIPMENT_STATE_IN_TRANSIT, SHIPMENT_STATE_DELIVERED or SHIPMENT_STATE_RETURNED");
      EXPECT_TRUE(context_->events().empty());
    }
  }
}

TEST_F(ShipmentDeciderTest, SaysWhichStatesCanFollow) {
  GivenShipmentIn(kPreparing);
  EXPECT_EQ(Run(Update(kDelivered)).problem().message,
            "shipment 'o-1' is SHIPMENT_STATE_PREPARING and cannot become SHIPMENT_STATE_DELIVERED; what can follow is "
            "SHIPMENT_STATE_IN_TRANSIT");
  GivenShipmentIn(kCancelled);
  EXPECT_EQ(Run(Update(kInTransit)).problem().message,
            "shipment 'o-1' is SHIPMENT_STATE_CANCELLED and cannot become SHIPMENT_STATE_IN_TRANSIT; that state is its "
            "last");
}

// A customer calls the order off while the warehouse hands over the parcel: the first of the two messages decides.

TEST_F(ShipmentDeciderTest, CannotDispatchWhatWasCancelledBefore) {
  ASSERT_EQ(Run(Confirmed()).kind(), Kind::kAck);
  ASSERT_EQ(Run(CancelRequested()).kind(), Kind::kAck);
  EXPECT_EQ(context_->Events<v1::ShipmentCancelled>().size(), 1);

  const Outcome late = Run(Update(kInTransit, "Swift", "S-1"));
  ASSERT_EQ(late.kind(), Kind::kReject);
  EXPECT_EQ(late.problem().reason, "SHIPMENT_STATE");
  EXPECT_TRUE(context_->events().empty());
  EXPECT_EQ(Shipment()->state(), kCancelled);
  EXPECT_EQ(Shipment()->carrier(), "");
  EXPECT_EQ(Shipment()->revision(), 2);
}

TEST_F(ShipmentDeciderTest, CannotCancelWhatWasDispatchedBefore) {
  ASSERT_EQ(Run(Confirmed()).kind(), Kind::kAck);
  ASSERT_EQ(Run(Update(kInTransit, "Swift", "S-1")).kind(), Kind::kAck);
  EXPECT_EQ(context_->Events<v1::ShipmentDispatched>().size(), 1);

  ASSERT_EQ(Run(CancelRequested()).kind(), Kind::kAck);
  EXPECT_TRUE(context_->events().empty());
  EXPECT_EQ(Shipment()->state(), kInTransit);
  EXPECT_EQ(Shipment()->revision(), 2);
}

TEST_F(ShipmentDeciderTest, PreparesNothingForAnOrderThatWasCalledOffUnseen) {
  ASSERT_EQ(Run(CancelRequested()).kind(), Kind::kAck);
  ASSERT_NE(Shipment(), nullptr);
  EXPECT_EQ(Shipment()->id(), "o-1");
  EXPECT_EQ(Shipment()->user_id(), "u-1");
  EXPECT_TRUE(Shipment()->has_create_time());

  ASSERT_EQ(Run(Confirmed()).kind(), Kind::kAck);
  EXPECT_TRUE(context_->events().empty());
  EXPECT_EQ(Shipment()->state(), kCancelled);
  EXPECT_EQ(Shipment()->lines_size(), 0);
}

TEST(ShipmentIndexTest, ListsAShipmentWithAllAndWithItsUserByCreationTime) {
  v1::Shipment shipment;
  shipment.set_user_id("u-1");
  *shipment.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(1'234'567);
  *shipment.mutable_update_time() = TimeUtil::MicrosecondsToTimestamp(9'999'999);
  EXPECT_THAT(IndexShipment(shipment),
              ElementsAre(store::IndexEntry{.index = "all", .value = "", .order = 1'234'567},
                          store::IndexEntry{.index = "user", .value = "u-1", .order = 1'234'567}));
}

}  // namespace
}  // namespace tradewind::shipping
