#include "my_thing_decider.h"

#include "google/protobuf/util/time_util.h"

namespace my_thing {

tradewind::Outcome MyThingDecider::Decide(const v1::CreateMyThingRequest& command, tradewind::Loaded<State> my_thing,
                                          tradewind::Context& context) {
  if (my_thing.exists()) {
    return tradewind::Reject({.code = absl::StatusCode::kAlreadyExists,
                              .reason = "MY_THING_EXISTS",
                              .message = "there is a MyThing with the id '" + command.id() + "' already"});
  }
  if (command.title().empty()) {
    return tradewind::Reject(tradewind::errors::InvalidFields({{"title", "is required"}}));
  }
  my_thing->set_id(command.id());
  my_thing->set_title(command.title());
  *my_thing->mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(context.now()));

  v1::MyThingCreated created;
  created.set_my_thing_id(my_thing->id());
  created.set_title(my_thing->title());
  *created.mutable_create_time() = my_thing->create_time();
  context.Emit(created);
  context.Reply(*my_thing);
  return tradewind::Ack();
}

}  // namespace my_thing
