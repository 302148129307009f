// Bytes from outside made safe to show, to log and to store as text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tradewind::errors {

// The text with every byte that is not printable UTF-8 written as \xNN, C0 and C1 controls included, so that it can
// neither break a line nor steer a terminal, and fits wherever UTF-8 is asked for. Printable text stays as it is.
std::string Printable(std::string_view bytes);

// As above, and cut to fit: at most `max_bytes` of text, and behind it how many bytes there were in all. For what is
// said about input whose size nobody has limited.
std::string Printable(std::string_view bytes, size_t max_bytes);

// Whether `bytes` is well-formed UTF-8 (Unicode 15, table 3-7), as a protobuf `string` has to be.
bool IsUtf8(std::string_view bytes);

// The text, or as much of it as fits into `max_bytes` (3 or more) with "..." behind it. No character is cut in two.
std::string Shortened(std::string_view text, size_t max_bytes);

}  // namespace tradewind::errors
