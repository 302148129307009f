#include "tradewind/http/internal/connection.h"

#include <boost/asio/post.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <exception>

#include "tradewind/http/logger.h"

namespace tradewind::http::internal {
namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;

constexpr auto kLongestLinger = std::chrono::seconds(2);
constexpr unsigned kHttp11 = 11;

// The status by which it is answered; 0 where nobody is there to be answered, or in time.
int StatusOf(const boost::beast::error_code& error) {
  if (error == beast_http::error::body_limit) return 413;
  if (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow) return 431;
  const bool is_ours = error == beast_http::error::end_of_stream || error == beast_http::error::partial_message ||
                       error.category() != beast_http::make_error_code(beast_http::error::bad_method).category();
  return is_ours ? 0 : 400;
}

Request ToRequest(beast_http::request<beast_http::string_body>& raw) {
  Request request{.method = raw.method_string(), .target = raw.target(), .headers = {}, .body = std::move(raw.body())};
  for (const auto& header : raw) request.headers.emplace_back(header.name_string(), header.value());
  return request;
}

}  // namespace

Connection::Connection(std::shared_ptr<asio::io_context> io, asio::ip::tcp::socket socket,
                       const Surroundings& surroundings)
    : io_(std::move(io)),
      surroundings_(surroundings),
      stream_(std::move(socket)),
      // Room for a header and for what comes with it.
      buffer_(static_cast<size_t>(surroundings.config.most_header_bytes) * 2) {}

void Connection::ReadHeader() {
  step_ = Step::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(surroundings_.config.most_header_bytes));
  parser_->body_limit(static_cast<uint64_t>(surroundings_.config.most_body_bytes));
  stream_.expires_after(absl::ToChronoNanoseconds(surroundings_.config.request_timeout));
  beast_http::async_read_header(stream_, buffer_, *parser_,
                                [self = shared_from_this()](Error error, size_t /*bytes*/) { self->OnHeader(error); });
}

void Connection::OnHeader(Error error) {
  if (error) return Refuse(error);
  if (!boost::beast::iequals(parser_->get()[beast_http::field::expect], "100-continue")) {
    return ReadBody();
  }
  response_ = {beast_http::status::continue_, kHttp11};
  beast_http::async_write(stream_, response_, [self = shared_from_this()](Error written, size_t /*bytes*/) {
    written ? self->Close() : self->ReadBody();
  });
}

void Connection::ReadBody() {
  beast_http::async_read(stream_, buffer_, *parser_,
                         [self = shared_from_this()](Error error, size_t /*bytes*/) { self->OnRequest(error); });
}

void Connection::OnRequest(Error error) {
  if (error) return Refuse(error);
  if (step_ == Step::kClosed) return;
  stream_.expires_never();
  request_ = parser_->release();
  keep_alive_ = request_.keep_alive();
  step_ = Step::kAnswering;
  Handle();
}

void Connection::Handle() {
  try {
    surroundings_.handler(ToRequest(request_), DoneOf());
  } catch (const std::exception& failed) {
    kLog.Error("a request could not be handled; its client got 500", {{"reason", failed.what()}});
    keep_alive_ = false;
    Answer({.status = 500, .body = "{}"});
  }
}

Server::Done Connection::DoneOf() {
  // It may be kept for longer than the connection, which must not be kept by it: nobody would end a queue that ends
  // with a connection that is ended by the queue.
  return [io = io_, connection = weak_from_this()](Response response) {
    asio::post(*io, [connection, response = std::move(response)]() mutable {
      if (const auto self = connection.lock()) self->Answer(std::move(response));
    });
  };
}

void Connection::Refuse(Error error) {
  const int status = StatusOf(error);
  if (status == 0 || step_ == Step::kClosed) return Close();
  kLog.Debug("a request was refused", {{"status", status}, {"reason", error.message()}});
  keep_alive_ = false;
  cut_short_ = true;
  step_ = Step::kAnswering;
  Answer({.status = status, .body = error.message() + "\n", .content_type = "text/plain"});
}

void Connection::Answer(Response response) {
  if (step_ != Step::kAnswering) return;
  step_ = Step::kWriting;
  response_ = {static_cast<beast_http::status>(response.status), kHttp11};
  response_.set(beast_http::field::content_type, response.content_type);
  response_.keep_alive(keep_alive_ && !draining_);
  // What follows the header of such an answer would be taken for the next answer.
  if (request_.method() != beast_http::verb::head) response_.body() = std::move(response.body);
  response_.prepare_payload();
  stream_.expires_after(absl::ToChronoNanoseconds(surroundings_.config.request_timeout));
  beast_http::async_write(stream_, response_,
                          [self = shared_from_this()](Error error, size_t /*bytes*/) { self->OnAnswered(error); });
}

void Connection::OnAnswered(Error error) {
  if (error || step_ == Step::kClosed) return Close();
  if (response_.keep_alive()) return ReadHeader();
  cut_short_ ? Linger() : Close();
}

void Connection::Linger() {
  step_ = Step::kLingering;
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kLongestLinger);
  Discard();
}

void Connection::Discard() {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(buffer_.max_size()),
                          [self = shared_from_this()](Error error, size_t /*bytes*/) {
                            error || self->step_ == Step::kClosed ? self->Close() : self->Discard();
                          });
}

void Connection::Drain() {
  draining_ = true;
  if (step_ != Step::kAnswering && step_ != Step::kWriting) Close();
}

void Connection::Close() {
  if (step_ == Step::kClosed) return;
  step_ = Step::kClosed;
  stream_.close();
  surroundings_.on_closed(*this);
}

}  // namespace tradewind::http::internal
