#include "my_thing_queries.h"

#include <string>

#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace my_thing {

grpc::ServerUnaryReactor* MyThingQueries::GetMyThing(grpc::CallbackServerContext* context,
                                                     const v1::GetMyThingRequest* request, v1::MyThing* response) {
  return tradewind::rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, response); });
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
