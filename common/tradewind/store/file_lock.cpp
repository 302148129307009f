#include "tradewind/store/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace tradewind::store {
namespace {

std::string ErrorText(int error) { return std::generic_category().message(error); }

// The process id that the holder wrote, for the message; only the lock itself decides.
std::string HolderOf(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
  if (size <= 0) return "another process";
  return fmt::format("process {}", std::string(text.data(), static_cast<size_t>(size)));
}

}  // namespace

absl::StatusOr<FileLock> FileLock::Acquire(const std::string& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    const int error = errno;
    const std::string message = fmt::format(
        "cannot write {}: {}; make the folder writable or choose another "
        "store.directory",
        file, ErrorText(error));
    if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
    return absl::PermissionDeniedError(message);
  }
  FileLock lock(descriptor);
  int locked = 0;
  do {
    locked = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0) {
    const int error = errno;
    if (error == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          fmt::format("{} is locked by {}, which has this store open: stop it or choose another store.directory", file,
                      HolderOf(descriptor)));
    }
    return absl::FailedPreconditionError(
        fmt::format("cannot lock {}: {}; store.directory must be on a local disk", file, ErrorText(error)));
  }
  const std::string holder = std::to_string(getpid());
  // The number is only for the message above: a failure to write it is no reason to refuse.
  if (ftruncate(descriptor, 0) == 0) (void)!pwrite(descriptor, holder.data(), holder.size(), 0);
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace tradewind::store
