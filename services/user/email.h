// E-mail addresses as keys.
#pragma once

#include <string>
#include <string_view>

namespace tradewind::user {

// One form for all ways to write an address: without white space around it, ASCII letters in lower case. Other letters
// stay as they are.
std::string NormalizeEmail(std::string_view email);

}  // namespace tradewind::user
