#include "services/notification/http_poster.h"

#include "services/notification/address_filter.h"

namespace tradewind::notification {

absl::StatusOr<int> CurlPoster::Post(const HttpPost& post) {
  http::ClientLimits limits{.timeout = settings_->webhook_timeout,
                            .allow_http = settings_->webhook_allow_http,
                            .ca_file = settings_->webhook_ca_file};
  if (!settings_->webhook_allow_private) limits.may_connect = IsPublicAddress;
  const auto answer = http::Send(post, limits);
  if (absl::IsPermissionDenied(answer.status())) {
    return absl::PermissionDeniedError("the host is at a private, loopback or otherwise special address");
  }
  if (!answer.ok()) return answer.status();
  return answer->status;
}

}  // namespace tradewind::notification
