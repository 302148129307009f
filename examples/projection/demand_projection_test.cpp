#include "demand_projection.h"

#include <gtest/gtest.h>

#include "tradewind/testing/fake_context.h"

namespace demand {
namespace {

TEST(DemandProjection, CountsEachOrderOncePerProduct) {
  tradewind::order::v1::OrderConfirmed order;
  order.set_order_id("order-1");
  for (const auto& [product, quantity] : {std::pair{"tea", 2}, {"salt", 1}, {"tea", 3}}) {
    auto* line = order.add_lines();
    line->set_product_id(product);
    line->set_quantity(quantity);
  }
  tradewind::testing::FakeContext context;
  ASSERT_EQ(context.Handle(order, OnOrderConfirmed).kind(), tradewind::Outcome::Kind::kAck);
  ASSERT_EQ(context.Handle(order, OnOrderConfirmed).kind(), tradewind::Outcome::Kind::kAck);

  EXPECT_EQ(context.Find<v1::ProductDemand>("tea")->orders(), 2);
  EXPECT_EQ(context.Find<v1::ProductDemand>("tea")->pieces(), 10);
  EXPECT_EQ(context.Find<v1::ProductDemand>("salt")->pieces(), 2);
}

}  // namespace
}  // namespace demand
