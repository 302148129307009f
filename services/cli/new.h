// `tradewind new subscriber NAME --on TYPE` and `tradewind new service NAME`: make a folder that builds, with a passing
// test, settings, a Compose entry and a README, so that a person begins with something that works.
#pragma once

#include <string>

#include "services/cli/session.h"

namespace tradewind::cli {

struct NewOptions {
  enum class Kind { kSubscriber, kService };
  Kind kind = Kind::kSubscriber;
  std::string name;
  // Of a subscriber: the event type, in full or without what all of them begin with.
  std::string on;
  // Where the folder NAME is made. `services` of Tradewind's own tree makes it a part of that.
  std::string into = ".";
};

// Writes the folder, says what to type next and returns the exit code. Never touches a folder that is there.
int RunNew(const NewOptions& options, const Session& session);

}  // namespace tradewind::cli
