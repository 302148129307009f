#include "services/cli/new_folder.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"

namespace tradewind::cli {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

// As Compose reads a path: relative to the first of its files, which is in Tradewind's folder. That may be this one.
std::string ForCompose(const fs::path& path, bool in_tree) {
  const bool relative = in_tree || (path.is_relative() && Exists("docker-compose.yml"));
  return relative ? "./" + path.lexically_normal().string() : fs::absolute(path).lexically_normal().string();
}

// For a shell, where it needs quoting.
std::string ForShell(const fs::path& path) {
  const std::string text = path.string();
  return text.find_first_of(" '\"$\\&;()<>|*?`#~!") == std::string::npos ? text : fmt::format("\"{}\"", text);
}

absl::Status WriteFile(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    return absl::FailedPreconditionError(fmt::format("cannot make folder '{}': {}; choose another by --into DIR",
                                                     path.parent_path().string(), error.message()));
  }
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) {
    return absl::FailedPreconditionError(fmt::format("cannot write '{}': {}", path.string(), std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

NewFolder PlanFolder(std::string_view name, std::string_view into, const fs::path& executable) {
  NewFolder folder{.path = (fs::path(into) / name).lexically_normal(),
                   .prefix = executable.parent_path().parent_path()};
  std::error_code error;
  const fs::path parent = fs::weakly_canonical(fs::path(into), error);
  folder.in_tree = parent.filename() == "services" && Exists(parent.parent_path() / "cmake" / "FindTradewind.cmake");
  folder.prefix_is_build_tree = Exists(folder.prefix / "CMakeCache.txt");
  return folder;
}

std::vector<std::string> BuildCommands(const NewFolder& folder, std::string_view name) {
  if (folder.in_tree) {
    return {"(cd ../.. && cmake --preset release -DTRADEWIND_TESTS=ON)",
            fmt::format("cmake --build ../../build --target tradewind-{0} {0}_test", name),
            fmt::format("ctest --test-dir ../../build -R '^{}_test$' --output-on-failure", name)};
  }
  std::vector<std::string> commands;
  const std::string prefix = ForShell(folder.prefix);
  if (folder.prefix_is_build_tree) commands.push_back(fmt::format("cmake --build {} --target sdk", prefix));
  commands.push_back(
      fmt::format("cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH={}", prefix));
  commands.emplace_back("cmake --build build");
  commands.emplace_back("ctest --test-dir build --output-on-failure");
  return commands;
}

Words WordsOf(const NewFolder& folder, std::string_view name) {
  const fs::path path = folder.in_tree ? fs::path("services") / name : folder.path;
  const fs::path compose_build = folder.in_tree ? fs::path("build") : path / "build";
  const fs::path build_from_here = folder.in_tree ? "../../build" : "build";
  return {
      {"my_thing", std::string(name)},
      {"MyThing", CamelCase(name)},
      {"MY_THING", absl::AsciiStrToUpper(std::string(name).c_str())},
      {"my_bin", (build_from_here / "bin").string()},
      {"my_share", (build_from_here / "share/tradewind").string()},
      {"my_compose_folder", ForCompose(path, folder.in_tree)},
      {"my_compose_bin", ForCompose(compose_build / "bin", folder.in_tree)},
      {"my_compose_share", ForCompose(compose_build / "share/tradewind", folder.in_tree)},
      {"my_build_commands", absl::StrJoin(BuildCommands(folder, name), "\n")},
  };
}

absl::Status WriteFolder(const fs::path& path, const std::vector<TemplateFile>& files, const Words& words) {
  if (Exists(path)) {
    return absl::AlreadyExistsError(
        fmt::format("'{}' is there already and is left as it is; choose another name, or another place by --into DIR",
                    path.string()));
  }
  for (const TemplateFile& file : files) {
    const std::string name = file.path == "gitignore" ? ".gitignore" : Filled(file.path, words);
    if (absl::Status written = WriteFile(path / name, Filled(file.text, words)); !written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace tradewind::cli
