// One connection of the HTTP server: reads a request, has it handled, writes the answer, and again. Lives on the
// server's thread alone, but for the answer, which may come from another.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "tradewind/http/server.h"

namespace tradewind::http::internal {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // What it needs of the server; outlives the connections.
  struct Surroundings {
    ServerConfig config;
    Server::Handler handler;
    // Of each connection, once.
    std::function<void(Connection&)> on_closed;
  };

  // `io` is shared because an answer may come after everything else has gone.
  Connection(std::shared_ptr<boost::asio::io_context> io, boost::asio::ip::tcp::socket socket,
             const Surroundings& surroundings);

  void Start() { ReadHeader(); }
  // Closes it unless a request is being answered; otherwise after that answer.
  void Drain();
  // Closes it now.
  void Close();

 private:
  using Error = boost::beast::error_code;
  enum class Step { kReading, kAnswering, kWriting, kLingering, kClosed };

  void ReadHeader();
  void OnHeader(Error error);
  void ReadBody();
  void OnRequest(Error error);
  // Answers what cannot be read as a request, where there is anybody to answer.
  void Refuse(Error error);
  void Handle();
  Server::Done DoneOf();
  void Answer(Response response);
  void OnAnswered(Error error);
  // A client that is still sending would lose the answer with a socket that is closed before its bytes were read.
  void Linger();
  void Discard();

  const std::shared_ptr<boost::asio::io_context> io_;
  const Surroundings& surroundings_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::request<boost::beast::http::string_body> request_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  Step step_ = Step::kReading;
  bool keep_alive_ = false;
  // What is being answered was not read to its end.
  bool cut_short_ = false;
  bool draining_ = false;
};

}  // namespace tradewind::http::internal
