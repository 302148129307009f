// The read model as clients see it, answered from the store.
#pragma once

#include "demand/v1/demand.grpc.pb.h"

#include "tradewind/store/store.h"

namespace demand {

// Thread-safe.
class DemandQueries final : public v1::DemandService::CallbackService {
 public:
  // `reader` outlives the service.
  explicit DemandQueries(tradewind::store::Reader& reader) : reader_(reader) {}

  grpc::ServerUnaryReactor* GetProductDemand(grpc::CallbackServerContext* context,
                                             const v1::GetProductDemandRequest* request,
                                             v1::ProductDemand* response) override;
  grpc::ServerUnaryReactor* ListProductDemands(grpc::CallbackServerContext* context,
                                               const v1::ListProductDemandsRequest* request,
                                               v1::ListProductDemandsResponse* response) override;

 private:
  tradewind::store::Reader& reader_;
};

}  // namespace demand
