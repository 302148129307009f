#include "tradewind/net/listening.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace tradewind::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Returns the loopback address from which this process connects. Other programs connect from 127.0.0.1 and so never
// take a port of this one that a test has just let go.
std::string OwnLoopback() { return fmt::format("127.42.{}.{}", getpid() / 256 % 256, getpid() % 256); }

// A socket on a loopback address, closed when it goes.
class Socket {
 public:
  explicit Socket(int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { Close(); }

  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // On a port that the kernel chooses.
  void Listen() {
    sockaddr_in address = Loopback(0);
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(fd_, 8), 0);
  }
  // From OwnLoopback, and a port that the kernel chooses among those for outgoing connections.
  void Connect(uint16_t port) {
    sockaddr_in own = Loopback(0);
    ASSERT_EQ(inet_pton(AF_INET, OwnLoopback().c_str(), &own.sin_addr), 1);
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0);
    sockaddr_in address = Loopback(port);
    ASSERT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  int Accept() const { return accept(fd_, nullptr, nullptr); }
  uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  // To be closed without the last wait of a connection.
  void Reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    Close();
  }

 private:
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  int fd_;
};

class ListeningTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(server_.Listen());
    ASSERT_NO_FATAL_FAILURE(client_.Connect(server_.port()));
    address_ = fmt::format("{}:{}", OwnLoopback(), client_.port());
  }

  absl::Status Wait() { return WaitUntilFree(address_, "grpc.address", wait_); }

  Socket server_;
  Socket client_;
  std::string address_;
  std::vector<std::string> said_;
  ListeningWait wait_{.at_most = absl::InfiniteDuration(),
                      .at_most_ended = absl::InfiniteDuration(),
                      .say = [this](const std::string& line) { said_.push_back(line); },
                      .give_up = [] { return false; }};
};

TEST_F(ListeningTest, NamesThePortOfAConnectionThatStays) {
  wait_.at_most = absl::ZeroDuration();
  const absl::Status refused = Wait();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("grpc.address " + address_), HasSubstr("an outgoing connection has the port"),
                    HasSubstr("from which this machine takes ports"),
                    HasSubstr(fmt::format("ip_local_reserved_ports={}", client_.port()))));
}

TEST_F(ListeningTest, GoesOnOnceTheConnectionEnds) {
  wait_.say = [this](const std::string& line) {
    said_.push_back(line);
    client_.Reset();
  };
  EXPECT_TRUE(Wait().ok());
  ASSERT_THAT(said_, SizeIs(1));
  EXPECT_THAT(said_[0], AllOf(HasSubstr("waiting for the port of grpc.address " + address_), HasSubstr("32768")));
}

TEST_F(ListeningTest, WaitsLongerForAConnectionThatHasEnded) {
  // Who closes first keeps the port, in its last wait.
  Socket accepted(server_.Accept());
  client_.Close();
  accepted.Close();
  wait_.at_most = absl::ZeroDuration();
  wait_.give_up = [] { return true; };
  EXPECT_TRUE(absl::IsCancelled(Wait()));
  wait_.at_most_ended = absl::ZeroDuration();
  EXPECT_TRUE(absl::IsFailedPrecondition(Wait()));
}

TEST_F(ListeningTest, WaitsForNoListener) {
  address_ = fmt::format("127.0.0.1:{}", server_.port());
  EXPECT_TRUE(Wait().ok());
  address_ = fmt::format("0.0.0.0:{}", server_.port());
  EXPECT_TRUE(Wait().ok());
  EXPECT_THAT(said_, SizeIs(0));
}

TEST_F(ListeningTest, GivesUpWhenAskedToEnd) {
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
  ASSERT_EQ(raise(SIGHUP), 0);
  wait_.give_up = nullptr;
  EXPECT_TRUE(absl::IsCancelled(Wait()));
  int taken = 0;
  sigwait(&signals, &taken);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(ListeningTest, LeavesOtherTroubleToTheServer) {
  for (const char* address : {"127.0.0.1:0", "192.0.2.1:9464", "nosuchhost.invalid:9464", "127.0.0.1"}) {
    EXPECT_TRUE(WaitUntilFree(address, "grpc.address", wait_).ok()) << address;
  }
}

}  // namespace
}  // namespace tradewind::net
