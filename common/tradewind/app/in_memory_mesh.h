// Several services at once, in one process, without Kafka, store or threads: for fast tests of how they work together.
//
//   testing::InMemoryMesh mesh;
//   mesh.Add("order", order::Declare);
//   mesh.Add("inventory", inventory::Declare);
//   const auto answer = mesh.Call<order::v1::Order>(create_order);
//   mesh.Settle();
//   EXPECT_EQ(mesh.Find<order::v1::Order>("order", "o-1")->state(), order::v1::ORDER_STATE_CONFIRMED);
//   mesh.Advance(absl::Minutes(15));
//
// It keeps the order that the mesh keeps (messages of one key on one topic stay in order, for each service) and none
// that the mesh does not: Settle takes messages in the order in which they were sent, Step in any that could happen.
// It is kinder than a broker, so it shows what services decide, never that the runtime keeps its promises. Not
// thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

#include "tradewind/app/app.h"
#include "tradewind/errors/problem.h"
#include "tradewind/testing/fake_context.h"

namespace tradewind::testing {

class InMemoryMesh {
 public:
  InMemoryMesh();
  ~InMemoryMesh();

  // A service as its own function wires it. Settings keep their defaults; what it serves over gRPC is not served.
  void Add(const std::string& name, const std::function<void(App&)>& declare);

  // Puts a message on its topic. It is handled by Settle, Advance or Step.
  void Send(const google::protobuf::Message& message);

  // What a caller gets: `resource`, or a problem.
  template <typename Resource>
  struct Answer {
    bool ok() const { return problem.reason.empty(); }
    Resource resource;
    errors::Problem problem;
  };
  // Sends a command and handles it at once, and nothing of what follows. Throws where no service takes it, or where the
  // answer is of another type.
  template <typename Resource>
  Answer<Resource> Call(const google::protobuf::Message& command) {
    Answer<Resource> answer;
    CallAny(command, answer.resource, answer.problem);
    return answer;
  }

  // Handles what waits, and what follows from that, until nothing waits. Timers do not fire.
  void Settle();
  // Moves the clock forward. A timer that comes due on the way fires at its time, and all that follows from it is
  // handled.
  void Advance(absl::Duration by);

  // Does one thing of all that could happen next. `choose(n)` returns a number below n.
  enum class Choice {
    // A waiting message is handled.
    kMessages,
    // Or a timer fires, whenever it is due: the clock moves there.
    kMessagesAndTimers,
  };
  // False where nothing can happen.
  bool Step(absl::FunctionRef<size_t(size_t)> choose, Choice choice);
  // As when a process dies in the middle of an effect, of which there must be one that waits: it is done, what comes of
  // it is lost, and it waits again. False where no effect waits.
  bool CutAnEffectShort(absl::FunctionRef<size_t(size_t)> choose);

  absl::Time now() const { return now_; }
  // All services' keys, in memory. Nothing is sealed by itself, since that is the gateway's work.
  seal::Keys& keys() { return *keys_; }

  // Null where the service has no such aggregate; valid until the next message is handled.
  template <typename State>
  const State* Find(std::string_view service, std::string_view key) const {
    return WorldOf(service).Find<State>(key);
  }
  template <typename State>
  std::vector<std::reference_wrapper<const State>> All(std::string_view service) const {
    return WorldOf(service).All<State>();
  }
  // Every event of that type that was ever put on its topic, oldest first.
  template <typename Event>
  std::vector<Event> Events() const {
    std::vector<Event> found;
    for (const auto& message : log_) {
      if (message->GetDescriptor() == Event::descriptor()) found.push_back(static_cast<const Event&>(*message));
    }
    return found;
  }
  // "<group>: <type> under <key>: <reason>" of every message that is dead.
  const std::vector<std::string>& dead() const { return dead_; }

 private:
  using Message = std::shared_ptr<const google::protobuf::Message>;
  struct Waiting {
    uint64_t number = 0;
    std::string event_id;
    std::string key;
    Message message;
    int32_t attempts = 0;
  };
  struct Consumer {
    std::string name;
    const runtime::Group* group = nullptr;
    FakeContext* world = nullptr;
    // By topic and key.
    std::map<std::pair<std::string, std::string>, std::deque<Waiting>> queues;
  };
  struct Service {
    std::unique_ptr<App> app;
    std::unique_ptr<FakeContext> world;
  };
  using Queue = std::pair<Consumer*, std::deque<Waiting>*>;
  struct DueTimer {
    Consumer* consumer = nullptr;
    std::string key;
    std::string name;
    absl::Time due;
  };

  const FakeContext& WorldOf(std::string_view service) const;
  void CallAny(const google::protobuf::Message& command, google::protobuf::Message& resource, errors::Problem& problem);
  void Publish(Message message);
  void PublishEventsOf(const FakeContext& world);
  std::vector<Queue> NonEmptyQueues();
  std::vector<DueTimer> Timers();
  runtime::Outcome HandleFirst(Consumer& consumer, std::deque<Waiting>& queue);
  runtime::Outcome RunEffect(const Waiting& waiting, const runtime::Handler& handler, std::vector<Message>& events);
  void Fire(const DueTimer& timer);
  void Finish(Consumer& consumer, std::deque<Waiting>& queue, const runtime::Outcome& outcome);

  std::shared_ptr<seal::Keys> keys_;
  std::map<std::string, Service, std::less<>> services_;
  std::deque<Consumer> consumers_;
  std::vector<Message> log_;
  std::vector<std::string> dead_;
  uint64_t sent_ = 0;
  absl::Time now_;
};

}  // namespace tradewind::testing
