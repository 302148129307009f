#include "tradewind/auth/webhook_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tradewind::auth {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'614'265'330);
constexpr char kId[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr char kTimestamp[] = "1614265330";
constexpr char kBody[] = R"({"test": 2432232314})";
const std::string kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const std::string kOtherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
// The test vector of the reference libraries.
const std::string kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

absl::Status Verify(const std::vector<std::string>& secrets, const std::string& signatures, absl::Time now = kNow) {
  return VerifyWebhook(secrets, kId, kTimestamp, signatures, kBody, now);
}

TEST(WebhookSignatureTest, IsThatOfTheSpecification) {
  EXPECT_EQ(SignWebhook(kSecret, kId, kTimestamp, kBody), kSignature);
}

TEST(WebhookSignatureTest, IsNoneByASecretThatIsNone) {
  EXPECT_EQ(SignWebhook("", "id", "1", "{}"), "");
  EXPECT_EQ(SignWebhook("whsec_not base64", "id", "1", "{}"), "");
}

TEST(WebhookSignatureTest, KnowsASecretFromWhatIsNone) {
  EXPECT_TRUE(IsWebhookSecret(kSecret));
  EXPECT_TRUE(IsWebhookSecret(kSecret.substr(6)));
  EXPECT_FALSE(IsWebhookSecret(""));
  EXPECT_FALSE(IsWebhookSecret("whsec_"));
  EXPECT_FALSE(IsWebhookSecret("whsec_not base64"));
  EXPECT_FALSE(IsWebhookSecret("whsec_" + std::string(88, 'A')));
}

TEST(VerifyWebhookTest, TakesOneRightSignatureAmongOthersByOneOfTheSecrets) {
  EXPECT_TRUE(Verify({kSecret}, kSignature).ok());
  EXPECT_TRUE(Verify({kOtherSecret, kSecret}, kSignature).ok());
  EXPECT_TRUE(Verify({kSecret}, "v1a,whatever v1,AAAA " + kSignature).ok());
  EXPECT_TRUE(Verify({kSecret}, kSignature + " v1,AAAA").ok());
}

TEST(VerifyWebhookTest, RefusesWhatIsNotSignedByASecret) {
  const std::string wrong = "v1," + std::string(43, 'A') + "=";
  for (const std::string& signatures : {wrong, std::string(" "), kSignature.substr(3), "v2," + kSignature.substr(3),
                                        kSignature + "x", kSignature.substr(0, 10)}) {
    EXPECT_TRUE(absl::IsUnauthenticated(Verify({kSecret}, signatures))) << signatures;
  }
  EXPECT_TRUE(absl::IsUnauthenticated(Verify({kOtherSecret}, kSignature)));
  EXPECT_TRUE(absl::IsUnauthenticated(Verify({}, kSignature)));
  // A secret that is none signs nothing, not everything.
  EXPECT_TRUE(absl::IsUnauthenticated(Verify({""}, " ")));
  const std::vector<std::string> secrets = {kSecret};
  EXPECT_FALSE(VerifyWebhook(secrets, kId, kTimestamp, kSignature, std::string(kBody) + " ", kNow).ok());
  EXPECT_FALSE(VerifyWebhook(secrets, "other", kTimestamp, kSignature, kBody, kNow).ok());
  EXPECT_FALSE(VerifyWebhook(secrets, kId, "1614265331", kSignature, kBody, kNow).ok());
}

TEST(VerifyWebhookTest, RefusesWhatIsOldOrFromTheFuture) {
  for (const absl::Duration off : {absl::Seconds(-300), absl::Seconds(300)}) {
    EXPECT_TRUE(Verify({kSecret}, kSignature, kNow + off).ok()) << off;
  }
  const absl::Status old = Verify({kSecret}, kSignature, kNow + absl::Seconds(301));
  EXPECT_TRUE(absl::IsUnauthenticated(old));
  EXPECT_THAT(std::string(old.message()), HasSubstr("too old"));
  EXPECT_THAT(std::string(Verify({kSecret}, kSignature, kNow - absl::Seconds(301)).message()), HasSubstr("ahead"));
}

TEST(VerifyWebhookTest, SaysWhichHeaderIsWrong) {
  const std::vector<std::string> secrets = {kSecret};
  const auto said = [&](const char* id, const char* timestamp, const char* signatures) {
    const absl::Status status = VerifyWebhook(secrets, id, timestamp, signatures, kBody, kNow);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  EXPECT_THAT(said("", kTimestamp, "v1,"), HasSubstr("webhook-id"));
  EXPECT_THAT(said(kId, kTimestamp, ""), HasSubstr("webhook-signature"));
  for (const char* timestamp : {"", "x", "1614265330x", " 1614265330", "99999999999999999999"}) {
    EXPECT_THAT(said(kId, timestamp, "v1,"), HasSubstr("webhook-timestamp")) << timestamp;
  }
}

}  // namespace
}  // namespace tradewind::auth
