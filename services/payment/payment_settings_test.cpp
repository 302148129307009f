#include "services/payment/payment_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::payment {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSecret[] = "--payment.callback_secrets=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

// What --check-config says of these flags; empty where it has nothing to say.
std::string Refusal(std::vector<const char*> flags, PaymentSettings settings = {}) {
  config::Schema schema;
  Describe(schema, settings);
  flags.insert(flags.begin(), {"tradewind-payment", "--check-config"});
  const auto command = config::Load(schema, {"tradewind-payment", ""}, static_cast<int>(flags.size()), flags.data());
  return command.ok() ? "" : std::string(command.status().message());
}

std::string HttpRefusal(std::vector<const char*> flags) {
  flags.push_back("--payment.provider=http");
  return Refusal(std::move(flags));
}

TEST(PaymentSettingsTest, TakesWhatGoesTogether) {
  EXPECT_EQ(Refusal({}), "");
  EXPECT_EQ(Refusal({"--payment.http_url=not looked at"}), "");
  EXPECT_EQ(HttpRefusal({"--payment.http_url=https://pay.example/api"}), "");
  EXPECT_EQ(HttpRefusal({"--payment.http_url=http://localhost:1"}), "");
  EXPECT_EQ(HttpRefusal({"--payment.http_url=http://[::1]:1", "--payment.callback_address=127.0.0.1:8470", kSecret}),
            "");
  EXPECT_EQ(HttpRefusal({"--payment.http_url=http://pay.example", "--payment.http_allow_plain"}), "");
}

TEST(PaymentSettingsTest, RefusesWhatCannotWork) {
  EXPECT_THAT(Refusal({"--payment.provider=stripe"}), HasSubstr("payment.provider"));
  EXPECT_THAT(HttpRefusal({}), HasSubstr("'payment.http_url' must be set"));
  for (const char* url : {"--payment.http_url=pay.example", "--payment.http_url=ftp://pay.example",
                          "--payment.http_url=https://u:p@pay.example", "--payment.http_url=https://pay.example/?a=b",
                          "--payment.http_url=http://pay.example", "--payment.http_url=http://127.0.0.1.example"}) {
    EXPECT_THAT(HttpRefusal({url}), HasSubstr("payment.http_url")) << url;
  }
  constexpr char kUrl[] = "--payment.http_url=https://pay.example";
  EXPECT_THAT(HttpRefusal({kUrl, "--payment.http_key=a\r\nb"}), HasSubstr("payment.http_key"));
  EXPECT_THAT(HttpRefusal({kUrl, "--payment.callback_address=8470", kSecret}), HasSubstr("payment.callback_address"));
  EXPECT_THAT(HttpRefusal({kUrl, "--payment.callback_address=127.0.0.1:8470"}), HasSubstr("callback_secrets"));
  for (const char* secrets : {"--payment.callback_secrets=secret!", "--payment.callback_secrets=whsec_AA== whsec_!",
                              "--payment.callback_secrets=whsec_AA== whsec_AA== whsec_AA=="}) {
    EXPECT_THAT(HttpRefusal({kUrl, "--payment.callback_address=127.0.0.1:8470", secrets}),
                HasSubstr("callback_secrets"))
        << secrets;
  }
}

TEST(PaymentSettingsTest, SeparatesSecrets) {
  const auto separated = [](const char* text) { return CallbackSettings{.secrets = config::Secret(text)}.Secrets(); };
  EXPECT_THAT(separated(""), IsEmpty());
  EXPECT_THAT(separated(" , "), IsEmpty());
  EXPECT_THAT(separated("a"), ElementsAre("a"));
  EXPECT_THAT(separated(" a,b "), ElementsAre("a", "b"));
  EXPECT_THAT(separated("a  b"), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace tradewind::payment
