// The server over real connections of this machine, the client against it, and clients that do as they like.
#include "tradewind/http/server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "tradewind/http/client.h"

namespace tradewind::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kPatienceMs = 10'000;

// A connection that sends bytes and reads what comes.
class Socket {
 public:
  explicit Socket(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void Send(const std::string& bytes) const {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t more = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (more <= 0) return;
      sent += static_cast<size_t>(more);
    }
  }
  // All that comes until `text` has come `times` times.
  std::string ReadUntil(const std::string& text, int times = 1) {
    std::string found;
    size_t from = 0;
    while (times > 0 && ReadMore(found)) {
      for (size_t at; times > 0 && (at = found.find(text, from)) != std::string::npos; --times) from = at + text.size();
    }
    return found;
  }
  // All that comes until the other side ends it.
  std::string ReadAll() {
    std::string found;
    while (ReadMore(found)) continue;
    return found;
  }

 private:
  bool ReadMore(std::string& found) const {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, kPatienceMs) != 1) {
      ADD_FAILURE() << "nothing came after: " << found;
      return false;
    }
    char bytes[4096];
    const ssize_t read = recv(fd_, bytes, sizeof(bytes), 0);
    if (read > 0) found.append(bytes, static_cast<size_t>(read));
    return read > 0;
  }

  const int fd_;
};

std::string PostOf(const std::string& body, const std::string& headers = "") {
  return fmt::format("POST /things?a=b HTTP/1.1\r\nHost: here\r\n{}Content-Length: {}\r\n\r\n{}", headers, body.size(),
                     body);
}

// Answers with what it was sent, or keeps the request for the test to answer.
class ServerTest : public ::testing::Test {
 protected:
  void Start(ServerConfig config = {}, bool keep = false) {
    config.address = "127.0.0.1:0";
    auto server = Server::Start(config, [this, keep](Request request, Server::Done done) {
      const std::lock_guard lock(mutex_);
      ++handled_;
      if (request.body == "throw") throw std::runtime_error("told to");
      if (keep) {
        kept_.push_back(std::move(done));
      } else {
        std::move(done)({.body = fmt::format("{} {} {} {}", request.method, request.target, request.Header("X-NAME"),
                                             request.body)});
      }
      changed_.notify_all();
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  Server::Done TakeKept() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs), [this] { return !kept_.empty(); }));
    Server::Done done = std::move(kept_.front());
    kept_.erase(kept_.begin());
    return done;
  }
  int handled() {
    const std::lock_guard lock(mutex_);
    return handled_;
  }
  std::string Url() const { return fmt::format("http://127.0.0.1:{}/things", server_->port()); }

  std::mutex mutex_;
  std::condition_variable changed_;
  int handled_ = 0;
  std::vector<Server::Done> kept_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, HandsOverARequestAndItsAnswer) {
  Start();
  Socket socket(server_->port());
  socket.Send(PostOf("hello", "x-name: Ada\r\n"));
  const std::string answer = socket.ReadUntil("hello");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(answer, HasSubstr("POST /things?a=b Ada hello"));
}

TEST_F(ServerTest, AnswersTheClientOfThisModule) {
  Start();
  const std::string body(60 << 10, 'x');
  const auto answer = Send({.url = Url(), .headers = {"X-Name: Ada"}, .body = body}, {.allow_http = true});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "POST /things Ada " + body);
  EXPECT_FALSE(answer->is_cut);
}

TEST_F(ServerTest, KeepsAConnectionAndAnswersWhatIsSentAheadInOrder) {
  Start();
  Socket socket(server_->port());
  socket.Send(PostOf("one") + PostOf("two") + PostOf("three", "Connection: close\r\n"));
  const std::string answers = socket.ReadAll();
  EXPECT_LT(answers.find("one"), answers.find("two"));
  EXPECT_LT(answers.find("two"), answers.find("three"));
  EXPECT_EQ(handled(), 3);
}

