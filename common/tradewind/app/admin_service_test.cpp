#include "tradewind/app/admin_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "tradewind/app/in_process_server.h"
#include "tradewind/mesh/v1/state.pb.h"
#include "tradewind/store/sqlite_store.h"

namespace tradewind {
namespace {

using mesh::v1::ParkedFilter;
using store::KeptState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AdminServiceTest : public ::testing::Test {
 protected:
  AdminServiceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tradewind-admin-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    store_ = *store::OpenSqliteStore({.directory = folder_.string(), .cache_bytes = 1 << 20}, "order");
    partitions_ = std::make_unique<PartitionAdmin>(*store_, std::vector<const runtime::Group*>{}, "", LogViewer{});
    session_ = *store_->OpenSession();
    service_ = std::make_unique<AdminService>(*store_, *partitions_, pool_);
    server_ = std::make_unique<testing::InProcessServer>(*service_);
    stub_ = mesh::v1::AdminService::NewStub(server_->channel());
  }
  ~AdminServiceTest() override {
    server_.reset();
    session_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Keep(KeptState state, std::string key, int32_t attempts, std::string type = "shop.v1.Bought") {
    Keep(Kept(state, std::move(key), attempts, std::move(type)));
  }
  void Keep(store::KeptRecord kept) {
    store::Batch batch;
    batch.kept.push_back(std::move(kept));
    ASSERT_EQ(session_->Commit(batch)->kind, store::CommitResult::Kind::kCommitted);
  }

  static store::KeptRecord Kept(KeptState state, std::string key, int32_t attempts,
                                std::string type = "shop.v1.Bought") {
    mesh::v1::KeptRecord record;
    record.set_topic("shop.events.v1");
    record.set_value("secret");
    record.add_headers()->set_name("ce_id");
    store::KeptRecord kept;
    kept.task = {"order", 2};
    kept.state = state;
    kept.queued = state != KeptState::kHeld;
    kept.key = std::move(key);
    kept.type = std::move(type);
    kept.reason = "why";
    kept.record = record.SerializeAsString();
    kept.attempts = attempts;
    if (attempts > 0) kept.due = absl::FromUnixSeconds(1'000'000'000);
    return kept;
  }

  grpc::Status List(const mesh::v1::ListParkedRequest& request, mesh::v1::ListParkedResponse& response) {
    return stub_->ListParked(testing::MakeClientContext().get(), request, &response);
  }

  // Keys of the records of which something was requested.
  std::vector<std::string> Requested() {
    std::vector<std::string> keys;
    const std::vector<int32_t> partitions{2};
    const auto requested = session_->LoadRequested("order", partitions, 100);
    for (const auto& kept : *requested) keys.push_back(kept.key);
    return keys;
  }

  std::filesystem::path folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<PartitionAdmin> partitions_;
  std::unique_ptr<store::Session> session_;
  rpc::WorkPool pool_{AdminService::PoolOptions()};
  std::unique_ptr<AdminService> service_;
  std::unique_ptr<testing::InProcessServer> server_;
  std::unique_ptr<mesh::v1::AdminService::Stub> stub_;
};

TEST_F(AdminServiceTest, CutsALongKeyInTheListAndGivesItWhole) {
  const std::string longest(900'000, 'k');
  for (int i = 0; i < 10; ++i) Keep(KeptState::kDead, longest, 1, std::string(900'000, 't'));
  mesh::v1::ListParkedRequest request;
  mesh::v1::ListParkedResponse page;
  ASSERT_TRUE(List(request, page).ok());
  ASSERT_EQ(page.records_size(), 10);
  for (const auto& record : page.records()) EXPECT_EQ(record.key(), std::string(1024, 'k'));
  EXPECT_LT(page.ByteSizeLong(), 30'000U);
  mesh::v1::GetParkedRequest one;
  one.set_id(page.records(0).id());
  mesh::v1::ParkedRecord record;
  ASSERT_TRUE(stub_->GetParked(testing::MakeClientContext().get(), one, &record).ok());
  EXPECT_EQ(record.key(), longest);
}

TEST_F(AdminServiceTest, ShowsBytesOfAStoreThatAreNoText) {
  store::KeptRecord damaged = Kept(KeptState::kDead, "\xfe", 1, "\xff");
  damaged.reason = "why \xff";
  // The topic, the only text in it, is none.
  damaged.record = "\x0a\x01\xff";
  Keep(damaged);
  Keep(KeptState::kDead, "well", 1);
  mesh::v1::ListParkedResponse page;
  const grpc::Status listed = List({}, page);
  ASSERT_TRUE(listed.ok()) << listed.error_message();
  ASSERT_EQ(page.records_size(), 2);
  EXPECT_EQ(page.records(0).key(), "\xfe");
  EXPECT_EQ(page.records(0).type(), "\\xff");
  EXPECT_EQ(page.records(0).reason(), "why \\xff");
  EXPECT_EQ(page.records(1).record().topic(), "shop.events.v1");

  mesh::v1::GetParkedRequest request;
  request.set_id(page.records(0).id());
  mesh::v1::ParkedRecord record;
  ASSERT_TRUE(stub_->GetParked(testing::MakeClientContext().get(), request, &record).ok());
  EXPECT_EQ(record.type(), "\\xff");
  EXPECT_EQ(record.record().topic(), "");
}

TEST_F(AdminServiceTest, ListsPageByPageWithoutTheBytes) {
  Keep(KeptState::kParked, "a", 3);
  Keep(KeptState::kParked, "a", 0);
  Keep(KeptState::kDead, "b", 10);
  mesh::v1::ListParkedRequest request;
  request.set_page_size(2);
  mesh::v1::ListParkedResponse page;
  ASSERT_TRUE(List(request, page).ok());
  ASSERT_EQ(page.records_size(), 2);
  EXPECT_EQ(page.records(0).state(), mesh::v1::PARKED_STATE_PARKED);
  EXPECT_EQ(page.records(0).key(), "a");
  EXPECT_EQ(page.records(0).attempts(), 3);
  EXPECT_EQ(page.records(0).retry_time().seconds(), 1'000'000'000);
  EXPECT_FALSE(page.records(0).waiting());
  EXPECT_TRUE(page.records(1).waiting());
  EXPECT_FALSE(page.records(1).has_retry_time());
  EXPECT_EQ(page.records(0).record().topic(), "shop.events.v1");
  EXPECT_THAT(page.records(0).record().value(), IsEmpty());
  EXPECT_EQ(page.records(0).record().headers_size(), 0);

  request.set_page_token(page.next_page_token());
  ASSERT_TRUE(List(request, page).ok());
  ASSERT_EQ(page.records_size(), 1);
  EXPECT_EQ(page.records(0).state(), mesh::v1::PARKED_STATE_DEAD);
  EXPECT_THAT(page.next_page_token(), IsEmpty());
}

TEST_F(AdminServiceTest, EndsAPageOfLargeRecordsEarly) {
  for (int i = 0; i < 8; ++i) {
    store::KeptRecord kept = Kept(KeptState::kDead, "a", 1);
    mesh::v1::KeptRecord record;
    record.set_value(std::string(900'000, 'v'));
    kept.record = record.SerializeAsString();
    Keep(std::move(kept));
  }
  mesh::v1::ListParkedRequest request;
  request.set_page_size(1000);
  std::vector<int> sizes;
  do {
    mesh::v1::ListParkedResponse page;
    ASSERT_TRUE(List(request, page).ok());
    sizes.push_back(page.records_size());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(sizes, ElementsAre(3, 3, 2));
}

TEST_F(AdminServiceTest, ShowsOneWithAllItsBytes) {
  Keep(KeptState::kDead, "a", 1);
  mesh::v1::ListParkedResponse page;
  ASSERT_TRUE(List({}, page).ok());
  mesh::v1::GetParkedRequest request;
  request.set_id(page.records(0).id());
  mesh::v1::ParkedRecord record;
  ASSERT_TRUE(stub_->GetParked(testing::MakeClientContext().get(), request, &record).ok());
  EXPECT_EQ(record.record().value(), "secret");
  EXPECT_EQ(record.record().headers_size(), 1);
  EXPECT_EQ(record.group(), "order");
  EXPECT_EQ(record.partition(), 2);

  request.set_id(4711);
  EXPECT_EQ(stub_->GetParked(testing::MakeClientContext().get(), request, &record).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(AdminServiceTest, ChoosesOnlyWhatFailedUnlessItIsNamed) {
  Keep(KeptState::kParked, "parked", 3);
  Keep(KeptState::kParked, "waiting", 0);
  Keep(KeptState::kDead, "dead", 10);
  Keep(KeptState::kHeld, "held", 0);
  mesh::v1::RetryParkedRequest retry;
  mesh::v1::RetryParkedResponse retried;
  retry.set_all(true);
  ASSERT_TRUE(stub_->RetryParked(testing::MakeClientContext().get(), retry, &retried).ok());
  EXPECT_EQ(retried.count(), 2);
  EXPECT_THAT(Requested(), ElementsAre("parked", "dead"));

  mesh::v1::SkipParkedRequest skip;
  mesh::v1::SkipParkedResponse skipped;
  mesh::v1::ListParkedResponse page;
  ASSERT_TRUE(List({}, page).ok());
  skip.mutable_filter()->set_id(page.records(1).id());
  ASSERT_TRUE(stub_->SkipParked(testing::MakeClientContext().get(), skip, &skipped).ok());
  EXPECT_EQ(skipped.count(), 1);
  skip.mutable_filter()->clear_id();
  skip.mutable_filter()->set_state(mesh::v1::PARKED_STATE_HELD);
  ASSERT_TRUE(stub_->SkipParked(testing::MakeClientContext().get(), skip, &skipped).ok());
  EXPECT_EQ(skipped.count(), 1);
  EXPECT_THAT(Requested(), ElementsAre("parked", "waiting", "dead", "held"));
}

TEST_F(AdminServiceTest, ChoosesByKeyAndByType) {
  Keep(KeptState::kDead, "a", 1);
  Keep(KeptState::kDead, "a", 1, "shop.v1.Other");
  Keep(KeptState::kDead, "b", 1);
  mesh::v1::RetryParkedRequest retry;
  mesh::v1::RetryParkedResponse retried;
  retry.mutable_filter()->set_key("a");
  ASSERT_TRUE(stub_->RetryParked(testing::MakeClientContext().get(), retry, &retried).ok());
  EXPECT_EQ(retried.count(), 2);
  retry.mutable_filter()->set_type("shop.v1.Other");
  ASSERT_TRUE(stub_->RetryParked(testing::MakeClientContext().get(), retry, &retried).ok());
  EXPECT_EQ(retried.count(), 1);
}

TEST_F(AdminServiceTest, ChoosesOnlyWhatMatchesTheIdAndTheState) {
  Keep(KeptState::kHeld, "held", 0);
  mesh::v1::ListParkedResponse page;
  ASSERT_TRUE(List({}, page).ok());
  mesh::v1::RetryParkedRequest retry;
  mesh::v1::RetryParkedResponse retried;
  retry.mutable_filter()->set_id(page.records(0).id());
  retry.mutable_filter()->set_state(mesh::v1::PARKED_STATE_DEAD);
  ASSERT_TRUE(stub_->RetryParked(testing::MakeClientContext().get(), retry, &retried).ok());
  EXPECT_EQ(retried.count(), 0);
  retry.mutable_filter()->set_state(mesh::v1::PARKED_STATE_HELD);
  ASSERT_TRUE(stub_->RetryParked(testing::MakeClientContext().get(), retry, &retried).ok());
  EXPECT_EQ(retried.count(), 1);
}

TEST_F(AdminServiceTest, RefusesWhatItCannotMean) {
  mesh::v1::RetryParkedResponse retried;
  const grpc::Status empty = stub_->RetryParked(testing::MakeClientContext().get(), {}, &retried);
  EXPECT_EQ(empty.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(empty.error_message(), HasSubstr("set `all`"));

  mesh::v1::ListParkedRequest request;
  mesh::v1::ListParkedResponse page;
  request.set_page_size(1001);
  EXPECT_EQ(List(request, page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_page_size(1);
  request.set_page_token("12x");
  EXPECT_EQ(List(request, page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace tradewind
