#include "services/payment/payment_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/payment/payment_record.pb.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::payment {
namespace {

TEST(PaymentQueriesTest, GetsAPaymentOrSaysThatThereIsNone) {
  testing::FakeReader reader;
  internal::v1::PaymentRecord record;
  record.mutable_payment()->set_id("o-1");
  record.mutable_payment()->set_state(v1::PAYMENT_STATE_AUTHORIZED);
  reader.Put(record.GetDescriptor()->full_name(), "o-1", record.SerializeAsString(), {});
  rpc::WorkPool pool({.name = "test", .threads = 2, .max_waiting = 4});
  PaymentQueries queries(reader, pool);
  testing::InProcessServer server(queries);
  const auto stub = v1::PaymentService::NewStub(server.channel());

  v1::GetPaymentRequest request;
  request.set_id("o-1");
  v1::Payment payment;
  ASSERT_TRUE(stub->GetPayment(testing::MakeClientContext().get(), request, &payment).ok());
  EXPECT_EQ(payment.state(), v1::PAYMENT_STATE_AUTHORIZED);

  request.set_id("o-2");
  const grpc::Status missing = stub->GetPayment(testing::MakeClientContext().get(), request, &payment);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_details(), ::testing::HasSubstr("PAYMENT_NOT_FOUND"));
}

TEST(PaymentQueriesTest, AnswersHealthWhileTheStoreHangs) {
  testing::FakeReader reader;
  rpc::WorkPool pool({.name = "test", .threads = 2, .max_waiting = 100});
  PaymentQueries queries(reader, pool);
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(queries, reader, pool, 2,
                                                       {{"/tradewind.payment.v1.PaymentService/GetPayment"}}));
}

}  // namespace
}  // namespace tradewind::payment
