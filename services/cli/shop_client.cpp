#include "services/cli/shop_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <utility>

#include "services/cli/text.h"
#include "tradewind/bus/envelope.h"

namespace tradewind::cli {

ShopClient::ShopClient(std::shared_ptr<grpc::Channel> channel, std::string address)
    : channel_(std::move(channel)),
      address_(std::move(address)),
      inventory_(inventory::v1::InventoryService::NewStub(channel_)),
      users_(user::v1::UserService::NewStub(channel_)),
      orders_(order::v1::OrderService::NewStub(channel_)),
      shipments_(shipping::v1::ShippingService::NewStub(channel_)),
      notifications_(notification::v1::NotificationService::NewStub(channel_)) {}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> ShopClient::Call(std::string_view name, Stub& stub,
                                          grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                          const Request& request, const telemetry::TraceContext& trace,
                                          Deadline deadline) const {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  context.AddMetadata(std::string(bus::kTraceparentHeader), trace.ToTraceparent());
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  return status.ok() ? absl::StatusOr<Response>(std::move(response)) : Failure(name, status);
}

absl::StatusOr<inventory::v1::Product> ShopClient::CreateProduct(const inventory::v1::CreateProductRequest& request,
                                                                 const telemetry::TraceContext& trace,
                                                                 Deadline deadline) {
  return Call("CreateProduct", *inventory_, &inventory::v1::InventoryService::Stub::CreateProduct, request, trace,
              deadline);
}

absl::StatusOr<user::v1::User> ShopClient::RegisterUser(const user::v1::RegisterUserRequest& request,
                                                        const telemetry::TraceContext& trace, Deadline deadline) {
  return Call("RegisterUser", *users_, &user::v1::UserService::Stub::RegisterUser, request, trace, deadline);
}

absl::StatusOr<order::v1::Order> ShopClient::CreateOrder(const order::v1::CreateOrderRequest& request,
                                                         const telemetry::TraceContext& trace, Deadline deadline) {
  return Call("CreateOrder", *orders_, &order::v1::OrderService::Stub::CreateOrder, request, trace, deadline);
}

absl::StatusOr<shipping::v1::Shipment> ShopClient::UpdateShipment(const shipping::v1::UpdateShipmentRequest& request,
                                                                  const telemetry::TraceContext& trace,
                                                                  Deadline deadline) {
  return Call("UpdateShipment", *shipments_, &shipping::v1::ShippingService::Stub::UpdateShipment, request, trace,
              deadline);
}

absl::StatusOr<order::v1::Order> ShopClient::AwaitState(const std::string& order_id, order::v1::OrderState state,
                                                        Deadline deadline) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  order::v1::WatchOrderRequest request;
  request.set_id(order_id);
  const auto stream = orders_->WatchOrder(&context, request);
  order::v1::Order order;
  bool reached = false;
  while (!reached && stream->Read(&order)) {
    // Their numbers go up with an order's life.
    reached = order.state() >= state;
  }
  if (reached) {
    // The stream would go on with later changes.
    context.TryCancel();
    stream->Finish();
    return order;
  }
  const grpc::Status status = stream->Finish();
  const std::string wanted = order::v1::OrderState_Name(state);
  if (status.ok()) {
    return absl::InternalError(fmt::format("WatchOrder of {} ended before the order was {}", order_id, wanted));
  }
  return Failure(fmt::format("WatchOrder of {} until it is {}", order_id, wanted), status);
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
