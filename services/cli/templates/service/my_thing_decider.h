// What becomes of a MyThing by command: the pure answer to each. Its state is the MyThing that clients see.
#pragma once

#include "my_thing/v1/events.pb.h"
#include "my_thing/v1/my_thing.pb.h"

#include "tradewind/app/app.h"

namespace my_thing {

struct MyThingDecider {
  using State = v1::MyThing;
  using Commands = tradewind::Types<v1::CreateMyThingRequest>;
  using Events = tradewind::Types<v1::MyThingCreated>;

  // Checks again what the gateway has checked: commands may come by other ways. Rejects: MY_THING_EXISTS,
  // INVALID_FIELD.
  static tradewind::Outcome Decide(const v1::CreateMyThingRequest& command, tradewind::Loaded<State> my_thing,
                                   tradewind::Context& context);
};

}  // namespace my_thing
