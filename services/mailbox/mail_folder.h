// The folder where mails can be seen: each a file that any mail program opens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>

#include "absl/status/status.h"

#include "services/mailbox/smtp_session.h"

namespace tradewind::mailbox {

// Thread-safe. One process a folder.
class MailFolder {
 public:
  explicit MailFolder(std::filesystem::path path, int32_t most_mails) : path_(std::move(path)), most_(most_mails) {}

  // Makes the folder. FailedPrecondition where it cannot be written to.
  absl::Status Open();

  // Writes <time>-<number>.eml with the envelope in X-Envelope-From and X-Envelope-To before the mail's own headers,
  // and removes the oldest where there are too many. A file is there whole or not at all. Blocks for the disk.
  absl::Status Keep(const ReceivedMail& mail);

 private:
  void RemoveOldest();

  const std::filesystem::path path_;
  const int32_t most_;
  // Connections are served by threads of their own.
  std::mutex mutex_;
  int64_t kept_ = 0;
};

}  // namespace tradewind::mailbox
