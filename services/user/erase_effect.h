// Destroys the key of a user who was deleted, so that what is sealed with it can be read by nobody any more. An effect:
// at least once, and as often as it takes.
#pragma once

#include <memory>

#include "tradewind/app/app.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::user {

// For App::OnEffect. Thread-safe.
class EraseEffect {
 public:
  explicit EraseEffect(std::shared_ptr<seal::Keys> keys) : keys_(std::move(keys)) {}

  // Blocks until the erasure is on the log of keys, at most until the deadline. An error is a Retry.
  Outcome operator()(const v1::UserDeleted& deleted, EffectContext& context) const;

 private:
  std::shared_ptr<seal::Keys> keys_;
};

}  // namespace tradewind::user
