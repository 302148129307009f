// The verbs of `tradewind partition` against services that are played by the test.
#include "services/cli/partition.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "tradewind/mesh/v1/admin.grpc.pb.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Describes `groups`, and keeps what it is asked to do.
class FakeService final : public v1::AdminService::Service {
 public:
  FakeService() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeService() override { server_->Shutdown(); }

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

  std::vector<v1::PartitionProgress> groups;
  std::vector<v1::AcceptLossRequest> accepted;
  std::vector<v1::ForgetSourceRequest> forgotten;
  grpc::Status answer = grpc::Status::OK;

 private:
  grpc::Status DescribePartition(grpc::ServerContext*, const v1::DescribePartitionRequest* request,
                                 v1::DescribePartitionResponse* response) override {
    EXPECT_EQ(request->topic(), "order.events.v1");
    EXPECT_EQ(request->partition(), 3);
    if (groups.empty()) return {grpc::StatusCode::NOT_FOUND, "no group of this service reads it"};
    response->mutable_groups()->Assign(groups.begin(), groups.end());
    return grpc::Status::OK;
  }
  grpc::Status AcceptLoss(grpc::ServerContext*, const v1::AcceptLossRequest* request,
                          v1::AcceptLossResponse*) override {
    accepted.push_back(*request);
    return answer;
  }
  grpc::Status ForgetSource(grpc::ServerContext*, const v1::ForgetSourceRequest* request,
                            v1::ForgetSourceResponse*) override {
    forgotten.push_back(*request);
    return answer;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class PartitionTest : public ::testing::Test {
 protected:
  PartitionTest() {
    config_.services = {{"gateway", "127.0.0.1:1"}, {"inventory", inventory_.address()}, {"user", user_.address()}};
  }

  int Run(PartitionVerb verb, bool yes, const std::string& source = "") {
    out_.str("");
    err_.str("");
    return RunPartition({.verb = verb, .topic = "order.events.v1", .partition = 3, .source = source, .yes = yes},
                        {.config = config_, .out = out_, .err = err_, .interrupted = interrupted_});
  }

  static v1::PartitionProgress Lost() {
    v1::PartitionProgress progress;
    progress.set_group("inventory");
    progress.set_next_offset(120);
    progress.set_log_begin(1200);
    progress.set_log_end(1300);
    progress.set_sources(12);
    progress.mutable_lost()->set_reason("records it has not read were deleted");
    progress.mutable_lost()->set_unread(1080);
    progress.mutable_lost()->set_effects(1);
    progress.mutable_lost()->set_go_on_at(1200);
    return progress;
  }
  static v1::PartitionProgress Whole() {
    v1::PartitionProgress progress = Lost();
    progress.clear_lost();
    return progress;
  }

  FakeService inventory_;
  FakeService user_;
  CliConfig config_;
  std::ostringstream out_;
  std::ostringstream err_;
  std::atomic<bool> interrupted_ = false;
};

TEST_F(PartitionTest, SaysWhatIsLostBeforeItActs) {
  inventory_.groups = {Lost()};
  EXPECT_EQ(Run(PartitionVerb::kAcceptLoss, /*yes=*/false), kExitNotWell);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("inventory: its next record of order.events.v1/3 is at offset 120, and the log "
                              "holds 1200 to 1300: records it has not read were deleted"),
                    HasSubstr("gives up 1,080 offsets it had not read and 1 effect that had begun and not ended"),
                    HasSubstr("goes on at offset 1200, where each source is taken up as it next speaks; it knows 12."),
                    HasSubstr("add --yes to do it")));
  EXPECT_THAT(inventory_.accepted, IsEmpty());
}

TEST_F(PartitionTest, SaysThatOnlyEffectsAreGivenUp) {
  v1::PartitionProgress progress = Lost();
  progress.mutable_lost()->set_unread(0);
  progress.mutable_lost()->set_effects(6);
  progress.mutable_lost()->set_go_on_at(progress.next_offset());
  inventory_.groups = {progress};
  EXPECT_EQ(Run(PartitionVerb::kAcceptLoss, /*yes=*/false), kExitNotWell);
  EXPECT_THAT(out_.str(),
              HasSubstr("Going on gives up 6 effects that had begun and not ended. Nothing else changes.\n"));
}

TEST_F(PartitionTest, AcceptsWhatItWasShown) {
  inventory_.groups = {Lost(), Whole()};
  EXPECT_EQ(Run(PartitionVerb::kAcceptLoss, /*yes=*/true), kExitOk);
  ASSERT_THAT(inventory_.accepted, SizeIs(1));
  EXPECT_EQ(inventory_.accepted[0].group(), "inventory");
  EXPECT_EQ(inventory_.accepted[0].next_offset(), 120);
  EXPECT_EQ(inventory_.accepted[0].go_on_at(), 1200);
  EXPECT_THAT(out_.str(), HasSubstr("inventory: done; it goes on within a minute"));
}

TEST_F(PartitionTest, SaysThatNothingIsLost) {
  inventory_.groups = {Whole()};
  EXPECT_EQ(Run(PartitionVerb::kAcceptLoss, /*yes=*/true), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("no group has lost anything of order.events.v1/3"));
  EXPECT_THAT(inventory_.accepted, IsEmpty());
}

TEST_F(PartitionTest, SaysWhyItWasRefused) {
  inventory_.groups = {Lost()};
  inventory_.answer = {grpc::StatusCode::FAILED_PRECONDITION, "what is lost has changed since it was described"};
  EXPECT_EQ(Run(PartitionVerb::kAcceptLoss, /*yes=*/true), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("inventory: what is lost has changed since it was described"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("done")));
}

TEST_F(PartitionTest, ForgetsASourceThatIsKnown) {
  inventory_.groups = {Whole()};
  EXPECT_EQ(Run(PartitionVerb::kForgetSource, /*yes=*/true, "/order/3"), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("no group knows a source /order/3 in order.events.v1/3"));
  inventory_.groups[0].mutable_taken()->set_epoch(7);
  inventory_.groups[0].mutable_taken()->set_number(9);
  EXPECT_EQ(Run(PartitionVerb::kForgetSource, /*yes=*/false, "/order/3"), kExitNotWell);
  EXPECT_THAT(out_.str(), HasSubstr("up to 0000000000000007-0000000000000009 in order.events.v1/3"));
  EXPECT_THAT(inventory_.forgotten, IsEmpty());
  EXPECT_EQ(Run(PartitionVerb::kForgetSource, /*yes=*/true, "/order/3"), kExitOk);
  ASSERT_THAT(inventory_.forgotten, SizeIs(1));
  EXPECT_EQ(inventory_.forgotten[0].source(), "/order/3");
}

TEST_F(PartitionTest, NamesATopicThatNobodyReads) {
  EXPECT_EQ(Run(PartitionVerb::kAcceptLoss, /*yes=*/true), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("no service reads order.events.v1"));
}

}  // namespace
}  // namespace tradewind::cli
