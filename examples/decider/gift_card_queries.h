// GetGiftCard, answered from the store. The commands are not implemented here: they come through Kafka.
#pragma once

#include "gift_card/v1/gift_card.grpc.pb.h"

#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace gift_card {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class GiftCardQueries final : public v1::GiftCardService::CallbackService {
 public:
  // Both outlive the service.
  GiftCardQueries(tradewind::store::Reader& reader, tradewind::rpc::WorkPool& pool) : reader_(reader), pool_(pool) {}

  grpc::ServerUnaryReactor* GetGiftCard(grpc::CallbackServerContext* context, const v1::GetGiftCardRequest* request,
                                        v1::GiftCard* response) override;

 private:
  tradewind::store::Reader& reader_;
  tradewind::rpc::WorkPool& pool_;
};

}  // namespace gift_card
