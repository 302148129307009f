#include "tradewind/runtime/effect_lanes.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/runtime/effect_context.h"
#include "tradewind/runtime/kept_record.h"
#include "tradewind/runtime/record_check.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::runtime {
namespace {

struct Effect {
  int32_t partition;
  uint64_t epoch;
  const Handler* handler;
  std::string key;
  Input input;
};

struct Lane {
  std::deque<Effect> waiting;
  bool running = false;
  // The last one failed and what waits has not been taken out yet.
  bool stopped = false;
};

// An effect under way.
struct Run {
  Effect effect;
  // Set once the handler is called; until then the run's thread reads the input. By clock::SteadyNow.
  std::optional<absl::Time> given_up_at;
  // Its outcome is not wanted any more, and its input may be gone.
  bool given_up = false;
};

// What a handler is called with: copies, because the input may go while it runs.
struct Call {
  std::unique_ptr<google::protobuf::Message> message;
  EffectContext::Message about;
};

struct TaskLanes {
  std::unordered_map<std::string, Lane> lanes;
  // Keys of lanes that could start their first message, longest waiting first.
  std::deque<std::string> startable;
  std::map<const Handler*, int32_t> running;
  size_t size = 0;
  // Starts nothing but what was let start.
  bool held_back = false;
  int32_t let_start = 0;
};

}  // namespace

struct EffectLanes::State {
  mutable std::mutex mutex;
  std::condition_variable startable;
  std::condition_variable ended;
  std::map<int32_t, TaskLanes> tasks;
  int32_t last_started = -1;
  int64_t threads = 0;
  int64_t handlers = 1;
  std::map<const Handler*, int64_t> running;
  // The runs are on the threads' stacks.
  std::vector<Run*> runs;
  std::vector<Finished> finished;
  std::atomic<bool> stopping{false};
  bool over = false;

  // All with the mutex held.
  bool Start(Run& run);
  bool StartOneOf(TaskLanes& task, Run& run);
  // Whether the handler may have one thread more.
  bool HasThread(const Handler* handler) const;
  void End(Run& run, EffectResult result);
  void Finish(Run& run, EffectResult result);
  void MakeStartable(TaskLanes& task, const std::string& key);
  void DropWaiting(int32_t partition);

  void Work();
};

namespace {

// InvalidArgument, as ReadMessage says, where the record cannot be handled.
absl::StatusOr<Call> Prepare(const Effect& effect) {
  const bus::Record& record = effect.input.record;
  const bus::Envelope& envelope = *effect.input.envelope;
  // An effect that is KeyedBy comes from its group's own topic: else it would have been passed on.
  KeyRule rule = effect.handler->rekey != nullptr ? KeyRule::kOfSubscription : KeyRule::kOfOptions;
  if (effect.input.unchecked) rule = KeyRule::kNone;
  auto message = ReadMessage(record, envelope, *effect.handler, rule);
  if (!message.ok()) return message.status();
  Call call{.message = *std::move(message),
            .about = {.key = std::string(record.key()), .event_id = std::string(envelope.id)}};
  if (const auto parent = telemetry::TraceContext::Parse(envelope.traceparent)) {
    call.about.traceparent = parent->NewChild().ToTraceparent();
  }
  call.about.attempt = (effect.input.queued.has_value() ? effect.input.queued->attempts : 0) + 1;
  return call;
}

EffectResult RunHandler(const Handler& handler, const Call& call, absl::Time deadline,
                        const std::atomic<bool>& stopping) {
  std::optional<telemetry::TraceScope> scope;
  if (const auto trace = telemetry::TraceContext::Parse(call.about.traceparent)) scope.emplace(*trace);
  EffectContext context(call.about, deadline, stopping);
  EffectResult result{.traceparent = call.about.traceparent};
  try {
    result.outcome = handler.effect(*call.message, context);
  } catch (const std::exception& error) {
    result.outcome = Retry(absl::ZeroDuration(), error.what());
  } catch (...) {
    result.outcome = Retry(absl::ZeroDuration(), std::string(kUnknownException));
  }
  result.events = context.TakeEvents();
  return result;
}

}  // namespace

bool EffectLanes::State::Start(Run& run) {
  // Task by task, beginning behind the one that started the last.
  auto next = tasks.upper_bound(last_started);
  for (size_t i = 0; i < tasks.size(); ++i, ++next) {
    if (next == tasks.end()) next = tasks.begin();
    if (!StartOneOf(next->second, run)) continue;
    last_started = next->first;
    return true;
  }
  return false;
}

