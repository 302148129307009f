#include "services/gateway/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "google/protobuf/descriptor.pb.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptorSet;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// Keeps the first thing the pool has to say about a file.
class FirstError final : public DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& filename, const std::string& element, const google::protobuf::Message* /*proto*/,
                ErrorLocation /*location*/, const std::string& message) override {
    if (text_.empty()) {
      text_ = fmt::format("{}: {}: {}", filename, element, message);
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Load(const std::string& path, const Addresses& services) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::FailedPreconditionError(
        fmt::format("cannot read the descriptor set {}; build target tradewind_descriptors makes it, setting "
                    "gateway.descriptors names another",
                    path));
  }
  FileDescriptorSet files;
  if (!files.ParseFromIstream(&file)) {
    return absl::FailedPreconditionError(
        fmt::format("{} is not a descriptor set; make one with protoc --include_imports --descriptor_set_out", path));
  }
  return Build(files, services);
}

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Build(const FileDescriptorSet& files, const Addresses& services) {
  auto catalog = std::unique_ptr<Catalog>(new Catalog());
  if (absl::Status status = catalog->AddFiles(files); !status.ok()) {
    return status;
  }
  for (const auto& [name, address] : services) {
    if (absl::Status status = catalog->AddService(name, address); !status.ok()) {
      return status;
    }
  }
  return catalog;
}

absl::Status Catalog::AddFiles(const FileDescriptorSet& files) {
  // protoc writes what is imported before what imports it.
  for (const google::protobuf::FileDescriptorProto& file : files.file()) {
    FirstError error;
    if (pool_.BuildFileCollectingErrors(file, &error) == nullptr) {
      return absl::FailedPreconditionError(fmt::format(
          "the descriptor set does not fit together ({}); make it with protoc --include_imports", error.text()));
    }
  }
  return absl::OkStatus();
}

absl::Status Catalog::AddService(const std::string& name, const std::string& address) {
  const ServiceDescriptor* service = pool_.FindServiceByName(name);
  if (service == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("gateway.services names {}, which is not in the descriptor set; correct the name, or build the "
                    "set with its proto",
                    name));
  }
  if (address.empty()) {
    return absl::FailedPreconditionError(fmt::format("gateway.services gives {} no address", name));
  }
  for (int i = 0; i < service->method_count(); ++i) {
    if (absl::Status status = AddMethod(*service->method(i), address); !status.ok()) {
      return status;
    }
  }
  services_.push_back(name);
  return absl::OkStatus();
}

absl::Status Catalog::AddMethod(const MethodDescriptor& descriptor, const std::string& address) {
  auto method = std::make_unique<Method>();
  method->route = descriptor.options().GetExtension(mesh::v1::method).route();
  const bool is_command = method->route == mesh::v1::ROUTE_COMMAND;
  if (method->route != mesh::v1::ROUTE_COMMAND && method->route != mesh::v1::ROUTE_QUERY &&
      method->route != mesh::v1::ROUTE_DIRECT) {
    return absl::FailedPreconditionError(fmt::format(
        "{} has no route; give it option (tradewind.mesh.v1.method) = {{route: ...}}", descriptor.full_name()));
  }
  if (descriptor.client_streaming() || (is_command && descriptor.server_streaming())) {
    return absl::FailedPreconditionError(
        fmt::format("{}: requests cannot be streamed, nor the answers to a command", descriptor.full_name()));
  }
  if (absl::Status status = RefuseDeepOptions(*descriptor.input_type(), is_command); !status.ok()) {
    return status;
  }
  const absl::StatusOr<const MessageRules*> rules = rules_.Compile(*descriptor.input_type());
  if (!rules.ok()) {
    return rules.status();
  }
  if (is_command) {
    absl::StatusOr<CommandShape> shape = ShapeOf(descriptor);
    if (!shape.ok()) {
      return shape.status();
    }
    method->command = *std::move(shape);
    if (MayHoldSealed(*descriptor.output_type())) {
      method->sealed_response = factory_.GetPrototype(descriptor.output_type());
    }
  }
  method->index = methods_.size();
  method->path = fmt::format("/{}/{}", descriptor.service()->full_name(), descriptor.name());
  method->server_streaming = descriptor.server_streaming();
  method->request_type = descriptor.input_type()->full_name();
  method->response_type = descriptor.output_type()->full_name();
  method->address = address;
  method->request_prototype = factory_.GetPrototype(descriptor.input_type());
  method->rules = *rules;
  by_path_.emplace(method->path, method.get());
  methods_.push_back(std::move(method));
  return absl::OkStatus();
}

const Method* Catalog::Find(std::string_view path) const {
  const auto found = by_path_.find(path);
  return found != by_path_.end() ? found->second : nullptr;
}

std::vector<std::string> Catalog::CommandTopics() const {
  std::set<std::string> topics;
  for (const std::unique_ptr<Method>& method : methods_) {
    if (method->route == mesh::v1::ROUTE_COMMAND) {
      topics.insert(method->command.topic);
    }
  }
  return {topics.begin(), topics.end()};
}

bool Catalog::NeedsKeys() const {
  return std::any_of(methods_.begin(), methods_.end(), [](const std::unique_ptr<Method>& method) {
    return method->command.needs_keys() || method->sealed_response != nullptr;
  });
}

}  // namespace tradewind::gateway
