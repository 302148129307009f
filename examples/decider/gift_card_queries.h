// GetGiftCard, answered from the store. The commands are not implemented here: they come through Kafka.
#pragma once

#include "gift_card/v1/gift_card.grpc.pb.h"

#include "tradewind/store/store.h"

namespace gift_card {

// Thread-safe.
class GiftCardQueries final : public v1::GiftCardService::CallbackService {
 public:
  // `reader` outlives the service.
  explicit GiftCardQueries(tradewind::store::Reader& reader) : reader_(reader) {}

  grpc::ServerUnaryReactor* GetGiftCard(grpc::CallbackServerContext* context, const v1::GetGiftCardRequest* request,
                                        v1::GiftCard* response) override;

 private:
  tradewind::store::Reader& reader_;
};

}  // namespace gift_card
