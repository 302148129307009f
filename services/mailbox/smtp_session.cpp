#include "services/mailbox/smtp_session.h"

#include <fmt/format.h>

#include <algorithm>

namespace tradewind::mailbox {
namespace {

bool BeginsWith(std::string_view line, std::string_view word) {
  return line.size() >= word.size() && std::equal(word.begin(), word.end(), line.begin(), [](char expected, char c) {
           return expected == (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
         });
}

// What stands between the brackets of "MAIL FROM:<ada@example.org> SIZE=10".
std::string Address(std::string_view line) {
  const size_t begin = line.find('<');
  const size_t end = line.find('>', begin == std::string_view::npos ? 0 : begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return "";
  return std::string(line.substr(begin + 1, end - begin - 1));
}

}  // namespace

std::string SmtpSession::Greeting() { return "220 tradewind-mailbox ESMTP\r\n"; }

std::string SmtpSession::Take(std::string_view bytes) {
  std::string answers;
  while (!bytes.empty() && !ended_) {
    const size_t end = bytes.find('\n');
    partial_line_ += bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (partial_line_.size() > kMostLineBytes) {
      ended_ = true;
      return answers + "500 5.5.2 line too long\r\n";
    }
    if (end == std::string_view::npos) break;
    if (!partial_line_.empty() && partial_line_.back() == '\r') partial_line_.pop_back();
    answers += TakeLine(partial_line_);
    partial_line_.clear();
  }
  return answers;
}

std::string SmtpSession::TakeLine(std::string_view line) { return in_text_ ? TakeText(line) : TakeCommand(line); }

std::string SmtpSession::TakeCommand(std::string_view line) {
  if (BeginsWith(line, "EHLO")) {
    Reset();
    return fmt::format("250-tradewind-mailbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {}\r\n", kMostMailBytes);
  }
  if (BeginsWith(line, "HELO") || BeginsWith(line, "RSET")) {
    Reset();
    return "250 2.0.0 ok\r\n";
  }
  if (BeginsWith(line, "MAIL FROM:")) {
    if (has_sender_) return "503 5.5.1 one mail after the other\r\n";
    mail_.from = Address(line);
    has_sender_ = true;
    return "250 2.1.0 ok\r\n";
  }
  if (BeginsWith(line, "RCPT TO:")) return TakeRecipient(line);
  if (BeginsWith(line, "DATA")) {
    if (mail_.to.empty()) return "503 5.5.1 no recipient yet\r\n";
    in_text_ = true;
    return "354 end with a dot on a line of its own\r\n";
  }
  if (BeginsWith(line, "NOOP")) return "250 2.0.0 ok\r\n";
  if (BeginsWith(line, "VRFY")) return "252 2.5.0 send it and see\r\n";
  if (BeginsWith(line, "QUIT")) {
    ended_ = true;
    return "221 2.0.0 bye\r\n";
  }
  return "500 5.5.1 not known here\r\n";
}

std::string SmtpSession::TakeRecipient(std::string_view line) {
  if (!has_sender_) return "503 5.5.1 no sender yet\r\n";
  if (mail_.to.size() >= kMostRecipients) return "452 4.5.3 too many recipients\r\n";
  std::string address = Address(line);
  if (address.empty()) return "501 5.1.3 no address\r\n";
  mail_.to.push_back(std::move(address));
  return "250 2.1.5 ok\r\n";
}

std::string SmtpSession::TakeText(std::string_view line) {
  if (line == ".") return EndText();
  if (!line.empty() && line.front() == '.') line.remove_prefix(1);
  too_large_ = too_large_ || mail_.text.size() + line.size() + 2 > kMostMailBytes;
  if (!too_large_) mail_.text.append(line).append("\r\n");
  return "";
}

std::string SmtpSession::EndText() {
  const bool too_large = too_large_;
  const bool kept = !too_large && keep_(mail_);
  Reset();
  if (too_large) return fmt::format("552 5.3.4 more than {} bytes\r\n", kMostMailBytes);
  return kept ? "250 2.0.0 kept\r\n" : "451 4.3.0 cannot be kept now\r\n";
}

void SmtpSession::Reset() {
  mail_ = {};
  has_sender_ = false;
  in_text_ = false;
  too_large_ = false;
}

}  // namespace tradewind::mailbox
