#include "tradewind/bus/kafka_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

#include "tradewind/bus/internal/client.h"
#include "tradewind/bus/internal/deadline.h"
#include "tradewind/bus/internal/rdkafka_error.h"
#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/logger.h"

namespace tradewind::bus {
namespace {

using internal::ClientHandle;
using internal::ClientSettings;
using internal::Deadline;
using internal::ErrorHandle;
using internal::HeadersHandle;
using internal::TopicHandle;

// The token travels in the message's opaque pointer.
static_assert(sizeof(void*) == sizeof(uint64_t));

// An end that takes longer leaves the old producer behind: nothing is in it that it could still send.
constexpr absl::Duration kDestroyLimit = absl::Seconds(5);

HeadersHandle CopyHeaders(absl::Span<const HeaderView> headers) {
  if (headers.empty()) {
    return nullptr;
  }
  HeadersHandle copy(rd_kafka_headers_new(headers.size()));
  for (const HeaderView& header : headers) {
    // A null value would be another thing than an empty one to who reads it.
    const char* value = header.value.data() != nullptr ? header.value.data() : "";
    rd_kafka_header_add(copy.get(), header.name.data(), static_cast<ssize_t>(header.name.size()), value,
                        static_cast<ssize_t>(header.value.size()));
  }
  return copy;
}

// librdkafka looks for records that have waited too long once a second, so it reports up to a second late. Half a
// second less puts the report around the time asked for.
absl::Duration MessageTimeout(absl::Duration delivery_timeout) {
  return std::max(delivery_timeout / 2, delivery_timeout - absl::Milliseconds(500));
}

// Of the Kafka protocol.
constexpr int16_t kProduceApi = 0;

// Requests with records that have left for a broker. Shared with the client, which may outlive its sink.
using SentRequests = std::atomic<uint64_t>;

rd_kafka_resp_err_t OnRequestSent(rd_kafka_t* /*client*/, int /*socket*/, const char* /*broker*/, int32_t /*broker_id*/,
                                  int16_t api, int16_t /*version*/, int32_t /*correlation_id*/, size_t /*size*/,
                                  void* sent) noexcept {
  if (api == kProduceApi) static_cast<SentRequests*>(sent)->fetch_add(1, std::memory_order_relaxed);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Before the client has its first thread.
rd_kafka_resp_err_t OnNew(rd_kafka_t* client, const rd_kafka_conf_t* /*conf*/, void* sent, char* /*reason*/,
                          size_t /*reason_size*/) noexcept {
  return rd_kafka_interceptor_add_on_request_sent(client, "sent", &OnRequestSent, sent);
}

void SetDurability(ClientSettings& settings, const KafkaSinkOptions& options) {
  if (options.all_acknowledge) {
    settings.Set("acks", "all");
    settings.Set("enable.idempotence", true);
    if (options.gapless) {
      settings.Set("enable.gapless.guarantee", true);
    }
    // With more in flight, 2.0.2 can report success for a first message that the broker refused.
    settings.Set("max.in.flight.requests.per.connection", int64_t{1});
  } else {
    settings.Set("acks", "1");
    settings.Set("max.in.flight.requests.per.connection", int64_t{5});
  }
}

}  // namespace

class KafkaSink::Impl {
 public:
  Impl(const KafkaConfig& config, const KafkaSinkOptions& options) : config_(config), options_(options) {}
  ~Impl() { End(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  absl::Status Start();
  void End();
  absl::Status Produce(const OutgoingRecord& record, uint64_t token);
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery);

 private:
  using DeliveryCallback = absl::FunctionRef<void(const Delivery&)>;

  static void OnDelivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* impl) noexcept;
  void Report(const rd_kafka_message_t& message);
  bool has_deadline() const { return options_.delivery_timeout > absl::ZeroDuration(); }
  // Forgets the token. Returns whether no request with records has left since its record was taken: then it has never
  // been on its way.
  bool TakeNeverSent(uint64_t token) ABSL_LOCKS_EXCLUDED(tokens_mutex_);
  rd_kafka_topic_t* TopicOf(std::string_view name) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Refused(rd_kafka_resp_err_t error, const OutgoingRecord& record);

