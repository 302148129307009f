// A store::Reader over maps in memory, for testing queries without a store. Fails and hangs on demand.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tradewind/store/store.h"

namespace tradewind::testing {

// Thread-safe.
class FakeReader final : public store::Reader {
 public:
  // Puts an aggregate in the place of the one that was there, with its version raised by one.
  void Put(std::string_view kind, std::string_view key, std::string value, std::vector<store::IndexEntry> entries);
  // Every call fails with `status` from now on; OK ends that.
  void FailWith(absl::Status status);
  // Every call hangs from now on, until Release.
  void Hold();
  void Release();
  // Calls that hang.
  int held() const;

  absl::StatusOr<std::optional<store::Aggregate>> Get(std::string_view kind, std::string_view key) override;
  absl::StatusOr<std::vector<store::ListedAggregate>> List(const store::ListQuery& query) override;
  // There are never any kept records.
  absl::StatusOr<std::vector<store::KeptRecord>> ListKept(const store::KeptFilter& filter, int64_t after, int64_t limit,
                                                          int64_t max_bytes) override;
  absl::StatusOr<int64_t> CountKept(std::string_view group, store::KeptState state) override;
  // No task ever ran.
  absl::StatusOr<std::string> ProgressOf(const store::TaskId& task) override;

 private:
  struct Stored {
    store::Aggregate aggregate;
    std::vector<store::IndexEntry> entries;
  };

  void WaitWhileHeld();

  // Tests put from one thread while a server reads on another.
  mutable std::mutex mutex_;
  std::condition_variable released_;
  bool holding_ = false;
  int held_ = 0;
  absl::Status failure_;
  std::map<std::pair<std::string, std::string>, Stored> stored_;
};

}  // namespace tradewind::testing
