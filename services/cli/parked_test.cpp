// The verbs of `tradewind parked` against services that are played by the test.
#include "services/cli/parked.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "services/cli/admin_client.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/rpc/channel.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// A service with parked records. Carries a request out when it has been listed `slowness` times after it.
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

  v1::ParkedRecord& Add(v1::ParkedState state, const std::string& key, int32_t attempts) {
    v1::ParkedRecord& record = records_.emplace_back();
    record.set_id(static_cast<int64_t>(records_.size()));
    record.set_state(state);
    record.set_waiting(state == v1::PARKED_STATE_PARKED && attempts == 0);
    record.set_holds_key(state != v1::PARKED_STATE_HELD);
    record.set_group("order");
    record.set_key(key);
    record.set_type("tradewind.order.v1.OrderConfirmed");
    record.set_attempts(attempts);
    record.set_reason("why");
    record.mutable_record()->set_topic("order.events.v1");
    return record;
  }

  int slowness = 2;
  // Answers to ListParked.
  int listed = 0;
  // The largest page that was asked for since `listed` was 0.
  int32_t largest_page = 0;
  // In all pages together.
  int records_sent = 0;

 private:
  static bool Matches(const v1::ParkedFilter& filter, const v1::ParkedRecord& record) {
    return (filter.id() == 0 || filter.id() == record.id()) && (filter.key().empty() || filter.key() == record.key()) &&
           (filter.type().empty() || filter.type() == record.type()) &&
           (filter.state() == v1::PARKED_STATE_UNSPECIFIED || filter.state() == record.state());
  }

  grpc::Status ListParked(grpc::ServerContext*, const v1::ListParkedRequest* request,
                          v1::ListParkedResponse* response) override {
    const std::lock_guard lock(mutex_);
    largest_page = listed++ == 0 ? request->page_size() : std::max(largest_page, request->page_size());
    if (waited_for_ > 0 && --waited_for_ == 0) {
      std::erase_if(records_, [](const auto& record) { return record.requested() == v1::PARKED_ACTION_SKIP; });
      for (v1::ParkedRecord& record : records_) {
        record.clear_requested();
      }
    }
    const int64_t after = request->page_token().empty() ? 0 : std::stoll(request->page_token());
    for (const v1::ParkedRecord& record : records_) {
      if (record.id() <= after || !Matches(request->filter(), record)) {
        continue;
      }
      *response->add_records() = record;
      ++records_sent;
      if (response->records_size() == request->page_size()) {
        response->set_next_page_token(std::to_string(record.id()));
        break;
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status GetParked(grpc::ServerContext*, const v1::GetParkedRequest* request,
                         v1::ParkedRecord* response) override {
    const std::lock_guard lock(mutex_);
    for (const v1::ParkedRecord& record : records_) {
      if (record.id() == request->id()) {
        *response = record;
        return grpc::Status::OK;
      }
    }
    return {grpc::StatusCode::NOT_FOUND, "there is no such record"};
  }

  int64_t Request(const v1::ParkedFilter& filter, v1::ParkedAction action) {
    const std::lock_guard lock(mutex_);
    int64_t count = 0;
    for (v1::ParkedRecord& record : records_) {
      if (Matches(filter, record) && (filter.id() != 0 || !record.waiting())) {
        record.set_requested(action);
        ++count;
      }
    }
    waited_for_ = slowness;
    return count;
  }
  grpc::Status RetryParked(grpc::ServerContext*, const v1::RetryParkedRequest* request,
                           v1::RetryParkedResponse* response) override {
    EXPECT_EQ(request->all(), request->filter().ByteSizeLong() == 0);
    response->set_count(Request(request->filter(), v1::PARKED_ACTION_RETRY));
    return grpc::Status::OK;
  }
  grpc::Status SkipParked(grpc::ServerContext*, const v1::SkipParkedRequest* request,
                          v1::SkipParkedResponse* response) override {
    response->set_count(Request(request->filter(), v1::PARKED_ACTION_SKIP));
    return grpc::Status::OK;
  }

  std::mutex mutex_;
  std::vector<v1::ParkedRecord> records_;
  int waited_for_ = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ParkedTest : public ::testing::Test {
 protected:
  ParkedTest() {
    config_.descriptors = TRADEWIND_DESCRIPTORS;
    config_.services = {{"gateway", "127.0.0.1:1"}, {"order", order_.address()}, {"user", user_.address()}};
  }

  template <typename Options>
  int Run(int (*verb)(const Options&, const Session&), const Options& options) {
    out_.str("");
    err_.str("");
    return verb(options, {.config = config_, .out = out_, .err = err_, .interrupted = interrupted_});
  }
  nlohmann::json Json() const { return nlohmann::json::parse(out_.str()); }

  FakeService order_;
  FakeService user_;
  CliConfig config_;
  std::ostringstream out_;
  std::ostringstream err_;
  const std::atomic<bool> interrupted_ = false;
};

TEST_F(ParkedTest, ListsWhatEveryServiceHas) {
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  user_.Add(v1::PARKED_STATE_HELD, "u-1", 0);
  EXPECT_EQ(Run(RunParkedList, {}), kExitOk);
  EXPECT_EQ(out_.str(),
            "SERVICE  ID  STATE  KEY  TYPE            ATTEMPTS  NEXT  FROM                 REASON\n"
            "order     1  dead   o-1  OrderConfirmed         2  -     order.events.v1-0@0  why\n"
            "user      1  held   u-1  OrderConfirmed         0  -     order.events.v1-0@0  why\n");
  EXPECT_EQ(Run(RunParkedList, {.service = "user", .json = true}), kExitOk);
  ASSERT_EQ(Json()["records"].size(), 1U);
  EXPECT_EQ(Json()["records"][0]["service"], "user");
}

TEST_F(ParkedTest, PrintsNoBytesThatSteerATerminal) {
  EXPECT_EQ(Run(RunParkedShow, {.service = "\x1b[31m\xff", .id = 1}), kExitUsage);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("\\x1b[31m\\xff"), Not(HasSubstr("\x1b"))));
  const Session session{.config = config_, .out = out_, .err = err_, .interrupted = interrupted_};
  err_.str("");
  EXPECT_EQ(Fail(session, absl::UnknownError("one \x1b[31m\ntwo \xff")), kExitNotWell);
  EXPECT_EQ(err_.str(), "tradewind: one \\x1b[31m\ntwo \\xff\n");
}

TEST_F(ParkedTest, SaysThatNothingIsParked) {
  EXPECT_EQ(Run(RunParkedList, {}), kExitOk);
  EXPECT_EQ(out_.str(), "nothing is parked\n");
  EXPECT_EQ(Run(RunParkedList, {.query = {.key = "o-1"}}), kExitOk);
  EXPECT_EQ(out_.str(), "nothing that matches is parked\n");
  EXPECT_EQ(Run(RunParkedList, {.json = true}), kExitOk);
  EXPECT_EQ(Json(), nlohmann::json::parse(R"({"records":[],"more":[],"problems":[]})"));
}

TEST_F(ParkedTest, ListsPageByPageUpToTheLimit) {
  for (int i = 0; i < 2500; ++i) {
    order_.Add(v1::PARKED_STATE_DEAD, "o", 1);
  }
  EXPECT_EQ(Run(RunParkedList, {.limit = 2400, .json = true}), kExitOk);
  EXPECT_EQ(Json()["records"].size(), 2400U);
  EXPECT_EQ(Json()["more"], nlohmann::json::array({"order"}));
  EXPECT_EQ(order_.listed, 3);
  EXPECT_EQ(Run(RunParkedList, {.limit = 2500, .json = true}), kExitOk);
  EXPECT_EQ(Json()["records"].size(), 2500U);
  EXPECT_EQ(Json()["more"], nlohmann::json::array());
  EXPECT_EQ(Run(RunParkedList, {.limit = 2}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("\norder has more than the 2 shown: narrow it down"));
}

TEST_F(ParkedTest, ShowsTheOthersWhenOneDoesNotAnswer) {
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  config_.services["user"] = "127.0.0.1:1";
  EXPECT_EQ(Run(RunParkedList, {}), kExitNotWell);
  EXPECT_THAT(out_.str(), HasSubstr("o-1"));
  EXPECT_EQ(err_.str(),
            "tradewind: user does not answer at 127.0.0.1:1 (Connection refused): start it, or set cli.services\n");
  config_.services["order"] = "127.0.0.1:1";
  EXPECT_EQ(Run(RunParkedList, {}), kExitNotWell);
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ParkedTest, RefusesAServiceThatThereIsNot) {
  EXPECT_EQ(Run(RunParkedList, {.service = "oder"}), kExitUsage);
  EXPECT_EQ(err_.str(), "tradewind: there is no service 'oder'; did you mean order, user?\n");
  EXPECT_EQ(Run(RunParkedShow, {.service = "gateway", .id = 1}), kExitUsage);
  EXPECT_EQ(Run(RunParkedRequest, {.query = {.type = "NoSuchThing"}}), kExitUsage);
  config_.descriptors = "/nowhere";
  EXPECT_EQ(Run(RunParkedRequest, {.query = {.type = "OrderConfirmed"}}), kExitNotWell);
}

TEST_F(ParkedTest, ShowsOneWithItsValueAndItsQueue) {
  v1::ParkedRecord& first = order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  order::v1::CreateOrderRequest command;
  command.set_user_id("u-1");
  command.set_payment_token("tok-secret");
  first.set_type(command.GetDescriptor()->full_name());
  first.mutable_record()->set_value(command.SerializeAsString());
  v1::RecordHeader& header = *first.mutable_record()->add_headers();
  header.set_name("ce_type");
  header.set_value(first.type());
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 0);
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 0);

  EXPECT_EQ(Run(RunParkedShow, {.service = "order", .id = 1}), kExitOk) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("state     dead\n"), HasSubstr("queue     holds back its key; 2 behind it\n"),
                                HasSubstr("header    ce_type: tradewind.order.v1.CreateOrderRequest\n"),
                                HasSubstr(R"(value     {"user_id":"u-1","payment_token":"[redacted]"})"),
                                HasSubstr("\n\nonce the cause is gone: `tradewind parked retry order --id 1`"),
                                Not(HasSubstr("tok-secret"))));

  EXPECT_EQ(Run(RunParkedShow, {.service = "order", .id = 3}), kExitOk);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("queue     waits behind 1 (dead); 0 behind it\n"),
                                HasSubstr("`tradewind parked show order 1`")));

  EXPECT_EQ(Run(RunParkedShow, {.service = "order", .id = 2, .json = true}), kExitOk);
  EXPECT_EQ(Json()["waits_behind"], 1);
  EXPECT_EQ(Json()["behind_it"], 1);
  EXPECT_TRUE(Json()["body"].is_null());
  EXPECT_THAT(Json()["problem"].get<std::string>(), HasSubstr("no ce_type header"));
}

