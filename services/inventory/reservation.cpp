#include "services/inventory/reservation.h"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tradewind/app/timestamp.h"
#include "tradewind/money/money.h"

namespace tradewind::inventory {
namespace {

using google::protobuf::RepeatedPtrField;
using internal::v1::Reservation;

// How many pieces of each product, over all lines that name it.
using Pieces = std::map<std::string_view, int64_t>;

// What one piece adds to each counter of its product. The three sum to zero: no piece is lost or invented.
struct Move {
  int64_t free;
  int64_t reserved;
  int64_t sold;
};
constexpr Move kReserve = {.free = -1, .reserved = +1, .sold = 0};
constexpr Move kSell = {.free = 0, .reserved = -1, .sold = +1};
constexpr Move kRelease = {.free = +1, .reserved = -1, .sold = 0};
constexpr Move kTakeBack = {.free = +1, .reserved = 0, .sold = -1};

struct Problem {
  v1::RefusalReason reason;
  std::string detail;
};

// Views into the lines.
template <typename Line>
Pieces CountPieces(const RepeatedPtrField<Line>& lines) {
  Pieces pieces;
  for (const Line& line : lines) pieces[line.product_id()] += line.quantity();
  return pieces;
}

void MovePieces(const Pieces& pieces, const Move& move, Context& context) {
  for (const auto& [product_id, count] : pieces) {
    const auto product = context.Load<v1::Product>(product_id);
    product->set_free(product->free() + move.free * count);
    product->set_reserved(product->reserved() + move.reserved * count);
    product->set_sold(product->sold() + move.sold * count);
    *product->mutable_update_time() = Now(context);
    product->set_revision(product->revision() + 1);
  }
}

// Why the event can be no order; empty where it can. The order service lets none of these through.
std::string WrongWith(const order::v1::OrderCreated& event) {
  if (event.order_id().empty()) return "the event names no order";
  if (event.lines().empty()) return "the order asks for nothing";
  for (int i = 0; i < event.lines_size(); ++i) {
    if (event.lines(i).quantity() < 1) {
      return fmt::format("lines[{}] asks for {} pieces of '{}'; it must be 1 or more", i, event.lines(i).quantity(),
                         event.lines(i).product_id());
    }
  }
  return "";
}

// Changes nothing.
std::optional<Problem> FindProblem(const order::v1::OrderLine& line, int64_t wanted, Context& context) {
  const auto product = context.Load<v1::Product>(line.product_id());
  if (!product.exists()) {
    return Problem{.reason = v1::REFUSAL_REASON_UNKNOWN_PRODUCT,
                   .detail = fmt::format("there is no product with the id '{}'", line.product_id())};
  }
  if (line.has_unit_price() && !money::Equal(line.unit_price(), product->unit_price())) {
    return Problem{.reason = v1::REFUSAL_REASON_PRICE_CHANGED,
                   .detail = fmt::format("{}: costs {}, the order says {}", product->name(),
                                         money::Format(product->unit_price()), money::Format(line.unit_price()))};
  }
  if (wanted > product->free()) {
    return Problem{.reason = v1::REFUSAL_REASON_OUT_OF_STOCK,
                   .detail = fmt::format("{}: {} wanted, {} free", product->name(), wanted, product->free())};
  }
  return std::nullopt;
}

void Refuse(const std::string& order_id, const Problem& problem, Reservation& reservation, Context& context) {
  reservation.set_state(Reservation::STATE_REFUSED);
  v1::StockRefused refused;
  refused.set_order_id(order_id);
  refused.set_reason(problem.reason);
  refused.set_detail(problem.detail);
  *refused.mutable_refuse_time() = Now(context);
  context.Emit(refused);
}

Outcome LetGo(const std::string& order_id, Context& context) {
  const auto reservation = context.Load<Reservation>(order_id);
  const bool held = reservation->state() == Reservation::STATE_HELD;
  const bool sold = reservation->state() == Reservation::STATE_SOLD;
  if (!held && !sold) return Ack();
  MovePieces(CountPieces(reservation->lines()), sold ? kTakeBack : kRelease, context);
  reservation->set_state(sold ? Reservation::STATE_RETURNED : Reservation::STATE_RELEASED);

  v1::StockReleased released;
  released.set_order_id(order_id);
  released.set_returned(sold);
  *released.mutable_release_time() = Now(context);
  context.Emit(released);
  return Ack();
}

}  // namespace

Outcome OnOrderCreated(const order::v1::OrderCreated& event, Context& context) {
  if (std::string wrong = WrongWith(event); !wrong.empty()) return Dead(std::move(wrong));
  const auto reservation = context.Load<Reservation>(event.order_id());
  if (reservation.exists()) return Ack();
  // An Ack keeps every change, a refusal's too: no product is touched before all lines have been looked at.
  const Pieces pieces = CountPieces(event.lines());
  for (const auto& line : event.lines()) {
    if (const auto problem = FindProblem(line, pieces.at(line.product_id()), context)) {
      Refuse(event.order_id(), *problem, *reservation, context);
      return Ack();
    }
  }
  MovePieces(pieces, kReserve, context);
  reservation->set_state(Reservation::STATE_HELD);
  for (const auto& line : event.lines()) {
    v1::ReservedLine& reserved = *reservation->add_lines();
    reserved.set_product_id(line.product_id());
    reserved.set_quantity(line.quantity());
    *reserved.mutable_unit_price() = context.Load<v1::Product>(line.product_id())->unit_price();
  }

  v1::StockReserved reserved;
  reserved.set_order_id(event.order_id());
  *reserved.mutable_lines() = reservation->lines();
  *reserved.mutable_reserve_time() = Now(context);
  context.Emit(reserved);
  return Ack();
}

Outcome OnOrderShipped(const order::v1::OrderShipped& event, Context& context) {
  const auto reservation = context.Load<Reservation>(event.order_id());
  if (reservation->state() != Reservation::STATE_HELD) return Ack();
  MovePieces(CountPieces(reservation->lines()), kSell, context);
  reservation->set_state(Reservation::STATE_SOLD);

  v1::StockSold sold;
  sold.set_order_id(event.order_id());
  *sold.mutable_sell_time() = Now(context);
  context.Emit(sold);
  return Ack();
}

Outcome OnOrderCancelled(const order::v1::OrderCancelled& event, Context& context) {
  return LetGo(event.order_id(), context);
}

Outcome OnOrderRejected(const order::v1::OrderRejected& event, Context& context) {
  return LetGo(event.order_id(), context);
}

}  // namespace tradewind::inventory
