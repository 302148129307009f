#include "services/cli/metrics_scrape.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace tradewind::cli {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST(SumSamples, AddsOverLabels) {
  const std::string page =
      "# HELP dead_records Dead.\n"
      "# TYPE dead_records gauge\n"
      "dead_records{group=\"order\"} 2\n"
      "dead_records{group=\"a } \\\" b\",x=\"y\"} 3 1700000000\n"
      "dead_records_total 100\n";
  EXPECT_EQ(SumSamples(page, "dead_records"), 5);
  EXPECT_EQ(SumSamples(page, "dead_records", "order"), 2);
  EXPECT_EQ(SumSamples(page, "dead_records", "a } \" b"), 3);
  EXPECT_EQ(SumSamples(page, "dead_records", "orde"), std::nullopt);
}

TEST(SumSamples, TakesASampleWithoutLabels) { EXPECT_EQ(SumSamples("dead 4.5\r\n", "dead"), 4.5); }

TEST(SumSamples, HasNothingWhereThereIsNoSuchMetric) {
  EXPECT_EQ(SumSamples("", "dead"), std::nullopt);
  EXPECT_EQ(SumSamples("dead_records 1\n# dead 2\n", "dead"), std::nullopt);
  EXPECT_EQ(SumSamples("dead{a=\"b\n", "dead"), std::nullopt);
}

TEST(Samples, HaveTheirLabels) {
  const auto samples = Samples("m{a=\"1\",b=\"x\\\\y\\n\\\"\"} 2\nm 3\nm{} 4\nm{a=\"open 5\n", "m");
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[0].labels, (std::map<std::string, std::string>{{"a", "1"}, {"b", "x\\y\n\""}}));
  EXPECT_EQ(samples[0].value, 2);
  EXPECT_TRUE(samples[1].labels.empty());
  EXPECT_EQ(samples[2].value, 4);
}

// Answers one connection on loopback with fixed bytes, then closes it.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int connection = accept(listener_, nullptr, nullptr);
      char request[1024];
      recv(connection, request, sizeof(request), 0);
      send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(connection);
    });
  }
  ~OneAnswer() {
    thread_.join();
    close(listener_);
  }
  const std::string& address() const { return address_; }

 private:
  const int listener_;
  std::string address_;
  std::thread thread_;
};

TEST(FetchMetrics, ReturnsThePage) {
  const OneAnswer server("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\ndead 1\n");
  const auto page = FetchMetrics(server.address(), absl::Seconds(10));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(*page, "dead 1\n");
}

TEST(FetchMetrics, RefusesAnotherAnswer) {
  const OneAnswer server("HTTP/1.1 404 Not Found\r\n\r\n");
  EXPECT_EQ(FetchMetrics(server.address(), absl::Seconds(10)).status().code(), absl::StatusCode::kUnavailable);
}

TEST(FetchMetrics, SaysThatNobodyListens) {
  std::string address;
  {
    const OneAnswer gone("HTTP/1.1 200 OK\r\n\r\n");
    address = gone.address();
    ASSERT_TRUE(FetchMetrics(address, absl::Seconds(10)).ok());
  }
  const auto page = FetchMetrics(address, absl::Seconds(10));
  EXPECT_EQ(page.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(page.status().message()), HasSubstr(address));
}

TEST(CheckConnects, TellsWhetherAnythingListens) {
  std::string address;
  {
    const OneAnswer server("");
    address = server.address();
    EXPECT_EQ(CheckConnects(address, absl::Seconds(10)), absl::OkStatus());
  }
  EXPECT_THAT(std::string(CheckConnects(address, absl::Seconds(10)).message()), HasSubstr(address));
}

TEST(CheckConnects, KnowsAnAddressOfIpv6) {
  const absl::Status status = CheckConnects("[::1]:1", absl::Seconds(10));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), AnyOf("[::1]:1: Connection refused", HasSubstr("Cannot assign")));
}

TEST(FetchMetrics, RefusesAnAddressWithoutAPort) {
  EXPECT_EQ(FetchMetrics("localhost", absl::Seconds(1)).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tradewind::cli
