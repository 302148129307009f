// One command: read, check, fill in, hash, seal, produce, wait, answer.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "google/rpc/status.pb.h"

#include "services/gateway/command_path.h"
#include "services/gateway/field_sealing.h"
#include "services/gateway/logger.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/commands/problems.h"
#include "tradewind/ids/ids.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/rpc/errors.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr const char* kWaitMetadata = "tradewind-wait";
// The answer has to be on its way before the caller's own clock runs out.
constexpr absl::Duration kAnswerMargin = absl::Milliseconds(20);

errors::Problem Busy(std::string_view what) {
  return {.code = absl::StatusCode::kResourceExhausted,
          .reason = "GATEWAY_BUSY",
          .message = fmt::format("{}; nothing was done, try again later", what)};
}

// UUIDs mean the same in either case; what is derived from them must be the same too.
void LowerCase(std::string& text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
}

// A message with nothing but its string field `number`.
grpc::ByteBuffer OnlyId(int number, const std::string& id) {
  std::string bytes;
  if (number != 0) {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream output(&stream);
    google::protobuf::internal::WireFormatLite::WriteString(number, id, &output);
  }
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

// The same message always gives the same bytes: the service tells a repeat from another request by them.
void SerializeDeterministically(const Message& message, std::string& bytes) {
  bytes.clear();
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&output);
}

class CommandCall final : public ServerCall, public commands::PendingCall {
 public:
  CommandCall(const CommandPath& path, const Method& method, const MethodMetrics& metrics, Caller caller,
              grpc::GenericCallbackServerContext& context)
      : ServerCall(method, metrics, std::move(caller), context),
        path_(path),
        arena_(first_block_, sizeof(first_block_)) {
    ReadRequest();
  }

  void OnRequest() override {
    if (!ReadWait()) {
      return;
    }
    message_ = ParseAndCheck(arena_);
    if (message_ == nullptr) {
      return;
    }
    FillIn();
    if (HasSecrets()) {
      HashThenSeal();
    } else {
      SealThenPublish();
    }
  }

