#include "gift_card_queries.h"

#include <string>

#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace gift_card {

grpc::ServerUnaryReactor* GiftCardQueries::GetGiftCard(grpc::CallbackServerContext* context,
                                                       const v1::GetGiftCardRequest* request, v1::GiftCard* response) {
  return tradewind::rpc::AnswerOn(pool_, *context, [=, this] {
    const std::string& kind = v1::GiftCard::descriptor()->full_name();
    std::string stored;
    grpc::Status status = tradewind::GetStored(reader_, kind, "gift_card", request->id(), &stored);
    if (status.ok() && !response->ParseFromString(stored)) status = tradewind::UnreadableAggregate(kind, request->id());
    return status;
  });
}

}  // namespace gift_card
