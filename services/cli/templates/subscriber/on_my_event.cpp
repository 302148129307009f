#include "on_my_event.h"

#include <google/protobuf/wrappers.pb.h>

#include <iostream>

namespace my_thing {

tradewind::Outcome OnMyEvent(const my_namespace::MyEvent& event, tradewind::Context& context) {
  // The state of a key is any protobuf message. Where there is none yet, it is an empty one.
  auto count = context.Load<google::protobuf::Int64Value>(event.my_key());
  count->set_value(count->value() + 1);
  std::cout << "my_thing: MyEvent " << count->value() << " of " << event.my_key() << std::endl;
  // tradewind::Retry(after, reason) has it handled again later; tradewind::Dead(reason) keeps it for a person.
  return tradewind::Ack();
}

}  // namespace my_thing
