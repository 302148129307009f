#include "tradewind/bus/internal/kafka_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tradewind::bus {
namespace {

constexpr int16_t kProduce = 0;
constexpr int kLookAgainMs = 20;

sockaddr_in Address(uint32_t host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(host);
  return address;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  int64_t Integer(size_t size) {
    int64_t value = 0;
    for (const char byte : Bytes(size)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }
  int16_t Short() { return static_cast<int16_t>(Integer(2)); }
  int32_t Int() { return static_cast<int32_t>(Integer(4)); }
  std::string_view Bytes(size_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  // Null is -1.
  std::string_view Text() {
    const int16_t size = Short();
    return size < 0 ? std::string_view() : Bytes(static_cast<size_t>(size));
  }

 private:
  std::string_view bytes_;
};

void Put(std::string& out, size_t size, int64_t value) {
  for (size_t i = size; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::string Framed(const std::string& body) {
  std::string frame;
  Put(frame, 4, static_cast<int64_t>(body.size()));
  return frame + body;
}

// A ProduceResponse, version 3 to 8, that says `error` of every partition of the request.
std::string Refusal(std::string_view request, int16_t error) {
  Reader reader(request);
  reader.Short();
  const int16_t version = reader.Short();
  std::string response;
  Put(response, 4, reader.Int());
  reader.Text();  // client id
  reader.Text();  // transactional id
  reader.Short();
  reader.Int();
  const int32_t topics = reader.Int();
  Put(response, 4, topics);
  for (int32_t topic = 0; topic < topics; ++topic) {
    const std::string_view name = reader.Text();
    Put(response, 2, static_cast<int64_t>(name.size()));
    response += name;
    const int32_t partitions = reader.Int();
    Put(response, 4, partitions);
    for (int32_t i = 0; i < partitions; ++i) {
      Put(response, 4, reader.Int());
      reader.Bytes(static_cast<size_t>(reader.Int()));
      Put(response, 2, error);
      Put(response, 8, -1);  // base offset
      Put(response, 8, -1);  // log append time
      if (version >= 5) Put(response, 8, -1);
      if (version >= 8) {
        Put(response, 4, 0);   // record errors
        Put(response, 2, -1);  // error message
      }
    }
  }
  Put(response, 4, 0);  // throttle time
  return Framed(response);
}

bool SendAll(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Adds what has come; false at the end of the connection.
bool Receive(int from, std::string& buffer) {
  std::array<char, 65536> bytes;
  const ssize_t count = recv(from, bytes.data(), bytes.size(), 0);
  if (count <= 0) return false;
  buffer.append(bytes.data(), static_cast<size_t>(count));
  return true;
}

// Takes a whole request, without its size, off the buffer.
std::optional<std::string> TakeRequest(std::string& buffer) {
  if (buffer.size() < 4) return std::nullopt;
  const auto size = static_cast<size_t>(Reader(buffer).Int());
  if (buffer.size() < 4 + size) return std::nullopt;
  std::string request = buffer.substr(4, size);
  buffer.erase(0, 4 + size);
  return request;
}

bool TakeOne(std::atomic<int>& left) {
  int known = left;
  while (known > 0 && !left.compare_exchange_weak(known, known - 1)) {
  }
  return known > 0;
}

}  // namespace

KafkaProxy::KafkaProxy(int port) : port_(port), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Address(INADDR_LOOPBACK + 1, port);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, 16) != 0) {
    close(listener_);
    throw std::runtime_error("the proxy cannot listen on 127.0.0.2:" + std::to_string(port));
  }
  acceptor_ = std::thread(&KafkaProxy::Run, this);
}

KafkaProxy::~KafkaProxy() {
  over_ = true;
  acceptor_.join();
  for (int left = connections_; left > 0; left = connections_) connections_.wait(left);
  close(listener_);
}

void KafkaProxy::RefuseProduce(int count, int16_t error) {
  error_ = error;
  refuse_ = count;
}

void KafkaProxy::Run() {
  while (!over_) {
    pollfd listening{listener_, POLLIN, 0};
    if (poll(&listening, 1, kLookAgainMs) <= 0) continue;
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    ++connections_;
    std::thread([this, client] {
      Serve(client);
      --connections_;
      connections_.notify_all();
    }).detach();
  }
}

void KafkaProxy::Serve(int client) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Address(INADDR_LOOPBACK, port_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  std::string requests;
  std::string answers;
  bool lose_answer = false;
  while (open && !over_) {
    std::array<pollfd, 2> ends{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    if (poll(ends.data(), ends.size(), kLookAgainMs) <= 0) continue;
    if (ends[1].revents != 0) {
      open = Receive(server, answers) && !lose_answer && SendAll(client, answers);
      answers.clear();
    }
    if (!open || ends[0].revents == 0) continue;
    open = Receive(client, requests);
    while (open) {
      const std::optional<std::string> request = TakeRequest(requests);
      if (!request.has_value()) break;
      const bool produce = Reader(*request).Short() == kProduce;
      if (produce && TakeOne(refuse_)) {
        ++interfered_;
        open = SendAll(client, Refusal(*request, error_));
        continue;
      }
      if (produce && TakeOne(lose_answers_)) {
        ++interfered_;
        lose_answer = true;
      }
      open = SendAll(server, Framed(*request));
    }
  }
  close(client);
  close(server);
}

}  // namespace tradewind::bus
