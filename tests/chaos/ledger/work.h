// What the handlers of the chaos run's subscribers do instead of computing something.
#pragma once

#include <chrono>

namespace tradewind::chaos {

// Blocks for `time`. Meanwhile the thread has the name "at work", by which a fault finds the moment to meet it.
void Work(std::chrono::milliseconds time);

}  // namespace tradewind::chaos
