// What goes out to webhooks: the body, and the addresses that are called and refused.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "google/protobuf/util/time_util.h"

#include "services/notification/address_filter.h"
#include "services/notification/seal_for_test.h"
#include "services/notification/webhook_body.h"
#include "services/notification/webhook_url.h"
#include "tradewind/order/v1/events.pb.h"

namespace tradewind::notification {
namespace {

using ::testing::HasSubstr;

v1::Notification Confirmed() {
  v1::Notification notification;
  notification.set_id("n-1");
  notification.set_user_id("u-1");
  notification.set_kind(v1::NOTIFICATION_KIND_ORDER_CONFIRMED);
  notification.set_subject("He said \"yes\"");
  notification.set_body("好\n");
  notification.set_event_id("e-1");
  *notification.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(1'700'000'000'000'000);
  return notification;
}

TEST(WebhookBodyTest, TellsWhatHappenedWithTheEvent) {
  order::v1::OrderConfirmed event;
  event.set_order_id("o-1");
  event.add_lines()->set_product_id("tea");
  const auto body = nlohmann::json::parse(WebhookBody(Confirmed(), event));
  EXPECT_EQ(body["type"], "order.confirmed");
  EXPECT_EQ(body["timestamp"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(body["data"]["notification_id"], "n-1");
  EXPECT_EQ(body["data"]["subject"], "He said \"yes\"");
  EXPECT_EQ(body["data"]["body"], "好\n");
  EXPECT_EQ(body["data"]["event"]["order_id"], "o-1");
  EXPECT_EQ(body["data"]["event"]["lines"][0]["product_id"], "tea");
}

TEST(WebhookBodyTest, OpensWhatIsSealedForItsReceiverAndNothingElse) {
  seal::Keys keys;
  keys.StartInMemory();
  v1::Notification notification = Confirmed();
  const std::string others = Sealed(keys, "u-2", "Bob");
  notification.set_subject("To " + Sealed(keys, "u-1", "\"Ann\"") + ", because " + others);
  const auto opened = OpenWebhookBody(keys, "u-1", WebhookBody(notification, order::v1::OrderConfirmed()));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(nlohmann::json::parse(*opened)["data"]["subject"], "To \"Ann\", because " + others);
}

TEST(WebhookBodyTest, LeavesOutAnEventThatIsTooLarge) {
  order::v1::OrderConfirmed event;
  for (int i = 0; i < 3000; ++i) event.add_lines()->set_product_id("a product with a long name");
  const std::string text = WebhookBody(Confirmed(), event);
  EXPECT_LE(text.size(), kMostWebhookBytes);
  const auto body = nlohmann::json::parse(text);
  EXPECT_EQ(body["data"]["event_id"], "e-1");
  EXPECT_FALSE(body["data"].contains("event"));
}

TEST(WebhookBodyTest, NamesEveryKind) {
  std::set<std::string> types;
  for (int i = 1; i < v1::NotificationKind_descriptor()->value_count(); ++i) {
    types.emplace(WebhookType(static_cast<v1::NotificationKind>(i)));
  }
  EXPECT_EQ(types.size(), v1::NotificationKind_descriptor()->value_count() - 1);
  EXPECT_FALSE(types.contains("unknown"));
}

bool IsPublic(const std::string& text) {
  sockaddr_in ip4{.sin_family = AF_INET};
  if (inet_pton(AF_INET, text.c_str(), &ip4.sin_addr) == 1) {
    return IsPublicAddress(reinterpret_cast<const sockaddr*>(&ip4));
  }
  sockaddr_in6 ip6{.sin6_family = AF_INET6};
  EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &ip6.sin6_addr), 1) << text;
  return IsPublicAddress(reinterpret_cast<const sockaddr*>(&ip6));
}

TEST(AddressFilterTest, LetsThroughWhatIsOnTheInternet) {
  for (const char* address :
       {"8.8.8.8",        "1.1.1.1",         "11.0.0.0",        "9.255.255.255",     "100.63.255.255",
        "100.128.0.0",    "126.255.255.255", "128.0.0.0",       "169.253.255.255",   "169.255.0.0",
        "172.15.255.255", "172.32.0.0",      "192.167.255.255", "192.169.0.0",       "198.17.255.255",
        "198.20.0.0",     "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1", "2001:4860::8888",
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"}) {
    EXPECT_TRUE(IsPublic(address)) << address;
  }
}

TEST(AddressFilterTest, RefusesEveryOther) {
  for (const char* address :
       {"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
        "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
        "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255",
        // IPv6: unspecified, loopback, IPv4 within, private, link-local, multicast, documentation, tunnels.
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1",
        "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "4000::1", "fc00::1", "fd12:3456::1", "fe80::1",
        "fec0::1", "ff02::1"}) {
    EXPECT_FALSE(IsPublic(address)) << address;
  }
  const sockaddr_un local{.sun_family = AF_UNIX};
  EXPECT_FALSE(IsPublicAddress(reinterpret_cast<const sockaddr*>(&local)));
}

TEST(WebhookUrlTest, TakesHttps) {
  for (const char* url : {"https://example.org", "https://example.org:8443/hook?a=b", "https://8.8.8.8/",
                          "https://[2606:4700::1111]/hook", "HTTPS://EXAMPLE.org/"}) {
    EXPECT_EQ(ProblemWithWebhookUrl(url, {}), "") << url;
  }
}

TEST(WebhookUrlTest, RefusesWhatIsNoPublicHttpsUrl) {
  const std::vector<std::pair<std::string, std::string>> problems = {
      {"", "not a URL"},
      {"example.org", "not a URL"},
      {"https://", "not a URL"},
      {"https://example.org/a b", "not a URL"},
      {"https://example.org/\r\nX: y", "not a URL"},
      {"https://例子.org/", "not a URL"},
      {"http://example.org/", "https://"},
      {"ftp://example.org/", "https://"},
      {"file:///etc/passwd", "https://"},
      {"https://ada@example.org/", "a user"},
      {"https://:secret@example.org/", "a password"},
      {"https://example.org/#here", "fragment"},
      {"https://127.0.0.1/", "private"},
      {"https://127.1/", "private"},
      {"https://2130706433/", "private"},
      {"https://0x7f.0.0.1/", "private"},
      {"https://[::1]/", "private"},
      {"https://[::ffff:10.0.0.1]/", "private"},
      {"https://169.254.169.254/latest/meta-data", "private"},
  };
  for (const auto& [url, problem] : problems) EXPECT_THAT(ProblemWithWebhookUrl(url, {}), HasSubstr(problem)) << url;
}

TEST(WebhookUrlTest, TakesMoreWhereTheSettingsSaySo) {
  NotificationSettings settings;
  settings.webhook_allow_http = true;
  EXPECT_EQ(ProblemWithWebhookUrl("http://example.org/", settings), "");
  EXPECT_THAT(ProblemWithWebhookUrl("http://127.0.0.1/", settings), HasSubstr("private"));
  settings.webhook_allow_private = true;
  EXPECT_EQ(ProblemWithWebhookUrl("http://127.0.0.1:8000/", settings), "");
}

}  // namespace
}  // namespace tradewind::notification
