#include "tradewind/runtime/worker_schedule.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/task_progress.h"
#include "tradewind/runtime/worker_test_group.h"
#include "tradewind/testing/eventually.h"

namespace tradewind::runtime {
namespace {

using order::v1::Order;
using order::v1::OrderCreated;

// All in one partition but the last, so that keys share a chain.
constexpr std::array<const char*, 3> kKeys = {"o-1", "o-4", "o-2"};
// Left behind and still running, of one group.
constexpr size_t kZombies = 2;

std::vector<int32_t> All() { return {0, 1, 2, 3}; }

// A schedule kills owners so often at one message that it would be blamed for that.
WorkerConfig Config() {
  WorkerConfig config = kQuick;
  config.max_deaths = 1'000'000;
  return config;
}

// Where the follower keeps which events of a key it has taken.
std::string TallyKey(const std::string& key) { return "tally/" + key; }

// Raises the order's revision by each command and says so.
Group Deciding() {
  Group group("order");
  group.AddOutput(OrderCreated::descriptor());
  group.AddCommand({.run =
                        [](const google::protobuf::Message&, Context& context) {
                          const auto order = context.Load<Order>(context.key());
                          order->set_revision(order->revision() + 1);
                          OrderCreated created;
                          created.set_order_id(std::string(context.key()));
                          created.set_revision(order->revision());
                          context.Emit(created);
                          return Ack();
                        },
                    .prototype = &order::v1::CreateOrderRequest::default_instance()});
  return group;
}

// Writes down the revisions of the events it takes, in the order in which it takes them. In its state, since what a
// handler sees in a batch that is refused counts for nothing.
Group Following() {
  Group group("tally");
  group.Add({.run =
                 [](const google::protobuf::Message& message, Context& context) {
                   const auto& event = static_cast<const OrderCreated&>(message);
                   const auto tally = context.Load<Order>(TallyKey(event.order_id()));
                   tally->add_lines()->set_quantity(static_cast<int32_t>(event.revision()));
                   return Ack();
                 },
             .prototype = &OrderCreated::default_instance()});
  return group;
}

// The owner of a group's tasks, and those who were.
class Members {
 public:
  Members(Mesh& mesh, Group group) : mesh_(mesh), group_(std::move(group)) { TakeOver(); }

  void TakeOver() {
    if (owner_ != nullptr) zombies_.push_back(std::move(owner_));
    if (zombies_.size() > kZombies) {
      Kill(*zombies_.front());
      zombies_.erase(zombies_.begin());
    }
    owner_ = mesh_.Start(group_, All(), Config());
    // It learns of it at its next poll; until then the two act beside each other.
    if (!zombies_.empty()) zombies_.back()->source().Lose(All());
  }
  void Crash() {
    Kill(*owner_);
    owner_.reset();
    owner_ = mesh_.Start(group_, All(), Config());
  }
  void Wake(int number) {
    if (zombies_.empty()) {
      owner_->events().Uncork();
    } else {
      zombies_[static_cast<size_t>(number) % zombies_.size()]->events().Uncork();
    }
  }
  // Only the owner is left, and nothing holds it up.
  void Heal() {
    for (const auto& zombie : zombies_) zombie->events().Uncork();
    zombies_.clear();
    owner_->events().Uncork();
  }
  testing::InMemorySink& events() { return owner_->events(); }

 private:
  // So that its destruction has nothing to bring to an end.
  void Kill(RunningWorker& worker) const {
    worker.events().Cork();
    worker.source().Lose(All());
    testing::Eventually([&] { return !worker.source().owns(0); });
    worker.events().Reset().IgnoreError();
  }

