#include "services/payment/http_provider.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/time/clock.h"

#include "services/payment/provider_protocol.h"
#include "tradewind/http/client.h"

namespace tradewind::payment {
namespace {

constexpr size_t kMostAnswerBytes = 16 << 10;

std::string UrlOf(const HttpProviderSettings& settings) {
  const std::string_view base(settings.url);
  return fmt::format("{}/v1/operations", base.substr(0, base.find_last_not_of('/') + 1));
}

bool FitsIntoAHeader(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

absl::StatusOr<ProviderAnswer> HttpProvider::Carry(const ProviderCall& call, absl::Time deadline) {
  if (!FitsIntoAHeader(call.idempotency_key)) {
    return absl::InvalidArgumentError("the operation's id holds characters that a header cannot carry");
  }
  http::Post post{.url = UrlOf(*settings_),
                  .headers = {"Content-Type: application/json", "User-Agent: tradewind-payment",
                              "Idempotency-Key: " + call.idempotency_key},
                  .body = OperationBody(call)};
  if (!settings_->key.value().empty()) post.headers.push_back("Authorization: Bearer " + settings_->key.value());
  const auto answer = http::Send(post, {.timeout = std::min(settings_->timeout, deadline - absl::Now()),
                                        // The settings were checked: plain HTTP goes where it may.
                                        .allow_http = true,
                                        .ca_file = settings_->ca_file,
                                        .most_answer_bytes = kMostAnswerBytes});
  if (!answer.ok()) {
    return absl::UnavailableError(
        fmt::format("the provider did not answer: {}", std::string(answer.status().message())));
  }
  if (answer->is_cut) return absl::InternalError("the provider's answer is longer than 16 KiB");
  return ReadAnswer(call, answer->status, answer->body, settings_->ask_again);
}

}  // namespace tradewind::payment