  const KafkaConfig config_;
  const KafkaSinkOptions options_;
  ClientHandle client_;
  // Producers on many threads share the handles. Filled by the first record of each topic, then only read.
  absl::Mutex mutex_;
  std::map<std::string, TopicHandle, std::less<>> topics_ ABSL_GUARDED_BY(mutex_);
  const std::shared_ptr<SentRequests> sent_ = std::make_shared<SentRequests>(0);
  // Producers on many threads add to it, Poll takes away.
  absl::Mutex tokens_mutex_;
  // By token, of a sink with a deadline: how many requests had left when the record was taken.
  std::unordered_map<uint64_t, uint64_t> sent_before_ ABSL_GUARDED_BY(tokens_mutex_);
  // Set while Poll runs, on its thread; librdkafka calls back from nowhere else.
  const DeliveryCallback* on_delivery_ = nullptr;
  int delivered_ = 0;
};

absl::Status KafkaSink::Impl::Start() {
  ClientSettings settings(config_, options_.client_id);
  SetDurability(settings, options_);
  settings.Set("message.timeout.ms", MessageTimeout(options_.delivery_timeout));
  settings.Set("linger.ms", options_.linger);
  settings.Set("message.max.bytes", static_cast<int64_t>(kMaxRecordBytes));
  settings.Set("queue.buffering.max.messages", int64_t{options_.queue_limit});
  settings.Set("retry.backoff.ms", int64_t{50});
  rd_kafka_conf_set_dr_msg_cb(settings.conf(), &Impl::OnDelivery);
  if (has_deadline()) rd_kafka_conf_interceptor_add_on_new(settings.conf(), "sent", &OnNew, sent_.get());
  absl::StatusOr<ClientHandle> client = std::move(settings).Build(RD_KAFKA_PRODUCER, this);
  if (!client.ok()) {
    return client.status();
  }
  client_ = *std::move(client);
  return absl::OkStatus();
}

void KafkaSink::Impl::End() {
  if (client_ == nullptr) {
    return;
  }
  // Emptied first, so that a client that has to be left behind has nothing more to send.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  {
    absl::MutexLock lock(&mutex_);
    topics_.clear();
  }
  {
    absl::MutexLock lock(&tokens_mutex_);
    sent_before_.clear();
  }
  internal::DestroyWithin(std::move(client_), kDestroyLimit, sent_);
}

rd_kafka_topic_t* KafkaSink::Impl::TopicOf(std::string_view name) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (const auto found = topics_.find(name); found != topics_.end()) {
      return found->second.get();
    }
  }
  absl::MutexLock lock(&mutex_);
  const auto found = topics_.find(name);
  if (found != topics_.end()) {
    return found->second.get();
  }
  std::string key(name);
  TopicHandle topic(rd_kafka_topic_new(client_.get(), key.c_str(), nullptr));
  return topic == nullptr ? nullptr : topics_.emplace(std::move(key), std::move(topic)).first->second.get();
}

absl::Status KafkaSink::Impl::Produce(const OutgoingRecord& record, uint64_t token) {
  if (client_ == nullptr) {
    return absl::UnavailableError("the producer could not be made anew after its last failure; Reset tries again");
  }
  rd_kafka_topic_t* topic = TopicOf(record.topic);
  if (topic == nullptr) {
    return absl::InvalidArgumentError(fmt::format("'{}' cannot be a topic name", record.topic));
  }
  HeadersHandle headers = CopyHeaders(record.headers);
  rd_kafka_vu_t fields[7] = {};
  size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> auto& {
    fields[count].vtype = type;
    return fields[count++].u;
  };
  add(RD_KAFKA_VTYPE_RKT).rkt = topic;
  add(RD_KAFKA_VTYPE_PARTITION).i32 = record.partition;
  add(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  add(RD_KAFKA_VTYPE_KEY).mem = {const_cast<char*>(record.key.data()), record.key.size()};
  add(RD_KAFKA_VTYPE_VALUE).mem = {const_cast<char*>(record.value.data()), record.value.size()};
  add(RD_KAFKA_VTYPE_OPAQUE).ptr =
      reinterpret_cast<void*>(token);  // NOLINT(performance-no-int-to-ptr): comes back as it is
  if (headers != nullptr) {
    add(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();
  }
  if (has_deadline()) {
    // Of several records under one token the first stands, which is on the safe side.
    absl::MutexLock lock(&tokens_mutex_);
    sent_before_.emplace(token, sent_->load(std::memory_order_relaxed));
  }
  const ErrorHandle error(rd_kafka_produceva(client_.get(), fields, count));
  if (error != nullptr) {
    TakeNeverSent(token);
    return Refused(rd_kafka_error_code(error.get()), record);
  }
  (void)headers.release();  // The message's now.
  return absl::OkStatus();
}

absl::Status KafkaSink::Impl::Refused(rd_kafka_resp_err_t error, const OutgoingRecord& record) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__FATAL:
      return absl::UnavailableError(
          fmt::format("the producer has failed and needs a Reset: {}", internal::FatalError(client_.get())));
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
      return absl::ResourceExhaustedError(fmt::format("{} records wait for Kafka already; the producer's queue is full",
                                                      rd_kafka_outq_len(client_.get())));
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return absl::InvalidArgumentError(fmt::format("there is no partition {}-{}", record.topic, record.partition));
    default:
      return internal::ToStatus(
          error, fmt::format("record of {} bytes for {}-{}", record.key.size() + record.value.size(), record.topic,
                             record.partition));
  }
}

