// mesh.v1.AdminService over a service's store: shows what was set aside and notes what an operator asks of it. The
// runtime carries it out; nothing here changes a queue.
#pragma once

#include "tradewind/mesh/v1/admin.grpc.pb.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace tradewind {

// Thread-safe; the store is waited for on the pool's threads.
class AdminService final : public mesh::v1::AdminService::CallbackService {
 public:
  // Both outlive the service.
  AdminService(store::Store& store, rpc::WorkPool& pool) : store_(store), pool_(pool) {}

  // Of a pool of its own: an operator gets through while queries hang.
  static rpc::WorkPool::Options PoolOptions() { return {.name = "admin", .threads = 1, .max_waiting = 64}; }

  grpc::ServerUnaryReactor* ListParked(grpc::CallbackServerContext* context, const mesh::v1::ListParkedRequest* request,
                                       mesh::v1::ListParkedResponse* response) override;
  grpc::ServerUnaryReactor* GetParked(grpc::CallbackServerContext* context, const mesh::v1::GetParkedRequest* request,
                                      mesh::v1::ParkedRecord* response) override;
  grpc::ServerUnaryReactor* RetryParked(grpc::CallbackServerContext* context,
                                        const mesh::v1::RetryParkedRequest* request,
                                        mesh::v1::RetryParkedResponse* response) override;
  grpc::ServerUnaryReactor* SkipParked(grpc::CallbackServerContext* context, const mesh::v1::SkipParkedRequest* request,
                                       mesh::v1::SkipParkedResponse* response) override;

 private:
  grpc::Status List(const mesh::v1::ListParkedRequest& request, mesh::v1::ListParkedResponse& response);
  grpc::Status Get(const mesh::v1::GetParkedRequest& request, mesh::v1::ParkedRecord& response);
  grpc::Status Request(const mesh::v1::ParkedFilter& filter, bool all, store::KeptAction action, int64_t& count);

  store::Store& store_;
  rpc::WorkPool& pool_;
};

}  // namespace tradewind
