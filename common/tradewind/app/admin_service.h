// mesh.v1.AdminService over a service's store: shows what was set aside and notes what an operator asks of it. The
// runtime carries it out; nothing here changes a queue.
#pragma once

#include "tradewind/mesh/v1/admin.grpc.pb.h"
#include "tradewind/store/store.h"

namespace tradewind {

// Thread-safe; calls block for the store.
class AdminService final : public mesh::v1::AdminService::CallbackService {
 public:
  // The store outlives the service.
  explicit AdminService(store::Store& store) : store_(store) {}

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
};

}  // namespace tradewind
