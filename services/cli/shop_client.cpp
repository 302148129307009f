#include "services/cli/shop_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <utility>

#include "services/cli/text.h"
#include "tradewind/bus/envelope.h"

namespace tradewind::cli {
namespace {

void Prepare(grpc::ClientContext& context, const telemetry::TraceContext& trace, ShopClient::Deadline deadline) {
  context.set_deadline(deadline);
  context.AddMetadata(std::string(bus::kTraceparentHeader), trace.ToTraceparent());
}

}  // namespace

ShopClient::ShopClient(std::shared_ptr<grpc::Channel> channel, std::string address)
    : channel_(std::move(channel)),
      address_(std::move(address)),
      users_(user::v1::UserService::NewStub(channel_)),
      orders_(order::v1::OrderService::NewStub(channel_)),
      notifications_(notification::v1::NotificationService::NewStub(channel_)) {}

absl::StatusOr<user::v1::User> ShopClient::RegisterUser(const user::v1::RegisterUserRequest& request,
                                                        const telemetry::TraceContext& trace, Deadline deadline) {
  grpc::ClientContext context;
  Prepare(context, trace, deadline);
  user::v1::User user;
  const grpc::Status status = users_->RegisterUser(&context, request, &user);
  return status.ok() ? absl::StatusOr<user::v1::User>(std::move(user)) : Failure("RegisterUser", status);
}

absl::StatusOr<order::v1::Order> ShopClient::CreateOrder(const order::v1::CreateOrderRequest& request,
                                                         const telemetry::TraceContext& trace, Deadline deadline) {
  grpc::ClientContext context;
  Prepare(context, trace, deadline);
  order::v1::Order order;
  const grpc::Status status = orders_->CreateOrder(&context, request, &order);
  return status.ok() ? absl::StatusOr<order::v1::Order>(std::move(order)) : Failure("CreateOrder", status);
}

absl::StatusOr<order::v1::Order> ShopClient::AwaitSettled(const std::string& order_id, Deadline deadline) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  order::v1::WatchOrderRequest request;
  request.set_id(order_id);
  const auto stream = orders_->WatchOrder(&context, request);
  order::v1::Order order;
  bool settled = false;
  while (!settled && stream->Read(&order)) {
    settled = order.state() > order::v1::ORDER_STATE_PENDING;
  }
  if (settled) {
    // The stream would go on with later changes.
    context.TryCancel();
    stream->Finish();
    return order;
  }
  const grpc::Status status = stream->Finish();
  if (status.ok()) {
    return absl::InternalError(fmt::format("WatchOrder of {} ended before the order was settled", order_id));
  }
  return Failure(fmt::format("WatchOrder of {}", order_id), status);
}

absl::StatusOr<std::vector<notification::v1::Notification>> ShopClient::AwaitNotifications(const std::string& user_id,
                                                                                           size_t count,
                                                                                           Deadline deadline) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  notification::v1::WatchNotificationsRequest request;
  request.set_user_id(user_id);
  const auto stream = notifications_->WatchNotifications(&context, request);
  std::vector<notification::v1::Notification> received;
  notification::v1::Notification notification;
  while (received.size() < count && stream->Read(&notification)) {
    received.push_back(notification);
  }
  if (received.size() == count) {
    context.TryCancel();
    stream->Finish();
    return received;
  }
  const grpc::Status status = stream->Finish();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED || status.ok()) {
    return absl::DeadlineExceededError(
        fmt::format("only {} of {} notifications of user {} came in time", received.size(), count, user_id));
  }
  return Failure("WatchNotifications", status);
}

absl::Status ShopClient::Failure(std::string_view method, const grpc::Status& status) const {
  // The two enumerations share their numbers.
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  // By the channel and not by the message: the gateway may well pass on that it could not connect to a service.
  if (code == absl::StatusCode::kUnavailable && channel_->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    return absl::UnavailableError(
        fmt::format("no gateway answers at {}: start the system with deploy/up, or set cli.gateway", address_));
  }
  const std::string message = Printable(status.error_message());
  return absl::Status(code, fmt::format("{} at {} failed with {}: {}", method, address_, absl::StatusCodeToString(code),
                                        message.empty() ? "no message" : message));
}

}  // namespace tradewind::cli
