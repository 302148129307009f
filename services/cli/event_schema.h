// The message types of the mesh, read from a descriptor set file rather than compiled in: the tools decode what the
// running system was deployed with. Used by tail, topics and demo.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tradewind::cli {

// Its descriptors live as long as it does. Not thread-safe.
class EventSchema {
 public:
  // Reads a serialized FileDescriptorSet. FailedPrecondition, naming the file and the setting, when it is not there or
  // is not one.
  static absl::StatusOr<std::unique_ptr<EventSchema>> Load(const std::string& path);
  // InvalidArgument when a file of the set does not link.
  static absl::StatusOr<std::unique_ptr<EventSchema>> FromSet(const google::protobuf::FileDescriptorSet& set);

  // By full name; null where the set does not have it. The few types that replies may carry without the set naming them
  // (google.rpc's error details) are known too.
  const google::protobuf::Descriptor* Find(std::string_view type) const;

  // Whether there is a gRPC service of that full name.
  bool HasService(std::string_view full_name) const;

  // The mesh's topics without prefix, each with the types that travel on it: what the message options say, and the
  // mesh's own topics.
  const std::map<std::string, std::vector<std::string>>& topics() const { return topics_; }

 private:
  EventSchema();
  void CollectTopics(const google::protobuf::Descriptor& message);

  google::protobuf::SimpleDescriptorDatabase given_;
  google::protobuf::DescriptorPoolDatabase compiled_in_;
  google::protobuf::MergedDescriptorDatabase merged_;
  google::protobuf::DescriptorPool pool_;
  std::map<std::string, std::vector<std::string>> topics_;
};

// Whether the mesh's options forbid showing the field.
bool IsSensitive(const google::protobuf::FieldDescriptor& field);
// Whether the message, or any message it can hold, has such a field.
bool HasSensitiveFields(const google::protobuf::Descriptor& message);

}  // namespace tradewind::cli
