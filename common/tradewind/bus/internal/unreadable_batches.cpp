#include "tradewind/bus/internal/unreadable_batches.h"

#include <fmt/format.h>

#include <algorithm>

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/partition_list.h"
#include "tradewind/bus/internal/queries.h"
#include "tradewind/bus/internal/rdkafka_error.h"
#include "tradewind/bus/internal/seek.h"
#include "tradewind/bus/logger.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::bus::internal {
namespace {

// How often a batch is tried to be read before it is passed over.
constexpr int kTries = 3;
constexpr absl::Duration kFindWithin = absl::Seconds(2);
// What is at an offset comes within this, were there nothing else to do on the machine.
constexpr absl::Duration kProbeWithin = absl::Seconds(1);
// A batch that cannot be read takes a tenth of a second to fail.
constexpr absl::Duration kNudgeAfter = absl::Milliseconds(150);
constexpr absl::Duration kDestroyLimit = absl::Seconds(5);
// As PartitionReader's: nothing is ever committed under it.
constexpr char kNoGroup[] = "tradewind-reader";

// A client of its own that looks at one partition, offset by offset.
class Prober {
 public:
  Prober(const std::string& topic, int32_t partition) : topic_(topic), partition_(partition) {}
  ~Prober() { DestroyWithin(std::move(client_), kDestroyLimit); }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // Begins at `offset`. Does not wait for a broker.
  absl::Status Start(const KafkaConfig& config, const std::string& client_id, int64_t offset);
  // Returns where the batch begins that reading from `offset` meets and that cannot be read; nullopt where it meets
  // anything else, or nothing in time.
  std::optional<int64_t> BatchAt(int64_t offset, const Deadline& deadline);
  absl::StatusOr<int64_t> End(const Deadline& deadline);

