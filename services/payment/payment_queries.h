// What the payment service answers over gRPC: its own payments, read from its store. Commands come through Kafka and
// are not implemented here.
#pragma once

#include "tradewind/payment/v1/payment.grpc.pb.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/store/store.h"

namespace tradewind::payment {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class PaymentQueries final : public v1::PaymentService::CallbackService {
 public:
  // Both outlive the service.
  PaymentQueries(store::Reader& reader, rpc::WorkPool& pool) : reader_(reader), pool_(pool) {}

  grpc::ServerUnaryReactor* GetPayment(grpc::CallbackServerContext* context, const v1::GetPaymentRequest* request,
                                       v1::Payment* response) override;

 private:
  grpc::Status Get(const v1::GetPaymentRequest& request, v1::Payment* response);

  store::Reader& reader_;
  rpc::WorkPool& pool_;
};

}  // namespace tradewind::payment
