// The read model as clients see it, answered from the store.
#pragma once

#include "demand/v1/demand.grpc.pb.h"

#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace demand {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class DemandQueries final : public v1::DemandService::CallbackService {
 public:
  // Both outlive the service.
  DemandQueries(tradewind::store::Reader& reader, tradewind::rpc::WorkPool& pool) : reader_(reader), pool_(pool) {}

  grpc::ServerUnaryReactor* GetProductDemand(grpc::CallbackServerContext* context,
                                             const v1::GetProductDemandRequest* request,
                                             v1::ProductDemand* response) override;
  grpc::ServerUnaryReactor* ListProductDemands(grpc::CallbackServerContext* context,
                                               const v1::ListProductDemandsRequest* request,
                                               v1::ListProductDemandsResponse* response) override;

 private:
  tradewind::store::Reader& reader_;
  tradewind::rpc::WorkPool& pool_;
};

}  // namespace demand
