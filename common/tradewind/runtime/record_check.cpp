#include "tradewind/runtime/record_check.h"

#include <fmt/format.h>

#include <exception>
#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

#include "tradewind/errors/printable.h"

namespace tradewind::runtime {
namespace {

// How much of a text from outside a reason shows.
constexpr size_t kShown = 100;

absl::Status KeyMismatch(std::string_view key, std::string_view wanted_by, std::string_view wanted) {
  if (wanted.empty()) {
    return absl::InvalidArgumentError(fmt::format("{} is empty, and it has to be the record's key", wanted_by));
  }
  return absl::InvalidArgumentError(fmt::format("its key is '{}' and {} is '{}'; they have to be the same",
                                                errors::Printable(key, kShown), wanted_by,
                                                errors::Printable(wanted, kShown)));
}

absl::Status CheckKey(const bus::Record& record, const google::protobuf::Message& message, const Handler& handler,
                      KeyRule rule) {
  if (rule == KeyRule::kOfSubscription) {
    const auto wanted = SubscriptionKeyOf(handler, message);
    if (!wanted.ok()) return wanted.status();
    if (*wanted == record.key() && !wanted->empty()) return absl::OkStatus();
    return KeyMismatch(record.key(), "the field that the subscription is keyed by", *wanted);
  }
  if (rule == KeyRule::kNone || handler.key == nullptr) return absl::OkStatus();
  std::string scratch;
  const std::string& wanted = message.GetReflection()->GetStringReference(message, handler.key, &scratch);
  if (wanted == record.key() && !wanted.empty()) return absl::OkStatus();
  return KeyMismatch(record.key(), fmt::format("its field '{}'", handler.key->name()), wanted);
}

}  // namespace

absl::Status CheckSender(const bus::Envelope& envelope, std::string_view mesh, bool accept_unmarked) {
  if (envelope.mesh.has_value()) {
    if (*envelope.mesh == mesh) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("it was written in the mesh '{}' and this is '{}' (header {}): it was copied from there",
                    errors::Printable(*envelope.mesh, kShown), mesh, bus::kMeshHeader));
  }
  if (!envelope.sequence.has_value() || accept_unmarked) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("it has a {} of a mesh and does not name the mesh (header {}); where it was written by an earlier "
                  "version, set runtime.accept_unmarked_events to true and have it retried",
                  bus::kSequenceHeader, bus::kMeshHeader));
}

absl::Status CheckPlace(const bus::Record& record, const bus::Envelope& envelope, int32_t pinned,
                        const AskPartitions& ask) {
  if (!envelope.mesh.has_value() || ask == nullptr) return absl::OkStatus();
  const int32_t belongs = bus::PartitionOf(record.key(), pinned);
  if (belongs == record.partition()) return absl::OkStatus();
  const auto partitions = ask(std::string(record.topic()));
  if (!partitions.ok() || *partitions <= pinned) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("its key belongs to partition {} of {}, and whoever wrote it counts with more since partitions were "
                  "added to the topic: start that process with kafka.pinned_partitions={}",
                  belongs, pinned, pinned));
}

absl::StatusOr<std::string> SubscriptionKeyOf(const Handler& handler, const google::protobuf::Message& message) {
  try {
    return handler.rekey(message);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("the key that the subscription asks for could not be worked out: {}", error.what()));
  }
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ReadMessage(const bus::Record& record,
                                                                       const bus::Envelope& envelope,
                                                                       const Handler& handler, KeyRule rule) {
  const std::string& type = handler.prototype->GetDescriptor()->full_name();
  if (!record.has_value()) {
    return absl::InvalidArgumentError(fmt::format("it has no value, and a {} was expected", type));
  }
  std::unique_ptr<google::protobuf::Message> message(handler.prototype->New());
  if (!message->ParseFromArray(record.value().data(), static_cast<int>(record.value().size()))) {
    if (envelope.content_type.empty() || envelope.content_type == bus::kProtobufContentType) {
      return absl::InvalidArgumentError(fmt::format("its value is not a {}", type));
    }
    return absl::InvalidArgumentError(fmt::format("its value is not a {} in protobuf's binary format; its {} is '{}'",
                                                  type, bus::kContentTypeHeader,
                                                  errors::Printable(envelope.content_type, kShown)));
  }
  if (absl::Status checked = CheckKey(record, *message, handler, rule); !checked.ok()) return checked;
  return message;
}

}  // namespace tradewind::runtime
