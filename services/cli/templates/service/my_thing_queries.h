// What the service answers over gRPC, read from its store. Commands come through Kafka and are not implemented here.
#pragma once

#include "my_thing/v1/my_thing.grpc.pb.h"

#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace my_thing {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class MyThingQueries final : public v1::MyThingService::CallbackService {
 public:
  // Both outlive the service.
  MyThingQueries(tradewind::store::Reader& reader, tradewind::rpc::WorkPool& pool) : reader_(reader), pool_(pool) {}

  grpc::ServerUnaryReactor* GetMyThing(grpc::CallbackServerContext* context, const v1::GetMyThingRequest* request,
                                       v1::MyThing* response) override;

 private:
  grpc::Status Get(const v1::GetMyThingRequest& request, v1::MyThing* response);

  tradewind::store::Reader& reader_;
  tradewind::rpc::WorkPool& pool_;
};

}  // namespace my_thing