// A service may have two groups with messages of the same key: its commands, and the effects of its own events.
TEST_F(ParkedTest, ShowsTheQueueOfTheRecordsGroupAlone) {
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 3).set_group("order.effects");
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 0);
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 0).set_group("order.effects");

  EXPECT_EQ(Run(RunParkedShow, {.service = "order", .id = 2}), kExitOk) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("queue     holds back its key; 1 behind it\n"));
  EXPECT_EQ(Run(RunParkedShow, {.service = "order", .id = 3}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("queue     waits behind 2 (dead); 0 behind it\n"));
}

TEST_F(ParkedTest, ShowOfAnUnknownIdIsNotWell) {
  EXPECT_EQ(Run(RunParkedShow, {.service = "order", .id = 9}), kExitNotWell);
  EXPECT_EQ(err_.str(), "tradewind: order: there is no such record\n");
}

TEST_F(ParkedTest, RetriesAndWaitsUntilItIsCarriedOut) {
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 0);
  order_.Add(v1::PARKED_STATE_PARKED, "o-2", 1);
  EXPECT_EQ(Run(RunParkedRequest, {.query = {.key = "o-1"}}), kExitOk) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("order: 1 to be handled again\ncarried out within "), Not(HasSubstr("user"))));
  // The page, the one record until that is done, and the page again.
  EXPECT_EQ(order_.listed, 3);
}

