#include "tradewind/telemetry/metrics.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

namespace tradewind::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A TCP socket on the loopback interface, closed at the end.
class Socket {
 public:
  Socket() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~Socket() { close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Takes a free port and listens there.
  int Listen() {
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(descriptor_, 1), 0);
    EXPECT_EQ(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
  }

  bool Connect(int port) {
    sockaddr_in address = Loopback(port);
    return connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }

  // Sends `request` and reads until the other side closes.
  std::string Exchange(std::string_view request) {
    EXPECT_EQ(send(descriptor_, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4096];
    for (ssize_t got; (got = recv(descriptor_, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, got);
    return answer;
  }

 private:
  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

  int descriptor_;
};

std::string Get(int port, std::string_view path) {
  Socket socket;
  EXPECT_TRUE(socket.Connect(port));
  return socket.Exchange(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path));
}

TEST(MetricsTest, ServesWhatWasCounted) {
  Counter counter = NewCounter("tradewind_test_events_total", "Events seen.", {{"group", "a"}});
  counter.Add();
  counter.Add(2);
  Gauge gauge = NewGauge("tradewind_test_lag", "Records behind.");
  gauge.Set(7);
  gauge.Add(-2);
  Histogram histogram = NewHistogram("tradewind_test_seconds", "How long.", {}, {0.1, 1});
  histogram.Observe(0.05);
  histogram.Observe(0.5);

  auto server = MetricsServer::Start({.address = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  std::string answer = Get((*server)->port(), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(answer, HasSubstr("# HELP tradewind_test_events_total Events seen."));
  EXPECT_THAT(answer, HasSubstr("tradewind_test_events_total{group=\"a\"} 3\n"));
  EXPECT_THAT(answer, HasSubstr("tradewind_test_lag 5\n"));
  EXPECT_THAT(answer, HasSubstr("tradewind_test_seconds_bucket{le=\"0.1\"} 1\n"));
  EXPECT_THAT(answer, HasSubstr("tradewind_test_seconds_bucket{le=\"1\"} 2\n"));
  EXPECT_THAT(Get((*server)->port(), "/other"), StartsWith("HTTP/1.1 404"));
}

TEST(MetricsTest, GivesTheSameMetricForTheSameNameAndLabels) {
  NewCounter("tradewind_test_same_total", "Same.", {{"x", "1"}}).Add(2);
  EXPECT_EQ(NewCounter("tradewind_test_same_total", "Same.", {{"x", "1"}}).value(), 2);
  EXPECT_EQ(NewCounter("tradewind_test_same_total", "Same.", {{"x", "2"}}).value(), 0);
}

TEST(MetricsTest, RefusesANameOfAnotherKindOfMetric) {
  NewCounter("tradewind_test_kind", "A counter.");
  EXPECT_THROW(NewGauge("tradewind_test_kind", "A gauge."), std::invalid_argument);
}

TEST(MetricsTest, DefaultBoundsRunFromMicrosecondsToTenSeconds) {
  NewHistogram("tradewind_test_default_seconds", "How long.").Observe(0.0001);
  auto server = MetricsServer::Start({.address = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  std::string answer = Get((*server)->port(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("tradewind_test_default_seconds_bucket{le=\"0.0001\"} 1\n"));
  EXPECT_THAT(answer, HasSubstr("tradewind_test_default_seconds_bucket{le=\"10\"} 1\n"));
}

TEST(MetricsTest, CountsFromManyThreads) {
  Counter counter = NewCounter("tradewind_test_threads_total", "Threads.");
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([counter] {
      for (int n = 0; n < 1000; ++n) counter.Add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), kThreads * 1000);
}

TEST(MetricsTest, AnAgeRisesWhileNobodyReportsIt) {
  const Age age = NewAge("tradewind_test_away_seconds", "Away.", {{"group", "a"}});
  EXPECT_EQ(age.value(), 0);
  age.Set(absl::Seconds(100));
  // Goes on already: begins no second time.
  age.Begin();
  auto server = MetricsServer::Start({.address = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string answer = Get((*server)->port(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("# TYPE tradewind_test_away_seconds gauge\n"));
  EXPECT_THAT(answer, HasSubstr("tradewind_test_away_seconds{group=\"a\"} 1"));
  EXPECT_GE(age.value(), 100);
  age.End();
  EXPECT_EQ(NewAge("tradewind_test_away_seconds", "Away.", {{"group", "a"}}).value(), 0);
  EXPECT_THAT(Get((*server)->port(), "/metrics"), HasSubstr("tradewind_test_away_seconds{group=\"a\"} 0\n"));
}

TEST(MetricsServerTest, NamesTheSettingWhenThePortIsTaken) {
  Socket other;
  std::string address = fmt::format("127.0.0.1:{}", other.Listen());
  auto server = MetricsServer::Start({.address = address});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kFailedPrecondition);
  std::string message(server.status().message());
  EXPECT_THAT(message, HasSubstr("metrics.address"));
  EXPECT_THAT(message, HasSubstr(address));
  EXPECT_THAT(message, HasSubstr("Address already in use"));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

TEST(MetricsServerTest, SaysWhenTheHostIsNotOfThisMachine) {
  // 192.0.2.0/24 is for documentation: no machine has it.
  auto server = MetricsServer::Start({.address = "192.0.2.1:9464"});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("Cannot assign requested address"));
  server = MetricsServer::Start({.address = "nosuchhost.invalid:9464"});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("no IPv4 address that is known here"));
}

TEST(MetricsServerTest, RefusesWhatIsNotHostAndPort) {
  for (const char* address : {"9464", ":9464", "localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                              "127.0.0.1:1,0.0.0.0:2", "::1:9464", "[::1]:9464", "127.0.0.1:9464s"}) {
    auto server = MetricsServer::Start({.address = address});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr("'metrics.address'")) << address;
  }
}

TEST(MetricsServerTest, FreesItsPortAtTheEnd) {
  int port = 0;
  for (int i = 0; i < 2; ++i) {
    auto server = MetricsServer::Start({.address = fmt::format("127.0.0.1:{}", port)});
    ASSERT_TRUE(server.ok()) << server.status();
    port = (*server)->port();
  }
  EXPECT_FALSE(Socket().Connect(port));
}

TEST(MetricsServerTest, ServesNothingWithoutAnAddress) {
  auto server = MetricsServer::Start({});
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_NE(*server, nullptr);
  EXPECT_EQ((*server)->port(), 0);
}

}  // namespace
}  // namespace tradewind::telemetry
