// Events behind gaps: taken in batches of the usual size once a gap has closed, and counted, so that a gap that does
// not close stops the reading of its own topic before it fills the store.
#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/logger.h"
#include "tradewind/runtime/worker_impl.h"

namespace tradewind::runtime {

bool Worker::Impl::HasClosedGap(const Task& task) {
  if (task.state != Task::State::kRunning || task.crowded) return false;
  return std::any_of(task.held.begin(), task.held.end(), [&](const auto& chain_and_events) {
    return IsClosed(task.progress, chain_and_events.first, chain_and_events.second.front());
  });
}

absl::Status Worker::Impl::GatherHeld() {
  if (throttled_) return absl::OkStatus();
  for (auto& owned : tasks_) {
    Task* const task = owned.second.get();
    if (!HasClosedGap(*task)) continue;
    std::vector<Task::ChainName> closed;
    for (const auto& [chain, events] : task->held) {
      if (IsClosed(task->progress, chain, events.front())) closed.push_back(chain);
    }
    for (const Task::ChainName& chain : closed) {
      if (RoomForDue() <= 0) return absl::OkStatus();
      const absl::Status gathered = GatherChain(*task, chain);
      if (gathered.ok()) continue;
      if (absl::Status handled = OnLoadError(gathered, *task); !handled.ok()) return handled;
      break;
    }
  }
  return absl::OkStatus();
}

absl::Status Worker::Impl::GatherChain(Task& task, const Task::ChainName& chain) {
  std::deque<HeldEvent>& events = task.held.at(chain);
  // What follows the first without another gap.
  std::vector<int64_t> ids{events.front().id};
  // Half of what there is: the rest is for what is due.
  const auto room = static_cast<size_t>(std::max<int64_t>(RoomForDue() / 2, 1));
  for (size_t i = 1; i < events.size() && ids.size() < room && events[i].previous <= events[i - 1].sequence; ++i) {
    ids.push_back(events[i].id);
  }
  std::vector<Input> inputs;
  for (size_t begin = 0; begin < ids.size() && gathered_bytes_ < config_.batch_bytes / 2;) {
    // Records may be large: a page at a time.
    constexpr size_t kPage = 50;
    const size_t end = std::min(begin + kPage, ids.size());
    auto rows = ports_.session->LoadKeptById(absl::MakeSpan(ids).subspan(begin, end - begin));
    if (!rows.ok()) return rows.status();
    for (const store::KeptRecord& row : *rows) {
      auto input = HeldInput(task, row);
      if (!input.ok()) {
        LeaveWithoutPlace(task, row.id);
        std::erase_if(events, [&](const HeldEvent& event) { return event.id == row.id; });
        continue;
      }
      gathered_bytes_ += static_cast<int64_t>(row.record.size());
      inputs.push_back(*std::move(input));
    }
    begin = end;
  }
  if (inputs.empty()) {
    // Somebody has removed the record from the store.
    if (!events.empty() && events.front().id == ids.front()) events.pop_front();
    if (events.empty()) task.held.erase(chain);
    return absl::OkStatus();
  }
  // The store gives them in the order in which they came.
  std::sort(inputs.begin(), inputs.end(), [](const Input& left, const Input& right) {
    return left.envelope.ok() && right.envelope.ok() && left.envelope->sequence < right.envelope->sequence;
  });
  std::move(inputs.begin(), inputs.end(), std::back_inserter(gathered_));
  return absl::OkStatus();
}

void Worker::Impl::AdvanceHeld(TaskWork& work, const store::CommitResult& result) {
  Task& task = *work.task;
  if (work.held_taken.empty() && work.newly_held.empty()) return;
  for (auto chain = task.held.begin(); chain != task.held.end();) {
    auto& events = chain->second;
    while (!events.empty() && work.held_taken.contains(events.front().id)) events.pop_front();
    chain = events.empty() ? task.held.erase(chain) : std::next(chain);
  }
  for (auto& [chain, added] : work.newly_held) {
    std::deque<HeldEvent>& events = task.held[chain];
    for (auto& [sequence, event] : added) {
      event.id = result.kept_ids.at(static_cast<size_t>(event.id));
      // At the end, unless it was lost more than once on its way.
      const auto place =
          std::upper_bound(events.begin(), events.end(), sequence,
                           [](bus::Sequence wanted, const HeldEvent& held) { return wanted < held.sequence; });
      events.insert(place, event);
    }
  }
}

bool Worker::Impl::NoteStoppedTopics(Task& task) const {
  std::map<std::string, int64_t, std::less<>> held;
  for (const auto& [chain, events] : task.held) held[chain.first] += static_cast<int64_t>(events.size());
  bool changed = false;
  for (const auto& [topic, events] : held) {
    if (events < config_.max_held_events || !task.stopped_topics.insert(topic).second) continue;
    changed = true;
    kLog.Error(
        "too many events wait behind gaps; nothing more is read of this topic until what is missing comes or is "
        "given up (tradewind parked)",
        {{"topic", topic}, {"partition", task.id.partition}, {"held", events}});
  }
  for (auto topic = task.stopped_topics.begin(); topic != task.stopped_topics.end();) {
    const auto count = held.find(*topic);
    if (count != held.end() && count->second > config_.max_held_events / 2) {
      ++topic;
      continue;
    }
    changed = true;
    topic = task.stopped_topics.erase(topic);
  }
  return changed;
}

void Worker::Impl::LimitHeld(Task& task) {
  if (task.held.empty() && task.stopped_topics.empty()) return;
  if (!NoteStoppedTopics(task) || task.state != Task::State::kRunning || task.crowded) return;
  // Reading is stopped for all topics of a task and resumed for each.
  StopReading(task);
  ResumeReading(PositionsOf(task));
}

}  // namespace tradewind::runtime
