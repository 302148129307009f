#include "demand_queries.h"

#include <string>

#include "demand_projection.h"

#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace demand {
namespace {

const std::string& Kind() { return v1::ProductDemand::descriptor()->full_name(); }

}  // namespace

grpc::ServerUnaryReactor* DemandQueries::GetProductDemand(grpc::CallbackServerContext* context,
                                                          const v1::GetProductDemandRequest* request,
                                                          v1::ProductDemand* response) {
  return tradewind::rpc::AnswerOn(pool_, *context, [=, this] {
    std::string stored;
    grpc::Status status = tradewind::GetStored(reader_, Kind(), "product_demand", request->product_id(), &stored);
    if (status.ok() && !response->ParseFromString(stored)) {
      status = tradewind::UnreadableAggregate(Kind(), request->product_id());
    }
    return status;
  });
}

grpc::ServerUnaryReactor* DemandQueries::ListProductDemands(grpc::CallbackServerContext* context,
                                                            const v1::ListProductDemandsRequest* request,
                                                            v1::ListProductDemandsResponse* response) {
  return tradewind::rpc::AnswerOn(pool_, *context, [=, this] {
    const tradewind::store::ListQuery query{.kind = Kind(), .index = kByPieces, .descending = true};
    return tradewind::ListPage(
        reader_, query, request->page_size(), request->page_token(),
        [&](const std::string& stored) { return tradewind::AddParsed(stored, *response->mutable_product_demands()); },
        response->mutable_next_page_token());
  });
}

}  // namespace demand
