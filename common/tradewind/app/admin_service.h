// mesh.v1.AdminService over a service's store: shows what was set aside and notes what an operator asks of it, which
// the runtime carries out; and what PartitionAdmin does.
#pragma once

#include "tradewind/app/partition_admin.h"
#include "tradewind/mesh/v1/admin.grpc.pb.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace tradewind {

// Thread-safe; the store and Kafka are waited for on the pool's thread.
class AdminService final : public mesh::v1::AdminService::CallbackService {
 public:
  // All outlive the service. `pool` has one thread, as PoolOptions has it.
  AdminService(store::Store& store, PartitionAdmin& partitions, rpc::WorkPool& pool)
      : store_(store), partitions_(partitions), pool_(pool) {}

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
  grpc::ServerUnaryReactor* DescribePartition(grpc::CallbackServerContext* context,
                                              const mesh::v1::DescribePartitionRequest* request,
                                              mesh::v1::DescribePartitionResponse* response) override;
  grpc::ServerUnaryReactor* AcceptLoss(grpc::CallbackServerContext* context, const mesh::v1::AcceptLossRequest* request,
                                       mesh::v1::AcceptLossResponse* response) override;
  grpc::ServerUnaryReactor* ForgetSource(grpc::CallbackServerContext* context,
                                         const mesh::v1::ForgetSourceRequest* request,
                                         mesh::v1::ForgetSourceResponse* response) override;

 private:
  grpc::Status List(const mesh::v1::ListParkedRequest& request, mesh::v1::ListParkedResponse& response);
  grpc::Status Get(const mesh::v1::GetParkedRequest& request, mesh::v1::ParkedRecord& response);
  grpc::Status Request(const mesh::v1::ParkedFilter& filter, bool all, store::KeptAction action, int64_t& count);

  store::Store& store_;
  PartitionAdmin& partitions_;
  rpc::WorkPool& pool_;
};

}  // namespace tradewind
