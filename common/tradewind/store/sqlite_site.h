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
    std::string pattern = (std::filesystem::temp_directory_path() / "tradewind-store-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
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
