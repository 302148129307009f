// Requests that grow when they are decompressed, sent to a server with a service and to one that takes any method. The
// frames are written by hand, so that the only memory that could grow is the server's.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/async_generic_service.h"

#include "tradewind/order/v1/order.grpc.pb.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/server.h"

namespace tradewind::rpc {
namespace {

using order::v1::GetOrderRequest;
using order::v1::Order;
using order::v1::OrderService;
using testing::HasSubstr;

constexpr char kPath[] = "/tradewind.order.v1.OrderService/GetOrder";
// Compressed it is below 64 KiB, which a client may send before the server allows more.
constexpr size_t kBombBytes = 48 << 20;
constexpr int64_t kAllowedGrowthKiB = 24 << 10;

class Orders final : public OrderService::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetOrder(grpc::CallbackServerContext* context, const GetOrderRequest*, Order*) override {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Takes any method, as the gateway does.
class AnyMethod final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override { return new Call(); }

 private:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    Call() { StartRead(&request_); }
    void OnReadDone(bool ok) override {
      Finish(ok ? grpc::Status::OK : grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no request"));
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer request_;
  };
};

// gzip of that many zeros, made piece by piece.
std::string GzipOfZeros(size_t size) {
  z_stream stream{};
  constexpr int kGzip = 16 + MAX_WBITS;
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::vector<unsigned char> zeros(64 << 10);
  std::string packed;
  std::vector<unsigned char> piece(64 << 10);
  for (size_t left = size; left > 0;) {
    const size_t taken = std::min(left, zeros.size());
    left -= taken;
    stream.next_in = zeros.data();
    stream.avail_in = static_cast<uInt>(taken);
    do {
      stream.next_out = piece.data();
      stream.avail_out = static_cast<uInt>(piece.size());
      deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
      packed.append(reinterpret_cast<const char*>(piece.data()), piece.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return packed;
}

void AppendNumber(uint32_t number, int bytes, std::string& text) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text.push_back(static_cast<char>((number >> shift) & 0xff));
}

// RFC 9113, section 4.1. Of stream 1 where it is not of the connection.
void AppendFrame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload, std::string& out) {
  AppendNumber(static_cast<uint32_t>(payload.size()), 3, out);
  AppendNumber(type, 1, out);
  AppendNumber(flags, 1, out);
  AppendNumber(stream, 4, out);
  out.append(payload);
}

void AppendHeader(std::string_view name, std::string_view value, std::string& block) {
  // RFC 7541, section 6.2.2: literal, not indexed, new name.
  block.push_back('\0');
  AppendNumber(static_cast<uint32_t>(name.size()), 1, block);
  block.append(name);
  AppendNumber(static_cast<uint32_t>(value.size()), 1, block);
  block.append(value);
}

// A whole call on a connection of its own, its message compressed already.
std::string CallWith(std::string_view compressed) {
  constexpr uint8_t kData = 0, kHeaders = 1, kSettings = 4;
  constexpr uint8_t kEndStream = 1, kEndHeaders = 4;
  constexpr size_t kFrame = 16 << 10;
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  AppendFrame(kSettings, 0, 0, "", out);
  std::string headers;
  AppendHeader(":method", "POST", headers);
  AppendHeader(":scheme", "http", headers);
  AppendHeader(":path", kPath, headers);
  AppendHeader(":authority", "localhost", headers);
  AppendHeader("te", "trailers", headers);
  AppendHeader("content-type", "application/grpc", headers);
  AppendHeader("grpc-encoding", "gzip", headers);
  AppendFrame(kHeaders, kEndHeaders, 1, headers, out);
  std::string message(1, '\1');
  AppendNumber(static_cast<uint32_t>(compressed.size()), 4, message);
  message.append(compressed);
  for (size_t at = 0; at < message.size(); at += kFrame) {
    const bool last = at + kFrame >= message.size();
    AppendFrame(kData, last ? kEndStream : 0, 1, std::string_view(message).substr(at, kFrame), out);
  }
  return out;
}

bool ReadExactly(int socket, size_t size, std::string& bytes) {
  bytes.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t got = read(socket, bytes.data() + done, size - done);
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

// True once the server has ended stream 1: by trailers, or by RST_STREAM.
bool ReadsTheEnd(int socket) {
  std::string head;
  std::string payload;
  while (ReadExactly(socket, 9, head)) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(head[at]); };
    if (!ReadExactly(socket, static_cast<size_t>(byte(0)) << 16 | static_cast<size_t>(byte(1)) << 8 | byte(2),
                     payload)) {
      return false;
    }
    const bool of_the_call = byte(8) == 1;
    const bool ends = (byte(3) == 1 && (byte(4) & 1) != 0) || byte(3) == 3;
    if (of_the_call && ends) return true;
  }
  return false;
}

bool SendsAndIsAnswered(int port, const std::string& bytes) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool answered = connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  for (size_t done = 0; answered && done < bytes.size();) {
    const ssize_t sent = send(connection, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent <= 0) answered = false;
    done += static_cast<size_t>(std::max<ssize_t>(sent, 0));
  }
  answered = answered && ReadsTheEnd(connection);
  close(connection);
  return answered;
}

int64_t MemoryKiB(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (std::string_view(line).substr(0, name.size()) == name) return std::stoll(line.substr(name.size() + 1));
  }
  ADD_FAILURE() << "no " << name << " in /proc/self/status";
  return 0;
}

// By how much memory was above what it is now while `act` ran.
template <typename Act>
int64_t PeakGrowthKiB(const Act& act) {
  // Sets the peak to what is in use now (proc(5)).
  std::ofstream("/proc/self/clear_refs") << 5;
  const int64_t before = MemoryKiB("VmRSS");
  act();
  return MemoryKiB("VmHWM") - before;
}

class CompressionTest : public testing::Test {
 protected:
  void Start(const ServerParts& parts) {
    auto server = Server::Start({.address = "127.0.0.1:0"}, parts);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  grpc::Status Get(grpc_compression_algorithm algorithm) {
    const auto stub = OrderService::NewStub(MakeChannel("127.0.0.1:" + std::to_string(server_->port())));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    context.set_compression_algorithm(algorithm);
    GetOrderRequest request;
    request.set_id(std::string(1000, 'x'));
    Order order;
    return stub->GetOrder(&context, request, &order);
  }

  void RefusesAllCompression() {
    for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
      const grpc::Status status = Get(algorithm);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
      EXPECT_THAT(status.error_message(), HasSubstr("is disabled"));
    }
    EXPECT_THAT(Get(GRPC_COMPRESS_NONE).error_message(), testing::Not(HasSubstr("is disabled")));
  }

  void KeepsItsMemory() {
    const std::string call = CallWith(GzipOfZeros(kBombBytes));
    ASSERT_LT(call.size(), 64u << 10);
    EXPECT_LT(PeakGrowthKiB([&] { EXPECT_TRUE(SendsAndIsAnswered(server_->port(), call)); }), kAllowedGrowthKiB);
  }

  Orders orders_;
  AnyMethod any_;
  std::unique_ptr<Server> server_;
};

TEST_F(CompressionTest, IsRefusedByAServerWithAService) {
  Start({.services = {&orders_}});
  RefusesAllCompression();
}

TEST_F(CompressionTest, IsRefusedByAServerOfAnyMethod) {
  Start({.generic = &any_});
  RefusesAllCompression();
}

TEST_F(CompressionTest, MovesNoMemoryOfAServerWithAService) {
  Start({.services = {&orders_}});
  KeepsItsMemory();
}

TEST_F(CompressionTest, MovesNoMemoryOfAServerOfAnyMethod) {
  Start({.generic = &any_});
  KeepsItsMemory();
}

}  // namespace
}  // namespace tradewind::rpc
