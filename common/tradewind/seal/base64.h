// Base64 for URLs, without padding (RFC 4648, section 5). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tradewind::seal {

std::string ToBase64(std::string_view bytes);
// Nothing where the text is anything else.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace tradewind::seal
