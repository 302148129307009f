#include "services/user/email.h"

#include "absl/strings/ascii.h"

namespace tradewind::user {

std::string NormalizeEmail(std::string_view email) {
  std::string normalized(email);
  absl::StripAsciiWhitespace(&normalized);
  absl::AsciiStrToLower(&normalized);
  return normalized;
}

}  // namespace tradewind::user
