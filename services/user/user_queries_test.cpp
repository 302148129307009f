#include "services/user/user_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "services/user/test_keys.h"
#include "services/user/user_decider.h"
#include "tradewind/app/hanging_store.h"
#include "tradewind/app/in_process_server.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::user {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class UserQueriesTest : public ::testing::Test {
 protected:
  void GivenUser(const std::string& id, const std::string& email, int64_t created_us) {
    internal::v1::UserRecord record;
    record.set_password_hash("$argon2id$secret");
    record.mutable_user()->set_id(id);
    record.mutable_user()->set_email(keys_.Sealed(id, email));
    record.mutable_user()->set_display_name(keys_.Sealed(id, "Name of " + id));
    record.set_email_fingerprint(keys_.FingerprintOf(email));
    *record.mutable_user()->mutable_create_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(created_us);
    reader_.Put(record.GetDescriptor()->full_name(), id, record.SerializeAsString(), IndexUser(record));
  }

  std::vector<std::string> List(const v1::ListUsersRequest& request, std::string* next = nullptr) {
    v1::ListUsersResponse response;
    const grpc::Status status = stub_->ListUsers(testing::MakeClientContext().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_THAT(response.SerializeAsString(), Not(HasSubstr("argon2")));
    std::vector<std::string> ids;
    for (const auto& user : response.users()) {
      EXPECT_EQ(user.display_name(), "Name of " + user.id());
      ids.push_back(user.id());
    }
    if (next != nullptr) *next = response.next_page_token();
    return ids;
  }

  grpc::Status Get(const std::string& id, v1::User* user) {
    v1::GetUserRequest request;
    request.set_id(id);
    return stub_->GetUser(testing::MakeClientContext().get(), request, user);
  }

  TestKeys keys_;
  testing::FakeReader reader_;
  rpc::WorkPool pool_{{.name = "test", .threads = 2, .max_waiting = 4}};
  UserQueries queries_{reader_, pool_, keys_.shared()};
  testing::InProcessServer server_{queries_};
  std::unique_ptr<v1::UserService::Stub> stub_ = v1::UserService::NewStub(server_.channel());
};

TEST_F(UserQueriesTest, GetsAUserOpenedAndWithoutThePasswordHash) {
  GivenUser("u-1", "Ada@example.org", 1);
  v1::User user;
  ASSERT_TRUE(Get("u-1", &user).ok());
  EXPECT_EQ(user.email(), "Ada@example.org");
  EXPECT_EQ(user.display_name(), "Name of u-1");
  EXPECT_THAT(user.SerializeAsString(), Not(HasSubstr("argon2")));
  EXPECT_THAT(user.SerializeAsString(), Not(HasSubstr("sealed:")));
}

TEST_F(UserQueriesTest, ShowsNothingOfWhatWasErased) {
  GivenUser("u-1", "ada@example.org", 1);
  ASSERT_TRUE(keys_.shared()->Erase("u-1", absl::InfiniteFuture()).ok());
  v1::User user;
  ASSERT_TRUE(Get("u-1", &user).ok());
  EXPECT_EQ(user.email(), seal::kErased);
  EXPECT_EQ(user.display_name(), seal::kErased);
}

TEST_F(UserQueriesTest, TellsAKeyThatMayYetComeFromDamage) {
  // Sealed where this service has never been.
  const std::string foreign = TestKeys().Sealed("u-1", "ada@example.org");
  internal::v1::UserRecord record;
  record.mutable_user()->set_id("u-1");
  record.mutable_user()->set_email(foreign);
  reader_.Put(record.GetDescriptor()->full_name(), "u-1", record.SerializeAsString(), IndexUser(record));
  v1::User user;
  const grpc::Status unknown = Get("u-1", &user);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(unknown.error_details(), HasSubstr("KEY_UNAVAILABLE"));

  // Now the user has a key, and it is another one.
  keys_.Sealed("u-1", "ada@example.org");
  const grpc::Status damaged = Get("u-1", &user);
  EXPECT_EQ(damaged.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(damaged.error_details(), HasSubstr("KEY_ERROR"));
}

TEST_F(UserQueriesTest, SaysThatThereIsNoSuchUser) {
  v1::User user;
  const grpc::Status missing = Get("u-1", &user);
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(missing.error_details(), HasSubstr("USER_NOT_FOUND"));
}

TEST_F(UserQueriesTest, ListsOldestFirstInPages) {
  GivenUser("u-b", "b@example.org", 10);
  GivenUser("u-a", "a@example.org", 20);
  v1::ListUsersRequest request;
  EXPECT_THAT(List(request), ElementsAre("u-b", "u-a"));

  request.set_page_size(1);
  std::string next;
  EXPECT_THAT(List(request, &next), ElementsAre("u-b"));
  request.set_page_token(next);
  EXPECT_THAT(List(request, &next), ElementsAre("u-a"));
  EXPECT_EQ(next, "");
}

TEST_F(UserQueriesTest, FindsAnAddressHoweverItIsWritten) {
  GivenUser("u-a", "Ada@Example.org", 10);
  GivenUser("u-b", "b@example.org", 20);
  v1::ListUsersRequest request;
  request.set_email(" ADA@example.ORG ");
  EXPECT_THAT(List(request), ElementsAre("u-a"));
  request.set_email("nobody@example.org");
  EXPECT_THAT(List(request), IsEmpty());
  // An address of nothing but white space is not the absence of a filter.
  request.set_email("  ");
  EXPECT_THAT(List(request), IsEmpty());
}

TEST_F(UserQueriesTest, AnswersHealthWhileTheStoreHangs) {
  rpc::WorkPool pool({.name = "test", .threads = 2, .max_waiting = 100});
  UserQueries queries(reader_, pool, keys_.shared());
  const std::string service = "/tradewind.user.v1.UserService/";
  EXPECT_TRUE(testing::AnswersHealthWhileItsStoreHangs(queries, reader_, pool, 2,
                                                       {{service + "GetUser"}, {service + "ListUsers"}}));
}

}  // namespace
}  // namespace tradewind::user
