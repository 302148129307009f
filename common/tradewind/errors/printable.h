// Bytes from outside made safe to show, to log and to store as text.
#pragma once

#include <string>
#include <string_view>

namespace tradewind::errors {

// The text with every byte that is not printable UTF-8 written as \xNN, C0 and C1 controls included, so that it can
// neither break a line nor steer a terminal, and fits wherever UTF-8 is asked for. Printable text stays as it is.
std::string Printable(std::string_view bytes);

}  // namespace tradewind::errors
