// What a person asks of records that were set aside: to have them handled again, or to drop them.
#include <algorithm>

#include "tradewind/errors/printable.h"
#include "tradewind/runtime/attempt.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/record_check.h"
#include "tradewind/store/short_key.h"

namespace tradewind::runtime {

using errors::Printable;

void Attempt::CarryOut(TaskWork& work, const store::KeptRecord& requested) {
  work.moved = true;
  if (requested.state == store::KeptState::kHeld) return CarryOutForHeld(work, requested);
  const bool skip = requested.requested == store::KeptAction::kSkip;
  kLog.Info(skip ? "a record that was set aside is skipped, as requested"
                 : "a record that was set aside is handled again, as requested",
            {{"id", requested.id}, {"key", Printable(requested.key, kMaxLogged)}, {"type", requested.type}});
  // A dead record that stands in no queue leaves all of them as they are when it goes.
  if (requested.queued || !skip) work.queues_to_look_up.insert(store::ShortKey(requested.key));
  if (!skip && requested.queued) {
    kept_updated_.push_back({.id = requested.id,
                             .state = store::KeptState::kParked,
                             .reason = requested.reason,
                             .attempts = 0,
                             .due = now_,
                             .carried_out = requested.requested});
    return;
  }
  if (!TakeUntaken(work, requested)) return;
  kept_removed_.push_back(requested.id);
  if (skip) return;
  store::KeptRecord& kept = kept_.emplace_back(requested);
  kept.state = store::KeptState::kParked;
  kept.queued = true;
  kept.requested = store::KeptAction::kNone;
  kept.attempts = 0;
  kept.due = now_;
}

bool Attempt::TakeUntaken(const TaskWork& work, const store::KeptRecord& requested) {
  const std::optional<bus::Record> record = UntakenOf(requested);
  if (!record.has_value()) return true;
  const absl::StatusOr<bus::Envelope> envelope = bus::ParseEnvelope(*record);
  const absl::Status sender = CheckSender(*envelope, settings_.mesh, settings_.accept_unmarked);
  if (!sender.ok()) {
    store::KeptUpdate& update = kept_updated_.emplace_back(AsItIs(requested));
    update.reason = Printable(std::string(sender.message()), kMaxNotice);
    return false;
  }
  // Its chain does not tell whether it was sent, and retried, before.
  if (requests_.TakeEvent(*envelope, work.task->id.partition)) return true;
  ++counts_.repeats;
  kept_removed_.push_back(requested.id);
  return false;
}

void Attempt::CarryOutForHeld(TaskWork& work, const store::KeptRecord& requested) {
  if (requested.requested == store::KeptAction::kSkip && work.task->held_without_place.contains(requested.id)) {
    kLog.Warn("an event that was held back and cannot be read is skipped, as requested", {{"id", requested.id}});
    kept_removed_.push_back(requested.id);
    return;
  }
  for (const auto& [chain, events] : work.task->held) {
    InputProgress* progress = work.progress.FindInput(chain.first);
    if (progress == nullptr) continue;
    // The first that an earlier request of this batch has not skipped.
    const auto first = std::find_if(events.begin(), events.end(), [&, &source = chain.second](const HeldEvent& event) {
      return progress->Judge(event.ToEnvelope(source)) != Verdict::kRepeat;
    });
    if (first == events.end() || first->id != requested.id) continue;
    const bool skip = requested.requested == store::KeptAction::kSkip;
    kLog.Warn("what is missing before a held event is given up, as requested", {{"topic", chain.first},
                                                                                {"source", chain.second},
                                                                                {"missing", first->previous.ToString()},
                                                                                {"event", skip ? "skipped" : "taken"}});
    progress->SetWatermark(chain.second, skip ? first->sequence : first->previous, now_);
    return;
  }
  kLog.Warn("only the first held event of a source can be retried or skipped; this one was left as it is",
            {{"id", requested.id}});
  kept_updated_.push_back(AsItIs(requested));
}

}  // namespace tradewind::runtime
