#include "services/cli/new_template.h"

#include "absl/strings/ascii.h"

namespace tradewind::cli {

std::string Filled(std::string_view text, const Words& words) {
  std::string filled;
  while (!text.empty()) {
    const std::pair<const std::string, std::string>* longest = nullptr;
    for (const auto& word : words) {
      if (text.starts_with(word.first) && (longest == nullptr || longest->first.size() < word.first.size())) {
        longest = &word;
      }
    }
    if (longest == nullptr) {
      filled += text.front();
      text.remove_prefix(1);
    } else {
      filled += longest->second;
      text.remove_prefix(longest->first.size());
    }
  }
  return filled;
}

std::string CamelCase(std::string_view snake_case) {
  std::string camel;
  bool upper = true;
  for (const char letter : snake_case) {
    if (letter != '_') camel += upper ? absl::ascii_toupper(letter) : letter;
    upper = letter == '_';
  }
  return camel;
}

std::string SnakeCase(std::string_view camel_case) {
  std::string snake;
  for (const char letter : camel_case) {
    if (absl::ascii_isupper(letter) && !snake.empty()) snake += '_';
    snake += absl::ascii_tolower(letter);
  }
  return snake;
}

}  // namespace tradewind::cli
