#include "services/cli/event_schema.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>

#include <fstream>
#include <set>

#include "google/rpc/error_details.pb.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/options.pb.h"

namespace tradewind::cli {
namespace {

namespace pb = google::protobuf;

bool HasSensitiveFields(const pb::Descriptor& message, std::set<const pb::Descriptor*>& seen) {
  if (!seen.insert(&message).second) {
    return false;
  }
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    if (IsSensitive(field) || (field.message_type() != nullptr && HasSensitiveFields(*field.message_type(), seen))) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool IsSensitive(const pb::FieldDescriptor& field) {
  return field.options().GetExtension(mesh::v1::field).sensitive() != mesh::v1::SENSITIVE_UNSPECIFIED;
}

bool HasSensitiveFields(const pb::Descriptor& message) {
  std::set<const pb::Descriptor*> seen;
  return HasSensitiveFields(message, seen);
}

EventSchema::EventSchema()
    : compiled_in_(*pb::DescriptorPool::generated_pool()), merged_(&given_, &compiled_in_), pool_(&merged_) {
  // Naming a type of the file keeps it, and its descriptors, in a static link.
  google::rpc::ErrorInfo::descriptor();
}

absl::StatusOr<std::unique_ptr<EventSchema>> EventSchema::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  pb::FileDescriptorSet set;
  if (!file) {
    return absl::FailedPreconditionError(fmt::format(
        "there is no descriptor set at '{}': build tradewind_descriptors, or set cli.descriptors to the file", path));
  }
  if (!set.ParseFromIstream(&file) || set.file().empty()) {
    return absl::FailedPreconditionError(fmt::format(
        "'{}' is not a descriptor set: set cli.descriptors to what protoc --descriptor_set_out wrote", path));
  }
  auto schema = FromSet(set);
  if (!schema.ok()) {
    return absl::FailedPreconditionError(
        fmt::format("descriptor set '{}': {}", path, std::string(schema.status().message())));
  }
  return schema;
}

absl::StatusOr<std::unique_ptr<EventSchema>> EventSchema::FromSet(const pb::FileDescriptorSet& set) {
  const pb::LogSilencer silencer;
  std::unique_ptr<EventSchema> schema(new EventSchema);
  for (const pb::FileDescriptorProto& file : set.file()) {
    if (!schema->given_.Add(file)) {
      return absl::InvalidArgumentError(fmt::format("{} defines a name that another file has too", file.name()));
    }
  }
  for (const pb::FileDescriptorProto& proto : set.file()) {
    const pb::FileDescriptor* file = schema->pool_.FindFileByName(proto.name());
    if (file == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("{} does not link: write the set with --include_imports", proto.name()));
    }
    for (int i = 0; i < file->message_type_count(); ++i) {
      schema->CollectTopics(*file->message_type(i));
    }
  }
  schema->topics_[std::string(bus::kRepliesTopic)] = {std::string(mesh::v1::ReplyBatch::descriptor()->full_name())};
  schema->topics_.try_emplace(std::string(bus::kDeadTopic));
  return schema;
}

const pb::Descriptor* EventSchema::Find(std::string_view type) const {
  return pool_.FindMessageTypeByName(std::string(type));
}

bool EventSchema::HasService(std::string_view full_name) const {
  return pool_.FindServiceByName(std::string(full_name)) != nullptr;
}

void EventSchema::CollectTopics(const pb::Descriptor& message) {
  const mesh::v1::MessageRule& rule = message.options().GetExtension(mesh::v1::message);
  if (!rule.topic().empty()) {
    topics_[rule.topic()].push_back(message.full_name());
  }
  for (int i = 0; i < message.nested_type_count(); ++i) {
    CollectTopics(*message.nested_type(i));
  }
}

}  // namespace tradewind::cli
