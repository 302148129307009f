#include "services/inventory/product_decider.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "google/protobuf/util/time_util.h"

#include "tradewind/app/timestamp.h"
#include "tradewind/money/money.h"

namespace tradewind::inventory {
namespace {

using google::protobuf::util::TimeUtil;

std::vector<errors::FieldViolation> Violations(const v1::CreateProductRequest& command) {
  std::vector<errors::FieldViolation> violations;
  if (command.id().empty()) violations.push_back({"id", "is required"});
  if (command.name().empty()) violations.push_back({"name", "is required"});
  if (!command.has_unit_price()) {
    violations.push_back({"unit_price", "is required"});
  } else if (const absl::Status checked = money::CheckAmount(command.unit_price()); !checked.ok()) {
    violations.push_back({"unit_price", std::string(checked.message())});
  }
  if (command.stock() < 0 || command.stock() > kMostPieces) {
    violations.push_back({"stock", fmt::format("must be between 0 and {}", kMostPieces)});
  }
  return violations;
}

// `free`: what there is before. Empty where the delta can be had.
std::string WrongWith(int64_t delta, int64_t free) {
  if (delta == 0) return "must not be zero";
  if (delta < -kMostPieces || delta > kMostPieces) {
    return fmt::format("must be between {} and {}", -kMostPieces, kMostPieces);
  }
  // Returned goods may have brought a shelf above the bound: taking off must work there.
  if (delta > 0 && free > kMostPieces - delta) {
    return fmt::format("would make {} pieces free where {} are; the most is {}", free + delta, free, kMostPieces);
  }
  return "";
}

}  // namespace

Outcome ProductDecider::Decide(const v1::CreateProductRequest& command, Loaded<State> product, Context& context) {
  if (product.exists()) {
    return Reject({.code = absl::StatusCode::kAlreadyExists,
                   .reason = "PRODUCT_EXISTS",
                   .message = fmt::format("there is a product with the id '{}' already; choose another id, or leave it "
                                          "empty to be given one",
                                          command.id()),
                   .metadata = {{"id", command.id()}}});
  }
  if (auto violations = Violations(command); !violations.empty()) {
    return Reject(errors::InvalidFields(std::move(violations)));
  }
  product->set_id(command.id());
  product->set_name(command.name());
  product->set_description(command.description());
  *product->mutable_unit_price() = command.unit_price();
  product->set_free(command.stock());
  *product->mutable_create_time() = Now(context);
  *product->mutable_update_time() = product->create_time();
  product->set_revision(1);

  v1::ProductCreated created;
  created.set_product_id(product->id());
  created.set_name(product->name());
  created.set_description(product->description());
  *created.mutable_unit_price() = product->unit_price();
  created.set_stock(product->free());
  *created.mutable_create_time() = product->create_time();
  context.Emit(created);
  context.Reply(*product);
  return Ack();
}

Outcome ProductDecider::Decide(const v1::AdjustStockRequest& command, Loaded<State> product, Context& context) {
  if (!product.exists()) return Reject(errors::NotFound("product", command.id()));
  if (std::string wrong = WrongWith(command.delta(), product->free()); !wrong.empty()) {
    return Reject(errors::InvalidFields({{"delta", std::move(wrong)}}));
  }
  const int64_t free = product->free() + command.delta();
  if (free < 0) {
    return Reject({.code = absl::StatusCode::kFailedPrecondition,
                   .reason = "NOT_ENOUGH_STOCK",
                   .message = fmt::format("{} pieces of product '{}' cannot be taken off: {} are free; what is "
                                          "reserved is not free until its order is called off",
                                          -command.delta(), command.id(), product->free()),
                   .metadata = {{"id", command.id()}, {"free", fmt::format("{}", product->free())}}});
  }
  product->set_free(free);
  *product->mutable_update_time() = Now(context);
  product->set_revision(product->revision() + 1);

  v1::StockAdjusted adjusted;
  adjusted.set_product_id(product->id());
  adjusted.set_delta(command.delta());
  adjusted.set_free(product->free());
  adjusted.set_reason(command.reason());
  *adjusted.mutable_adjust_time() = product->update_time();
  context.Emit(adjusted);
  context.Reply(*product);
  return Ack();
}

std::vector<store::IndexEntry> IndexProduct(const v1::Product& product) {
  return {{.index = std::string(kAllProducts),
           .value = "",
           .order = TimeUtil::TimestampToMicroseconds(product.create_time())}};
}

}  // namespace tradewind::inventory
