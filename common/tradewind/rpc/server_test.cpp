#include "tradewind/rpc/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"

#include "tradewind/order/v1/order.pb.h"
#include "tradewind/rpc/channel.h"

namespace tradewind::rpc {
namespace {

using testing::HasSubstr;

ServerConfig AnyPort() { return {.address = "127.0.0.1:0"}; }

std::string AddressOf(const Server& server) { return "127.0.0.1:" + std::to_string(server.port()); }

TEST(RpcServer, AnswersHealthAsItIsTold) {
  auto server = Server::Start(AnyPort(), {.listed_services = {"tradewind.order.v1.OrderService"}});
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = AddressOf(**server);
  const absl::Status before = CheckHealth(address, absl::Seconds(10));
  EXPECT_EQ(before.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(before.message()), HasSubstr("NOT_SERVING"));
  (*server)->SetServing(true);
  EXPECT_TRUE(CheckHealth(address, absl::Seconds(10)).ok());
  (*server)->SetServing(false);
  EXPECT_FALSE(CheckHealth(address, absl::Seconds(10)).ok());
}

// As on a busy machine, where a connection may fail although somebody listens.
TEST(RpcServer, IsHealthyThoughAFirstConnectionFails) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(name);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), 0);
  const std::string address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  absl::StatusOr<std::unique_ptr<Server>> server = absl::UnknownError("not started");
  std::thread starting([&] {
    close(accept(listener, nullptr, nullptr));
    close(listener);
    server = Server::Start({.address = address}, {});
    if (server.ok()) (*server)->SetServing(true);
  });
  const absl::Status health = CheckHealth(address, absl::Seconds(10));
  starting.join();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(health.ok()) << health;
}

TEST(RpcServer, SaysWhichSettingNamesATakenPort) {
  auto first = Server::Start(AnyPort(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = Server::Start({.address = AddressOf(**first)}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string message(second.status().message());
  EXPECT_THAT(message, HasSubstr("grpc.address"));
  EXPECT_THAT(message, HasSubstr(AddressOf(**first)));
  EXPECT_THAT(message, testing::Not(HasSubstr("\n")));
}

TEST(RpcServer, StopsListeningOnShutdown) {
  auto server = Server::Start(AnyPort(), {});
  ASSERT_TRUE(server.ok()) << server.status();
  (*server)->SetServing(true);
  const std::string address = AddressOf(**server);
  ASSERT_TRUE(CheckHealth(address, absl::Seconds(10)).ok());
  (*server)->Shutdown(absl::Seconds(1));
  (*server)->Shutdown(absl::Seconds(1));
  EXPECT_FALSE(CheckHealth(address, absl::Milliseconds(500)).ok());
}

// Asks `request` on a stream of its own.
template <typename Reflection, typename Request, typename Response>
Response Ask(const std::string& address, const Request& request) {
  const auto stub = Reflection::NewStub(MakeChannel(address));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  auto stream = stub->ServerReflectionInfo(&context);
  EXPECT_TRUE(stream->Write(request));
  Response response;
  EXPECT_TRUE(stream->Read(&response));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  return response;
}

TEST(RpcServer, ReflectsServicesInBothVersions) {
  namespace v1 = grpc::reflection::v1;
  namespace v1alpha = grpc::reflection::v1alpha;
  auto server = Server::Start(AnyPort(), {.listed_services = {"tradewind.order.v1.OrderService"}});
  ASSERT_TRUE(server.ok()) << server.status();

  v1::ServerReflectionRequest request;
  request.set_list_services("*");
  const auto response = Ask<v1::ServerReflection, v1::ServerReflectionRequest, v1::ServerReflectionResponse>(
      AddressOf(**server), request);
  std::set<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.insert(service.name());
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"tradewind.order.v1.OrderService", "grpc.health.v1.Health"}));

  v1alpha::ServerReflectionRequest alpha_request;
  alpha_request.set_list_services("*");
  const auto alpha_response =
      Ask<v1alpha::ServerReflection, v1alpha::ServerReflectionRequest, v1alpha::ServerReflectionResponse>(
          AddressOf(**server), alpha_request);
  EXPECT_EQ(alpha_response.list_services_response().service_size(), response.list_services_response().service_size());
}

TEST(RpcServer, ReflectsAFileWithAllItsImports) {
  namespace v1 = grpc::reflection::v1;
  auto server = Server::Start(AnyPort(), {});
  ASSERT_TRUE(server.ok()) << server.status();
  v1::ServerReflectionRequest request;
  request.set_file_containing_symbol(order::v1::Order::descriptor()->full_name());
  const auto response = Ask<v1::ServerReflection, v1::ServerReflectionRequest, v1::ServerReflectionResponse>(
      AddressOf(**server), request);
  std::set<std::string> files;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    files.insert(file.name());
  }
  EXPECT_THAT(files, testing::UnorderedElementsAre("tradewind/order/v1/order.proto", "google/protobuf/timestamp.proto",
                                                   "google/type/money.proto", "tradewind/mesh/v1/options.proto",
                                                   "google/protobuf/descriptor.proto"));
}

TEST(RpcServer, AnswersAnUnknownSymbolWithNotFound) {
  namespace v1 = grpc::reflection::v1;
  auto server = Server::Start(AnyPort(), {});
  ASSERT_TRUE(server.ok()) << server.status();
  v1::ServerReflectionRequest request;
  request.set_file_containing_symbol("no.Such");
  const auto response = Ask<v1::ServerReflection, v1::ServerReflectionRequest, v1::ServerReflectionResponse>(
      AddressOf(**server), request);
  EXPECT_EQ(response.error_response().error_code(), static_cast<int>(grpc::StatusCode::NOT_FOUND));
}

}  // namespace
}  // namespace tradewind::rpc
