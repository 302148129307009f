#include "services/mailbox/mail_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/time/clock.h"

#include "tradewind/errors/printable.h"

namespace tradewind::mailbox {

absl::Status MailFolder::Open() {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (!error && access(path_.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "mails cannot be kept in {}; set mailbox.directory to a folder that can be written to", path_.string()));
}

absl::Status MailFolder::Keep(const ReceivedMail& mail) {
  const std::lock_guard lock(mutex_);
  const std::string time = absl::FormatTime("%Y%m%dT%H%M%E3S", absl::Now(), absl::UTCTimeZone());
  const std::string name = fmt::format("{}-{}-{:06}", time, getpid(), ++kept_);
  const std::filesystem::path part = path_ / (name + ".part");
  {
    std::ofstream file(part, std::ios::binary);
    file << "X-Envelope-From: <" << errors::Printable(mail.from) << ">\r\n";
    for (const std::string& to : mail.to) file << "X-Envelope-To: <" << errors::Printable(to) << ">\r\n";
    file << mail.text;
    if (!file.flush()) return absl::UnavailableError(fmt::format("{} cannot be written", part.string()));
  }
  std::error_code error;
  std::filesystem::rename(part, path_ / (name + ".eml"), error);
  if (error) return absl::UnavailableError(fmt::format("{}: {}", part.string(), error.message()));
  RemoveOldest();
  return absl::OkStatus();
}

void MailFolder::RemoveOldest() {
  // To look only now and then is enough for a bound.
  if (kept_ % 100 != 1) return;
  std::error_code error;
  std::vector<std::filesystem::path> mails;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    if (entry.path().extension() == ".eml") mails.push_back(entry.path());
  }
  std::sort(mails.begin(), mails.end());
  for (size_t i = 0; i + static_cast<size_t>(most_) < mails.size(); ++i) std::filesystem::remove(mails[i], error);
}

}  // namespace tradewind::mailbox
