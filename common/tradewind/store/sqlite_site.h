// A temporary folder for the tests of SqliteStore.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tradewind/store/sqlite_store.h"

namespace tradewind::store {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    // In memory where there is such a place: a store syncs when it is opened and closed, which the tests do hundreds of
    // times, and a busy disk takes long over each.
    for (const std::filesystem::path& parent :
         {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path()}) {
      std::string pattern = (parent / "tradewind-store-XXXXXX").string();
      if (mkdtemp(pattern.data()) == nullptr) continue;
      path_ = pattern;
      return;
    }
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string File(const std::string& name) const { return (path_ / name).string(); }
  SqliteConfig Config() const { return {.directory = path(), .cache_bytes = 8 << 20}; }

 private:
  std::filesystem::path path_;
};

}  // namespace tradewind::store
