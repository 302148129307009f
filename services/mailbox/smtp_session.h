// One conversation of a mail server that takes every mail and sends none (RFC 5321): from the bytes of a client to the
// bytes of the answers, and to what is to be kept. Pure: it reads and writes no socket. Not thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tradewind::mailbox {

struct ReceivedMail {
  std::string from;
  std::vector<std::string> to;
  // Lines end with \r\n, the dots that the protocol added are gone.
  std::string text;
};

class SmtpSession {
 public:
  static constexpr size_t kMostMailBytes = 1 << 20;
  // RFC 5321 asks for 512 and for 100 at least.
  static constexpr size_t kMostLineBytes = 2048;
  static constexpr size_t kMostRecipients = 100;

  // `keep` returns false where the mail could not be kept: the client is then told to try later.
  explicit SmtpSession(std::function<bool(const ReceivedMail&)> keep) : keep_(std::move(keep)) {}

  // What a server says first.
  static std::string Greeting();
  // What to answer to these bytes; they may end anywhere.
  std::string Take(std::string_view bytes);
  // Nothing more is to be read: the client is done, or sends what is no mail.
  bool ended() const { return ended_; }

 private:
  std::string TakeLine(std::string_view line);
  std::string TakeCommand(std::string_view line);
  std::string TakeRecipient(std::string_view line);
  std::string TakeText(std::string_view line);
  std::string EndText();
  void Reset();

  const std::function<bool(const ReceivedMail&)> keep_;
  std::string partial_line_;
  ReceivedMail mail_;
  bool has_sender_ = false;
  bool in_text_ = false;
  bool too_large_ = false;
  bool ended_ = false;
};

}  // namespace tradewind::mailbox
