#include "tradewind/app/process.h"

#include "absl/synchronization/mutex.h"

namespace tradewind {

void SetUpProcess() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace tradewind
