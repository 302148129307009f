#include "tests/shop/shop.h"

#include <fmt/format.h>

#include "services/inventory/inventory_app.h"
#include "services/notification/notification_app.h"
#include "services/order/order_app.h"
#include "services/payment/payment_app.h"
#include "services/payment/payment_record.pb.h"
#include "services/shipping/shipping_app.h"
#include "services/user/user_app.h"

namespace tradewind::shop {
namespace {

template <typename Message>
Message OrEmpty(const Message* found) {
  return found == nullptr ? Message() : *found;
}

}  // namespace

Shop::Shop() {
  mesh.Add("user", user::Declare);
  mesh.Add("inventory", inventory::Declare);
  mesh.Add("payment", payment::Declare);
  mesh.Add("shipping", shipping::Declare);
  mesh.Add("order", order::Declare);
  mesh.Add("notification", notification::Declare);
}

void Shop::CreateProduct(const std::string& id, int64_t euros, int64_t stock) {
  inventory::v1::CreateProductRequest command;
  command.set_id(id);
  command.set_name(id);
  command.mutable_unit_price()->set_currency_code("EUR");
  command.mutable_unit_price()->set_units(euros);
  command.set_stock(stock);
  mesh.Call<inventory::v1::Product>(command);
}

testing::InMemoryMesh::Answer<inventory::v1::Product> Shop::AdjustStock(const std::string& id, int64_t delta) {
  inventory::v1::AdjustStockRequest command;
  command.set_id(id);
  command.set_delta(delta);
  return mesh.Call<inventory::v1::Product>(command);
}

testing::InMemoryMesh::Answer<order::v1::Order> Shop::PlaceOrder(const std::string& id, const std::vector<Line>& lines,
                                                                 const std::string& token) {
  order::v1::CreateOrderRequest command;
  command.set_id(id);
  command.set_user_id("u-1");
  command.set_payment_token(token);
  for (const Line& line : lines) {
    order::v1::OrderLine& added = *command.add_lines();
    added.set_product_id(line.product);
    added.set_quantity(line.quantity);
  }
  return mesh.Call<order::v1::Order>(command);
}

testing::InMemoryMesh::Answer<order::v1::Order> Shop::Cancel(const std::string& id) {
  order::v1::CancelOrderRequest command;
  command.set_id(id);
  return mesh.Call<order::v1::Order>(command);
}

testing::InMemoryMesh::Answer<shipping::v1::Shipment> Shop::Update(const std::string& id,
                                                                   shipping::v1::ShipmentState state) {
  shipping::v1::UpdateShipmentRequest command;
  command.set_id(id);
  command.set_state(state);
  return mesh.Call<shipping::v1::Shipment>(command);
}

testing::InMemoryMesh::Answer<payment::v1::Payment> Shop::Refund(const std::string& id) {
  payment::v1::RefundPaymentRequest command;
  command.set_id(id);
  return mesh.Call<payment::v1::Payment>(command);
}

order::v1::Order Shop::order(const std::string& id) const { return OrEmpty(mesh.Find<order::v1::Order>("order", id)); }

payment::v1::Payment Shop::payment(const std::string& id) const {
  return OrEmpty(mesh.Find<payment::internal::v1::PaymentRecord>("payment", id)).payment();
}

shipping::v1::Shipment Shop::shipment(const std::string& id) const {
  return OrEmpty(mesh.Find<shipping::v1::Shipment>("shipping", id));
}

inventory::v1::Product Shop::product(const std::string& id) const {
  return OrEmpty(mesh.Find<inventory::v1::Product>("inventory", id));
}

std::string Shop::stock(const std::string& id) const {
  const inventory::v1::Product found = product(id);
  return fmt::format("{}/{}/{}", found.free(), found.reserved(), found.sold());
}

}  // namespace tradewind::shop
