#include "tradewind/runtime/worker_test_group.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/runtime/worker_harness.h"

namespace tradewind::runtime {

using order::v1::CancelOrderRequest;
using order::v1::CreateOrderRequest;
using order::v1::Order;
using order::v1::OrderCreated;

namespace {

void EmitCreated(const std::string& id, Context& context) {
  OrderCreated created;
  created.set_order_id(id);
  context.Emit(created);
}

Outcome Count(const google::protobuf::Message& message, Context& context) {
  const auto& command = static_cast<const CreateOrderRequest&>(message);
  const auto order = context.Load<Order>(command.id());
  order->set_id(command.id());
  order->set_state(order::v1::ORDER_STATE_CONFIRMED);
  order->set_revision(order->revision() + 1);
  EmitCreated(command.id(), context);
  context.Reply(*order);
  return Ack();
}

Outcome ChangeAndRefuse(const google::protobuf::Message& message, Context& context) {
  const auto& command = static_cast<const CancelOrderRequest&>(message);
  context.Load<Order>(command.id())->set_state(order::v1::ORDER_STATE_CANCELLED);
  EmitCreated(command.id(), context);
  return Reject({.code = absl::StatusCode::kFailedPrecondition, .reason = "NO", .message = "no"});
}

}  // namespace

Group CountingGroup() {
  Group group("order");
  group.AddCommand(
      {.run = Count, .prototype = &CreateOrderRequest::default_instance(), .own_states = {&Order::default_instance()}});
  group.AddCommand({.run = ChangeAndRefuse,
                    .prototype = &CancelOrderRequest::default_instance(),
                    .own_states = {&Order::default_instance()}});
  group.AddOutput(OrderCreated::descriptor());
  return group;
}

Group RecordingGroup(std::vector<std::string>& seen) {
  Group group("loyalty");
  group.AddOutput(OrderCreated::descriptor());
  group.Add({.run =
                 [&seen](const google::protobuf::Message& message, Context& context) {
                   const auto& event = static_cast<const user::v1::UserRegistered&>(message);
                   seen.push_back(event.display_name());
                   EmitCreated(event.user_id(), context);
                   return Ack();
                 },
             .prototype = &user::v1::UserRegistered::default_instance()});
  return group;
}

CreateOrderRequest Create(const std::string& id) {
  CreateOrderRequest command;
  command.set_id(id);
  command.set_user_id("u-1");
  return command;
}

std::string KeyBeside(const std::string& key) {
  for (int i = 2;; ++i) {
    std::string other = "o-" + std::to_string(i);
    if (bus::PartitionOf(other, kPartitions) != bus::PartitionOf(key, kPartitions)) return other;
  }
}

CancelOrderRequest Cancel(const std::string& id) {
  CancelOrderRequest command;
  command.set_id(id);
  return command;
}

user::v1::UserRegistered Registered(const std::string& user_id, const std::string& name) {
  user::v1::UserRegistered event;
  event.set_user_id(user_id);
  event.set_display_name(name);
  return event;
}

}  // namespace tradewind::runtime
