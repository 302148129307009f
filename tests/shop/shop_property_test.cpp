// Whatever happens in whatever order, stock and money add up: random orders over a few products with tight stock,
// cancelled, shipped, returned and refunded at random moments, with messages handled, timers fired and effects cut
// short in random order.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "services/inventory/inventory_record.pb.h"
#include "tests/shop/shop.h"

namespace tradewind::shop {
namespace {

using inventory::internal::v1::Reservation;

size_t Choose(size_t n) { return *rc::gen::inRange<size_t>(0, n); }

class RandomShop {
 public:
  RandomShop() {
    for (size_t i = 0; i < 3; ++i) {
      const std::string id = fmt::format("p-{}", i);
      const auto stock = static_cast<int64_t>(Choose(6));
      // One of them costs nothing.
      shop_.CreateProduct(id, static_cast<int64_t>(i) * 3, stock);
      put_on_shelf_[id] = stock;
    }
  }

  void DoSomething() {
    switch (Choose(12)) {
      case 0:
      case 1:
        return Place();
      case 2:
        if (placed_ > 0) shop_.Cancel(AnyOrder());
        return;
      case 3:
      case 4:
        return TellOfAParcel();
      case 5:
        return Adjust();
      case 6:
        if (placed_ > 0) shop_.Refund(AnyOrder());
        return;
      case 7:
        shop_.mesh.CutAnEffectShort(Choose);
        return;
      case 8:
        shop_.mesh.Step(Choose, testing::InMemoryMesh::Choice::kMessagesAndTimers);
        return;
      default:
        shop_.mesh.Step(Choose, testing::InMemoryMesh::Choice::kMessages);
        return;
    }
  }

  void CheckStock() {
    for (const auto& [id, put] : put_on_shelf_) {
      const auto product = shop_.product(id);
      RC_ASSERT(product.free() >= 0);
      RC_ASSERT(product.reserved() >= 0);
      RC_ASSERT(product.sold() >= 0);
      RC_ASSERT(product.free() + product.reserved() + product.sold() == put);
    }
  }

  void ComeToRest() {
    while (shop_.mesh.Step(Choose, testing::InMemoryMesh::Choice::kMessages)) {
    }
    shop_.mesh.Advance(absl::Hours(1));
  }

  void CheckOrders() {
    int64_t kept = 0;
    int64_t owed = 0;
    std::map<std::string, int64_t> reserved;
    std::map<std::string, int64_t> sold;
    for (const order::v1::Order& order : shop_.mesh.All<order::v1::Order>("order")) {
      const auto& reservation = *shop_.mesh.Find<Reservation>("inventory", order.id());
      const payment::v1::Payment payment = shop_.payment(order.id());
      CheckOrder(order, reservation, payment);
      kept += payment.captured().units() - payment.refunded().units();
      if (IsOut(order)) owed += order.total().units();
      for (const auto& line : order.lines()) {
        if (reservation.state() == Reservation::STATE_HELD) reserved[line.product_id()] += line.quantity();
        if (reservation.state() == Reservation::STATE_SOLD) sold[line.product_id()] += line.quantity();
      }
    }
    RC_ASSERT(kept == owed - refunded_by_hand());
    for (const auto& [id, put] : put_on_shelf_) {
      RC_ASSERT(shop_.product(id).reserved() == reserved[id]);
      RC_ASSERT(shop_.product(id).sold() == sold[id]);
    }
  }

 private:
  static bool IsOut(const order::v1::Order& order) {
    return order.state() == order::v1::ORDER_STATE_SHIPPED || order.state() == order::v1::ORDER_STATE_DELIVERED;
  }

