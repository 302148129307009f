// Groups and messages that the worker's tests share.
#pragma once

#include <string>
#include <vector>

#include "google/protobuf/message.h"

#include "tradewind/order/v1/order.pb.h"
#include "tradewind/runtime/group.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::runtime {

// Group "order": CreateOrder raises the order's revision, emits OrderCreated and answers with the order; CancelOrder
// changes the order, emits, and then refuses.
Group CountingGroup();

// Group "loyalty": writes down the names of registered users in `seen` (on the worker's thread) and emits an event
// each.
Group RecordingGroup(std::vector<std::string>& seen);

order::v1::CreateOrderRequest Create(const std::string& id);
// A key that lies in another partition than `key`.
std::string KeyBeside(const std::string& key);
order::v1::CancelOrderRequest Cancel(const std::string& id);
user::v1::UserRegistered Registered(const std::string& user_id, const std::string& name);

}  // namespace tradewind::runtime
