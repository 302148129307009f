#include "services/notification/notification_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace tradewind::notification {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// What --check-config says of this flag; empty where it has nothing to say.
std::string Refusal(const std::string& flag) {
  NotificationSettings settings;
  config::Schema schema;
  Describe(schema, settings);
  const char* flags[] = {"tradewind-notification", "--check-config", flag.c_str()};
  const auto command = config::Load(schema, {"tradewind-notification", ""}, 3, flags);
  return command.ok() ? "" : std::string(command.status().message());
}

TEST(NotificationSettingsTest, TakesMailServers) {
  for (const char* url :
       {"", "smtp://127.0.0.1:1025", "smtps://mail.example.org:465", "smtp://[::1]:25", "smtp://mail.example.org"}) {
    EXPECT_EQ(Refusal(std::string("--notification.smtp_url=") + url), "") << url;
  }
}

TEST(NotificationSettingsTest, NamesTheSettingThatIsNoMailServer) {
  for (const char* url : {"smtp://mail:99999", "smtp://mail:0", "smtp://:25", "mail.example.org:25", "http://mail:25",
                          "smtp://mail:x", "smtp://"}) {
    EXPECT_THAT(Refusal(std::string("--notification.smtp_url=") + url),
                AllOf(HasSubstr("notification.smtp_url"), HasSubstr("write smtp://host:port")))
        << url;
  }
  EXPECT_THAT(Refusal("--notification.mail_from=nobody"), HasSubstr("notification.mail_from"));
}

}  // namespace
}  // namespace tradewind::notification
