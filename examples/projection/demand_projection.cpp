#include "demand_projection.h"

#include <map>
#include <string>

namespace demand {

tradewind::Outcome OnOrderConfirmed(const tradewind::order::v1::OrderConfirmed& event, tradewind::Context& context) {
  // An order may have two lines of one product, and is one order all the same.
  std::map<std::string, int64_t> pieces;
  for (const auto& line : event.lines()) pieces[line.product_id()] += line.quantity();
  for (const auto& [product, quantity] : pieces) {
    auto demand = context.Load<v1::ProductDemand>(product);
    demand->set_product_id(product);
    demand->set_orders(demand->orders() + 1);
    demand->set_pieces(demand->pieces() + quantity);
  }
  return tradewind::Ack();
}

std::vector<tradewind::store::IndexEntry> IndexDemand(const v1::ProductDemand& demand) {
  return {{.index = std::string(kByPieces), .value = "", .order = demand.pieces()}};
}

}  // namespace demand
