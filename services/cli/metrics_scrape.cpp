#include "services/cli/metrics_scrape.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/net/host_port.h"

namespace tradewind::cli {
namespace {

// A page of metrics is tens of kilobytes; what sends more is not one.
constexpr size_t kMaxAnswer = 16 << 20;

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() {
    if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status SocketError(const std::string& address, int error) {
  return absl::UnavailableError(fmt::format("{}: {}", address, std::generic_category().message(error)));
}

// Waits until the socket is ready for `events`.
absl::Status AwaitReady(const Socket& socket, short events, absl::Time deadline, const std::string& address) {
  pollfd entry{.fd = socket.get(), .events = events, .revents = 0};
  const int64_t left = absl::ToInt64Milliseconds(deadline - clock::SteadyNow());
  const int ready = left > 0 ? poll(&entry, 1, static_cast<int>(left)) : 0;
  if (ready < 0) {
    return SocketError(address, errno);
  }
  return ready == 0 ? absl::DeadlineExceededError(fmt::format("{}: no answer in time", address)) : absl::OkStatus();
}

absl::Status Connect(const Socket& socket, const addrinfo& target, absl::Time deadline, const std::string& address) {
  if (connect(socket.get(), target.ai_addr, target.ai_addrlen) == 0) {
    return absl::OkStatus();
  }
  if (errno != EINPROGRESS) {
    return SocketError(address, errno);
  }
  if (absl::Status ready = AwaitReady(socket, POLLOUT, deadline, address); !ready.ok()) {
    return ready;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : SocketError(address, error);
}

absl::Status Send(const Socket& socket, std::string_view bytes, absl::Time deadline, const std::string& address) {
  while (!bytes.empty()) {
    if (absl::Status ready = AwaitReady(socket, POLLOUT, deadline, address); !ready.ok()) {
      return ready;
    }
    const ssize_t sent = send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return SocketError(address, errno);
    }
    bytes.remove_prefix(static_cast<size_t>(std::max<ssize_t>(sent, 0)));
  }
  return absl::OkStatus();
}

// Everything up to the end of the connection.
absl::StatusOr<std::string> Receive(const Socket& socket, absl::Time deadline, const std::string& address) {
  std::string answer;
  char buffer[16 << 10];
  while (answer.size() < kMaxAnswer) {
    if (absl::Status ready = AwaitReady(socket, POLLIN, deadline, address); !ready.ok()) {
      return ready;
    }
    const ssize_t received = recv(socket.get(), buffer, sizeof(buffer), 0);
    if (received == 0) {
      return answer;
    }
    if (received < 0 && errno != EAGAIN && errno != EINTR) {
      return SocketError(address, errno);
    }
    answer.append(buffer, static_cast<size_t>(std::max<ssize_t>(received, 0)));
  }
  return absl::UnavailableError(fmt::format("{}: the answer is too long for metrics", address));
}

// The labels at the beginning of `rest`, which are taken off it: `{a="b",c="d"}`, or nothing at all. False where they
// are not of that form.
bool TakeLabels(std::string_view& rest, std::map<std::string, std::string>& labels) {
  if (!rest.starts_with('{')) {
    return true;
  }
  rest.remove_prefix(1);
  while (!rest.starts_with('}')) {
    const size_t equals = rest.find("=\"");
    if (equals == std::string_view::npos) {
      return false;
    }
    std::string& value = labels[std::string(rest.substr(0, equals))];
    rest.remove_prefix(equals + 2);
    while (!rest.empty() && rest.front() != '"') {
      if (rest.front() == '\\' && rest.size() > 1) {
        rest.remove_prefix(1);
        value += rest.front() == 'n' ? '\n' : rest.front();
      } else {
        value += rest.front();
      }
      rest.remove_prefix(1);
    }
    if (rest.empty()) {
      return false;
    }
    rest.remove_prefix(1);
    if (rest.starts_with(',')) {
      rest.remove_prefix(1);
    }
  }
  rest.remove_prefix(1);
  return true;
}

// A line whose metric's name has been taken off: "{label=\"a\"} 3 1700000000" or " 3".
std::optional<Sample> ParseSample(std::string_view rest) {
  Sample sample;
  if (!TakeLabels(rest, sample.labels)) {
    return std::nullopt;
  }
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::string_view number = rest.substr(0, rest.find(' '));
  const bool parsed = absl::SimpleAtod(absl::string_view(number.data(), number.size()), &sample.value);
  return parsed ? std::optional(std::move(sample)) : std::nullopt;
}

}  // namespace

std::vector<Sample> Samples(std::string_view exposition, std::string_view metric) {
  std::vector<Sample> samples;
  while (!exposition.empty()) {
    const size_t length = std::min(exposition.find('\n'), exposition.size());
    std::string_view line = exposition.substr(0, length);
    exposition.remove_prefix(std::min(length + 1, exposition.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (!line.starts_with(metric)) {
      continue;
    }
    line.remove_prefix(metric.size());
    if (!line.starts_with('{') && !line.starts_with(' ')) {
      continue;
    }
    if (std::optional<Sample> sample = ParseSample(line); sample.has_value()) {
      samples.push_back(*std::move(sample));
    }
  }
  return samples;
}

std::optional<double> SumSamples(std::string_view exposition, std::string_view metric, std::string_view group) {
  std::optional<double> sum;
  for (const Sample& sample : Samples(exposition, metric)) {
    const auto own = sample.labels.find("group");
    if (group.empty() || (own != sample.labels.end() && own->second == group)) {
      sum = sum.value_or(0) + sample.value;
    }
  }
  return sum;
}

namespace {

// The addresses of a host:port, in the order in which they are to be tried.
using Targets = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Targets> Resolve(const std::string& address) {
  const std::optional<net::HostPort> place = net::ParseHostPort(address);
  if (!place.has_value()) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not host:port", address));
  }
  const addrinfo hints{.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(place->host.c_str(), std::to_string(place->port).c_str(), &hints, &found);
      error != 0) {
    return absl::UnavailableError(fmt::format("{}: {}", address, gai_strerror(error)));
  }
  return Targets(found, freeaddrinfo);
}

absl::StatusOr<std::unique_ptr<Socket>> OpenOne(const addrinfo& target, const std::string& address,
                                                absl::Time deadline) {
  auto socket =
      std::make_unique<Socket>(::socket(target.ai_family, target.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket->get() < 0) {
    return SocketError(address, errno);
  }
  if (absl::Status connected = Connect(*socket, target, deadline, address); !connected.ok()) {
    return connected;
  }
  return socket;
}

// To the first address that takes a connection: a name may stand for one of IPv6, where nobody listens, and for one of
// IPv4.
absl::StatusOr<std::unique_ptr<Socket>> Open(const std::string& address, absl::Time deadline) {
  const auto targets = Resolve(address);
  if (!targets.ok()) {
    return targets.status();
  }
  int left = 0;
  for (const addrinfo* one = targets->get(); one != nullptr; one = one->ai_next) {
    ++left;
  }
  absl::StatusOr<std::unique_ptr<Socket>> socket = absl::UnavailableError(fmt::format("{}: no address", address));
  for (const addrinfo* one = targets->get(); one != nullptr && !socket.ok(); one = one->ai_next) {
    // One that does not answer leaves the others their share of the time.
    const absl::Time now = clock::SteadyNow();
    socket = OpenOne(*one, address, now + (deadline - now) / left--);
  }
  return socket;
}

}  // namespace

absl::Status CheckConnects(const std::string& address, absl::Duration timeout) {
  return Open(address, clock::SteadyNow() + timeout).status();
}

absl::StatusOr<std::string> FetchMetrics(const std::string& address, absl::Duration timeout) {
  const absl::Time deadline = clock::SteadyNow() + timeout;
  const auto socket = Open(address, deadline);
  if (!socket.ok()) {
    return socket.status();
  }
  // HTTP/1.0: the answer ends with the connection and is never sent in chunks.
  const std::string request = fmt::format("GET /metrics HTTP/1.0\r\nHost: {}\r\n\r\n", address);
  if (absl::Status sent = Send(**socket, request, deadline, address); !sent.ok()) {
    return sent;
  }
  auto answer = Receive(**socket, deadline, address);
  if (!answer.ok()) {
    return answer.status();
  }
  const std::string status_line = answer->substr(0, answer->find('\r'));
  const size_t body = answer->find("\r\n\r\n");
  if (status_line.find(" 200") == std::string::npos || body == std::string::npos) {
    return absl::UnavailableError(fmt::format("{}/metrics answered with something other than a 200", address));
  }
  return answer->substr(body + 4);
}

}  // namespace tradewind::cli
