#include "tradewind/bus/internal/fetch_watch.h"

#include <algorithm>

#include "tradewind/clock/steady_now.h"

namespace tradewind::bus::internal {
namespace {

constexpr char kName[] = "fetch_watch";
// https://kafka.apache.org/protocol#protocol_api_keys
constexpr int16_t kFetchKey = 1;

}  // namespace

void FetchWatch::Install(rd_kafka_conf_t* conf) {
  const auto on_new = [](rd_kafka_t* client, const rd_kafka_conf_t*, void* watch, char*, size_t) noexcept {
    rd_kafka_interceptor_add_on_request_sent(
        client, kName,
        [](rd_kafka_t*, int, const char*, int32_t broker, int16_t key, int16_t, int32_t, size_t, void* self) noexcept {
          if (key == kFetchKey) static_cast<FetchWatch*>(self)->NoteSent(broker, clock::SteadyNow());
          return RD_KAFKA_RESP_ERR_NO_ERROR;
        },
        watch);
    return rd_kafka_interceptor_add_on_response_received(
        client, kName,
        [](rd_kafka_t*, int, const char*, int32_t broker, int16_t key, int16_t, int32_t, size_t, int64_t,
           rd_kafka_resp_err_t error, void* self) noexcept {
          if (key == kFetchKey && error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            static_cast<FetchWatch*>(self)->NoteReceived(broker);
          }
          return RD_KAFKA_RESP_ERR_NO_ERROR;
        },
        watch);
  };
  rd_kafka_conf_interceptor_add_on_new(conf, kName, on_new, this);
}

void FetchWatch::NoteError(absl::Time now) {
  const std::lock_guard lock(mutex_);
  error_at_ = now;
}

bool FetchWatch::IsDisturbed(absl::Time since, absl::Time now) const {
  const std::lock_guard lock(mutex_);
  return error_at_ > since || std::any_of(under_way_.begin(), under_way_.end(), [&](const auto& fetch) {
           return fetch.second > since && now - fetch.second > kPatience;
         });
}

void FetchWatch::NoteSent(int32_t broker, absl::Time now) {
  const std::lock_guard lock(mutex_);
  under_way_[broker] = now;
}

void FetchWatch::NoteReceived(int32_t broker) {
  const std::lock_guard lock(mutex_);
  under_way_.erase(broker);
}

}  // namespace tradewind::bus::internal
