// What the order service answers over gRPC: its own orders, read from its store, and streams of their changes. Commands
// come through Kafka and are not implemented here.
#pragma once

#include <memory>
#include <string>

#include "tradewind/app/event_feed.h"
#include "tradewind/app/watch_stream.h"
#include "tradewind/order/v1/order.grpc.pb.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace tradewind::order {

// Follows one order: as the store has it, then with each event applied. Ends the stream once the order is final.
class OrderViewer final : public Viewer<v1::Order> {
 public:
  OrderViewer(store::Reader& reader, std::string id) : reader_(reader), id_(std::move(id)) {}

  // NOT_FOUND where there is no such order.
  grpc::Status Open(WatchOutput<v1::Order>& output) override;
  void OnEvent(std::string_view type, std::string_view value, WatchOutput<v1::Order>& output) override;

 private:
  void Show(WatchOutput<v1::Order>& output);

  store::Reader& reader_;
  const std::string id_;
  // What the client was sent last.
  v1::Order order_;
};

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class OrderQueries final : public v1::OrderService::CallbackService {
 public:
  // `feed` follows the order events. All three outlive the service.
  OrderQueries(store::Reader& reader, EventFeed& feed, rpc::WorkPool& pool)
      : reader_(reader), feed_(feed), pool_(pool), streams_(pool) {}

  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext* context, const v1::GetOrderRequest* request,
                                     v1::Order* response) override;
  grpc::ServerUnaryReactor* ListOrders(grpc::CallbackServerContext* context, const v1::ListOrdersRequest* request,
                                       v1::ListOrdersResponse* response) override;
  grpc::ServerWriteReactor<v1::Order>* WatchOrder(grpc::CallbackServerContext* context,
                                                  const v1::WatchOrderRequest* request) override;

  // To be called when the server is about to stop: open streams would hold it up.
  void EndStreams() { streams_.EndAll(); }

 private:
  grpc::Status List(const v1::ListOrdersRequest& request, v1::ListOrdersResponse* response);

  store::Reader& reader_;
  EventFeed& feed_;
  rpc::WorkPool& pool_;
  WatchStreams streams_;
};

}  // namespace tradewind::order
