// Keeps a second process away from a store's file, for as long as this object lives. The kernel lets go of the lock
// when the process dies, however it dies.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tradewind::store {

class FileLock {
 public:
  // Creates the file where it is missing; it stays when the lock goes. Does not wait: FailedPrecondition naming the
  // file and the process that has it; PermissionDenied when it cannot be written.
  static absl::StatusOr<FileLock> Acquire(const std::string& file);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tradewind::store
