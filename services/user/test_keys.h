// What the gateway does to personal data before a command reaches the log, for tests. Its keys are in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tradewind/seal/keys.h"

namespace tradewind::user {

class TestKeys {
 public:
  TestKeys() { keys_->StartInMemory(); }

  std::string Sealed(const std::string& user_id, const std::string& clear) {
    keys_->Prepare(user_id, absl::InfiniteFuture(), [](const absl::Status& made) { EXPECT_TRUE(made.ok()) << made; });
    return keys_->Seal(user_id, clear).value();
  }
  std::string Opened(const std::string& text) const { return keys_->Open(text).value(); }
  std::string FingerprintOf(const std::string& text) const { return keys_->Fingerprint(text).value(); }
  const std::shared_ptr<seal::Keys>& shared() const { return keys_; }

 private:
  std::shared_ptr<seal::Keys> keys_ = std::make_shared<seal::Keys>();
};

}  // namespace tradewind::user
