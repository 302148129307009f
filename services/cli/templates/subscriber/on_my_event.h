// What my_thing does when a MyEvent comes.
#pragma once

#include "tradewind/app/app.h"
#include "tradewind/my_header"

namespace my_thing {

// Counts the events of each key. What it changes in the store takes effect exactly once for each event; a line that it
// prints may come again after a crash.
tradewind::Outcome OnMyEvent(const my_namespace::MyEvent& event, tradewind::Context& context);

}  // namespace my_thing
