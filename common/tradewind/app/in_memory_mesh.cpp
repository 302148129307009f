#include "tradewind/app/in_memory_mesh.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "google/protobuf/descriptor.h"

#include "tradewind/runtime/message_rule.h"
#include "tradewind/seal/keys.h"

namespace tradewind::testing {
namespace {

using runtime::Outcome;
using Kind = runtime::Outcome::Kind;

// As runtime.max_attempts.
constexpr int32_t kMaxAttempts = 10;

runtime::MessageRoute RouteOf(const google::protobuf::Message& message) {
  const auto route = runtime::RouteOf(message.GetDescriptor());
  if (!route.ok()) throw std::invalid_argument(std::string(route.status().message()));
  return *route;
}

const std::string& TypeOf(const google::protobuf::Message& message) { return message.GetDescriptor()->full_name(); }

}  // namespace

InMemoryMesh::InMemoryMesh() : keys_(std::make_shared<seal::Keys>()), now_(absl::FromUnixMillis(1'700'000'000'123)) {
  keys_->StartInMemory();
}
InMemoryMesh::~InMemoryMesh() = default;

void InMemoryMesh::Add(const std::string& name, const std::function<void(App&)>& declare) {
  Service& service = services_[name];
  service.app = std::make_unique<App>(name, 0, nullptr);
  service.world = std::make_unique<FakeContext>();
  service.app->ShareKeys(keys_);
  declare(*service.app);
  for (const runtime::Group* group : {&service.app->handlers(), &service.app->effect_handlers()}) {
    if (!group->status().ok()) throw std::invalid_argument(std::string(group->status().message()));
    consumers_.push_back({.name = group->name(), .group = group, .world = service.world.get(), .queues = {}});
  }
}

const FakeContext& InMemoryMesh::WorldOf(std::string_view service) const {
  const auto found = services_.find(service);
  if (found == services_.end()) throw std::invalid_argument(fmt::format("no service '{}' was added", service));
  return *found->second.world;
}

void InMemoryMesh::Send(const google::protobuf::Message& message) {
  std::shared_ptr<google::protobuf::Message> copy(message.New());
  copy->CopyFrom(message);
  Publish(std::move(copy));
}

void InMemoryMesh::Publish(Message message) {
  const runtime::MessageRoute route = RouteOf(*message);
  std::string scratch;
  const std::string own_key(route.KeyOf(*message, scratch));
  log_.push_back(message);
  const uint64_t number = ++sent_;
  for (Consumer& consumer : consumers_) {
    const runtime::Handler* handler = consumer.group->Find(TypeOf(*message));
    if (handler == nullptr) continue;
    const bool rekeyed = handler->rekey != nullptr;
    const std::string key = rekeyed ? handler->rekey(*message) : own_key;
    const std::string topic = rekeyed ? consumer.group->RekeyedTopic() : route.topic;
    consumer.queues[{topic, key}].push_back(
        {.number = number, .event_id = fmt::format("event-{}", number), .key = key, .message = message});
  }
}

void InMemoryMesh::PublishEventsOf(const FakeContext& world) {
  for (const auto& event : world.events()) Send(*event);
}

std::vector<InMemoryMesh::Queue> InMemoryMesh::NonEmptyQueues() {
  std::vector<Queue> queues;
  for (Consumer& consumer : consumers_) {
    for (auto& [place, queue] : consumer.queues) {
      if (!queue.empty()) queues.emplace_back(&consumer, &queue);
    }
  }
  return queues;
}

std::vector<InMemoryMesh::DueTimer> InMemoryMesh::Timers() {
  std::vector<DueTimer> timers;
  for (Consumer& consumer : consumers_) {
    if (consumer.group->runs_effects()) continue;
    for (const auto& [id, timer] : consumer.world->timers()) {
      if (consumer.group->Find(TypeOf(*timer.message)) == nullptr) continue;
      timers.push_back({.consumer = &consumer, .key = id.first, .name = id.second, .due = timer.due});
    }
  }
  return timers;
}

Outcome InMemoryMesh::RunEffect(const Waiting& waiting, const runtime::Handler& handler, std::vector<Message>& events) {
  static const std::atomic<bool> stopping = false;
  runtime::EffectContext context(
      {.key = waiting.key, .event_id = waiting.event_id, .traceparent = "", .attempt = waiting.attempts + 1},
      now_ + handler.timeout, stopping);
  Outcome outcome = handler.effect(*waiting.message, context);
  for (auto& event : context.TakeEvents()) events.push_back(std::move(event));
  return outcome;
}

Outcome InMemoryMesh::HandleFirst(Consumer& consumer, std::deque<Waiting>& queue) {
  const Waiting& waiting = queue.front();
  const runtime::Handler& handler = *consumer.group->Find(TypeOf(*waiting.message));
  Outcome outcome;
  if (handler.effect != nullptr) {
    std::vector<Message> events;
    outcome = RunEffect(waiting, handler, events);
    if (outcome.kind() == Kind::kAck) {
      for (Message& event : events) Publish(std::move(event));
    }
  } else {
    consumer.world->set_now(now_);
    consumer.world->set_event_id(waiting.event_id);
    outcome = consumer.world->HandleUnder(waiting.key, *waiting.message, handler.run);
    PublishEventsOf(*consumer.world);
  }
  Finish(consumer, queue, outcome);
  return outcome;
}

// What the runtime does with an outcome: a message that is retried stays at the head of its queue.
void InMemoryMesh::Finish(Consumer& consumer, std::deque<Waiting>& queue, const Outcome& outcome) {
  Waiting& waiting = queue.front();
  if (outcome.kind() == Kind::kRetry && ++waiting.attempts < kMaxAttempts) return;
  if (outcome.kind() == Kind::kRetry || outcome.kind() == Kind::kDead) {
    dead_.push_back(
        fmt::format("{}: {} under {}: {}", consumer.name, TypeOf(*waiting.message), waiting.key, outcome.reason()));
    // A dead one holds back its key, unless the subscription says otherwise.
    if (!consumer.group->Find(TypeOf(*waiting.message))->pass_over_dead) queue.clear();
  }
  if (!queue.empty()) queue.pop_front();
}

void InMemoryMesh::CallAny(const google::protobuf::Message& command, google::protobuf::Message& resource,
                           errors::Problem& problem) {
  Send(command);
  const uint64_t number = sent_;
  for (const auto& [consumer, queue] : NonEmptyQueues()) {
    if (queue->back().number != number || consumer->group->runs_effects()) continue;
    Outcome outcome;
    bool handled = false;
    // What came before it under its key goes first.
    while (!handled && !queue->empty()) {
      handled = queue->front().number == number;
      outcome = HandleFirst(*consumer, *queue);
    }
    if (!handled) throw std::logic_error(fmt::format("{} waits behind a dead message", TypeOf(command)));
    if (outcome.kind() == Kind::kReject) {
      problem = outcome.problem();
      return;
    }
    const google::protobuf::Message* reply = consumer->world->reply();
    if (reply == nullptr || reply->GetDescriptor() != resource.GetDescriptor()) {
      throw std::logic_error(fmt::format("{} was not answered with a {}", TypeOf(command), TypeOf(resource)));
    }
    resource.CopyFrom(*reply);
    return;
  }
  throw std::invalid_argument(fmt::format("no service takes {}", TypeOf(command)));
}

void InMemoryMesh::Settle() {
  while (true) {
    std::vector<Queue> queues = NonEmptyQueues();
    if (queues.empty()) return;
    const auto oldest = std::min_element(queues.begin(), queues.end(), [](const Queue& left, const Queue& right) {
      return left.second->front().number < right.second->front().number;
    });
    HandleFirst(*oldest->first, *oldest->second);
  }
}

void InMemoryMesh::Fire(const DueTimer& timer) {
  FakeContext& world = *timer.consumer->world;
  now_ = std::max(now_, timer.due);
  world.set_now(now_);
  world.FireAny(timer.key, timer.name, [&](const google::protobuf::Message& message, runtime::Context& context) {
    return timer.consumer->group->Find(TypeOf(message))->run(message, context);
  });
  PublishEventsOf(world);
}

void InMemoryMesh::Advance(absl::Duration by) {
  const absl::Time until = now_ + by;
  while (true) {
    Settle();
    const std::vector<DueTimer> timers = Timers();
    const auto first = std::min_element(
        timers.begin(), timers.end(), [](const DueTimer& left, const DueTimer& right) { return left.due < right.due; });
    if (first == timers.end() || first->due > until) break;
    Fire(*first);
  }
  now_ = until;
}

bool InMemoryMesh::Step(absl::FunctionRef<size_t(size_t)> choose, Choice choice) {
  const std::vector<Queue> queues = NonEmptyQueues();
  const std::vector<DueTimer> timers = choice == Choice::kMessagesAndTimers ? Timers() : std::vector<DueTimer>();
  if (queues.empty() && timers.empty()) return false;
  const size_t chosen = choose(queues.size() + timers.size());
  if (chosen < queues.size()) {
    HandleFirst(*queues[chosen].first, *queues[chosen].second);
  } else {
    Fire(timers[chosen - queues.size()]);
  }
  return true;
}

bool InMemoryMesh::CutAnEffectShort(absl::FunctionRef<size_t(size_t)> choose) {
  std::vector<Queue> queues = NonEmptyQueues();
  std::erase_if(queues, [](const Queue& queue) { return !queue.first->group->runs_effects(); });
  if (queues.empty()) return false;
  const auto& [consumer, queue] = queues[choose(queues.size())];
  std::vector<Message> lost;
  RunEffect(queue->front(), *consumer->group->Find(TypeOf(*queue->front().message)), lost);
  return true;
}

}  // namespace tradewind::testing
