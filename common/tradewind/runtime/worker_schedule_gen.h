// RapidCheck's way to a random schedule, for the tests of either store.
#pragma once

#include <rapidcheck.h>

#include <ostream>
#include <vector>

#include "tradewind/runtime/worker_schedule.h"

namespace tradewind::runtime {

inline void showValue(const ScheduleStep& step, std::ostream& out) { out << ToString(step); }

inline rc::Gen<std::vector<ScheduleStep>> AnySchedule() {
  using Kind = ScheduleStep::Kind;
  const auto kind = rc::gen::weightedElement<Kind>({{6, Kind::kSend},
                                                    {2, Kind::kTakeOver},
                                                    {1, Kind::kCrash},
                                                    {2, Kind::kStall},
                                                    {2, Kind::kWake},
                                                    {1, Kind::kFailAfterAppending},
                                                    {1, Kind::kFailBeforeAppending}});
  return rc::gen::container<std::vector<ScheduleStep>>(rc::gen::build<ScheduleStep>(
      rc::gen::set(&ScheduleStep::kind, kind), rc::gen::set(&ScheduleStep::group, rc::gen::inRange(0, 2)),
      rc::gen::set(&ScheduleStep::number, rc::gen::inRange(0, 20))));
}

}  // namespace tradewind::runtime
