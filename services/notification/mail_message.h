// A mail as it goes over the wire (RFC 5322, MIME): headers and text. Pure, and the same bytes for the same
// notification, so that a repeat can be recognised by its Message-ID. No name, subject or text can add a header.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace tradewind::notification {

struct Mail {
  // Addresses as local@domain; the name before one may be anything, and empty.
  std::string from;
  std::string from_name;
  std::string to;
  std::string to_name;
  // Unique; becomes the Message-ID together with the domain of `from`.
  std::string id;
  absl::Time time;
  std::string subject;
  // Lines end with \n.
  std::string text;
};

// Whether it can stand in an envelope and in a header: local@domain of printable characters without blanks, brackets,
// quotes, commas and the like, at most 254 bytes. Bytes that are not ASCII are let through; a server may refuse them.
bool IsMailAddress(std::string_view address);

// With lines that end with \r\n. Both addresses are of IsMailAddress.
std::string WriteMail(const Mail& mail);

// The value of a header: as it is where it is printable ASCII and short, else in encoded words (RFC 2047). Control
// characters become blanks.
std::string EncodeHeader(std::string_view text);

}  // namespace tradewind::notification
