// What the gateway serves: every method of the configured services, with its route, its rules and, for a command, where
// it goes. Read from a descriptor set once at start; a method whose options leave something open is refused then, not
// when the first call comes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"

#include "services/gateway/command_shape.h"
#include "services/gateway/message_rules.h"

namespace google::protobuf {
class FileDescriptorSet;
}

namespace tradewind::gateway {

struct Method {
  // Place in Catalog::methods().
  size_t index = 0;
  // "/tradewind.order.v1.OrderService/CreateOrder".
  std::string path;
  mesh::v1::Route route = mesh::v1::ROUTE_UNSPECIFIED;
  bool server_streaming = false;
  // Full type names.
  std::string request_type;
  std::string response_type;
  // Of the owning service.
  std::string address;
  const google::protobuf::Message* request_prototype = nullptr;
  const MessageRules* rules = nullptr;
  // For ROUTE_COMMAND.
  CommandShape command;
  // Where a command's answer may hold sealed fields; else null.
  const google::protobuf::Message* sealed_response = nullptr;
};

// Immutable once made; thread-safe.
class Catalog {
 public:
  using Addresses = std::map<std::string, std::string>;

  // `services`: full service name -> address. FailedPrecondition, naming file, service, method or field and what to
  // correct, when the set cannot be read or does not say all that is needed.
  static absl::StatusOr<std::unique_ptr<Catalog>> Load(const std::string& path, const Addresses& services);
  static absl::StatusOr<std::unique_ptr<Catalog>> Build(const google::protobuf::FileDescriptorSet& files,
                                                        const Addresses& services);

  // By path; null for a method that is not served.
  const Method* Find(std::string_view path) const;

  const std::vector<std::unique_ptr<Method>>& methods() const { return methods_; }
  // Full names of the services served.
  const std::vector<std::string>& services() const { return services_; }
  // Without prefix, each once.
  std::vector<std::string> CommandTopics() const;
  // Whether any command has to be sealed or its answer opened.
  bool NeedsKeys() const;
  const google::protobuf::DescriptorPool& pool() const { return pool_; }

 private:
  Catalog() : factory_(&pool_) {}
  absl::Status AddFiles(const google::protobuf::FileDescriptorSet& files);
  absl::Status AddService(const std::string& name, const std::string& address);
  absl::Status AddMethod(const google::protobuf::MethodDescriptor& descriptor, const std::string& address);

  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  RuleSet rules_;
  std::vector<std::unique_ptr<Method>> methods_;
  std::vector<std::string> services_;
  // Keys are the methods' own paths.
  std::unordered_map<std::string_view, const Method*> by_path_;
};

}  // namespace tradewind::gateway
