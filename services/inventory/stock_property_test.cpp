// What holds of the stock whatever comes, in whatever order: no piece is lost or invented, and the counters of a
// product say what the reservations say.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "services/inventory/product_decider.h"
#include "services/inventory/reservation.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::inventory {
namespace {

using internal::v1::Reservation;
using Kind = Outcome::Kind;

// Few of each, so that they meet often; "salt" is never created.
constexpr std::array kProducts = {"tea", "rice", "salt"};
constexpr std::array kOrders = {"o-1", "o-2", "o-3", "o-4", "o-5", "o-6", "o-7", "o-8"};

constexpr int32_t kMostQuantity = std::numeric_limits<int32_t>::max();

enum class Action { kCreateProduct, kAdjust, kOrder, kShip, kCancel, kReject };

struct Line {
  std::string product_id;
  int32_t quantity;
  // In EUR: every product costs 2. Negative where the line names no price.
  int64_t price;
};

struct Step {
  Action action;
  std::string product_id;
  int64_t pieces;
  std::string order_id;
  std::vector<Line> lines;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  out << "{action " << static_cast<int>(step.action) << ", " << step.product_id << ", " << step.pieces << " pieces, "
      << step.order_id << ":";
  for (const Line& line : step.lines) out << " " << line.quantity << " " << line.product_id << " at " << line.price;
  return out << "}";
}

rc::Gen<Line> AnyLine() {
  return rc::gen::build<Line>(
      rc::gen::set(&Line::product_id, rc::gen::weightedElement<std::string>({{6, "tea"}, {6, "rice"}, {1, "salt"}})),
      rc::gen::set(&Line::quantity, rc::gen::weightedOneOf<int32_t>({{20, rc::gen::inRange(1, 5)},
                                                                     {2, rc::gen::inRange(-3, 1)},
                                                                     {1, rc::gen::just(kMostQuantity)}})),
      rc::gen::set(&Line::price, rc::gen::weightedElement<int64_t>({{6, -1}, {6, 2}, {1, 3}})));
}

rc::Gen<Step> AnyStep() {
  return rc::gen::build<Step>(
      rc::gen::set(&Step::action, rc::gen::weightedElement<Action>({{2, Action::kCreateProduct},
                                                                    {2, Action::kAdjust},
                                                                    {4, Action::kOrder},
                                                                    {3, Action::kShip},
                                                                    {2, Action::kCancel},
                                                                    {1, Action::kReject}})),
      rc::gen::set(&Step::product_id, rc::gen::cast<std::string>(rc::gen::elementOf(kProducts))),
      rc::gen::set(&Step::pieces,
                   rc::gen::weightedOneOf<int64_t>({{20, rc::gen::inRange<int64_t>(-5, 30)},
                                                    {1, rc::gen::resize(100, rc::gen::arbitrary<int64_t>())}})),
      rc::gen::set(&Step::order_id, rc::gen::cast<std::string>(rc::gen::elementOf(kOrders))),
      rc::gen::set(&Step::lines, rc::gen::resize(4, rc::gen::container<std::vector<Line>>(AnyLine()))));
}

template <typename Event>
Event OfOrder(const Step& step) {
  Event event;
  event.set_order_id(step.order_id);
  return event;
}

// The service's handlers, and how many pieces commands have put on each shelf.
class Shop {
 public:
  void Take(const Step& step) {
    switch (step.action) {
      case Action::kCreateProduct:
        return Create(step);
      case Action::kAdjust:
        return Adjust(step);
      case Action::kOrder:
        return Order(step);
      case Action::kShip:
        RC_ASSERT(context_.Handle(OfOrder<order::v1::OrderShipped>(step), OnOrderShipped).kind() == Kind::kAck);
        return;
      case Action::kCancel:
        RC_ASSERT(context_.Handle(OfOrder<order::v1::OrderCancelled>(step), OnOrderCancelled).kind() == Kind::kAck);
        return;
      case Action::kReject:
        RC_ASSERT(context_.Handle(OfOrder<order::v1::OrderRejected>(step), OnOrderRejected).kind() == Kind::kAck);
        return;
    }
  }

  void CheckEveryPiece() const {
    const auto held = PiecesOf(Reservation::STATE_HELD);
    const auto sold = PiecesOf(Reservation::STATE_SOLD);
    for (const std::string id : kProducts) {
      const auto* found = context_.Find<v1::Product>(id);
      const v1::Product product = found == nullptr ? v1::Product() : *found;
      RC_ASSERT((found != nullptr) == shelved_.contains(id));
      RC_ASSERT(product.free() >= 0);
      RC_ASSERT(product.reserved() >= 0);
      RC_ASSERT(product.sold() >= 0);
      RC_ASSERT(product.free() + product.reserved() + product.sold() == Count(shelved_, id));
      RC_ASSERT(product.reserved() == Count(held, id));
      RC_ASSERT(product.sold() == Count(sold, id));
    }
  }

 private:
  using Pieces = std::map<std::string, int64_t>;

  static int64_t Count(const Pieces& pieces, const std::string& id) {
    const auto found = pieces.find(id);
    return found == pieces.end() ? 0 : found->second;
  }

  Pieces PiecesOf(Reservation::State state) const {
    Pieces pieces;
    for (const std::string id : kOrders) {
      const auto* reservation = context_.Find<Reservation>(id);
      if (reservation == nullptr || reservation->state() != state) continue;
      for (const auto& line : reservation->lines()) pieces[line.product_id()] += line.quantity();
    }
    return pieces;
  }

  void Create(const Step& step) {
    if (step.product_id == "salt") return;
    v1::CreateProductRequest command;
    command.set_id(step.product_id);
    command.set_name(step.product_id);
    command.mutable_unit_price()->set_currency_code("EUR");
    command.mutable_unit_price()->set_units(2);
    command.set_stock(step.pieces);
    if (context_.Decide<ProductDecider>(command).kind() == Kind::kAck) shelved_[step.product_id] = step.pieces;
  }

  void Adjust(const Step& step) {
    v1::AdjustStockRequest command;
    command.set_id(step.product_id);
    command.set_delta(step.pieces);
    if (context_.Decide<ProductDecider>(command).kind() == Kind::kAck) shelved_[step.product_id] += step.pieces;
  }

  void Order(const Step& step) {
    order::v1::OrderCreated event = OfOrder<order::v1::OrderCreated>(step);
    for (const Line& line : step.lines) {
      order::v1::OrderLine& added = *event.add_lines();
      added.set_product_id(line.product_id);
      added.set_quantity(line.quantity);
      if (line.price < 0) continue;
      added.mutable_unit_price()->set_currency_code("EUR");
      added.mutable_unit_price()->set_units(line.price);
    }
    context_.Handle(event, OnOrderCreated);
  }

  testing::FakeContext context_;
  Pieces shelved_;
};

RC_GTEST_PROP(StockProperty, NoPieceIsLostOrInvented, ()) {
  // Long enough for an order to come to its end.
  const auto steps = *rc::gen::scale(3.0, rc::gen::container<std::vector<Step>>(AnyStep()));
  Shop shop;
  for (const Step& step : steps) {
    shop.Take(step);
    shop.CheckEveryPiece();
  }
}

}  // namespace
}  // namespace tradewind::inventory
