#include "services/gateway/field_sealing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/gateway/rules_test.pb.h"

namespace tradewind::gateway {
namespace {

using ::testing::StartsWith;

const google::protobuf::FieldDescriptor* Field(const char* name) {
  return test::v1::SealedRequest::descriptor()->FindFieldByName(name);
}

class FieldSealingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    keys_.StartInMemory();
    request_.set_id("ann");
    request_.set_email("Ann@example.com");
  }
  absl::Status Seal(test::v1::SealedRequest& request, const std::string& request_id = "r-1") const {
    return SealFields(shape_, {.caller = "c", .method = "/m", .request_id = request_id}, keys_, request);
  }
  void PrepareKey() {
    keys_.Prepare("ann", absl::InfiniteFuture(), [](const absl::Status& status) { ASSERT_TRUE(status.ok()); });
  }

  const CommandShape shape_{.sealed = {Field("email"), Field("secret")},
                            .subject = Field("id"),
                            .fingerprints = {{.field = Field("email_fingerprint"), .of = Field("email")}},
                            .secrets = {Field("secret")}};
  seal::Keys keys_;
  test::v1::SealedRequest request_;
};

TEST_F(FieldSealingTest, ChangesNothingForASubjectWithoutAKey) {
  const test::v1::SealedRequest before = request_;
  EXPECT_EQ(Seal(request_).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(request_.SerializeAsString(), before.SerializeAsString());
}

TEST_F(FieldSealingTest, SealsFingerprintsAndFillsIn) {
  PrepareKey();
  ASSERT_TRUE(Seal(request_).ok());
  EXPECT_THAT(request_.email(), StartsWith("sealed:1:"));
  EXPECT_EQ(keys_.Open(request_.email()).value(), "Ann@example.com");
  EXPECT_EQ(request_.email_fingerprint(), keys_.Fingerprint("ann@example.com").value());
  EXPECT_THAT(request_.secret(), StartsWith("sealed:1:"));
  EXPECT_EQ(keys_.Open(request_.secret())->size(), 44);
  EXPECT_EQ(request_.id(), "ann");
}

TEST_F(FieldSealingTest, MakesTheSameOfARepeatAndAnotherSecretOfAnotherCall) {
  PrepareKey();
  test::v1::SealedRequest repeat = request_;
  test::v1::SealedRequest another = request_;
  test::v1::SealedRequest unnumbered = request_;
  test::v1::SealedRequest unnumbered_again = request_;
  ASSERT_TRUE(Seal(request_).ok() && Seal(repeat).ok() && Seal(another, "r-2").ok());
  ASSERT_TRUE(Seal(unnumbered, "").ok() && Seal(unnumbered_again, "").ok());
  EXPECT_EQ(request_.SerializeAsString(), repeat.SerializeAsString());
  EXPECT_NE(request_.secret(), another.secret());
  EXPECT_NE(unnumbered.secret(), unnumbered_again.secret());
}

TEST_F(FieldSealingTest, LeavesEmptyWhatIsEmpty) {
  PrepareKey();
  request_.clear_email();
  ASSERT_TRUE(Seal(request_).ok());
  EXPECT_EQ(request_.email(), "");
  EXPECT_EQ(request_.email_fingerprint(), "");
}

TEST_F(FieldSealingTest, RefusesAnErasedSubject) {
  PrepareKey();
  ASSERT_TRUE(keys_.Erase("ann", absl::InfiniteFuture()).ok());
  EXPECT_EQ(Seal(request_).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tradewind::gateway
