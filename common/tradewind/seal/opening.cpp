// The part of Keys that opens: values in a text, and the fields of a message, by their options.
#include "google/protobuf/message.h"

#include "tradewind/mesh/v1/options.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::seal {
namespace {

using State = KeyTable::State;

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool MayBeSealed(const FieldDescriptor& field) {
  return field.type() == FieldDescriptor::TYPE_STRING &&
         field.options().GetExtension(mesh::v1::field).sensitive() == mesh::v1::SENSITIVE_SEAL;
}

// Whose data a message is, where the message says so itself.
std::string SubjectOf(const Message& message, std::string_view around) {
  const std::string& name = message.GetDescriptor()->options().GetExtension(mesh::v1::message).subject();
  if (name.empty()) return std::string(around);
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || field->type() != FieldDescriptor::TYPE_STRING || field->is_repeated()) return "";
  return message.GetReflection()->GetString(message, field);
}

absl::Status OpenString(const Keys& keys, std::string_view subject, absl::Duration patience, Message& message,
                        const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  const int count = field.is_repeated() ? reflection.FieldSize(message, &field) : 1;
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<std::string> opened = keys.OpenOf(
        subject,
        field.is_repeated() ? reflection.GetRepeatedString(message, &field, i) : reflection.GetString(message, &field),
        patience);
    if (!opened.ok()) return opened.status();
    if (field.is_repeated()) {
      reflection.SetRepeatedString(&message, &field, i, *opened);
    } else {
      reflection.SetString(&message, &field, *opened);
    }
  }
  return absl::OkStatus();
}

absl::Status OpenInside(const Keys& keys, std::string_view subject, absl::Duration patience, Message& message,
                        const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (!field.is_repeated()) return keys.OpenFields(*reflection.MutableMessage(&message, &field), subject, patience);
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    absl::Status opened = keys.OpenFields(*reflection.MutableRepeatedMessage(&message, &field, i), subject, patience);
    if (!opened.ok()) return opened;
  }
  return absl::OkStatus();
}

}  // namespace

KeyTable::State Keys::FindSoon(const SubjectTag& subject, absl::Duration patience, Lock& lock) const {
  State state = State::kUnknown;
  changed_.wait_for(lock, absl::ToChronoMicroseconds(patience), [&] {
    state = table_->Find(subject).state;
    return state != State::kUnknown;
  });
  return state;
}

absl::StatusOr<std::string> Keys::OpenOne(const SealedValue& value, absl::Duration patience) const {
  std::vector<DataKey> keys;
  {
    Lock lock(mutex_);
    const State state = FindSoon(value.subject, patience, lock);
    if (state == State::kErased) return std::string(kErased);
    if (state == State::kUnknown) {
      return absl::UnavailableError("the key of a sealed value is not on mesh.keys.v1, or not read yet");
    }
    keys = table_->KeysOf(value.subject);
  }
  // Without the mutex: others seal and open meanwhile.
  for (const DataKey& key : keys) {
    if (std::optional<std::string> clear = OpenValue(key, value)) return *std::move(clear);
  }
  return absl::DataLossError("a sealed value is damaged");
}

absl::StatusOr<std::string> Keys::OpenWhere(absl::FunctionRef<bool(const SubjectTag&)> mine, std::string_view text,
                                            absl::Duration patience) const {
  std::string opened;
  size_t done = 0;
  for (auto value = FindSealed(text); value.has_value(); value = FindSealed(text, value->end)) {
    if (!mine(value->subject)) continue;
    if (absl::Status status = CheckStarted(); !status.ok()) return status;
    const absl::StatusOr<std::string> clear = OpenOne(*value, patience);
    if (!clear.ok()) return clear.status();
    opened += text.substr(done, value->begin - done);
    opened += *clear;
    done = value->end;
  }
  opened += text.substr(done);
  return opened;
}

absl::StatusOr<std::string> Keys::Open(std::string_view text, absl::Duration patience) const {
  return OpenWhere([](const SubjectTag&) { return true; }, text, patience);
}

absl::StatusOr<std::string> Keys::OpenOf(std::string_view subject, std::string_view text,
                                         absl::Duration patience) const {
  const SubjectTag tag = TagOf(subject);
  return OpenWhere([&](const SubjectTag& of) { return of == tag; }, text, patience);
}

absl::Status Keys::OpenFields(Message& message, absl::Duration patience) const {
  return OpenFields(message, "", patience);
}

absl::Status Keys::OpenFields(Message& message, std::string_view around, absl::Duration patience) const {
  const std::string subject = SubjectOf(message, around);
  std::vector<const FieldDescriptor*> present;
  message.GetReflection()->ListFields(message, &present);
  for (const FieldDescriptor* field : present) {
    absl::Status opened;
    if (MayBeSealed(*field)) {
      opened = OpenString(*this, subject, patience, message, *field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      opened = OpenInside(*this, subject, patience, message, *field);
    }
    if (!opened.ok()) return opened;
  }
  return absl::OkStatus();
}

}  // namespace tradewind::seal
