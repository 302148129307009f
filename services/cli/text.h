// Text for people: tables, times, and the names nearest to a mistyped one.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

#include "tradewind/errors/printable.h"

namespace tradewind::cli {

using errors::Printable;

// "0a1b2c" of the first `limit` bytes, followed by "..." where there are more.
std::string HexPrefix(std::string_view bytes, size_t limit);

// A document of --json, over several lines. What is not UTF-8 in it is replaced: strings may be foreign bytes.
std::string JsonDocument(const nlohmann::ordered_json& json);

// The bytes that Printable wrote as `text`: "\xNN", with two hex digits of either case, stands for a byte, anything
// else for itself. Printable lets a backslash stand as it is, so one that begins such a word by itself is typed as
// "\x5c".
std::string FromPrintable(std::string_view text);

// The first word of `text` that begins like an escape of FromPrintable and is none, such as "\xZZ"; empty where there
// is none.
std::string_view BadEscape(std::string_view text);

// The first `width` code points; "..." as the last of them where there are more. At least three wide.
std::string Shortened(std::string_view text, size_t width);

// RFC 3339 in UTC with milliseconds: "2026-01-31T09:05:07.123Z".
std::string FormatTimestamp(int64_t unix_ms);

// Up to three of `known` that `text` was probably meant to be, best first.
std::vector<std::string> NearNames(std::string_view text, absl::Span<const std::string> known);

// "1,204,331".
std::string Grouped(int64_t number);

enum class Tone { kPlain, kGood, kBad, kDim };

// The text in its tone where `color` is set, else as it is.
std::string Toned(std::string_view text, Tone tone, bool color);

// Columns as wide as their widest cell, two spaces apart. Widths are counted in code points.
class Table {
 public:
  struct Column {
    std::string title;
    bool align_right = false;
  };
  struct Cell {
    Cell(std::string cell_text, Tone cell_tone = Tone::kPlain) : text(std::move(cell_text)), tone(cell_tone) {}
    Cell(const char* cell_text) : text(cell_text) {}
    std::string text;
    Tone tone = Tone::kPlain;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell a column.
  void AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  void Print(std::ostream& out, bool color) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace tradewind::cli