int KafkaSink::Impl::Poll(absl::Duration timeout, DeliveryCallback on_delivery) {
  if (client_ == nullptr) {
    return 0;
  }
  on_delivery_ = &on_delivery;
  delivered_ = 0;
  const Deadline deadline(timeout);
  // A served error callback ends rd_kafka_poll too, hence the loop.
  do {
    rd_kafka_poll(client_.get(), deadline.RemainingMs());
  } while (delivered_ == 0 && !deadline.expired());
  on_delivery_ = nullptr;
  return delivered_;
}

void KafkaSink::Impl::OnDelivery(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* impl) noexcept {
  static_cast<Impl*>(impl)->Report(*message);
}

void KafkaSink::Impl::Report(const rd_kafka_message_t& message) {
  if (on_delivery_ == nullptr) {
    return;
  }
  Delivery delivery;
  delivery.token = reinterpret_cast<uint64_t>(message._private);
  delivery.partition = message.partition;
  delivery.offset = message.offset;
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    delivery.status = internal::ToStatus(
        message.err, fmt::format("delivery to {}-{}", rd_kafka_topic_name(message.rkt), message.partition));
  }
  // librdkafka's own NOT_PERSISTED is also that of a record whose last answer was NOT_LEADER_OR_FOLLOWER. A leader that
  // is one no longer gives this answer to what it has appended already, and the next one may have it.
  const bool never_sent = TakeNeverSent(delivery.token);
  delivery.certainly_absent =
      !delivery.status.ok() && never_sent && rd_kafka_message_status(&message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
  ++delivered_;
  (*on_delivery_)(delivery);
}

bool KafkaSink::Impl::TakeNeverSent(uint64_t token) {
  if (!has_deadline()) return false;
  absl::MutexLock lock(&tokens_mutex_);
  const auto found = sent_before_.find(token);
  if (found == sent_before_.end()) return false;
  const bool never_sent = found->second == sent_->load(std::memory_order_relaxed);
  sent_before_.erase(found);
  return never_sent;
}

KafkaSink::KafkaSink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaSink::~KafkaSink() = default;

absl::StatusOr<std::unique_ptr<KafkaSink>> KafkaSink::Create(const KafkaConfig& config,
                                                             const KafkaSinkOptions& options) {
  auto impl = std::make_unique<Impl>(config, options);
  if (absl::Status status = impl->Start(); !status.ok()) {
    return status;
  }
  return std::unique_ptr<KafkaSink>(new KafkaSink(std::move(impl)));
}

absl::Status KafkaSink::Produce(const OutgoingRecord& record, uint64_t token) { return impl_->Produce(record, token); }

int KafkaSink::Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery) {
  return impl_->Poll(timeout, on_delivery);
}

absl::Status KafkaSink::Reset() {
  kLog.Info("starting a new producer; what was not delivered is forgotten");
  impl_->End();
  return impl_->Start();
}

}  // namespace tradewind::bus
