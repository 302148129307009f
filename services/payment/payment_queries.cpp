#include "services/payment/payment_queries.h"

#include <string>
#include <utility>

#include "services/payment/payment_record.pb.h"
#include "tradewind/app/paging.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind::payment {

grpc::ServerUnaryReactor* PaymentQueries::GetPayment(grpc::CallbackServerContext* context,
                                                     const v1::GetPaymentRequest* request, v1::Payment* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, response); });
}

grpc::Status PaymentQueries::Get(const v1::GetPaymentRequest& request, v1::Payment* response) {
  const std::string& kind = internal::v1::PaymentRecord::descriptor()->full_name();
  std::string stored;
  if (grpc::Status found = GetStored(reader_, kind, "payment", request.id(), &stored); !found.ok()) return found;
  internal::v1::PaymentRecord record;
  if (!record.ParseFromString(stored)) return UnreadableAggregate(kind, request.id());
  *response = std::move(*record.mutable_payment());
  return grpc::Status::OK;
}

}  // namespace tradewind::payment
