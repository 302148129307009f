#include "services/shipping/shipment_decider.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "google/protobuf/util/time_util.h"

#include "tradewind/app/timestamp.h"

namespace tradewind::shipping {
namespace {

using google::protobuf::util::TimeUtil;

// A shipment that does not exist yet.
constexpr v1::ShipmentState kNone = v1::SHIPMENT_STATE_UNSPECIFIED;

enum class Asker {
  // By an event.
  kOrder,
  // By UpdateShipment.
  kWarehouse,
};

struct Transition {
  v1::ShipmentState from;
  v1::ShipmentState to;
  Asker asker;
};

// Every change there can be; what is not here does not happen.
constexpr std::array<Transition, 6> kTransitions = {{
    {kNone, v1::SHIPMENT_STATE_PREPARING, Asker::kOrder},
    {kNone, v1::SHIPMENT_STATE_CANCELLED, Asker::kOrder},
    {v1::SHIPMENT_STATE_PREPARING, v1::SHIPMENT_STATE_CANCELLED, Asker::kOrder},
    {v1::SHIPMENT_STATE_PREPARING, v1::SHIPMENT_STATE_IN_TRANSIT, Asker::kWarehouse},
    {v1::SHIPMENT_STATE_IN_TRANSIT, v1::SHIPMENT_STATE_DELIVERED, Asker::kWarehouse},
    {v1::SHIPMENT_STATE_IN_TRANSIT, v1::SHIPMENT_STATE_RETURNED, Asker::kWarehouse},
}};

bool MayChange(v1::ShipmentState from, v1::ShipmentState to) {
  return std::any_of(kTransitions.begin(), kTransitions.end(),
                     [&](const Transition& transition) { return transition.from == from && transition.to == to; });
}

bool CanBeAskedFor(v1::ShipmentState state) {
  return std::any_of(kTransitions.begin(), kTransitions.end(), [&](const Transition& transition) {
    return transition.to == state && transition.asker == Asker::kWarehouse;
  });
}

// The states that UpdateShipment can ask for, for people: "A, B or C". With `from`, those that can follow it; empty
// where none can.
std::string StatesToAskFor(const v1::ShipmentState* from = nullptr) {
  std::vector<std::string> names;
  for (const Transition& transition : kTransitions) {
    const bool fits = from == nullptr || transition.from == *from;
    if (fits && transition.asker == Asker::kWarehouse) names.push_back(v1::ShipmentState_Name(transition.to));
  }
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

errors::Problem CannotFollow(const v1::Shipment& shipment, v1::ShipmentState asked) {
  const v1::ShipmentState state = shipment.state();
  const std::string following = StatesToAskFor(&state);
  return {.code = absl::StatusCode::kFailedPrecondition,
          .reason = "SHIPMENT_STATE",
          .message = fmt::format("shipment '{}' is {} and cannot become {}; {}", shipment.id(),
                                 v1::ShipmentState_Name(state), v1::ShipmentState_Name(asked),
                                 following.empty() ? "that state is its last" : "what can follow is " + following),
          .metadata = {{"id", shipment.id()}, {"state", v1::ShipmentState_Name(state)}}};
}

template <typename Event>
Event About(const v1::Shipment& shipment) {
  Event event;
  event.set_order_id(shipment.id());
  event.set_user_id(shipment.user_id());
  return event;
}

void EmitCreated(const v1::Shipment& shipment, Context& context) {
  auto event = About<v1::ShipmentCreated>(shipment);
  *event.mutable_create_time() = shipment.update_time();
  context.Emit(event);
}

void EmitDispatched(const v1::Shipment& shipment, Context& context) {
  auto event = About<v1::ShipmentDispatched>(shipment);
  event.set_carrier(shipment.carrier());
  event.set_tracking_number(shipment.tracking_number());
  *event.mutable_dispatch_time() = shipment.update_time();
  context.Emit(event);
}

void EmitDelivered(const v1::Shipment& shipment, Context& context) {
  auto event = About<v1::ShipmentDelivered>(shipment);
  *event.mutable_deliver_time() = shipment.update_time();
  context.Emit(event);
}

void EmitReturned(const v1::Shipment& shipment, Context& context) {
  auto event = About<v1::ShipmentReturned>(shipment);
  *event.mutable_return_time() = shipment.update_time();
  context.Emit(event);
}

void EmitCancelled(const v1::Shipment& shipment, Context& context) {
  auto event = About<v1::ShipmentCancelled>(shipment);
  *event.mutable_cancel_time() = shipment.update_time();
  context.Emit(event);
}

void ChangeTo(v1::ShipmentState state, v1::Shipment& shipment, Context& context) {
  shipment.set_state(state);
  shipment.set_revision(shipment.revision() + 1);
  *shipment.mutable_update_time() = Now(context);
  if (!shipment.has_create_time()) *shipment.mutable_create_time() = shipment.update_time();
  switch (state) {
    case v1::SHIPMENT_STATE_PREPARING:
      return EmitCreated(shipment, context);
    case v1::SHIPMENT_STATE_IN_TRANSIT:
      return EmitDispatched(shipment, context);
    case v1::SHIPMENT_STATE_DELIVERED:
      return EmitDelivered(shipment, context);
    case v1::SHIPMENT_STATE_RETURNED:
      return EmitReturned(shipment, context);
    case v1::SHIPMENT_STATE_CANCELLED:
      return EmitCancelled(shipment, context);
    default:
      return;
  }
}

}  // namespace

Outcome ShipmentDecider::Decide(const v1::UpdateShipmentRequest& command, Loaded<State> shipment, Context& context) {
  if (!CanBeAskedFor(command.state())) {
    return Reject(errors::InvalidFields({{"state", fmt::format("must be {}", StatesToAskFor())}}));
  }
  if (!shipment.exists()) return Reject(errors::NotFound("shipment", command.id()));
  if (shipment->state() == command.state()) {
    context.Reply(*shipment);
    return Ack();
  }
  if (!MayChange(shipment->state(), command.state())) {
    return Reject(CannotFollow(*shipment, command.state()));
  }
  if (!command.carrier().empty()) shipment->set_carrier(command.carrier());
  if (!command.tracking_number().empty()) shipment->set_tracking_number(command.tracking_number());
  ChangeTo(command.state(), *shipment, context);
  context.Reply(*shipment);
  return Ack();
}

Outcome ShipmentDecider::Decide(const order::v1::OrderConfirmed& event, Loaded<State> shipment, Context& context) {
  if (!MayChange(shipment->state(), v1::SHIPMENT_STATE_PREPARING)) return Ack();
  shipment->set_id(event.order_id());
  shipment->set_user_id(event.user_id());
  for (const order::v1::OrderLine& ordered : event.lines()) {
    v1::ShipmentLine& line = *shipment->add_lines();
    line.set_product_id(ordered.product_id());
    line.set_quantity(ordered.quantity());
  }
  ChangeTo(v1::SHIPMENT_STATE_PREPARING, *shipment, context);
  return Ack();
}

Outcome ShipmentDecider::Decide(const order::v1::OrderCancelRequested& event, Loaded<State> shipment,
                                Context& context) {
  if (!MayChange(shipment->state(), v1::SHIPMENT_STATE_CANCELLED)) return Ack();
  shipment->set_id(event.order_id());
  shipment->set_user_id(event.user_id());
  ChangeTo(v1::SHIPMENT_STATE_CANCELLED, *shipment, context);
  return Ack();
}

std::vector<store::IndexEntry> IndexShipment(const v1::Shipment& shipment) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(shipment.create_time());
  return {{.index = std::string(kAllShipments), .value = "", .order = created},
          {.index = std::string(kShipmentsByUser), .value = shipment.user_id(), .order = created}};
}

}  // namespace tradewind::shipping
