#include "services/notification/mail_message.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

namespace tradewind::notification {
namespace {

constexpr size_t kMostAddressBytes = 254;
// In an encoded word ("=?UTF-8?B?", base64 of so many bytes, "?="): a line with one is 76 characters at most (RFC
// 2047),
constexpr size_t kWordBytes = 39;
// A header line is 78 characters at most, the longest name included (RFC 5322).
constexpr size_t kMostPlainHeader = 60;
constexpr size_t kMostPlainLine = 78;
// Base64 of a line of 76 characters.
constexpr size_t kBase64LineBytes = 57;

bool IsControl(char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }
bool IsPrintableAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

std::string Base64(std::string_view bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // The terminator.
  return text;
}

// How many of the first bytes are whole UTF-8 characters, `most` at most. Bytes that are no UTF-8 are cut anywhere.
size_t WholeCharacters(std::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  size_t end = most;
  while (end > most - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return end;
}

std::string EncodeWords(std::string_view text) {
  std::string words;
  while (!text.empty()) {
    const size_t size = WholeCharacters(text, kWordBytes);
    if (!words.empty()) words += "\r\n ";
    words += fmt::format("=?UTF-8?B?{}?=", Base64(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return words;
}

std::string WithoutControls(std::string_view text) {
  std::string clean(text);
  std::replace_if(clean.begin(), clean.end(), IsControl, ' ');
  return clean;
}

// A name and its address, as From and To have them.
std::string Mailbox(const std::string& name, const std::string& address) {
  const std::string clean = WithoutControls(name);
  if (clean.find_first_not_of(' ') == std::string::npos) return address;
  if (!IsPrintableAscii(clean) || clean.size() > kMostPlainHeader || clean.find("=?") != std::string::npos) {
    return fmt::format("{}\r\n <{}>", EncodeWords(clean), address);
  }
  std::string quoted;
  for (const char c : clean) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return fmt::format("\"{}\"\r\n <{}>", quoted, address);
}

// With line ends of the wire; a lone \r is one too.
std::string WireLines(std::string_view text) {
  std::string lines;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\r' || text[i] == '\n') {
      lines += "\r\n";
    } else {
      lines.push_back(text[i]);
    }
  }
  lines += "\r\n";
  return lines;
}

// Whether it can go as it is: ASCII, in lines that are short enough, without controls.
bool IsPlain(std::string_view lines) {
  while (!lines.empty()) {
    const size_t end = lines.find("\r\n");
    if (end > kMostPlainLine || !IsPrintableAscii(lines.substr(0, end))) return false;
    lines.remove_prefix(end + 2);
  }
  return true;
}

std::string Base64Lines(std::string_view text) {
  std::string lines;
  for (size_t i = 0; i < text.size(); i += kBase64LineBytes) {
    lines += Base64(text.substr(i, kBase64LineBytes)) + "\r\n";
  }
  return lines;
}

}  // namespace

bool IsMailAddress(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size() || address.size() > kMostAddressBytes) {
    return false;
  }
  constexpr std::string_view kRefused = " <>()[],;:\\\"";
  return std::none_of(address.begin(), address.end(),
                      [&](char c) { return IsControl(c) || kRefused.find(c) != std::string_view::npos; }) &&
         address.find('@') == at && address.front() != '-';
}

std::string EncodeHeader(std::string_view text) {
  std::string clean = WithoutControls(text);
  // What looks like an encoded word would be decoded.
  const bool plain =
      IsPrintableAscii(clean) && clean.size() <= kMostPlainHeader && clean.find("=?") == std::string::npos;
  return plain ? clean : EncodeWords(clean);
}

std::string WriteMail(const Mail& mail) {
  const std::string domain = mail.from.substr(mail.from.rfind('@') + 1);
  const std::string lines = WireLines(mail.text);
  const bool plain = IsPlain(lines);
  std::string out;
  const auto header = [&](std::string_view name, std::string_view value) {
    out += fmt::format("{}: {}\r\n", name, value);
  };
  header("Date", absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", mail.time, absl::UTCTimeZone()).c_str());
  header("From", Mailbox(mail.from_name, mail.from));
  header("To", Mailbox(mail.to_name, mail.to));
  header("Subject", EncodeHeader(mail.subject));
  header("Message-ID", fmt::format("<{}@{}>", mail.id, domain));
  // Robots are not to answer it.
  header("Auto-Submitted", "auto-generated");
  header("MIME-Version", "1.0");
  header("Content-Type", plain ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8");
  header("Content-Transfer-Encoding", plain ? "7bit" : "base64");
  out += "\r\n";
  out += plain ? lines : Base64Lines(lines);
  return out;
}

}  // namespace tradewind::notification
