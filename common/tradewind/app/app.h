// What a service author includes. An App is one service: handlers for commands and events, queries over gRPC, and
// everything around them (configuration, logging, metrics, topics, store, health, shutdown).
//
//   int main(int argc, char** argv) {
//     auto app = tradewind::App("loyalty", argc, argv);
//     app.On<order::v1::OrderConfirmed>([](const order::v1::OrderConfirmed& event, tradewind::Context& context) {
//       auto points = context.Load<loyalty::v1::Account>(event.user_id());
//       points->set_total(points->total() + event.total().units());
//       return tradewind::Ack();
//     });
//     return app.Run();
//   }
//
// Declare everything before Run; Run blocks until SIGTERM, SIGINT or SIGHUP and returns the exit code.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "tradewind/app/event_feed.h"
#include "tradewind/config/config.h"
#include "tradewind/runtime/context.h"
#include "tradewind/runtime/effect_context.h"
#include "tradewind/runtime/group.h"
#include "tradewind/runtime/outcome.h"
#include "tradewind/store/store.h"

namespace grpc {
class Service;
}

namespace tradewind::rpc {
class WorkPool;
}
namespace tradewind::seal {
class Keys;
}

namespace tradewind {

class CommandClient;

using runtime::Ack;
using runtime::Context;
using runtime::Dead;
using runtime::EffectContext;
using runtime::Loaded;
using runtime::Outcome;
using runtime::Reject;
using runtime::Retry;

// Settings of what an App was told to handle. Refers to the App; use it before Run.
//
//   app.On<PaymentFailed>(handler).Attempts(3).PassOverDead();
class Subscription {
 public:
  Subscription(runtime::Group& group, std::string type) : group_(group), type_(std::move(type)) {}

  // How often a message may fail before it is dead, at least 1; without it the setting runtime.max_attempts holds.
  Subscription& Attempts(int32_t most);
  // A message that is dead does not hold back its key: it is kept and announced, and the next one goes on.
  Subscription& PassOverDead();
  // Takes the events under another key, in the order of that key, through a topic of the group's own
  // ("<group>.rekeyed.v1"): for state that belongs to something else than what the event is about.
  //
  //   app.On<OrderConfirmed>(handler).KeyedBy(&OrderConfirmed::user_id);
  template <typename Event>
  Subscription& KeyedBy(const std::string& (Event::*field)() const) {
    group_.Rekey(Event::descriptor()->full_name(), [field](const google::protobuf::Message& event) {
      return (static_cast<const Event&>(event).*field)();
    });
    return *this;
  }
  // The handler loads the aggregate of this type under the message's own key, each time: it is then read together with
  // those of the whole batch.
  template <typename State>
  Subscription& Loads() {
    group_.FindToChange(type_)->own_states.push_back(&State::default_instance());
    return *this;
  }
  // For events that come from outside the mesh: one is taken once for each ce_source and ce_id within the setting
  // runtime.request_retention. Events of the mesh are recognised by their place in the chain and need none.
  Subscription& Inbox();

 protected:
  runtime::Group& group_;
  const std::string type_;
};

class EffectSubscription : public Subscription {
 public:
  using Subscription::Subscription;

  EffectSubscription& Attempts(int32_t most) {
    Subscription::Attempts(most);
    return *this;
  }
  EffectSubscription& PassOverDead() {
    Subscription::PassOverDead();
    return *this;
  }
  // How many run at once in each task, 16 without it; over all tasks the setting runtime.effect_threads holds.
  EffectSubscription& Concurrency(int32_t most);
  // How long an attempt may take, 30 seconds without it. See EffectContext::deadline.
  EffectSubscription& Timeout(absl::Duration timeout);
};

// A list of message types, for a decider to name what it takes and what it emits.
template <typename... Messages>
struct Types {};

class App {
 public:
  // `name` is the consumer group, the store's name and the default of everything else that needs one. Does not read
  // the command line yet: Run does.
  App(std::string name, int argc, char** argv);
  ~App();
  App(App&&) noexcept;

  // Default addresses (host:port) of the gRPC server and of /metrics; the settings grpc.address and metrics.address go
  // before. Without them, and without those settings, the service listens on neither.
  App& ListenOn(std::string grpc_address, std::string metrics_address);

  // Subscribes to an event type. `handler`: Outcome(const Event&, Context&); a thrown exception is a Retry.
  // `Emits` lists the event types it may emit.
  template <typename Event, typename... Emits, typename Function>
  Subscription On(Function handler) {
    group().Add(Wrap<Event>(std::move(handler), {}));
    (group().AddOutput(Emits::descriptor()), ...);
    return {group(), Event::descriptor()->full_name()};
  }

  // Handles what Context::SetTimer sends. `handler`: Outcome(const Message&, Context&).
  template <typename Message, typename... Emits, typename Function>
  Subscription OnTimer(Function handler) {
    group().AddTimer(Wrap<Message>(std::move(handler), {}));
    (group().AddOutput(Emits::descriptor()), ...);
    return {group(), Message::descriptor()->full_name()};
  }

