// A chain of two groups under a random schedule: commands are sent while workers are taken over from, left behind as
// zombies, stalled, crashed, and made to send their outbox again. For property tests, over any store.
#pragma once

#include <string>
#include <vector>

#include "tradewind/runtime/worker_harness.h"

namespace tradewind::runtime {

struct ScheduleStep {
  enum class Kind {
    kSend,
    // A new owner comes; the old one does not know yet.
    kTakeOver,
    // The owner is gone, and so is what it had not brought to the log; a new one comes.
    kCrash,
    // Nothing of the owner's reaches the log; and then all of it, late.
    kStall,
    kWake,
    // A delivery fails and the outbox is sent again; the record is on the log in spite of that, or is not.
    kFailAfterAppending,
    kFailBeforeAppending,
  };
  Kind kind = Kind::kSend;
  // 0: the group that decides, 1: the one that follows its events.
  int group = 0;
  // Commands to send, deliveries until the failure, or which of the workers left behind to wake.
  int number = 0;
};

// For RapidCheck's report.
std::string ToString(const ScheduleStep& step);

// Carries out the steps, lets everything heal, and returns what is wrong: for each key, the group that decides must
// have acted once for each command, and the other must have taken each event once and in order. Empty when all is well.
std::vector<std::string> RunSchedule(Mesh& mesh, const std::vector<ScheduleStep>& steps);

}  // namespace tradewind::runtime
