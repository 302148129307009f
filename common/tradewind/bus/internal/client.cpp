#include "tradewind/bus/internal/client.h"

#include <fmt/format.h>

#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"

#include "tradewind/bus/logger.h"

namespace tradewind::bus::internal {
namespace {

// On librdkafka's threads. `facility` is its name for the kind of line, `level` is syslog's.
void OnLog(const rd_kafka_t* client, int level, const char* facility, const char* text) noexcept {
  const char* name = client != nullptr ? rd_kafka_name(client) : "";
  // A sink is ended with records in it on purpose, and settings are chosen with their warnings in mind.
  const std::string_view kind = facility;
  const bool expected = kind == "TERMINATE" || kind == "CONFWARN";
  if (expected || level >= 7) {
    kLog.Debug(text, {{"client", name}, {"facility", facility}});
  } else if (level >= 5) {
    kLog.Info(text, {{"client", name}, {"facility", facility}});
  } else {
    // Never an error of ours at this place: librdkafka tries again by itself, and what it gives up on is returned.
    kLog.Warn(text, {{"client", name}, {"facility", facility}});
  }
}

}  // namespace

void LogError(rd_kafka_t* client, int error, const char* reason, void* /*owner*/) noexcept {
  const auto code = static_cast<rd_kafka_resp_err_t>(error);
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    kLog.Error("Kafka client failed for good", {{"client", rd_kafka_name(client)}, {"reason", FatalError(client)}});
    return;
  }
  // A broker that is away has been logged by OnLog already, with fewer repetitions.
  const bool known = code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
  const std::initializer_list<telemetry::Field> fields = {
      {"client", rd_kafka_name(client)}, {"reason", reason}, {"error", rd_kafka_err2name(code)}};
  if (known) {
    kLog.Debug("Kafka is not reachable; trying again", fields);
  } else {
    kLog.Warn("Kafka client is disturbed; trying again", fields);
  }
}

ClientSettings::ClientSettings(const KafkaConfig& config, const std::string& client_id) : conf_(rd_kafka_conf_new()) {
  Set("bootstrap.servers", config.brokers);
  if (!client_id.empty()) {
    Set("client.id", client_id);
  }
  Set("socket.timeout.ms", config.request_timeout);
  Set("socket.connection.setup.timeout.ms", std::max(config.request_timeout, absl::Seconds(1)));
  Set("socket.nagle.disable", true);
  Set("socket.keepalive.enable", true);
  // A broker that restarts is found again within half a second.
  Set("reconnect.backoff.ms", int64_t{50});
  Set("reconnect.backoff.max.ms", int64_t{500});
  Set("topic.metadata.refresh.fast.interval.ms", int64_t{100});
  // A topic is made before it is used, so one that is unknown for this long does not exist.
  Set("topic.metadata.propagation.max.ms", int64_t{5000});
  // Brokers close idle connections; that is no news.
  Set("log.connection.close", false);
  rd_kafka_conf_set_log_cb(conf_.get(), &OnLog);
  rd_kafka_conf_set_error_cb(conf_.get(), &LogError);
}

ClientSettings& ClientSettings::Set(const char* name, const char* value) {
  char reason[512];
  if (rd_kafka_conf_set(conf_.get(), name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK && status_.ok()) {
    status_ = absl::InvalidArgumentError(fmt::format("Kafka client setting {}={}: {}", name, value, reason));
  }
  return *this;
}

ClientSettings& ClientSettings::Set(const char* name, absl::Duration value) {
  return Set(name, absl::ToInt64Milliseconds(absl::Ceil(value, absl::Milliseconds(1))));
}

absl::StatusOr<ClientHandle> ClientSettings::Build(rd_kafka_type_t type, void* owner) && {
  if (!status_.ok()) {
    return status_;
  }
  rd_kafka_conf_set_opaque(conf_.get(), owner);
  char reason[512];
  rd_kafka_t* client = rd_kafka_new(type, conf_.get(), reason, sizeof(reason));
  if (client == nullptr) {
    return absl::InvalidArgumentError(fmt::format("cannot make a Kafka client: {}", reason));
  }
  (void)conf_.release();  // The client's now.
  return ClientHandle(client);
}

void SetConsumerDefaults(ClientSettings& settings, const std::string& group) {
  settings.Set("group.id", group);
  settings.Set("enable.auto.commit", false);
  settings.Set("enable.auto.offset.store", false);
  settings.Set("allow.auto.create.topics", false);
  settings.Set("enable.partition.eof", false);
  // A partition that was just added waits for the fetch under way, so that fetch must not wait long for records.
  settings.Set("fetch.wait.max.ms", int64_t{100});
  settings.Set("fetch.error.backoff.ms", int64_t{50});
  // librdkafka 2.0.2 looks at a full queue again only after up to a second, so a queue must last a fast handler longer
  // than that: 10,000 messages held a loop that does 60,000 a second down to 12,000.
  settings.Set("queued.min.messages", int64_t{100'000});
  settings.Set("queued.max.messages.kbytes", int64_t{64 << 10});
}

std::vector<TopicHandle> LookFor(rd_kafka_t* client, const std::set<std::string>& topics) {
  std::vector<TopicHandle> handles;
  handles.reserve(topics.size());
  for (const std::string& topic : topics) {
    handles.emplace_back(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  }
  return handles;
}

void DestroyWithin(ClientHandle client, absl::Duration limit, std::shared_ptr<const void> used) {
  if (client == nullptr) {
    return;
  }
  const std::string name = rd_kafka_name(client.get());
  auto ended = std::make_shared<absl::Notification>();
  std::thread([raw = client.release(), ended, used = std::move(used)] {
    DestroyClient(raw);
    ended->Notify();
  }).detach();
  if (!ended->WaitForNotificationWithTimeout(limit)) {
    kLog.Warn("Kafka client does not end; left behind", {{"client", name}, {"waited", limit}});
  }
}

std::string FatalError(rd_kafka_t* client) {
  char reason[512];
  return rd_kafka_fatal_error(client, reason, sizeof(reason)) == RD_KAFKA_RESP_ERR_NO_ERROR ? std::string() : reason;
}

}  // namespace tradewind::bus::internal