  // At rest each service tells the same story.
  void CheckOrder(const order::v1::Order& order, const Reservation& reservation, const payment::v1::Payment& payment) {
    const bool ended =
        order.state() == order::v1::ORDER_STATE_CANCELLED || order.state() == order::v1::ORDER_STATE_REJECTED;
    RC_ASSERT(order.state() != order::v1::ORDER_STATE_PENDING);
    RC_ASSERT(!order.cancel_requested());
    const bool free = order.has_total() && order.total().units() == 0;
    const auto shipment = shop_.shipment(order.id()).state();
    if (ended) {
      RC_ASSERT(reservation.state() == Reservation::STATE_RELEASED ||
                reservation.state() == Reservation::STATE_REFUSED ||
                reservation.state() == Reservation::STATE_RETURNED);
      RC_ASSERT(payment.state() == payment::v1::PAYMENT_STATE_UNSPECIFIED ||
                payment.state() == payment::v1::PAYMENT_STATE_DECLINED ||
                payment.state() == payment::v1::PAYMENT_STATE_VOIDED ||
                payment.state() == payment::v1::PAYMENT_STATE_REFUNDED);
      RC_ASSERT(shipment == shipping::v1::SHIPMENT_STATE_UNSPECIFIED ||
                shipment == shipping::v1::SHIPMENT_STATE_CANCELLED ||
                shipment == shipping::v1::SHIPMENT_STATE_RETURNED);
    } else if (IsOut(order)) {
      RC_ASSERT(reservation.state() == Reservation::STATE_SOLD);
      RC_ASSERT(free || payment.state() == payment::v1::PAYMENT_STATE_CAPTURED ||
                payment.state() == payment::v1::PAYMENT_STATE_REFUNDED);
    } else {
      RC_ASSERT(order.state() == order::v1::ORDER_STATE_CONFIRMED);
      RC_ASSERT(reservation.state() == Reservation::STATE_HELD);
      RC_ASSERT(free || payment.state() == payment::v1::PAYMENT_STATE_AUTHORIZED);
      RC_ASSERT(shipment == shipping::v1::SHIPMENT_STATE_PREPARING);
    }
  }

  // Of orders that are still out: what came back was refunded for that reason.
  int64_t refunded_by_hand() const {
    int64_t sum = 0;
    for (const order::v1::Order& order : shop_.mesh.All<order::v1::Order>("order")) {
      if (IsOut(order)) sum += shop_.payment(order.id()).refunded().units();
    }
    return sum;
  }

  std::string AnyOrder() const { return fmt::format("o-{}", Choose(placed_)); }

  void Place() {
    static const std::vector<std::string> kTokens = {"tok_approve", "tok_approve", "tok_decline",
                                                     "tok_delay",   "tok_error",   "tok_duplicate"};
    std::vector<Line> lines;
    for (size_t i = Choose(3) + 1; i > 0; --i) {
      // Now and then a product that does not exist.
      lines.push_back({fmt::format("p-{}", Choose(8) == 0 ? 9 : Choose(3)), static_cast<int32_t>(Choose(3)) + 1});
    }
    shop_.PlaceOrder(fmt::format("o-{}", placed_), lines, kTokens[Choose(kTokens.size())]);
    ++placed_;
  }

  void TellOfAParcel() {
    static const std::vector<shipping::v1::ShipmentState> kStates = {shipping::v1::SHIPMENT_STATE_IN_TRANSIT,
                                                                     shipping::v1::SHIPMENT_STATE_DELIVERED,
                                                                     shipping::v1::SHIPMENT_STATE_RETURNED};
    if (placed_ > 0) shop_.Update(AnyOrder(), kStates[Choose(kStates.size())]);
  }

  void Adjust() {
    const std::string id = fmt::format("p-{}", Choose(3));
    const int64_t delta = static_cast<int64_t>(Choose(9)) - 4;
    if (delta != 0 && shop_.AdjustStock(id, delta).ok()) put_on_shelf_[id] += delta;
  }

  Shop shop_;
  size_t placed_ = 0;
  std::map<std::string, int64_t> put_on_shelf_;
};

RC_GTEST_PROP(ShopProperty, StockAndMoneyAddUpWhateverHappensInWhateverOrder, ()) {
  RandomShop shop;
  for (size_t i = Choose(250); i > 0; --i) {
    shop.DoSomething();
    shop.CheckStock();
  }
  shop.ComeToRest();
  shop.CheckStock();
  shop.CheckOrders();
}

}  // namespace
}  // namespace tradewind::shop