  void OnCancel() override {
    // Neither waits where somebody else ends this call: 0, or what is not there any more.
    if (path_.hashers.Withdraw(hash_ticket_->load()) || path_.link.Take(correlation_id_.load()) != nullptr) {
      End(grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away"));
    }
  }

  void OnAccepted() override { EndWith(OnlyId(method().command.response_id_number, key_)); }

  void OnReply(mesh::v1::Reply& reply) override {
    if (reply.has_error()) {
      End(rpc::ToGrpcStatus(reply.error()));
      return;
    }
    const std::string_view type_url = reply.resource().type_url();
    if (type_url.substr(type_url.rfind('/') + 1) != method().response_type) {
      const errors::Problem problem{.code = absl::StatusCode::kInternal,
                                    .reason = "WRONG_RESPONSE_TYPE",
                                    .message = fmt::format("the service answered {} with '{}', not {}", method().path,
                                                           type_url, method().response_type)};
      End(problem);
      return;
    }
    std::string* const resource = reply.mutable_resource()->mutable_value();
    if (const absl::Status opened = Open(resource); absl::IsUnavailable(opened)) {
      OnOutcomePending(opened);
      return;
    } else if (!opened.ok()) {
      End(errors::Problem{
          .code = absl::StatusCode::kInternal,
          .reason = "ANSWER_NOT_OPENED",
          .message = fmt::format("the answer to {}: {}", method().path, std::string(opened.message()))});
      return;
    }
    const grpc::Slice slice(*resource);
    EndWith({&slice, 1});
  }

  void OnNotAccepted(const absl::Status& why) override { End(NotAccepted(why)); }

  void OnOutcomePending(const absl::Status& why) override {
    End(commands::OutcomePending(std::string(why.message()), !request_id_.empty()));
  }

 private:
  // Why Kafka does not have the command goes to the log, under the call's trace.
  errors::Problem NotAccepted(const absl::Status& why) const {
    const telemetry::TraceScope scope(trace());
    return rpc::Traced(commands::NotAccepted(), std::string(why.message()));
  }

  // What the caller wants to wait for. False when that is not understood: the call has ended then.
  bool ReadWait() {
    const std::string_view wait = Metadata(kWaitMetadata);
    if (wait == "accepted") {
      await_ = commands::Await::kAcceptance;
      return true;
    }
    if (wait.empty() || wait == "outcome") {
      return true;
    }
    End(errors::Problem{.code = absl::StatusCode::kInvalidArgument,
                        .reason = "INVALID_METADATA",
                        .message = fmt::format("metadata {} must be 'accepted' or 'outcome'", kWaitMetadata)});
    return false;
  }

  void FillIn() {
    const Reflection& reflection = *message_->GetReflection();
    const CommandShape& command = method().command;
    now_ = absl::Now();
    if (command.request_id != nullptr) {
      request_id_ = reflection.GetString(*message_, command.request_id);
      LowerCase(request_id_);
      reflection.SetString(message_, command.request_id, request_id_);
    }
    key_ = reflection.GetString(*message_, command.key);
    if (key_.empty() && command.key_is_generated) {
      const ids::Uuid id =
          request_id_.empty() ? ids::NewUuid(now_) : ids::DeriveUuid(caller(), method().path, request_id_);
      key_ = id.view();
      reflection.SetString(message_, command.key, key_);
    }
  }

  bool HasSecrets() const {
    const Reflection& reflection = *message_->GetReflection();
    for (const FieldDescriptor* field : method().command.hashed) {
      std::string scratch;
      if (!reflection.GetStringReference(*message_, field, &scratch).empty()) {
        return true;
      }
    }
    return false;
  }

  void HashThenSeal() {
    auto hash = [this] {
      if (context().IsCancelled()) {
        End(grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away"));
        return;
      }
      if (const absl::Status status = Hash(); !status.ok()) {
        kLog.Warn("cannot hash", {{"method", method().path}, {"error", status}});
        End(Busy("no memory for a hash"));
        return;
      }
      SealThenPublish();
    };
    // Once it is handed over, this call may be gone.
    const auto ticket_place = hash_ticket_;
    const auto ticket = path_.hashers.Submit({.run = std::move(hash), .client = client()});
    if (ticket.ok()) {
      *ticket_place = *ticket;
    } else {
      End(Busy("too many secrets wait to be hashed"));
    }
  }

  absl::Status Hash() {
    const Reflection& reflection = *message_->GetReflection();
    for (const FieldDescriptor* field : method().command.hashed) {
      const std::string secret = reflection.GetString(*message_, field);
      if (secret.empty()) {
        continue;
      }
      absl::StatusOr<std::string> hash =
          auth::HashPassword(path_.hash_cost, secret, method().path, field->name(), request_id_);
      if (!hash.ok()) {
        return hash.status();
      }
      reflection.SetString(message_, field, *std::move(hash));
    }
    return absl::OkStatus();
  }

  void SealThenPublish() {
    const CommandShape& command = method().command;
    if (!command.needs_keys()) {
      Publish();
    } else if (command.subject == nullptr) {
      Seal();
    } else if (command.subject_is_created) {
      // Its key goes on the log before anything that was sealed with it.
      path_.keys.Prepare(Subject(), KeyDeadline(), [this](const absl::Status& made) {
        has_key_ = made.ok();
        GoOn(made);
      });
    } else {
      path_.keys.Require(Subject(), KeyDeadline(), [this](const absl::Status& known) { GoOn(known); });
    }
  }

  // Once it is known whether the subject has a key.
  void GoOn(const absl::Status& known) {
    if (context().IsCancelled()) {
      GiveKeyBack();
      End(grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away"));
    } else if (known.ok()) {
      Seal();
    } else {
      EndUnsealed(known);
    }
  }

  void Seal() {
    const CommandShape& command = method().command;
    const SecretSeed seed{.caller = caller(), .method = method().path, .request_id = request_id_};
    const absl::Status sealed = SealFields(command, seed, path_.keys, *message_);
    if (sealed.ok()) {
      Publish();
      return;
    }
    GiveKeyBack();
    // Another gateway, which had made the key in vain, took it back at this moment.
    EndUnsealed(has_key_ && absl::IsNotFound(sealed) ? absl::UnavailableError(sealed.message()) : sealed);
  }

  // Nothing that was sealed with the key of the new subject is on the log, nor will be.
  void GiveKeyBack() {
    if (has_key_) path_.keys.Withdraw(Subject());
  }

  void EndUnsealed(const absl::Status& why) {
    if (absl::IsUnavailable(why)) {
      End(NotAccepted(why));
      return;
    }
    if (absl::IsNotFound(why)) {
      End(errors::NotFound(method().command.subject_kind, Subject()));
      return;
    }
    End(errors::Problem{
        .code = absl::StatusCode::kFailedPrecondition,
        .reason = "SUBJECT_ERASED",
        .message = fmt::format("{}: {}", method().command.subject->name(), std::string(why.message()))});
  }

  // Whose data the command holds; empty where it does not say.
  std::string Subject() const {
    const FieldDescriptor* subject = method().command.subject;
    return subject == nullptr ? "" : message_->GetReflection()->GetString(*message_, subject);
  }

  absl::Time KeyDeadline() const { return clock::SteadyNow() + std::min(Remaining(), path_.key_timeout); }

  // Opens what is sealed in the answer, in place. Does not wait for a key: replies come one after the other.
  absl::Status Open(std::string* resource) const {
    if (method().sealed_response == nullptr) return absl::OkStatus();
    google::protobuf::Arena arena;
    Message& answer = *method().sealed_response->New(&arena);
    if (!answer.ParseFromString(*resource)) return absl::InternalError("the answer cannot be read");
    absl::Status opened = path_.keys.OpenFields(answer, Subject(), absl::ZeroDuration());
    if (opened.ok()) *resource = answer.SerializeAsString();
    return opened;
  }

  // How long the call may take from now, the margin for the answer taken off.
  absl::Duration Remaining() const {
    absl::Duration remaining = path_.timeout;
    if (context().deadline() != std::chrono::system_clock::time_point::max()) {
      remaining = absl::FromChrono(context().deadline()) - absl::Now();
    }
    return std::min(remaining, path_.max_timeout) - kAnswerMargin;
  }

  // Hands the command over. After that this call may be gone at any moment.
  void Publish() {
    thread_local std::string value;
    SerializeDeterministically(*message_, value);
    const uint64_t id = path_.link.NextId();
    // Once the id is in the table a cancellation may end this call while the record is still being handed over: nothing
    // the command points to may belong to the call.
    const std::string key = key_;
    const std::string request_id = request_id_;
    const std::string who = caller();
    const std::string traceparent = trace().ToTraceparent();
    const commands::Command command{.topic = method().command.topic,
                                    .key = key,
                                    .value = value,
                                    .type = method().request_type,
                                    .caller = who,
                                    .method = method().path,
                                    .request_id = request_id,
                                    .traceparent = traceparent,
                                    .now = now_};
    const absl::Duration remaining = Remaining();
    commands::CommandLink& link = path_.link;
    // From here on what becomes of the command decides about the key, also where this call has ended before.
    if (has_key_) path_.undecided_keys.Add(id, Subject(), clock::SteadyNow());
    correlation_id_ = id;
    if (const absl::Status status = link.Send(command, id, *this, await_, remaining); !status.ok()) EndUnsent(status);
  }

  // The call is ours again, and Kafka does not have the command.
  void EndUnsent(const absl::Status& status) {
    if (commands::IsTooManyWaiting(status)) {
      End(errors::Problem{.code = absl::StatusCode::kResourceExhausted,
                          .reason = "TOO_MANY_WAITING",
                          .message = "so many calls wait for the outcome of their commands that no more may, as where "
                                     "a service is away or slow (`tradewind status`); nothing was done, try again "
                                     "later"});
    } else if (absl::IsResourceExhausted(status)) {
      End(Busy("the queue of commands to Kafka is full"));
    } else if (absl::IsInvalidArgument(status)) {
      End(errors::Problem{
          .code = absl::StatusCode::kInvalidArgument,
          .reason = "REQUEST_NOT_SENDABLE",
          .message = fmt::format("the request cannot be put on the log: {}", std::string(status.message()))});
    } else {
      End(NotAccepted(status));
    }
  }

  const CommandPath& path_;
  // Requests are small: most fit here and cost no allocation.
  char first_block_[1024];
  google::protobuf::Arena arena_;
  Message* message_ = nullptr;
  absl::Time now_;
  commands::Await await_ = commands::Await::kOutcome;
  std::string request_id_;
  std::string key_;
  // Whether the command creates its subject and was given its key.
  bool has_key_ = false;
  // 0 until there is something to hash.
  const std::shared_ptr<std::atomic<rpc::WorkPool::Ticket>> hash_ticket_ =
      std::make_shared<std::atomic<rpc::WorkPool::Ticket>>(0);
  // 0 until the command is handed over.
  std::atomic<uint64_t> correlation_id_ = 0;
};

}  // namespace

grpc::ServerGenericBidiReactor* StartCommandCall(const CommandPath& path, const Method& method,
                                                 const MethodMetrics& metrics, Caller caller,
                                                 grpc::GenericCallbackServerContext& context) {
  return new CommandCall(path, method, metrics, std::move(caller), context);
}

}  // namespace tradewind::gateway