bool EffectLanes::State::StartOneOf(TaskLanes& task, Run& run) {
  if (task.held_back && task.let_start == 0) return false;
  for (auto key = task.startable.begin(); key != task.startable.end(); ++key) {
    Lane& lane = task.lanes.at(*key);
    const Handler* handler = lane.waiting.front().handler;
    if (task.running[handler] >= handler->concurrency || !HasThread(handler)) continue;
    run.effect = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    lane.running = true;
    ++task.running[handler];
    ++running[handler];
    task.startable.erase(key);
    if (task.held_back) --task.let_start;
    runs.push_back(&run);
    return true;
  }
  return false;
}

bool EffectLanes::State::HasThread(const Handler* handler) const {
  const int64_t share = threads / (2 * handlers);
  int64_t free = threads - static_cast<int64_t>(runs.size());
  int64_t others = handlers - 1;
  for (const auto& [other, count] : running) {
    if (other == handler) continue;
    --others;
    free -= std::max<int64_t>(share - count, 0);
  }
  return free - std::max<int64_t>(others, 0) * share > 0;
}

void EffectLanes::State::MakeStartable(TaskLanes& task, const std::string& key) {
  task.startable.push_back(key);
  startable.notify_one();
}

void EffectLanes::State::DropWaiting(int32_t partition) {
  const auto found = tasks.find(partition);
  if (found == tasks.end()) return;
  TaskLanes& task = found->second;
  task.startable.clear();
  for (auto lane = task.lanes.begin(); lane != task.lanes.end();) {
    task.size -= lane->second.waiting.size();
    lane->second.waiting.clear();
    lane->second.stopped = false;
    lane = lane->second.running ? std::next(lane) : task.lanes.erase(lane);
  }
}

void EffectLanes::State::Finish(Run& run, EffectResult result) {
  TaskLanes& task = tasks.at(run.effect.partition);
  --task.size;
  if (result.outcome.kind() != Outcome::Kind::kAck) task.lanes.at(run.effect.key).stopped = true;
  finished.push_back({run.effect.partition, run.effect.epoch, std::move(run.effect.input), std::move(result)});
}

void EffectLanes::State::End(Run& run, EffectResult result) {
  if (!run.given_up) Finish(run, std::move(result));
  TaskLanes& task = tasks.at(run.effect.partition);
  --task.running[run.effect.handler];
  --running[run.effect.handler];
  Lane& lane = task.lanes.at(run.effect.key);
  lane.running = false;
  if (!lane.stopped && lane.waiting.empty()) {
    task.lanes.erase(run.effect.key);
  } else if (!lane.stopped) {
    MakeStartable(task, run.effect.key);
  }
  // One that was held up by the limit of its handler may start now.
  startable.notify_one();
  std::erase(runs, &run);
  ended.notify_all();
}

void EffectLanes::State::Work() {
  std::unique_lock lock(mutex);
  while (true) {
    Run run;
    startable.wait(lock, [&] { return over || (!stopping && Start(run)); });
    if (over) return;
    lock.unlock();
    const absl::StatusOr<Call> call = Prepare(run.effect);
    lock.lock();
    if (!call.ok()) {
      End(run, {.outcome = Dead(std::string(call.status().message())), .undecodable = true});
      continue;
    }
    const Handler& handler = *run.effect.handler;
    // The handler compares its deadline with the wall clock.
    const absl::Time deadline = absl::Now() + handler.timeout;
    run.given_up_at = clock::SteadyNow() + handler.timeout;
    lock.unlock();
    EffectResult result = RunHandler(handler, *call, deadline, stopping);
    lock.lock();
    End(run, std::move(result));
  }
}

EffectLanes::EffectLanes(int32_t threads, size_t handlers) : state_(std::make_shared<State>()) {
  state_->threads = threads;
  state_->handlers = std::max<int64_t>(static_cast<int64_t>(handlers), 1);
  for (int32_t i = 0; i < threads; ++i) {
    // Not joined: a handler that does not return must not keep the process from ending.
    std::thread([state = state_] { state->Work(); }).detach();
  }
}

EffectLanes::~EffectLanes() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->over = true;
  state_->startable.notify_all();
}

void EffectLanes::Add(const Task& task, const Handler& handler, Input input) {
  const std::lock_guard lock(state_->mutex);
  TaskLanes& lanes = state_->tasks[task.id.partition];
  std::string key = QueueKeyOf(input.record);
  Lane& lane = lanes.lanes[key];
  const bool first = lane.waiting.empty() && !lane.running && !lane.stopped;
  lane.waiting.push_back({task.id.partition, task.epoch, &handler, key, std::move(input)});
  ++lanes.size;
  if (first) state_->MakeStartable(lanes, key);
}