TEST_F(ParkedTest, AsksForOneRecordOnlyWhileItWaits) {
  for (int i = 0; i < 300; ++i) {
    order_.Add(v1::PARKED_STATE_DEAD, "o", 1);
  }
  order_.slowness = 5;
  EXPECT_EQ(Run(RunParkedRequest, {.service = "order"}), kExitOk) << err_.str();
  EXPECT_EQ(order_.largest_page, 100);
  // A page, four times the first record of it, the page again and three more.
  EXPECT_EQ(order_.listed, 9);
  EXPECT_EQ(order_.records_sent, 304 + 100);
}

TEST_F(ParkedTest, RetriesEverythingWithoutAQuery) {
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  user_.Add(v1::PARKED_STATE_DEAD, "u-1", 2);
  EXPECT_EQ(Run(RunParkedRequest, {.wait = absl::ZeroDuration()}), kExitOk);
  EXPECT_EQ(out_.str(),
            "order: 1 to be handled again\nuser: 1 to be handled again\n"
            "the owners of their tasks do that, usually within a second\n");
  EXPECT_EQ(order_.listed, 0);
}

TEST_F(ParkedTest, SaysWhatWasSkipped) {
  for (int i = 0; i < 12; ++i) {
    order_.Add(v1::PARKED_STATE_DEAD, fmt::format("o-{}", i), 2);
    order_.Add(v1::PARKED_STATE_PARKED, fmt::format("o-{}", i), 0);
  }
  EXPECT_EQ(Run(RunParkedRequest, {.verb = ParkedVerb::kSkip, .query = {.type = "OrderConfirmed"}}), kExitOk);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("order: 12 to be skipped\n  1  o-0  tradewind.order.v1.OrderConfirmed\n"),
                                HasSubstr("  19  o-9  tradewind.order.v1.OrderConfirmed\n  and 2 more\n")));
  EXPECT_EQ(Run(RunParkedList, {.query = {.state = "dead"}}), kExitOk);
  EXPECT_EQ(out_.str(), "nothing that matches is parked\n");
}

