#include "tradewind/http/server.h"

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/string.hpp>
#include <map>
#include <thread>

#include "tradewind/http/internal/connection.h"
#include "tradewind/http/logger.h"
#include "tradewind/net/host_port.h"
#include "tradewind/net/listening.h"

namespace tradewind::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using internal::Connection;

// As when the process has no file descriptor left.
constexpr auto kPauseAfterError = std::chrono::milliseconds(100);

}  // namespace

// All but Start and Stop runs on its thread, which is why there is no lock.
class Server::Impl {
 public:
  Impl(const ServerConfig& config, Handler handler)
      : surroundings_{.config = config, .handler = std::move(handler), .on_closed = [this](Connection& connection) {
                        OnClosed(connection);
                      }} {}
  ~Impl() { Stop(absl::ZeroDuration()); }

  absl::Status Start();
  void Stop(absl::Duration at_most);
  uint16_t port() const { return port_; }

 private:
  absl::Status Listen(const tcp::endpoint& endpoint);
  void Accept();
  void OnAccepted(error_code error, tcp::socket socket);
  void OnClosed(Connection& connection);
  void BeginStop(absl::Duration at_most);
  // Closing one takes it out of `connections_`.
  std::map<Connection*, std::shared_ptr<Connection>> connections() const { return connections_; }

  const Connection::Surroundings surroundings_;
  const std::shared_ptr<asio::io_context> io_ = std::make_shared<asio::io_context>(1);
  // Until it is stopped and the last connection has gone. One that waits for its answer has nothing to do.
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_->get_executor()};
  tcp::acceptor acceptor_{*io_};
  asio::steady_timer pause_{*io_};
  asio::steady_timer stop_deadline_{*io_};
  std::map<Connection*, std::shared_ptr<Connection>> connections_;
  bool accepting_ = false;
  bool stopping_ = false;
  uint16_t port_ = 0;
  std::thread thread_;
};

absl::Status Server::Impl::Start() {
  const std::string& address = surroundings_.config.address;
  const auto parsed = net::ParseHostPort(address);
  if (!parsed.has_value()) return absl::InvalidArgumentError(fmt::format("'{}' is not host:port", address));
  const net::ListeningWait wait{.say = [](const std::string& line) { kLog.Warn(line); }};
  if (absl::Status free = net::WaitUntilFree(address, surroundings_.config.setting, wait); !free.ok()) return free;
  error_code error;
  const auto found = tcp::resolver(*io_).resolve(parsed->host, std::to_string(parsed->port),
                                                 tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return absl::InvalidArgumentError(fmt::format("{} is not known here: {}", parsed->host, error.message()));
  }
  if (absl::Status listening = Listen(found.begin()->endpoint()); !listening.ok()) return listening;
  Accept();
  thread_ = std::thread([this] { io_->run(); });
  return absl::OkStatus();
}

absl::Status Server::Impl::Listen(const tcp::endpoint& endpoint) {
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: {}; choose another host:port, or stop what listens "
                    "there",
                    surroundings_.config.address, error.message()));
  }
  port_ = acceptor_.local_endpoint().port();
  return absl::OkStatus();
}

void Server::Impl::Accept() {
  if (stopping_ || accepting_ || connections_.size() >= static_cast<size_t>(surroundings_.config.most_connections)) {
    return;
  }
  accepting_ = true;
  acceptor_.async_accept([this](error_code error, tcp::socket socket) { OnAccepted(error, std::move(socket)); });
}

void Server::Impl::OnAccepted(error_code error, tcp::socket socket) {
  accepting_ = false;
  if (stopping_) return;
  if (error) {
    kLog.Warn("a connection could not be accepted", {{"reason", error.message()}});
    pause_.expires_after(kPauseAfterError);
    pause_.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
    return;
  }
  const auto connection = std::make_shared<Connection>(io_, std::move(socket), surroundings_);
  connections_.emplace(connection.get(), connection);
  connection->Start();
  Accept();
}

void Server::Impl::OnClosed(Connection& connection) {
  connections_.erase(&connection);
  if (stopping_ && connections_.empty()) {
    stop_deadline_.cancel();
    work_.reset();
  } else {
    Accept();
  }
}

void Server::Impl::BeginStop(absl::Duration at_most) {
  stopping_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const auto& [raw, connection] : connections()) connection->Drain();
  if (connections_.empty()) {
    work_.reset();
    return;
  }
  stop_deadline_.expires_after(absl::ToChronoNanoseconds(at_most));
  stop_deadline_.async_wait([this](error_code cancelled) {
    if (cancelled) return;
    for (const auto& [raw, connection] : connections()) connection->Close();
  });
}

void Server::Impl::Stop(absl::Duration at_most) {
  if (!thread_.joinable()) return;
  asio::post(*io_, [this, at_most] { BeginStop(at_most); });
  thread_.join();
}

std::string_view Request::Header(std::string_view name) const {
  for (const auto& [found, value] : headers) {
    if (boost::beast::iequals(found, name)) return value;
  }
  return "";
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config, Handler handler) {
  auto impl = std::make_unique<Impl>(config, std::move(handler));
  if (absl::Status started = impl->Start(); !started.ok()) return started;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::Stop(absl::Duration at_most) { impl_->Stop(at_most); }

uint16_t Server::port() const { return impl_->port(); }

}  // namespace tradewind::http
