// The calls a customer makes, through the gateway. Used by `tradewind demo`.
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "tradewind/notification/v1/notification.grpc.pb.h"
#include "tradewind/order/v1/order.grpc.pb.h"
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

  absl::StatusOr<user::v1::User> RegisterUser(const user::v1::RegisterUserRequest& request,
                                              const telemetry::TraceContext& trace, Deadline deadline);
  absl::StatusOr<order::v1::Order> CreateOrder(const order::v1::CreateOrderRequest& request,
                                               const telemetry::TraceContext& trace, Deadline deadline);
  // The order as it is once it is no longer pending.
  absl::StatusOr<order::v1::Order> AwaitSettled(const std::string& order_id, Deadline deadline);
  // The first `count` notifications of the user. DeadlineExceeded, saying how many there were, when they do not come.
  absl::StatusOr<std::vector<notification::v1::Notification>> AwaitNotifications(const std::string& user_id,
                                                                                 size_t count, Deadline deadline);

 private:
  absl::Status Failure(std::string_view method, const grpc::Status& status) const;

  const std::shared_ptr<grpc::Channel> channel_;
  const std::string address_;
  const std::unique_ptr<user::v1::UserService::Stub> users_;
  const std::unique_ptr<order::v1::OrderService::Stub> orders_;
  const std::unique_ptr<notification::v1::NotificationService::Stub> notifications_;
};

}  // namespace tradewind::cli
