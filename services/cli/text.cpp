#include "services/cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/time/time.h"

namespace tradewind::cli {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `bytes`, or 0 (Unicode 15, table 3-7).
size_t SequenceLength(std::string_view bytes) {
  const auto at = [&](size_t index) { return index < bytes.size() ? static_cast<uint8_t>(bytes[index]) : 0; };
  const auto continues = [&](size_t index, uint8_t low = 0x80, uint8_t high = 0xBF) {
    return at(index) >= low && at(index) <= high;
  };
  const uint8_t lead = at(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const uint8_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : 0xBF;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint8_t low = lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool IsControl(std::string_view sequence) {
  const auto lead = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() == 1) {
    return lead < 0x20 || lead == 0x7F;
  }
  return sequence.size() == 2 && lead == 0xC2 && static_cast<uint8_t>(sequence[1]) < 0xA0;
}

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

}  // namespace

std::string Printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    const std::string_view sequence = bytes.substr(0, std::max<size_t>(length, 1));
    if (length == 0 || IsControl(sequence)) {
      for (const char c : sequence) {
        text += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
      }
    } else {
      text += sequence;
    }
    bytes.remove_prefix(sequence.size());
  }
  return text;
}

std::string HexPrefix(std::string_view bytes, size_t limit) {
  std::string hex;
  for (const char c : bytes.substr(0, limit)) {
    hex += fmt::format("{:02x}", static_cast<uint8_t>(c));
  }
  return bytes.size() > limit ? hex + "..." : hex;
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
