// A sink that many threads produce to, and that one of them replaces when it has failed. Whoever produces meanwhile
// still has the old one, or has the new one already: nobody waits for the first to end, which can take seconds. Used by
// the publisher of commands and the log of keys, whose callers are gRPC's callback threads.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#include "tradewind/bus/event_sink.h"

namespace tradewind::bus {

class ReplaceableSink {
 public:
  // Makes one more sink, whose Produce may be called by many threads at once. May block.
  ReplaceableSink(std::unique_ptr<EventSink> first, MakeSink make);
  // Blocks until the sinks have ended.
  ~ReplaceableSink();
  ReplaceableSink(const ReplaceableSink&) = delete;
  ReplaceableSink& operator=(const ReplaceableSink&) = delete;

  // Has `use` produce to the sink of the moment. Thread-safe; waits for Replace no longer than for its `forget`. `use`
  // must not block.
  absl::Status Use(absl::FunctionRef<absl::Status(EventSink&)> use) ABSL_LOCKS_EXCLUDED(mutex_);

  // As of EventSink. Poll and Replace are for one thread.
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const Delivery&)> on_delivery);

  // Puts a new sink in the place of the old one, of which no delivery is reported any more; calls `forget` while nobody
  // uses either: what was produced before went to the old one, and what comes after goes to the new one. What was in
  // flight may or may not be on the log. Where none can be made, returns why, and the old one stays.
  absl::Status Replace(absl::FunctionRef<void()> forget) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const MakeSink make_;
  // Shared by every Use, exclusive for the moment of replacing: a sink must not go away under somebody who uses it.
  absl::Mutex mutex_;
  // Written with the mutex, by the thread that replaces.
  std::unique_ptr<EventSink> sink_;
  // Ends the sink before, so that the reports of the new one are not late.
  std::jthread ending_;
};

}  // namespace tradewind::bus
