// Opening sealed values while others work with the same keys.
#include <gtest/gtest.h>
#include <sodium.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>

#include "common/tradewind/seal/sealed_test.pb.h"

#include "tradewind/seal/keys.h"

namespace {

// Holds one decryption in the middle of its work.
class Hold {
 public:
  // The next one.
  void Begin() {
    Change([this] { begun_ = true; });
  }
  void End() {
    Change([this] { begun_ = held_ = false; });
  }
  // Blocks until it is held; false after ten seconds.
  bool WaitForIt() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return held_; });
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    if (!begun_ || held_) return;
    held_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
  }

 private:
  template <typename F>
  void Change(F change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  bool held_ = false;
};
Hold hold;

}  // namespace

// Stands in the place of the function of libsodium in this program, and does what that does (crypto_aead.rst).
extern "C" int crypto_aead_xchacha20poly1305_ietf_decrypt(unsigned char* clear, unsigned long long* clear_size,
                                                          unsigned char* secret_nonce, const unsigned char* sealed,
                                                          unsigned long long sealed_size, const unsigned char* data,
                                                          unsigned long long data_size, const unsigned char* nonce,
                                                          const unsigned char* key) {
  hold.Pass();
  const unsigned long long size = sealed_size - crypto_aead_xchacha20poly1305_ietf_ABYTES;
  if (clear_size != nullptr) *clear_size = size;
  return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(clear, secret_nonce, sealed, size, sealed + size, data,
                                                             data_size, nonce, key);
}

namespace tradewind::seal {
namespace {

std::string Sealed(Keys& keys, const std::string& subject, const std::string& clear) {
  absl::Status prepared = absl::UnknownError("not called");
  keys.Prepare(subject, absl::InfiniteFuture(), [&](absl::Status status) { prepared = std::move(status); });
  EXPECT_TRUE(prepared.ok()) << prepared;
  return keys.Seal(subject, clear).value_or("");
}

// Who asks for much that is sealed would else stop every registration.
TEST(Opening, HoldsNobodyUp) {
  Keys keys;
  keys.StartInMemory();
  test::v1::Card card;
  card.set_id("ann");
  card.set_name(Sealed(keys, "ann", "Ann"));
  const std::string bob = Sealed(keys, "bob", "Bob");
  hold.Begin();
  std::future<absl::Status> opening = std::async(std::launch::async, [&] { return keys.OpenFields(card); });
  EXPECT_TRUE(hold.WaitForIt());
  std::future<void> others = std::async(std::launch::async, [&] {
    EXPECT_NE(Sealed(keys, "carl", "Carl"), "");
    EXPECT_EQ(keys.Open(bob).value_or(""), "Bob");
    EXPECT_TRUE(keys.Erase("dan", absl::InfiniteFuture()).ok());
  });
  EXPECT_EQ(others.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(opening.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  hold.End();
  EXPECT_TRUE(opening.get().ok());
  EXPECT_EQ(card.name(), "Ann");
}

}  // namespace
}  // namespace tradewind::seal
