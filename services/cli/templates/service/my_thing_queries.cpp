#include "my_thing_queries.h"

#include <string>

#include "tradewind/app/paging.h"

namespace my_thing {

grpc::ServerUnaryReactor* MyThingQueries::GetMyThing(grpc::CallbackServerContext* context,
                                                     const v1::GetMyThingRequest* request, v1::MyThing* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(Get(*request, response));
  return reactor;
}

grpc::Status MyThingQueries::Get(const v1::GetMyThingRequest& request, v1::MyThing* response) {
  const std::string& kind = v1::MyThing::descriptor()->full_name();
  std::string stored;
  if (grpc::Status found = tradewind::GetStored(reader_, kind, "my_thing", request.id(), &stored); !found.ok()) {
    return found;
  }
  return response->ParseFromString(stored) ? grpc::Status::OK : tradewind::UnreadableAggregate(kind, request.id());
}

}  // namespace my_thing
