#include "tradewind/bus/internal/offset_committer.h"

#include <fmt/format.h>

#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/rdkafka_error.h"
#include "tradewind/bus/logger.h"

namespace tradewind::bus::internal {

OffsetCommitter::OffsetCommitter(rd_kafka_t* client) : client_(client), answers_(rd_kafka_queue_new(client)) {}

absl::Status OffsetCommitter::Start(absl::Span<const CommittedOffset> offsets, absl::Status* result, bool* answered) {
  const PartitionListHandle list = NewPartitionList(offsets.size());
  for (const CommittedOffset& offset : offsets) {
    Add(*list, offset);
  }
  const auto commit = commits_.insert(commits_.end(), Commit{this, {}, result, answered});
  commit->place = commit;
  const rd_kafka_resp_err_t error =
      rd_kafka_commit_queue(client_, list.get(), answers_.get(), &OffsetCommitter::OnAnswer, &*commit);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    commits_.erase(commit);
  }
  return ToStatus(error, "commit of offsets");
}

absl::Status OffsetCommitter::Send(absl::Span<const CommittedOffset> offsets) {
  return offsets.empty() ? absl::OkStatus() : Start(offsets, nullptr, nullptr);
}

absl::Status OffsetCommitter::SendAndWait(absl::Span<const CommittedOffset> offsets, absl::Duration timeout) {
  if (offsets.empty()) {
    return absl::OkStatus();
  }
  absl::Status result;
  bool answered = false;
  if (absl::Status status = Start(offsets, &result, &answered); !status.ok()) {
    return status;
  }
  Commit& commit = commits_.back();
  const Deadline deadline(timeout);
  while (!answered && !deadline.expired()) {
    ServeFor(deadline.RemainingMs());
  }
  if (!answered) {
    // The answer may still come; there is nobody left to hear it.
    commit.result = nullptr;
    commit.answered = nullptr;
    return absl::UnavailableError(
        fmt::format("no answer to the commit of offsets within {}", absl::FormatDuration(timeout)));
  }
  return result;
}

void OffsetCommitter::Serve() {
  if (!commits_.empty()) {
    ServeFor(0);
  }
}

bool OffsetCommitter::WaitUntilIdle(const Deadline& deadline) {
  while (!commits_.empty() && !deadline.expired()) {
    ServeFor(deadline.RemainingMs());
  }
  return commits_.empty();
}

void OffsetCommitter::ServeFor(int timeout_ms) {
  const EventHandle event(rd_kafka_queue_poll(answers_.get(), timeout_ms));
  // Depending on how the commit ended, librdkafka calls back or hands out an event; both mean the same.
  if (event != nullptr && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
    OnAnswer(client_, rd_kafka_event_error(event.get()), rd_kafka_event_topic_partition_list(event.get()),
             rd_kafka_event_opaque(event.get()));
  }
}

void OffsetCommitter::OnAnswer(rd_kafka_t* /*client*/, rd_kafka_resp_err_t error,
                               rd_kafka_topic_partition_list_t* offsets, void* commit) noexcept {
  absl::Status status = ToStatus(error, "commit of offsets");
  if (status.ok() && offsets != nullptr) {
    status = FirstError(*offsets, "commit of the offset of");
  }
  auto& answered = *static_cast<Commit*>(commit);
  answered.committer->Finish(answered, std::move(status));
}

void OffsetCommitter::Finish(Commit& commit, absl::Status status) {
  if (commit.answered != nullptr) {
    *commit.answered = true;
    *commit.result = std::move(status);
  } else if (!status.ok()) {
    failed_ = true;
    // The store has the offsets that count; whoever sent them sends them again.
    kLog.Info("offsets were not committed to Kafka", {{"reason", status}});
  }
  commits_.erase(commit.place);
}

}  // namespace tradewind::bus::internal
