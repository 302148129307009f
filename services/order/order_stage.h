// How an order goes from stage to stage: one table, which the decider follows, the tests try out cell by cell, and the
// diagram in the README is drawn from. What is not in the table changes nothing.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "tradewind/order/v1/order.pb.h"

namespace tradewind::order {

// Finer than OrderState: PENDING and CONFIRMED are two stages each.
enum class Stage {
  kNone,
  kReserving,
  kPaying,
  kConfirmed,
  kCancelling,
  kShipped,
  kDelivered,
  kCancelled,
  kRejected,
};

// What can happen to an order.
enum class Trigger {
  kCreate,
  kStockReserved,
  kStockRefused,
  kPaymentAuthorized,
  kPaymentDeclined,
  kDeadline,
  kCancel,
  kShipmentDispatched,
  kShipmentDelivered,
  kShipmentReturned,
  kShipmentCancelled,
};

struct Transition {
  Stage from;
  Trigger trigger;
  Stage to;
};

inline constexpr std::array kTransitions = {
    Transition{Stage::kNone, Trigger::kCreate, Stage::kReserving},
    Transition{Stage::kReserving, Trigger::kStockReserved, Stage::kPaying},
    Transition{Stage::kReserving, Trigger::kStockRefused, Stage::kRejected},
    Transition{Stage::kReserving, Trigger::kDeadline, Stage::kRejected},
    Transition{Stage::kReserving, Trigger::kCancel, Stage::kCancelled},
    Transition{Stage::kPaying, Trigger::kPaymentAuthorized, Stage::kConfirmed},
    Transition{Stage::kPaying, Trigger::kPaymentDeclined, Stage::kRejected},
    Transition{Stage::kPaying, Trigger::kDeadline, Stage::kRejected},
    Transition{Stage::kPaying, Trigger::kCancel, Stage::kCancelled},
    Transition{Stage::kConfirmed, Trigger::kCancel, Stage::kCancelling},
    Transition{Stage::kConfirmed, Trigger::kShipmentDispatched, Stage::kShipped},
    Transition{Stage::kCancelling, Trigger::kShipmentCancelled, Stage::kCancelled},
    Transition{Stage::kCancelling, Trigger::kShipmentDispatched, Stage::kShipped},
    Transition{Stage::kShipped, Trigger::kShipmentDelivered, Stage::kDelivered},
    Transition{Stage::kShipped, Trigger::kShipmentReturned, Stage::kCancelled},
};

Stage StageOf(const v1::Order& order);

// Nothing where the trigger comes too late, or too early, to change an order in this stage.
std::optional<Stage> Next(Stage from, Trigger trigger);

// "Reserving", "stock reserved".
std::string_view NameOf(Stage stage);
std::string_view NameOf(Trigger trigger);

// kTransitions as a Mermaid state diagram.
std::string Diagram();

}  // namespace tradewind::order
