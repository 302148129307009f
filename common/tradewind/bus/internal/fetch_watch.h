// Whether the brokers still answer a consumer: what it knows of the ends of its partitions is what the last answers to
// its fetches said, and a broker that has stopped answering says nothing. Used by KafkaSource.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <mutex>

#include "absl/time/time.h"

namespace tradewind::bus::internal {

// Thread-safe. Times are those of clock::SteadyNow.
class FetchWatch {
 public:
  // A fetch is answered within fetch.wait.max.ms (100 ms) though there are no records; one that is under way for longer
  // than this is overdue.
  static constexpr absl::Duration kPatience = absl::Seconds(1);

  // Has the client that is made from `conf` tell of its requests. Outlives the client.
  void Install(rd_kafka_conf_t* conf);

  // Notes that the client has told of an error.
  void NoteError(absl::Time now);
  // Whether there was an error, or a fetch was sent that is overdue, after `since`. What a broker that went away has
  // left unanswered stays so: who has had an answer about a partition since then asks from that time on.
  bool IsDisturbed(absl::Time since, absl::Time now) const;

 private:
  void NoteSent(int32_t broker, absl::Time now);
  void NoteReceived(int32_t broker);

  mutable std::mutex mutex_;
  // When the fetch was sent that is under way, by broker.
  std::map<int32_t, absl::Time> under_way_;
  absl::Time error_at_ = absl::InfinitePast();
};

}  // namespace tradewind::bus::internal
