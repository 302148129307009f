#include "my_thing_queries.h"

#include <gtest/gtest.h>

#include <memory>

#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/fake_reader.h"

namespace my_thing {
namespace {

TEST(MyThingQueries, GetsAMyThingOrSaysThatThereIsNone) {
  tradewind::testing::FakeReader reader;
  tradewind::rpc::WorkPool pool({.threads = 1});
  MyThingQueries queries(reader, pool);
  tradewind::testing::InProcessServer server(queries);
  const auto stub = v1::MyThingService::NewStub(server.channel());
  v1::MyThing stored;
  stored.set_title("first");
  reader.Put(stored.GetDescriptor()->full_name(), "id-1", stored.SerializeAsString(), {});

  v1::GetMyThingRequest request;
  request.set_id("id-1");
  v1::MyThing found;
  ASSERT_TRUE(stub->GetMyThing(tradewind::testing::MakeClientContext().get(), request, &found).ok());
  EXPECT_EQ(found.title(), "first");

  request.set_id("id-2");
  const grpc::Status missing = stub->GetMyThing(tradewind::testing::MakeClientContext().get(), request, &found);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace my_thing
