#include "tradewind/commands/reply_reader.h"

#include <fmt/format.h>

#include <array>

#include "tradewind/bus/envelope.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/commands/logger.h"

namespace tradewind::commands {
namespace {

constexpr absl::Duration kPollTimeout = absl::Milliseconds(100);
constexpr absl::Duration kReopenBackoff = absl::Seconds(1);
constexpr absl::Duration kLookEvery = absl::Seconds(5);

// Whether the value begins with field 1, instance_id, and it is another's: passed over without parsing the answers to
// somebody else's calls. Serializers write fields in order; one that does not costs a parse, no more.
bool BeginsWithAnotherInstance(std::string_view value, std::string_view instance_id) {
  constexpr char kInstanceIdTag = 0x0A;
  if (value.size() < 2 || value[0] != kInstanceIdTag) {
    return false;
  }
  const auto length = static_cast<unsigned char>(value[1]);
  constexpr unsigned char kLongestOneByteLength = 0x7F;
  return length <= kLongestOneByteLength && value.substr(2, length) != instance_id;
}

}  // namespace

absl::StatusOr<int> DeliverReplies(const bus::Record& record, std::string_view instance_id,
                                   mesh::v1::ReplyBatch& scratch, PendingTable& pending) {
  if (!record.damage().empty()) {
    return absl::InvalidArgumentError(std::string(record.damage()));
  }
  const std::string_view value = record.value();
  if (BeginsWithAnotherInstance(value, instance_id)) {
    return 0;
  }
  if (!scratch.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return absl::InvalidArgumentError("not a tradewind.mesh.v1.ReplyBatch");
  }
  if (scratch.instance_id() != instance_id) {
    return 0;
  }
  int ended = 0;
  for (mesh::v1::Reply& reply : *scratch.mutable_replies()) {
    // Nobody waits for it: the deadline passed, or the caller went away.
    if (PendingCall* call = pending.TakeReplied(reply)) {
      call->OnReply(reply);
      ++ended;
    }
  }
  return ended;
}

absl::StatusOr<std::unique_ptr<ReplyReader>> ReplyReader::Start(const bus::KafkaConfig& config, std::string client_id,
                                                                std::string instance_id, int32_t partition,
                                                                PendingTable& pending) {
  auto reader = std::unique_ptr<ReplyReader>(
      new ReplyReader(config, std::move(client_id), std::move(instance_id), partition, pending));
  if (absl::Status status = reader->Open(); !status.ok()) {
    return status;
  }
  reader->thread_ = std::thread([raw = reader.get()] { raw->Run(); });
  return reader;
}

ReplyReader::ReplyReader(const bus::KafkaConfig& config, std::string client_id, std::string instance_id,
                         int32_t partition, PendingTable& pending)
    : config_(config),
      topic_(bus::FullTopic(config, bus::kRepliesTopic)),
      client_id_(std::move(client_id)),
      instance_id_(std::move(instance_id)),
      partition_(partition),
      pending_(pending),
      unread_(telemetry::NewAge("tradewind_replies_unread_seconds", "Since mesh.replies.v1 cannot be read.")) {}

ReplyReader::~ReplyReader() {
  stop_.Notify();
  if (thread_.joinable()) {
    thread_.join();
  }
}

absl::Status ReplyReader::Open() {
  const std::array<bus::Position, 1> position = {
      bus::Position{.topic = topic_, .partition = partition_, .offset = bus::kFromEnd}};
  absl::StatusOr<std::unique_ptr<bus::PartitionReader>> reader =
      bus::PartitionReader::Create(config_, client_id_, position);
  // The topic was made before: a broker that does not know it has yet to hear of it.
  if (absl::IsNotFound(reader.status())) {
    return absl::UnavailableError(reader.status().message());
  }
  if (!reader.ok()) {
    return reader.status();
  }
  reader_ = std::move(*reader);
  return absl::OkStatus();
}

void ReplyReader::Run() {
  mesh::v1::ReplyBatch scratch;
  while (!stop_.HasBeenNotified()) {
    if (reader_ == nullptr) {
      Reopen(absl::OkStatus());
      continue;
    }
    absl::StatusOr<std::optional<bus::Record>> record = reader_->Poll(kPollTimeout);
    if (!record.ok()) {
      Reopen(record.status());
      continue;
    }
    if (!record->has_value()) {
      Look();
      continue;
    }
    unread_.End();
    const absl::StatusOr<int> ended = DeliverReplies(**record, instance_id_, scratch, pending_);
    if (!ended.ok()) {
      skipped_.Add(**record, ended.status());
    }
  }
}

void ReplyReader::Look() {
  const absl::Time now = clock::SteadyNow();
  if (now - looked_at_ < kLookEvery) {
    return;
  }
  looked_at_ = now;
  if (const absl::StatusOr<int64_t> end = reader_->End(topic_, partition_); end.ok()) {
    unread_.End();
  } else {
    unread_.Begin();
    kLog.Warn("replies cannot be read; asking again", {{"topic", topic_}, {"error", end.status()}});
  }
}

void ReplyReader::Reopen(const absl::Status& why) {
  if (!why.ok()) {
    kLog.Warn("the reader of replies failed, opening another", {{"error", why}});
    reader_.reset();
  }
  if (const absl::Status status = Open(); !status.ok()) {
    unread_.Begin();
    kLog.Warn("cannot read replies, trying again", {{"error", status}, {"in", kReopenBackoff}});
    stop_.WaitForNotificationWithTimeout(kReopenBackoff);
  }
}

}  // namespace tradewind::commands