std::vector<EffectLanes::Finished> EffectLanes::Collect(absl::Time now, size_t limit) {
  const std::lock_guard lock(state_->mutex);
  for (Run* run : state_->runs) {
    if (run->given_up || run->given_up_at.value_or(absl::InfiniteFuture()) > now) continue;
    const std::string timeout(absl::FormatDuration(run->effect.handler->timeout));
    state_->Finish(*run, {.outcome = Retry(absl::ZeroDuration(), fmt::format("no answer within {}", timeout))});
    run->given_up = true;
  }
  std::vector<Finished>& finished = state_->finished;
  if (finished.size() <= limit) return std::exchange(finished, {});
  const auto end = finished.begin() + static_cast<std::ptrdiff_t>(limit);
  std::vector<Finished> collected(std::make_move_iterator(finished.begin()), std::make_move_iterator(end));
  finished.erase(finished.begin(), end);
  return collected;
}

bool EffectLanes::has_finished() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->finished.empty();
}

void EffectLanes::HoldBack(int32_t partition, bool held_back) {
  const std::lock_guard lock(state_->mutex);
  TaskLanes& task = state_->tasks[partition];
  task.held_back = held_back;
  task.let_start = 0;
  if (!held_back) state_->startable.notify_all();
}

const Input* EffectLanes::NextHeldBack(int32_t partition, const std::function<bool(const Input&)>& is_preferred) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->tasks.find(partition);
  if (found == state_->tasks.end() || !found->second.held_back || found->second.let_start > 0) return nullptr;
  TaskLanes& task = found->second;
  const auto runs = [&](const Run* run) { return run->effect.partition == partition && !run->given_up; };
  if (std::any_of(state_->runs.begin(), state_->runs.end(), runs) || task.startable.empty()) return nullptr;
  const auto first_of = [&](const std::string& key) -> const Input& {
    return task.lanes.at(key).waiting.front().input;
  };
  const auto preferred = std::find_if(task.startable.begin(), task.startable.end(),
                                      [&](const std::string& key) { return is_preferred(first_of(key)); });
  if (preferred != task.startable.end()) std::rotate(task.startable.begin(), preferred, preferred + 1);
  return &first_of(task.startable.front());
}

void EffectLanes::StartHeldBack(int32_t partition) {
  const std::lock_guard lock(state_->mutex);
  state_->tasks.at(partition).let_start = 1;
  state_->startable.notify_all();
}

void EffectLanes::EndHeldBack(int32_t partition, EffectResult result) {
  const std::lock_guard lock(state_->mutex);
  TaskLanes& task = state_->tasks.at(partition);
  const std::string key = task.startable.front();
  task.startable.pop_front();
  Lane& lane = task.lanes.at(key);
  Effect effect = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  --task.size;
  if (result.outcome.kind() != Outcome::Kind::kAck) {
    lane.stopped = true;
  } else if (lane.waiting.empty()) {
    task.lanes.erase(key);
  } else {
    state_->MakeStartable(task, key);
  }
  state_->finished.push_back({effect.partition, effect.epoch, std::move(effect.input), std::move(result)});
}

std::vector<Input> EffectLanes::TakeWaiting(int32_t partition, const std::string& key) {
  const std::lock_guard lock(state_->mutex);
  std::vector<Input> inputs;
  TaskLanes& task = state_->tasks[partition];
  const auto found = task.lanes.find(key);
  if (found == task.lanes.end()) return inputs;
  for (Effect& effect : found->second.waiting) inputs.push_back(std::move(effect.input));
  task.size -= inputs.size();
  found->second.waiting.clear();
  found->second.stopped = false;
  if (!found->second.running) task.lanes.erase(found);
  return inputs;
}

void EffectLanes::Forget(int32_t partition) {
  const std::lock_guard lock(state_->mutex);
  state_->DropWaiting(partition);
  for (Run* run : state_->runs) {
    if (run->effect.partition != partition || run->given_up) continue;
    run->given_up = true;
    --state_->tasks.at(partition).size;
  }
  std::erase_if(state_->finished, [&](const Finished& one) { return one.partition == partition; });
}

void EffectLanes::Settle(absl::Span<const int32_t> partitions, absl::Duration patience) {
  std::unique_lock lock(state_->mutex);
  for (const int32_t partition : partitions) state_->DropWaiting(partition);
  const auto runs = [&](const Run* run) {
    return !run->given_up && std::find(partitions.begin(), partitions.end(), run->effect.partition) != partitions.end();
  };
  const auto settled = [&] { return std::none_of(state_->runs.begin(), state_->runs.end(), runs); };
  if (patience == absl::InfiniteDuration()) return state_->ended.wait(lock, settled);
  state_->ended.wait_until(lock, std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience), settled);
}

void EffectLanes::Stop() { state_->stopping = true; }

size_t EffectLanes::size(int32_t partition) const {
  const std::lock_guard lock(state_->mutex);
  const auto task = state_->tasks.find(partition);
  return task == state_->tasks.end() ? 0 : task->second.size;
}

bool EffectLanes::busy() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->runs.empty() || !state_->finished.empty();
}

}  // namespace tradewind::runtime