  Mesh& mesh_;
  const Group group_;
  std::unique_ptr<RunningWorker> owner_;
  std::vector<std::unique_ptr<RunningWorker>> zombies_;
};

Order Stored(Mesh& mesh, const std::string& key) {
  const auto stored = mesh.store().reader().Get(Order::descriptor()->full_name(), key);
  Order order;
  if (stored.ok() && stored->has_value()) order.ParseFromString((*stored)->value);
  return order;
}

std::vector<int64_t> Tally(Mesh& mesh, const std::string& key) {
  std::vector<int64_t> revisions;
  const Order tally = Stored(mesh, TallyKey(key));
  for (const order::v1::OrderLine& line : tally.lines()) revisions.push_back(line.quantity());
  return revisions;
}

// What a subscriber that keeps the rule of the watermark takes, by key, from all that lies on the log.
std::map<std::string, std::vector<int64_t>> TakenFromTheLog(Mesh& mesh, std::vector<std::string>& wrong) {
  std::map<std::string, std::vector<int64_t>> taken;
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    InputProgress progress(kEvents);
    for (const bus::RecordContent& content : mesh.kafka().Read(kEvents, partition)) {
      const bus::Record record = bus::Record::FromContent(content);
      const auto envelope = bus::ParseEnvelope(record);
      const Verdict verdict = progress.Judge(*envelope);
      if (verdict == Verdict::kGap) wrong.push_back(fmt::format("{}: a gap before it", std::string(envelope->id)));
      if (verdict != Verdict::kTake) continue;
      progress.Take(*envelope, absl::Now());
      OrderCreated event;
      event.ParseFromString(content.value);
      taken[content.key].push_back(event.revision());
    }
  }
  return taken;
}

void CarryOut(Mesh& mesh, Members& members, const ScheduleStep& step, std::map<std::string, int64_t>& sent) {
  switch (step.kind) {
    case ScheduleStep::Kind::kSend:
      for (int i = 0; i < step.number; ++i) {
        const std::string key = kKeys[static_cast<size_t>(i) % kKeys.size()];
        mesh.Send(Create(key), key);
        ++sent[key];
      }
      break;
    case ScheduleStep::Kind::kTakeOver:
      members.TakeOver();
      break;
    case ScheduleStep::Kind::kCrash:
      members.Crash();
      break;
    case ScheduleStep::Kind::kStall:
      members.events().Cork();
      break;
    case ScheduleStep::Kind::kWake:
      members.Wake(step.number);
      break;
    case ScheduleStep::Kind::kFailAfterAppending:
      members.events().FailAfterAppending(step.number);
      break;
    case ScheduleStep::Kind::kFailBeforeAppending:
      members.events().FailAfter(step.number);
      break;
  }
}

}  // namespace

std::string ToString(const ScheduleStep& step) {
  static constexpr std::array kNames = {
      "send", "take over", "crash", "stall", "wake", "fail after appending", "fail before appending"};
  return fmt::format("{}({}, {})", kNames.at(static_cast<size_t>(step.kind)), step.group, step.number);
}

std::vector<std::string> RunSchedule(Mesh& mesh, const std::vector<ScheduleStep>& steps) {
  std::map<std::string, int64_t> sent;
  {
    Members deciding(mesh, Deciding());
    Members following(mesh, Following());
    for (const ScheduleStep& step : steps) CarryOut(mesh, step.group == 0 ? deciding : following, step, sent);
    deciding.Heal();
    following.Heal();
    for (const auto& [key, count] : sent) {
      testing::Eventually(
          [&, key = key, count = static_cast<size_t>(count)] { return Tally(mesh, key).size() >= count; });
    }
  }
  std::vector<std::string> wrong;
  auto taken = TakenFromTheLog(mesh, wrong);
  for (const auto& [key, count] : sent) {
    std::vector<int64_t> expected(static_cast<size_t>(count));
    std::iota(expected.begin(), expected.end(), 1);
    if (const int64_t decided = Stored(mesh, key).revision(); decided != count) {
      wrong.push_back(fmt::format("{}: {} commands, acted on {} times", key, count, decided));
    }
    if (taken[key] != expected) {
      wrong.push_back(fmt::format("{}: {} events, on the log are {}", key, count, fmt::join(taken[key], " ")));
    }
    if (const auto tally = Tally(mesh, key); tally != expected) {
      wrong.push_back(fmt::format("{}: {} events, the follower took {}", key, count, fmt::join(tally, " ")));
    }
  }
  return wrong;
}

}  // namespace tradewind::runtime
