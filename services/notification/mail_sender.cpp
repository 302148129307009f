#include "services/notification/mail_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "tradewind/errors/printable.h"
#include "tradewind/http/curl_handle.h"

namespace tradewind::notification {
namespace {

// The longest line that a server may answer with (RFC 5321), and some more.
constexpr size_t kMostAnswerKept = 600;

// What libcurl's callbacks see of one call.
struct Call {
  std::string_view rest;
  // What was said last but goodbye, and what was answered to it last.
  enum class Step { kGreeting, kRecipient, kMessage, kGoodbye } step = Step::kGreeting;
  Step answered_at = Step::kGreeting;
  std::string answer;

  bool began(std::string_view code) const { return answer.compare(0, code.size(), code) == 0; }
  // By this mail or its recipient. That a login is wanted or wrong is not their fault, wherever a server says so.
  bool refuses_mail() const {
    return answered_at != Step::kGreeting && began("5") && !began("530") && !began("535") && !began("538");
  }
};

size_t GiveMessage(char* buffer, size_t size, size_t count, void* user) noexcept {
  auto& call = *static_cast<Call*>(user);
  const size_t given = std::min(size * count, call.rest.size());
  std::memcpy(buffer, call.rest.data(), given);
  call.rest.remove_prefix(given);
  return given;
}

// libcurl tells one error code for a refused sender and a refused recipient: so it is remembered which was said last.
// Passwords pass here too, and are not looked at.
int Listen(CURL* /*handle*/, curl_infotype type, char* data, size_t size, void* user) noexcept {
  auto& call = *static_cast<Call*>(user);
  const std::string_view text(data, size);
  if (type == CURLINFO_HEADER_OUT) {
    if (text.substr(0, 8) == "RCPT TO:") call.step = Call::Step::kRecipient;
    if (text.substr(0, 4) == "DATA") call.step = Call::Step::kMessage;
    if (text.substr(0, 4) == "QUIT") call.step = Call::Step::kGoodbye;
  } else if (type == CURLINFO_HEADER_IN && call.step != Call::Step::kGoodbye) {
    call.answered_at = call.step;
    try {
      call.answer = text.substr(0, kMostAnswerKept);
    } catch (...) {
      call.answer.clear();
    }
  }
  return 0;
}

size_t DropAnswer(char* /*data*/, size_t size, size_t count, void* /*user*/) noexcept { return size * count; }

std::string HostOf(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  char* host = nullptr;
  if (parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) {
    return "";
  }
  const std::unique_ptr<char, decltype(&curl_free)> owned(host, curl_free);
  return owned.get();
}

void Configure(CURL* handle, const NotificationSettings& settings) {
  curl_easy_setopt(handle, CURLOPT_URL, settings.smtp_url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(handle, CURLOPT_USE_SSL,
                   static_cast<long>(RequiresTls(settings) ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  if (!settings.smtp_ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, settings.smtp_ca_file.c_str());
  if (!settings.smtp_user.empty()) {
    curl_easy_setopt(handle, CURLOPT_USERNAME, settings.smtp_user.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, settings.smtp_password.value().c_str());
  }
  const auto timeout = static_cast<long>(absl::ToInt64Milliseconds(settings.smtp_timeout));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, timeout);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, timeout);
}

// The last answer without its line end.
std::string Shown(const std::string& answer) {
  const size_t end = answer.find_last_not_of("\r\n ");
  return errors::Printable(answer.substr(0, end == std::string::npos ? 0 : end + 1));
}

}  // namespace

bool RequiresTls(const NotificationSettings& settings) {
  if (settings.smtp_tls != "auto") return settings.smtp_tls == "required";
  const std::string host = HostOf(settings.smtp_url);
  return !(host == "localhost" || host == "[::1]" || host.compare(0, 4, "127.") == 0);
}

absl::Status SmtpSender::Send(const Envelope& envelope) {
  Call call{.rest = envelope.message};
  char details[CURL_ERROR_SIZE] = "";
  http::CurlList recipients;
  http::Append(recipients, fmt::format("<{}>", envelope.to));
  const std::string from = fmt::format("<{}>", envelope.from);

  const http::CurlHandle handle = http::NewCurlHandle();
  Configure(handle.get(), *settings_);
  curl_easy_setopt(handle.get(), CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(handle.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_READFUNCTION, GiveMessage);
  curl_easy_setopt(handle.get(), CURLOPT_READDATA, &call);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, DropAnswer);
  curl_easy_setopt(handle.get(), CURLOPT_VERBOSE, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_DEBUGFUNCTION, Listen);
  curl_easy_setopt(handle.get(), CURLOPT_DEBUGDATA, &call);
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, details);

  const CURLcode done = curl_easy_perform(handle.get());
  if (done == CURLE_OK) return absl::OkStatus();
  if (call.refuses_mail()) return absl::FailedPreconditionError(Shown(call.answer));
  const bool says_why = call.began("4") || call.began("5");
  return absl::UnavailableError(says_why ? Shown(call.answer) : http::ErrorText(done, details));
}

}  // namespace tradewind::notification
