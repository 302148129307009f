// A small HTTP/1.1 server, for what a service is told from outside the mesh: callbacks of payment providers. One thread
// reads and writes; the answer may come from any other. Boost.Beast is behind it. No TLS: what ends TLS stands before
// it.
//
//   auto server = http::Server::Start({.address = "127.0.0.1:8470"}, [](http::Request request, http::Server::Done done)
//   {
//     std::move(done)({.status = 200, .body = "{}"});
//   });
//
// What it does not take it answers by itself, and closes the connection: 400 (not HTTP), 413 (body too large),
// 431 (header too large). A client that is too slow is cut off. Requests of one connection are handled one after the
// other, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tradewind::http {

struct Request {
  // The value of the first header of that name, in whatever case; empty where there is none.
  std::string_view Header(std::string_view name) const;

  std::string method;
  // As it was sent, with the query.
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
};

struct ServerConfig {
  // host:port or [host]:port. Port 0 takes a free one.
  std::string address;
  // What messages call the address: the setting that it comes from.
  std::string setting = "address";
  int64_t most_body_bytes = 64 << 10;
  // Of the first line and the headers together.
  int32_t most_header_bytes = 8 << 10;
  // Further ones wait in the backlog of the socket.
  int32_t most_connections = 128;
  // From the end of an answer, or the start of the connection, to the last byte of the next request; the same again for
  // a client to take an answer.
  absl::Duration request_timeout = absl::Seconds(10);
};

class Server {
 public:
  // To be called once, from any thread, also after the server has gone; does not block. Until then the connection
  // waits: whoever handles a request has deadlines of its own.
  using Done = absl::AnyInvocable<void(Response)>;
  // Called on the server's thread, which all connections share: must not block. What it throws is answered with 500.
  using Handler = std::function<void(Request, Done)>;

  // Listens as soon as it returns. InvalidArgument where the address is none, Unavailable where it cannot be listened
  // on; may ask the name service.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerConfig& config, Handler handler);
  // Stops at once.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens no more, closes connections on which nothing is being answered, and blocks until the others have been
  // answered, or for `at_most`; then it closes these. The handler is not called any more. Not thread-safe.
  void Stop(absl::Duration at_most);

  uint16_t port() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind::http
