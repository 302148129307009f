// What the service answers over gRPC, read from its store. Commands come through Kafka and are not implemented here.
#pragma once

#include "my_thing/v1/my_thing.grpc.pb.h"

#include "tradewind/store/store.h"

namespace my_thing {

// Thread-safe. Its methods read the store on gRPC's own threads.
class MyThingQueries final : public v1::MyThingService::CallbackService {
 public:
  // `reader` outlives the service.
  explicit MyThingQueries(tradewind::store::Reader& reader) : reader_(reader) {}

  grpc::ServerUnaryReactor* GetMyThing(grpc::CallbackServerContext* context, const v1::GetMyThingRequest* request,
                                       v1::MyThing* response) override;

 private:
  grpc::Status Get(const v1::GetMyThingRequest& request, v1::MyThing* response);

  tradewind::store::Reader& reader_;
};

}  // namespace my_thing