TEST_F(ServerTest, GivesLeaveToSendABody) {
  Start();
  Socket socket(server_->port());
  const std::string post = PostOf("hello", "Expect: 100-continue\r\n");
  const size_t body = post.find("hello");
  socket.Send(post.substr(0, body));
  EXPECT_THAT(socket.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  socket.Send(post.substr(body));
  EXPECT_THAT(socket.ReadUntil("hello"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, TakesABodyInChunks) {
  Start({.most_body_bytes = 10});
  Socket socket(server_->port());
  const std::string head = "POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n";
  socket.Send(head + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_THAT(socket.ReadUntil("abcde"), StartsWith("HTTP/1.1 200"));
  socket.Send(head + "6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n");
  EXPECT_THAT(socket.ReadAll(), StartsWith("HTTP/1.1 413"));
}

TEST_F(ServerTest, RefusesWhatIsTooLargeOrNotHttp) {
  Start({.most_body_bytes = 1000, .most_header_bytes = 1000});
  const auto answer_to = [this](const std::string& bytes) {
    Socket socket(server_->port());
    socket.Send(bytes);
    return socket.ReadAll();
  };
  // Larger than what the sockets hold: the answer arrives all the same.
  EXPECT_THAT(answer_to(PostOf(std::string(1 << 20, 'x'))), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(answer_to(PostOf("", "x-name: " + std::string(2000, 'x') + "\r\n")), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(answer_to("GET\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(handled(), 0);
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  Start();
  Socket socket(server_->port());
  socket.Send("HEAD / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
  const std::string answer = socket.ReadAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(answer.find("HEAD"), std::string::npos);
}

TEST_F(ServerTest, CutsOffAClientThatIsTooSlow) {
  Start({.request_timeout = absl::Milliseconds(100)});
  Socket silent(server_->port());
  Socket halfway(server_->port());
  halfway.Send(PostOf("hello").substr(0, 30));
  Socket idle(server_->port());
  idle.Send(PostOf("hello"));
  EXPECT_THAT(idle.ReadAll(), HasSubstr("hello"));
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_EQ(halfway.ReadAll(), "");
  EXPECT_EQ(handled(), 1);
}

TEST_F(ServerTest, LetsNoMoreInThanItMay) {
  Start({.most_connections = 2}, /*keep=*/true);
  Socket first(server_->port());
  Socket second(server_->port());
  first.Send(PostOf("1", "Connection: close\r\n"));
  second.Send(PostOf("2", "Connection: close\r\n"));
  Server::Done done = TakeKept();
  Server::Done other = TakeKept();
  Socket third(server_->port());
  third.Send(PostOf("3", "Connection: close\r\n"));
  EXPECT_EQ(handled(), 2);
  std::move(done)({.body = "{}"});
  std::move(other)({.body = "{}"});
  EXPECT_THAT(first.ReadAll(), HasSubstr("200"));
  EXPECT_THAT(second.ReadAll(), HasSubstr("200"));
  std::move(TakeKept())({.body = "third"});
  EXPECT_THAT(third.ReadAll(), HasSubstr("third"));
}

TEST_F(ServerTest, AnswersManyAtOnceFromOtherThreads) {
  Start({}, /*keep=*/true);
  std::vector<std::unique_ptr<Socket>> sockets;
  for (int i = 0; i < 64; ++i) {
    sockets.push_back(std::make_unique<Socket>(server_->port()));
    sockets.back()->Send(PostOf("x", "Connection: close\r\n"));
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([done = TakeKept()]() mutable { std::move(done)({.status = 202, .body = "{}"}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& socket : sockets) EXPECT_THAT(socket->ReadAll(), StartsWith("HTTP/1.1 202"));
}

TEST_F(ServerTest, AnswersForAHandlerThatThrows) {
  Start();
  Socket socket(server_->port());
  socket.Send(PostOf("throw"));
  EXPECT_THAT(socket.ReadAll(), StartsWith("HTTP/1.1 500"));
}

TEST_F(ServerTest, StopsOnceWhatItHandlesIsAnswered) {
  Start({}, /*keep=*/true);
  Socket open(server_->port());
  open.Send(PostOf("hello"));
  Server::Done done = TakeKept();
  Socket idle(server_->port());
  std::thread answering([&] {
    // Closed by the stop, which has therefore begun.
    EXPECT_EQ(idle.ReadAll(), "");
    std::move(done)({.body = "at last"});
  });
  server_->Stop(absl::Milliseconds(kPatienceMs));
  answering.join();
  const std::string answer = open.ReadAll();
  EXPECT_THAT(answer, HasSubstr("at last"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST_F(ServerTest, StopsWithoutAnAnswerAtLast) {
  Start({}, /*keep=*/true);
  Socket open(server_->port());
  open.Send(PostOf("hello"));
  Server::Done done = TakeKept();
  server_->Stop(absl::Milliseconds(20));
  EXPECT_EQ(open.ReadAll(), "");
  std::move(done)({.body = "too late"});
  server_.reset();
}

TEST_F(ServerTest, SurvivesAClientThatGoesBeforeItsAnswer) {
  Start({}, /*keep=*/true);
  std::optional<Socket> gone(server_->port());
  gone->Send(PostOf("hello"));
  Server::Done done = TakeKept();
  gone.reset();
  std::move(done)({.body = "anybody?"});
  Socket next(server_->port());
  next.Send(PostOf("hello", "Connection: close\r\n"));
  std::move(TakeKept())({.body = "{}"});
  EXPECT_THAT(next.ReadAll(), HasSubstr("200"));
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  Start();
  const auto nothing = [](const Request&, const Server::Done&) {};
  const auto taken = Server::Start({.address = fmt::format("127.0.0.1:{}", server_->port())}, nothing);
  EXPECT_TRUE(absl::IsUnavailable(taken.status())) << taken.status();
  EXPECT_TRUE(absl::IsInvalidArgument(Server::Start({.address = "8470"}, nothing).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Server::Start({.address = "no such host:1"}, nothing).status()));
}

// ---- the client -----------------------------------------------------------------------------------------------------

TEST_F(ServerTest, TheClientReadsNoMoreThanItsLimit) {
  Start();
  const auto answer = Send({.url = Url(), .headers = {}, .body = std::string(5000, 'x')},
                           {.allow_http = true, .most_answer_bytes = 100});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body.size(), 100);
  EXPECT_TRUE(answer->is_cut);
}

TEST_F(ServerTest, TheClientWaitsNoLongerThanItsTimeout) {
  Start({}, /*keep=*/true);
  const auto answer =
      Send({.url = Url(), .headers = {}, .body = ""}, {.timeout = absl::Milliseconds(50), .allow_http = true});
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
}

TEST_F(ServerTest, TheClientConnectsOnlyWhereItMay) {
  Start();
  EXPECT_TRUE(absl::IsUnavailable(Send({.url = Url(), .headers = {}, .body = ""}, {}).status())) << "http:// unasked";
  const auto nowhere = [](const sockaddr* /*address*/) { return false; };
  const auto refused = Send({.url = Url(), .headers = {}, .body = ""}, {.allow_http = true, .may_connect = nowhere});
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status()));
  EXPECT_EQ(handled(), 0);
}

}  // namespace
}  // namespace tradewind::http