  // Does something outside the mesh for each event: `handler`: Outcome(const Event&, EffectContext&), called on a
  // thread of its own, for many keys at once and for one key in order, at least once. Effects are a consumer group of
  // their own, "<name>.effects". `Emits` lists the event types that EffectContext::Emit may be given.
  //
  //   app.OnEffect<OrderConfirmed>([&](const OrderConfirmed& event, tradewind::EffectContext& context) {
  //     return mailer.Send(event, context.idempotency_key(), context.deadline()) ? Ack() : Retry({}, "no answer");
  //   }).Concurrency(64);
  template <typename Event, typename... Emits, typename Function>
  EffectSubscription OnEffect(Function handler) {
    effects().AddEffect(
        {.effect = [handler = std::move(handler)](
                       const google::protobuf::Message& message,
                       EffectContext& context) { return handler(static_cast<const Event&>(message), context); },
         .prototype = &Event::default_instance()});
    (effects().AddOutput(Emits::descriptor()), ...);
    return {effects(), Event::descriptor()->full_name()};
  }

  // An aggregate that answers commands. A Decider, which is copied, has
  //   using State = ...;                                     // loaded under the message's key
  //   using Commands = tradewind::Types<CreateOrderRequest, ...>;
  //   using Reactions = tradewind::Types<StockReserved, ...>;  // may be left out: events of others under its own key
  //   using Timers = tradewind::Types<Deadline, ...>;        // may be left out: what it sends itself by SetTimer
  //   using Companions = tradewind::Types<Note, ...>;        // may be left out: what else it loads under that key
  //   using Events = tradewind::Types<OrderCreated, ...>;    // what it may emit
  //   Outcome Decide(const Message&, Loaded<State> state, Context&) const;  // one overload each; pure
  // The topic of the first command is the lead topic.
  template <typename Decider>
  void Decide(const Decider& decider = Decider()) {
    std::vector<const google::protobuf::Message*> states = {&Decider::State::default_instance()};
    if constexpr (requires { typename Decider::Companions; }) {
      ForEach(typename Decider::Companions{},
              [&]<typename State>(std::type_identity<State>) { states.push_back(&State::default_instance()); });
    }
    const auto handler = [&]<typename Message>(std::type_identity<Message>) {
      return Wrap<Message>(
          [decider](const Message& message, Context& context) {
            return decider.Decide(message, context.Load<typename Decider::State>(context.key()), context);
          },
          states);
    };
    ForEach(typename Decider::Commands{}, [&](auto type) { group().AddCommand(handler(type)); });
    if constexpr (requires { typename Decider::Reactions; }) {
      ForEach(typename Decider::Reactions{}, [&](auto type) { group().Add(handler(type)); });
    }
    if constexpr (requires { typename Decider::Timers; }) {
      ForEach(typename Decider::Timers{}, [&](auto type) { group().AddTimer(handler(type)); });
    }
    ForEach(typename Decider::Events{},
            [&]<typename Event>(std::type_identity<Event>) { group().AddOutput(Event::descriptor()); });
  }

  // Lists aggregates of type State by more than their key. `indexer` is pure: same state, same entries.
  template <typename State>
  void Index(std::function<std::vector<store::IndexEntry>(const State&)> indexer) {
    group().AddIndex(State::descriptor()->full_name(),
                     [indexer = std::move(indexer)](const google::protobuf::Message& state) {
                       return indexer(static_cast<const State&>(state));
                     });
  }

  // Adds fields of the service's own to its configuration.
  void Configure(std::function<void(config::Schema&)> describe);

  // Opens what is sealed (SENSITIVE_SEAL), for queries and effects; deciders leave it sealed. Asking for it makes the
  // setting seal.key_file one that has to be given. Started by Run before anything is handled or served.
  std::shared_ptr<seal::Keys> Keys();
  // Has Keys answer with these, which were started already; for testing::InMemoryMesh.
  void ShareKeys(std::shared_ptr<seal::Keys> keys);

  // What a gRPC service is built from, once the store is open and before calls are taken.
  struct Ports {
    store::Reader& reader;
    // Answers what has to wait for the store, by rpc::AnswerOn: gRPC's own threads must not.
    rpc::WorkPool& pool;
    // Follows one of the service's own event topics, for watch streams.
    std::function<EventFeed&(std::string_view topic)> feed;
    // Sends commands of the service's own topics, for direct methods. Opened when it is first asked for, which waits
    // for Kafka; ask while the service is made.
    std::function<CommandClient&()> commands;
    // Asks for a call at the start of the shutdown, before the gRPC server waits for its open calls: the place to end
    // streams that would not end by themselves. The feeds outlive the gRPC server, and that outlives its streams.
    std::function<void(std::function<void()> callback)> on_drain;
  };
  using MakeService = std::function<std::unique_ptr<grpc::Service>(const Ports&)>;
  // Serves the queries of a generated service: `app.Serve<v1::OrderService>(make)`. `make` is called once during Run.
  template <typename Service>
  void Serve(MakeService make) {
    Serve(Service::service_full_name(), std::move(make));
  }

  int Run();

  // What was declared, for testing::InMemoryMesh: the handlers, and the effects, which are a group of their own.
  const runtime::Group& handlers() const;
  const runtime::Group& effect_handlers() const;

 private:
  template <typename... Messages, typename Function>
  static void ForEach(Types<Messages...>, const Function& function) {
    (function(std::type_identity<Messages>{}), ...);
  }
  template <typename Message, typename Function>
  static runtime::Handler Wrap(Function handler, const std::vector<const google::protobuf::Message*>& own_states) {
    return {.run = [handler = std::move(handler)](
                       const google::protobuf::Message& message,
                       Context& context) { return handler(static_cast<const Message&>(message), context); },
            .prototype = &Message::default_instance(),
            .own_states = own_states};
  }

  void Serve(std::string full_name, MakeService make);
  runtime::Group& group();
  runtime::Group& effects();

  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tradewind
