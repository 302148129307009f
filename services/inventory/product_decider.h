// What becomes of a product by command: the pure answer to each. Its state is the Product that clients see. What orders
// do to its stock is in reservation.h.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tradewind/app/app.h"
#include "tradewind/inventory/v1/events.pb.h"
#include "tradewind/inventory/v1/inventory.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::inventory {

// The most of one product that commands can put on the shelf. Far from where adding up would overflow.
inline constexpr int64_t kMostPieces = 1'000'000'000'000;

struct ProductDecider {
  using State = v1::Product;
  using Commands = Types<v1::CreateProductRequest, v1::AdjustStockRequest>;
  using Events = Types<v1::ProductCreated, v1::StockAdjusted>;

  // Checks again what the gateway has checked: commands may come by other ways. Rejects: PRODUCT_EXISTS, INVALID_FIELD.
  static Outcome Decide(const v1::CreateProductRequest& command, Loaded<State> product, Context& context);
  // Changes what is free and nothing else. Rejects: PRODUCT_NOT_FOUND, INVALID_FIELD, NOT_ENOUGH_STOCK.
  static Outcome Decide(const v1::AdjustStockRequest& command, Loaded<State> product, Context& context);
};

// Secondary index: every product, in the order of creation.
inline constexpr std::string_view kAllProducts = "all";
std::vector<store::IndexEntry> IndexProduct(const v1::Product& product);

}  // namespace tradewind::inventory
