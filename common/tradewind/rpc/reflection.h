// Server reflection over any descriptor pool: what grpcurl and other tools ask to learn which services there are and
// how their messages look. Used by Server alone.
//
// gRPC's own plugin tells of the generated pool only; a gateway that serves methods from a descriptor set needs its
// pool told instead.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace grpc {
class Service;
}

namespace tradewind::rpc {

// What the protocol can be asked, independent of its version. Thread-safe.
class ReflectionIndex {
 public:
  // `pool` outlives the index. What it does not know is looked for in the generated pool, so that health and
  // reflection themselves can be described.
  ReflectionIndex(const google::protobuf::DescriptorPool* pool, std::vector<std::string> services);

  const std::vector<std::string>& services() const { return services_; }
  // NotFound, naming what was asked for.
  absl::StatusOr<const google::protobuf::FileDescriptor*> File(const std::string& name) const;
  absl::StatusOr<const google::protobuf::FileDescriptor*> FileOfSymbol(const std::string& symbol) const;
  absl::StatusOr<const google::protobuf::FileDescriptor*> FileOfExtension(const std::string& type, int number) const;
  absl::StatusOr<std::vector<int>> ExtensionNumbers(const std::string& type) const;

 private:
  // The given pool, then the generated one; one entry where they are the same.
  std::vector<const google::protobuf::DescriptorPool*> pools_;
  std::vector<std::string> services_;
};

// The services of v1alpha and v1. `index` outlives them.
std::vector<std::unique_ptr<grpc::Service>> MakeReflectionServices(const ReflectionIndex& index);

}  // namespace tradewind::rpc
