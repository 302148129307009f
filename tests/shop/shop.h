// The shop in one process: all its services over an InMemoryMesh, and what customers, clerks and carriers do to it.
#pragma once

#include <string>
#include <vector>

#include "google/type/money.pb.h"

#include "tradewind/app/in_memory_mesh.h"
#include "tradewind/inventory/v1/inventory.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/payment/v1/payment.pb.h"
#include "tradewind/shipping/v1/shipping.pb.h"

namespace tradewind::shop {

struct Line {
  std::string product;
  int32_t quantity = 1;
};

class Shop {
 public:
  Shop();

  // Each is handled at once by the service that it is for, and by no other before `mesh` goes on.
  void CreateProduct(const std::string& id, int64_t euros, int64_t stock);
  testing::InMemoryMesh::Answer<inventory::v1::Product> AdjustStock(const std::string& id, int64_t delta);
  testing::InMemoryMesh::Answer<order::v1::Order> PlaceOrder(const std::string& id, const std::vector<Line>& lines,
                                                             const std::string& token);
  testing::InMemoryMesh::Answer<order::v1::Order> Cancel(const std::string& id);
  testing::InMemoryMesh::Answer<shipping::v1::Shipment> Update(const std::string& id,
                                                               shipping::v1::ShipmentState state);
  testing::InMemoryMesh::Answer<payment::v1::Payment> Refund(const std::string& id);

  // An empty one where there is none.
  order::v1::Order order(const std::string& id) const;
  payment::v1::Payment payment(const std::string& id) const;
  shipping::v1::Shipment shipment(const std::string& id) const;
  inventory::v1::Product product(const std::string& id) const;
  // Free, reserved and sold of a product, as "5/2/1".
  std::string stock(const std::string& id) const;

  testing::InMemoryMesh mesh;
};

}  // namespace tradewind::shop
