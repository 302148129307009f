// What the payment service answers over gRPC: its own payments, read from its store. Commands come through Kafka and
// are not implemented here.
#pragma once

#include "tradewind/payment/v1/payment.grpc.pb.h"
#include "tradewind/store/store.h"

namespace tradewind::payment {

// Thread-safe. Reads the store on gRPC's own threads, as OrderQueries does.
class PaymentQueries final : public v1::PaymentService::CallbackService {
 public:
  // `reader` outlives the service.
  explicit PaymentQueries(store::Reader& reader) : reader_(reader) {}

  grpc::ServerUnaryReactor* GetPayment(grpc::CallbackServerContext* context, const v1::GetPaymentRequest* request,
                                       v1::Payment* response) override;

 private:
  grpc::Status Get(const v1::GetPaymentRequest& request, v1::Payment* response);

  store::Reader& reader_;
};

}  // namespace tradewind::payment
