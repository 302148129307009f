// A folder that `tradewind new` makes: where it lies, how it is built from there, and its files on disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "services/cli/new_template.h"

namespace tradewind::cli {

struct NewFolder {
  // As it was typed, for people: "loyalty", "services/loyalty".
  std::filesystem::path path;
  // Whether it lies in the folder services of Tradewind's own tree, and is built with that.
  bool in_tree = false;
  // Where find_package(Tradewind) finds the package: what is above the folder of this executable.
  std::filesystem::path prefix;
  // Whether that is a build tree, in which what was not needed so far is not built yet.
  bool prefix_is_build_tree = false;
};

// Looks at what is there; writes nothing.
NewFolder PlanFolder(std::string_view name, std::string_view into, const std::filesystem::path& executable);

// The placeholders that follow from where the folder lies: how it is configured, built and tested from inside, and
// where what was built is.
Words WordsOf(const NewFolder& folder, std::string_view name);

// What to type in the folder, in order.
std::vector<std::string> BuildCommands(const NewFolder& folder, std::string_view name);

// Makes the folder and its files. AlreadyExists where something of that name is there; FailedPrecondition, naming the
// file and why, where it cannot be written.
absl::Status WriteFolder(const std::filesystem::path& path, const std::vector<TemplateFile>& files, const Words& words);

}  // namespace tradewind::cli
