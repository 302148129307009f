// The folders that `tradewind new` fills: files with placeholders, which lie in templates/ and are embedded when this
// is built. A placeholder is an identifier that begins with my_, My or MY_, so that a template is code that can be
// formatted. Pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tradewind::cli {

struct TemplateFile {
  // Relative to the folder; holds placeholders too. "gitignore" becomes ".gitignore".
  std::string_view path;
  std::string_view text;
};

const std::vector<TemplateFile>& SubscriberTemplate();
const std::vector<TemplateFile>& ServiceTemplate();

// What stands for each placeholder.
using Words = std::map<std::string, std::string, std::less<>>;

// Replaces every placeholder, also inside a longer word; of two that fit, the longer one. What was put in is not looked
// at again.
std::string Filled(std::string_view text, const Words& words);

// "OrderConfirmed" for "order_confirmed".
std::string CamelCase(std::string_view snake_case);
// "order_confirmed" for "OrderConfirmed".
std::string SnakeCase(std::string_view camel_case);

}  // namespace tradewind::cli
