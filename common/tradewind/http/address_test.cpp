#include "tradewind/http/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::http {
namespace {

TEST(UrlTest, IsTakenApart) {
  const auto url = ParseUrl("https://u:p@[::1]:8443/path?a=b#c");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->user, "u");
  EXPECT_EQ(url->password, "p");
  EXPECT_EQ(url->host, "[::1]");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->query, "a=b");
  EXPECT_EQ(url->fragment, "c");
  for (const char* text : {"", "localhost", "https://", "https://a b/", "https://a\r\nb/", "https://\xc3\xa4/"}) {
    EXPECT_FALSE(ParseUrl(text).has_value()) << text;
  }
}

TEST(UrlTest, KnowsThisMachine) {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"})
    EXPECT_TRUE(IsLoopback(host)) << host;
  for (const char* host : {"", "128.0.0.1", "localhost.example", "127.0.0.1.example", "[::2]", "0.0.0.0"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace tradewind::http