TEST_F(ParkedTest, SkipsInJsonToo) {
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  EXPECT_EQ(Run(RunParkedRequest, {.verb = ParkedVerb::kSkip, .service = "order", .query = {.id = 1}, .json = true}),
            kExitOk);
  const nlohmann::json answer = Json()["services"][0];
  EXPECT_EQ(answer["chosen"], 1);
  EXPECT_EQ(answer["carried_out"], true);
  EXPECT_EQ(answer["skipped"][0]["key"], "o-1");
}

TEST_F(ParkedTest, SaysWhenItWasNotCarriedOutInTime) {
  order_.slowness = 1'000'000;
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  EXPECT_EQ(Run(RunParkedRequest, {.query = {.key = "o-1"}, .wait = absl::Milliseconds(60)}), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("order: requested, and not carried out within 60ms"));
  EXPECT_EQ(out_.str(), "order: 1 to be handled again\n");
}

TEST_F(ParkedTest, ChoosingNothingIsNoMistakeUnlessAnIdWasGiven) {
  EXPECT_EQ(Run(RunParkedRequest, {.query = {.key = "o-1"}}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("nothing was chosen"));
  EXPECT_EQ(Run(RunParkedRequest, {.service = "order", .query = {.id = 9}}), kExitNotWell);
  EXPECT_EQ(err_.str(), "tradewind: order: there is no such record\n");
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  EXPECT_EQ(Run(RunParkedRequest, {.service = "order", .query = {.id = 1, .key = "other"}}), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("order: 1 does not match the other filters"));
}

TEST_F(ParkedTest, RefusesToRetryWhatOnlyWaits) {
  order_.Add(v1::PARKED_STATE_DEAD, "o-1", 2);
  order_.Add(v1::PARKED_STATE_PARKED, "o-1", 0);
  EXPECT_EQ(Run(RunParkedRequest, {.service = "order", .query = {.id = 2}}), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("order: 2 waits behind another record of its key"));
  EXPECT_EQ(Run(RunParkedRequest, {.verb = ParkedVerb::kSkip, .service = "order", .query = {.id = 2}}), kExitOk);
}

TEST_F(ParkedTest, SaysThatAHeldEventCouldNotBeTakenYet) {
  // The fake leaves it as it is, as the runtime does with one that is not the first of its source.
  order_.Add(v1::PARKED_STATE_HELD, "o-1", 0);
  EXPECT_EQ(Run(RunParkedRequest, {.service = "order", .query = {.id = 1}}), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("order: 1 is still held"));
}

TEST_F(ParkedTest, KnowsAnAnswerFromSomethingElse) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  v1::AdminService::Service nothing;
  builder.RegisterService(&nothing);
  const auto server = builder.BuildAndStart();
  config_.services = {{"order", fmt::format("127.0.0.1:{}", port)}};
  EXPECT_EQ(Run(RunParkedList, {}), kExitNotWell);
  EXPECT_THAT(err_.str(), HasSubstr("does not know this call: it is not order"));
  server->Shutdown();
}

}  // namespace
}  // namespace tradewind::cli
