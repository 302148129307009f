// Sealed values as the gateway makes them, for this folder's tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tradewind/seal/keys.h"

namespace tradewind::notification {

// Makes the subject's key where there is none. `keys` were started in memory.
inline std::string Sealed(seal::Keys& keys, std::string_view subject, std::string_view clear) {
  keys.Prepare(subject, absl::InfiniteFuture(), [](const absl::Status& made) { ASSERT_TRUE(made.ok()) << made; });
  return *keys.Seal(subject, clear);
}

}  // namespace tradewind::notification
