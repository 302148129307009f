// Making and ending librdkafka clients: the settings that every client of the mesh shares, its log in ours, and an end
// that cannot hang the caller.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/internal/rdkafka_handle.h"
#include "tradewind/bus/kafka_config.h"

namespace tradewind::bus::internal {

// Collects settings, then makes one client. A refused setting is remembered and reported by Build.
class ClientSettings {
 public:
  ClientSettings(const KafkaConfig& config, const std::string& client_id);

  ClientSettings& Set(const char* name, const char* value);
  ClientSettings& Set(const char* name, const std::string& value) { return Set(name, value.c_str()); }
  ClientSettings& Set(const char* name, int64_t value) { return Set(name, std::to_string(value)); }
  ClientSettings& Set(const char* name, bool value) { return Set(name, value ? "true" : "false"); }
  // In whole milliseconds, rounded up.
  ClientSettings& Set(const char* name, absl::Duration value);

  // For callbacks.
  rd_kafka_conf_t* conf() { return conf_.get(); }

  // Does not wait for a broker. `owner` is what callbacks get as their opaque pointer.
  absl::StatusOr<ClientHandle> Build(rd_kafka_type_t type, void* owner) &&;

 private:
  ConfHandle conf_;
  absl::Status status_;
};

// What every consumer of the mesh shares: offsets are kept by whoever reads, and a bounded part of the log is fetched
// ahead.
void SetConsumerDefaults(ClientSettings& settings, const std::string& group);

// Makes the client look for these topics now. It would otherwise notice within a second that it needs them. The handles
// end before the client.
std::vector<TopicHandle> LookFor(rd_kafka_t* client, const std::set<std::string>& topics);

// What is done with an error that a client tells of: to be called by a client's own error_cb, which takes the place of
// this one.
void LogError(rd_kafka_t* client, int error, const char* reason, void* owner) noexcept;

// Ends the client, waiting up to `limit`. Past that the client is left to end on a thread of its own: librdkafka 2.0.2
// can hang there after a topic was deleted. `used` lives until it has ended.
void DestroyWithin(ClientHandle client, absl::Duration limit, std::shared_ptr<const void> used = nullptr);

// The text of the fatal error the client has met, empty where there is none.
std::string FatalError(rd_kafka_t* client);

}  // namespace tradewind::bus::internal
