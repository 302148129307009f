// Posts to URLs that users chose: one interface, behind it http::Send. Used by webhook_effect alone.
#pragma once

#include <memory>

#include "absl/status/statusor.h"

#include "services/notification/notification_settings.h"
#include "tradewind/http/client.h"

namespace tradewind::notification {

using HttpPost = http::Post;

// Thread-safe.
class HttpPoster {
 public:
  virtual ~HttpPoster() = default;
  // The status that the receiver answered with, whichever. Blocks, as long as the settings say at most.
  // Errors: PermissionDenied where the name stands for no address but such as must not be called; Unavailable for every
  // other way to get no answer.
  virtual absl::StatusOr<int> Post(const HttpPost& post) = 0;
};

// Reads 64 KiB of an answer at most and looks at none of it.
class CurlPoster final : public HttpPoster {
 public:
  // The settings may still change until the first call.
  explicit CurlPoster(std::shared_ptr<const NotificationSettings> settings) : settings_(std::move(settings)) {}

  absl::StatusOr<int> Post(const HttpPost& post) override;

 private:
  const std::shared_ptr<const NotificationSettings> settings_;
};

}  // namespace tradewind::notification
