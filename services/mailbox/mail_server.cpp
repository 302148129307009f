#include "services/mailbox/mail_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>

#include "tradewind/net/listening.h"

namespace tradewind::mailbox {
namespace {

// An open file, closed when it goes.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::optional<sockaddr_in> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos) return std::nullopt;
  if (inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) return std::nullopt;
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stopped != end) return std::nullopt;
  address.sin_port = htons(port);
  return address;
}

const sockaddr* Generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

bool SendAll(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// A client that does not read is not waited for.
void LimitSending(int connection) {
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MailServer>> MailServer::Listen(const std::string& address, MailFolder& folder) {
  const auto parsed = ParseAddress(address);
  if (!parsed.has_value()) {
    return absl::FailedPreconditionError(fmt::format("mailbox.address: '{}' is not IPv4:port", address));
  }
  const net::ListeningWait wait{
      .say = [](const std::string& line) { fmt::print(stderr, "tradewind-mailbox: {}\n", line); }};
  if (absl::Status free = net::WaitUntilFree(address, "mailbox.address", wait); !free.ok()) return free;
  Fd listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(listening.get(), Generic(*parsed), sizeof(*parsed)) != 0 || listen(listening.get(), kMostConnections) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("mailbox.address: cannot listen on {}: {}", address, std::strerror(errno)));
  }
  return std::unique_ptr<MailServer>(new MailServer(listening.Release(), folder));
}

MailServer::~MailServer() { close(socket_); }

void MailServer::Run(int stop_fd) {
  std::array<pollfd, 2> waiting = {{{.fd = socket_, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}}};
  while (true) {
    if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
    if (waiting[1].revents != 0) break;
    if ((waiting[0].revents & POLLIN) == 0) continue;
    Fd connection(accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.get() < 0) continue;
    LimitSending(connection.get());
    if (connections_.load() >= kMostConnections) {
      SendAll(connection.get(), "421 4.3.2 too many connections, try later\r\n");
      continue;
    }
    connections_.fetch_add(1);
    std::thread([this, stop_fd, fd = connection.Release()] { Serve(fd, stop_fd); }).detach();
  }
  // The threads see stop_fd too, and use what belongs to this object.
  for (int left = connections_.load(); left > 0; left = connections_.load()) connections_.wait(left);
}

void MailServer::Serve(int fd, int stop_fd) {
  {
    const Fd connection(fd);
    SmtpSession session([this](const ReceivedMail& mail) { return folder_.Keep(mail).ok(); });
    std::array<char, 16 << 10> buffer;
    std::array<pollfd, 2> waiting = {{{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}}};
    bool open = SendAll(fd, SmtpSession::Greeting());
    while (open && !session.ended()) {
      const int ready = poll(waiting.data(), waiting.size(), static_cast<int>(absl::ToInt64Milliseconds(kPatience)));
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0 || waiting[1].revents != 0) break;
      const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      open = SendAll(fd, session.Take({buffer.data(), static_cast<size_t>(size)}));
    }
  }
  connections_.fetch_sub(1);
  connections_.notify_one();
}

absl::Status CheckGreeting(const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed.has_value()) return absl::InvalidArgumentError(fmt::format("'{}' is not IPv4:port", address));
  const Fd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 2, .tv_usec = 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  std::array<char, 4> code{};
  if (connect(connection.get(), Generic(*parsed), sizeof(*parsed)) != 0 ||
      recv(connection.get(), code.data(), code.size(), MSG_WAITALL) != static_cast<ssize_t>(code.size()) ||
      std::string_view(code.data(), code.size()) != "220 ") {
    return absl::UnavailableError(fmt::format("no mailbox answers at {}", address));
  }
  SendAll(connection.get(), "QUIT\r\n");
  return absl::OkStatus();
}

}  // namespace tradewind::mailbox
