#include "services/order/order_queries.h"

#include <utility>

#include "services/order/order_decider.h"
#include "services/order/order_fold.h"
#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind::order {
namespace {

// Changes of one order that may wait for its watcher; an order's whole life is a handful.
constexpr size_t kWaitingChanges = 64;

grpc::Status ReadOrder(store::Reader& reader, const std::string& id, v1::Order* order) {
  const std::string& kind = v1::Order::descriptor()->full_name();
  std::string stored;
  if (grpc::Status found = GetStored(reader, kind, "order", id, &stored); !found.ok()) return found;
  return order->ParseFromString(stored) ? grpc::Status::OK : UnreadableAggregate(kind, id);
}

}  // namespace

grpc::Status OrderViewer::Open(WatchOutput<v1::Order>& output) {
  if (grpc::Status read = ReadOrder(reader_, id_, &order_); !read.ok()) return read;
  Show(output);
  return grpc::Status::OK;
}

void OrderViewer::OnEvent(std::string_view type, std::string_view value, WatchOutput<v1::Order>& output) {
  if (ApplyIfNewer(order_, type, value) == Applied::kYes) Show(output);
}

void OrderViewer::Show(WatchOutput<v1::Order>& output) {
  output.Send(order_);
  if (IsFinal(order_.state())) output.End(grpc::Status::OK);
}

grpc::ServerUnaryReactor* OrderQueries::GetOrder(grpc::CallbackServerContext* context,
                                                 const v1::GetOrderRequest* request, v1::Order* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return ReadOrder(reader_, request->id(), response); });
}

grpc::ServerUnaryReactor* OrderQueries::ListOrders(grpc::CallbackServerContext* context,
                                                   const v1::ListOrdersRequest* request,
                                                   v1::ListOrdersResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return List(*request, response); });
}

grpc::ServerWriteReactor<v1::Order>* OrderQueries::WatchOrder(grpc::CallbackServerContext* context,
                                                              const v1::WatchOrderRequest* request) {
  return StartWatch<v1::Order>(streams_, feed_, *context, request->id(),
                               std::make_unique<OrderViewer>(reader_, request->id()), kWaitingChanges);
}

grpc::Status OrderQueries::List(const v1::ListOrdersRequest& request, v1::ListOrdersResponse* response) {
  const bool all = request.user_id().empty();
  const store::ListQuery query{.kind = v1::Order::descriptor()->full_name(),
                               .index = all ? kAllOrders : kOrdersByUser,
                               .value = request.user_id(),
                               .descending = true};
  return ListPage(
      reader_, query, request.page_size(), request.page_token(),
      [&](const std::string& stored) { return AddParsed(stored, *response->mutable_orders()); },
      response->mutable_next_page_token());
}

}  // namespace tradewind::order
