#include "tradewind/net/host_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::net {
namespace {

using ::testing::HasSubstr;

std::string Refusal(std::string_view text, Use use = Use::kListen) {
  return std::string(CheckHostPort(text, use).message());
}

TEST(HostPortTest, TakesApartHostsOfEachKind) {
  EXPECT_EQ(ParseHostPort("order:50053")->host, "order");
  EXPECT_EQ(ParseHostPort("order:50053")->port, 50053);
  EXPECT_EQ(ParseHostPort("[::1]:1")->host, "::1");
  for (const char* text : {"", "8470", "order", ":1", "::1:1", "order:", "order:x", "order:65536", "order:-1",
                           "order:1 ", "a b:1", "[]:1", "[::1]"}) {
    EXPECT_FALSE(ParseHostPort(text).has_value()) << text;
  }
}

TEST(HostPortTest, TakesNamesAndAddresses) {
  for (const char* text : {"127.0.0.1:50051", "0.0.0.0:1", "localhost:65535", "tradewind_order_1:50053", "[::1]:50051",
                           "[fe80::1%eth0]:1", "order.shop.svc.cluster.local.:50053", "3com.example:1", "A-b:1"}) {
    EXPECT_EQ(Refusal(text), "") << text;
    EXPECT_EQ(Refusal(text, Use::kReach), "") << text;
  }
}

TEST(HostPortTest, TakesPortZeroOfListenersOnly) {
  EXPECT_EQ(Refusal("127.0.0.1:0"), "");
  EXPECT_THAT(Refusal("127.0.0.1:0", Use::kReach), HasSubstr("whose port is not from 1 to 65535"));
  EXPECT_THAT(Refusal("127.0.0.1:000", Use::kReach), HasSubstr("whose port is not from 1 to 65535"));
}

TEST(HostPortTest, NamesWhatIsWrong) {
  EXPECT_THAT(Refusal("127.0.0.1"), HasSubstr("is '127.0.0.1', which has no port; write host:port"));
  EXPECT_THAT(Refusal("50051"), HasSubstr("which has no port"));
  EXPECT_THAT(Refusal(""), HasSubstr("which has no port"));
  EXPECT_THAT(Refusal("[::1]"), HasSubstr("which has no port"));
  EXPECT_THAT(Refusal("127.0.0.1:"), HasSubstr("whose port is no number"));
  EXPECT_THAT(Refusal("127.0.0.1:http"), HasSubstr("whose port is no number"));
  EXPECT_THAT(Refusal("127.0.0.1:-1"), HasSubstr("whose port is no number"));
  EXPECT_THAT(Refusal("127.0.0.1:50051 "), HasSubstr("whose port is no number"));
  EXPECT_THAT(Refusal("127.0.0.1:65536"), HasSubstr("whose port is not from 0 to 65535"));
  EXPECT_THAT(Refusal("127.0.0.1:99999999999999999999"), HasSubstr("whose port is not from 0 to 65535"));
  EXPECT_THAT(Refusal(":50051"), HasSubstr("0.0.0.0 stands for every address"));
  EXPECT_THAT(Refusal(":50051", Use::kReach), HasSubstr("which has no host"));
}

TEST(HostPortTest, RefusesHostsThatCannotBe) {
  for (const char* text : {"256.0.0.1:1", "127.0.0:1", "1:1", "::1:1", "http://order:1", "a b:1", "a..b:1", "[order]:1",
                           "[127.0.0.1]:1", "order,user:1", "/tmp/x:1", "\xff:1", "*:1", ".:1"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("whose host is neither")) << text;
  }
  EXPECT_THAT(Refusal(std::string(64, 'a') + ":1"), HasSubstr("whose host is neither"));
}

TEST(HostPortTest, RefusesIpv6WhereAServerKnowsNone) {
  EXPECT_EQ(Refusal("127.0.0.1:9464", Use::kListenOnIpv4), "");
  EXPECT_THAT(Refusal("[::1]:9464", Use::kListenOnIpv4), HasSubstr("IPv4 alone"));
}

TEST(HostPortTest, SeesListenersThatCollide) {
  const auto collide = [](const char* a, const char* b) {
    return Collide(*ParseHostPort(a), *ParseHostPort(b)) && Collide(*ParseHostPort(b), *ParseHostPort(a));
  };
  EXPECT_TRUE(collide("127.0.0.1:1", "127.0.0.1:1"));
  EXPECT_TRUE(collide("127.0.0.1:1", "0.0.0.0:1"));
  EXPECT_TRUE(collide("order:1", "[::]:1"));
  EXPECT_TRUE(collide("LOCALHOST:1", "127.0.0.1:1"));
  EXPECT_FALSE(collide("127.0.0.1:1", "127.0.0.1:2"));
  EXPECT_FALSE(collide("127.0.0.1:1", "127.0.0.2:1"));
  EXPECT_FALSE(collide("127.0.0.1:0", "127.0.0.1:0"));
}

}  // namespace
}  // namespace tradewind::net
