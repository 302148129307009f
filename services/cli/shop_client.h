// The calls that a shop, its customer and its carrier make, through the gateway. Used by `tradewind demo`.
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/inventory/v1/inventory.grpc.pb.h"
#include "tradewind/notification/v1/notification.grpc.pb.h"
#include "tradewind/order/v1/order.grpc.pb.h"
#include "tradewind/shipping/v1/shipping.grpc.pb.h"
#include "tradewind/telemetry/trace.h"
#include "tradewind/user/v1/user.grpc.pb.h"

namespace tradewind::cli {

// Every method blocks until it is answered or `deadline`. Errors carry the gateway's code; their message names the
// method, the code and what the gateway said.
class ShopClient {
 public:
  using Deadline = std::chrono::system_clock::time_point;

  // `address` is the channel's, for messages.
  ShopClient(std::shared_ptr<grpc::Channel> channel, std::string address);

  absl::StatusOr<inventory::v1::Product> CreateProduct(const inventory::v1::CreateProductRequest& request,
                                                       const telemetry::TraceContext& trace, Deadline deadline);
  absl::StatusOr<user::v1::User> RegisterUser(const user::v1::RegisterUserRequest& request,
                                              const telemetry::TraceContext& trace, Deadline deadline);
  absl::StatusOr<order::v1::Order> CreateOrder(const order::v1::CreateOrderRequest& request,
                                               const telemetry::TraceContext& trace, Deadline deadline);
  absl::StatusOr<shipping::v1::Shipment> UpdateShipment(const shipping::v1::UpdateShipmentRequest& request,
                                                        const telemetry::TraceContext& trace, Deadline deadline);
  // The order as it is once it has come to `state` or beyond. One that was cancelled or rejected comes no further and
  // counts as beyond all.
  absl::StatusOr<order::v1::Order> AwaitState(const std::string& order_id, order::v1::OrderState state,
                                              Deadline deadline);
  // The first `count` notifications of the user. DeadlineExceeded, saying how many there were, when they do not come.
  absl::StatusOr<std::vector<notification::v1::Notification>> AwaitNotifications(const std::string& user_id,
                                                                                 size_t count, Deadline deadline);

 private:
  // A call of `stub` with one answer.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(std::string_view name, Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, const telemetry::TraceContext& trace, Deadline deadline) const;
  absl::Status Failure(std::string_view method, const grpc::Status& status) const;

  const std::shared_ptr<grpc::Channel> channel_;
  const std::string address_;
  const std::unique_ptr<inventory::v1::InventoryService::Stub> inventory_;
  const std::unique_ptr<user::v1::UserService::Stub> users_;
  const std::unique_ptr<order::v1::OrderService::Stub> orders_;
  const std::unique_ptr<shipping::v1::ShippingService::Stub> shipments_;
  const std::unique_ptr<notification::v1::NotificationService::Stub> notifications_;
};

}  // namespace tradewind::cli