 private:
  const std::string topic_;
  const int32_t partition_;
  ClientHandle client_;
  // Where the client stands without a seek.
  int64_t at_ = -1;
};

absl::Status Prober::Start(const KafkaConfig& config, const std::string& client_id, int64_t offset) {
  ClientSettings settings(config, client_id);
  SetConsumerDefaults(settings, kNoGroup);
  settings.Set("isolation.level", "read_uncommitted");
  settings.Set("auto.offset.reset", "error");
  settings.Set("enable.partition.eof", true);
  settings.Set("fetch.wait.max.ms", int64_t{10});
  // Enough for a seek to come before the batch is fetched again.
  settings.Set("fetch.error.backoff.ms", int64_t{10});
  // A broker gives one batch in any case.
  settings.Set("fetch.message.max.bytes", int64_t{1});
  absl::StatusOr<ClientHandle> client = std::move(settings).Build(RD_KAFKA_CONSUMER, nullptr);
  if (!client.ok()) {
    return client.status();
  }
  client_ = *std::move(client);
  rd_kafka_poll_set_consumer(client_.get());
  const std::vector<TopicHandle> topics = LookFor(client_.get(), {topic_});
  const PartitionListHandle list = NewPartitionList(1);
  Add(*list, topic_, partition_, offset);
  at_ = offset;
  return ToStatus(rd_kafka_assign(client_.get(), list.get()), "reading of a chosen partition");
}

std::optional<int64_t> Prober::BatchAt(int64_t offset, const Deadline& deadline) {
  const Deadline probe(absl::Milliseconds(deadline.RemainingMs(at_ < 0 ? kProbeWithin : kFindWithin)));
  if (at_ != offset) {
    const PartitionListHandle list = NewPartitionList(1);
    Add(*list, topic_, partition_, offset);
    if (!SeekTo(client_.get(), *list, deadline).ok()) {
      return std::nullopt;
    }
  }
  at_ = -1;
  while (!probe.expired()) {
    const MessageHandle message(rd_kafka_consumer_poll(client_.get(), probe.RemainingMs(kNudgeAfter)));
    if (message == nullptr) {
      // librdkafka 2.0.2 may look only after a second whether there is something to fetch again after a seek, and at
      // once when it has something to send.
      End(deadline).IgnoreError();
      continue;
    }
    if (UnreadableBatches::IsMeantBy(*message)) {
      return message->offset;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

absl::StatusOr<int64_t> Prober::End(const Deadline& deadline) {
  const absl::StatusOr<OffsetRange> range = QueryRange(client_.get(), topic_, partition_, deadline);
  return range.ok() ? absl::StatusOr<int64_t>(range->high) : range.status();
}

// Returns the offset behind the batch that reading from `from` meets and that cannot be read, and `from` where it meets
// none. Goes on from an offset of the batch in steps that double until one is not, then halves what is between. Where
// that takes too long, the offset is one within the batch.
int64_t FindEnd(Prober& prober, int64_t from) {
  const Deadline deadline(kFindWithin);
  const std::optional<int64_t> first = prober.BatchAt(from, deadline);
  const absl::StatusOr<int64_t> log_end = prober.End(deadline);
  if (!first.has_value() || !log_end.ok()) {
    return from;
  }
  int64_t inside = std::max(from, *first);
  int64_t outside = std::max(*log_end, inside + 1);
  bool doubling = true;
  int64_t step = 1;
  while (inside + 1 < outside && !deadline.expired()) {
    const int64_t probed = doubling && step < outside - inside ? inside + step : inside + (outside - inside) / 2;
    if (prober.BatchAt(probed, deadline) == first) {
      inside = probed;
      step *= 2;
    } else {
      outside = probed;
      doubling = false;
    }
  }
  return inside + 1;
}

}  // namespace

bool UnreadableBatches::IsMeantBy(const rd_kafka_message_t& message) {
  return message.rkt != nullptr &&
         (message.err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || message.err == RD_KAFKA_RESP_ERR__BAD_MSG);
}

std::optional<Record> UnreadableBatches::Take(const rd_kafka_message_t& error, int64_t next,
                                              absl::FunctionRef<absl::Status(int64_t)> seek) {
  const std::string topic = rd_kafka_topic_name(error.rkt);
  Failures& failures = failures_[{topic, error.partition}];
  if (failures.first != error.offset) {
    failures = {.first = error.offset};
  }
  if (++failures.times < kTries) {
    return std::nullopt;
  }
  failures_.erase({topic, error.partition});
  const int64_t from = std::max(next, error.offset);
  Prober prober(topic, error.partition);
  absl::Status status = prober.Start(config_, client_id_ + "-probe", from);
  const int64_t end = status.ok() ? FindEnd(prober, from) : from;
  status.Update(seek(end));
  if (!status.ok()) {
    kLog.Warn("cannot go on behind a batch of records that cannot be read; trying again",
              {{"topic", topic}, {"partition", error.partition}, {"offset", end}, {"reason", status}});
  }
  return end > from ? std::optional(PassOver(error, from, end - 1)) : std::nullopt;
}

Record UnreadableBatches::PassOver(const rd_kafka_message_t& error, int64_t from, int64_t last) {
  const std::string topic = rd_kafka_topic_name(error.rkt);
  telemetry::NewCounter("tradewind_records_unreadable_total",
                        "Offsets passed over because the batch there cannot be decompressed.", {{"topic", topic}})
      .Add(static_cast<double>(last + 1 - from));
  const std::string why = fmt::format("of the batch at offset {} nothing can be read from offset {} to {}: {}",
                                      error.offset, from, last, rd_kafka_message_errstr(&error));
  if (const uint64_t times = line_.Count(clock::SteadyNow()); times > 0) {
    kLog.Error("records that cannot be read are passed over; these are the last of them",
               {{"topic", topic}, {"partition", error.partition}, {"count", times}, {"reason", why}});
  }
  return Record::Unreadable(topic, error.partition, last, why);
}

}  // namespace tradewind::bus::internal
