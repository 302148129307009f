#include "services/cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "absl/time/time.h"

namespace tradewind::cli {
namespace {

size_t CodePoints(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// Levenshtein's distance: insertions, deletions and replacements between the two.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// The value of a hex digit, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string HexPrefix(std::string_view bytes, size_t limit) {
  std::string hex;
  for (const char c : bytes.substr(0, limit)) {
    hex += fmt::format("{:02x}", static_cast<uint8_t>(c));
  }
  return bytes.size() > limit ? hex + "..." : hex;
}

std::string JsonDocument(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string FromPrintable(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text.size() >= 4 && text.starts_with("\\x") && HexValue(text[2]) >= 0 && HexValue(text[3]) >= 0) {
      bytes += static_cast<char>(HexValue(text[2]) * 16 + HexValue(text[3]));
      text.remove_prefix(4);
    } else {
      bytes += text.front();
      text.remove_prefix(1);
    }
  }
  return bytes;
}

std::string_view BadEscape(std::string_view text) {
  for (size_t at = text.find("\\x"); at != std::string_view::npos; at = text.find("\\x", at + 2)) {
    const std::string_view word = text.substr(at, 4);
    if (word.size() < 4 || HexValue(word[2]) < 0 || HexValue(word[3]) < 0) return word;
  }
  return "";
}

std::string Shortened(std::string_view text, size_t width) {
  if (CodePoints(text) <= width) {
    return std::string(text);
  }
  size_t end = 0;
  for (size_t seen = 0; end < text.size(); ++end) {
    const bool begins = (static_cast<uint8_t>(text[end]) & 0xC0) != 0x80;
    if (begins && seen++ == width - 3) {
      break;
    }
  }
  return std::string(text.substr(0, end)) + "...";
}

std::string FormatTimestamp(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(unix_ms), absl::UTCTimeZone());
}

std::vector<std::string> NearNames(std::string_view text, absl::Span<const std::string> known) {
  const std::string wanted = Lower(text);
  const size_t tolerance = std::max<size_t>(2, wanted.size() / 3);
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& name : known) {
    const std::string candidate = Lower(name);
    // A word out of the name ("order") stands for it better than any misspelling does.
    const bool contained = wanted.size() >= 3 && candidate.find(wanted) != std::string::npos;
    const size_t distance = contained ? 0 : EditDistance(wanted, candidate);
    if (distance <= tolerance) {
      ranked.emplace_back(distance, name);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < ranked.size() && i < 3; ++i) {
    names.push_back(ranked[i].second);
  }
  return names;
}

std::string Grouped(int64_t number) {
  std::string digits = std::to_string(number);
  const int first = number < 0 ? 1 : 0;
  for (int at = static_cast<int>(digits.size()) - 3; at > first; at -= 3) {
    digits.insert(static_cast<size_t>(at), 1, ',');
  }
  return digits;
}

std::string Toned(std::string_view text, Tone tone, bool color) {
  if (!color || tone == Tone::kPlain) {
    return std::string(text);
  }
  const std::string_view code = tone == Tone::kGood ? "32" : tone == Tone::kBad ? "31" : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

void Table::Print(std::ostream& out, bool color) const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    widths.push_back(CodePoints(column.title));
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      widths[i] = std::max(widths[i], CodePoints(row[i].text));
    }
  }
  const auto print_row = [&](const std::vector<Cell>& cells) {
    // Nothing is padded behind the last cell with a text: no line ends in spaces.
    size_t used = columns_.size();
    while (used > 1 && cells[used - 1].text.empty()) {
      --used;
    }
    for (size_t i = 0; i < used; ++i) {
      const std::string padding(widths[i] - CodePoints(cells[i].text), ' ');
      const std::string text = Toned(cells[i].text, cells[i].tone, color);
      const bool last = i + 1 == used;
      if (columns_[i].align_right) {
        out << padding << text;
      } else {
        out << text << (last ? "" : padding);
      }
      out << (last ? "\n" : "  ");
    }
  };
  std::vector<Cell> titles;
  for (const Column& column : columns_) {
    titles.emplace_back(column.title, Tone::kDim);
  }
  print_row(titles);
  for (const auto& row : rows_) {
    print_row(row);
  }
}

}  // namespace tradewind::cli
