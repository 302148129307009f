#include "tradewind/auth/password.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>

#include "tradewind/ids/ids.h"

namespace tradewind::auth {
namespace {

constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

template <size_t Size>
std::string Base64(const std::array<unsigned char, Size>& bytes) {
  std::array<char, sodium_base64_ENCODED_LEN(Size, kVariant)> text;
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kVariant);
  return text.data();
}

}  // namespace

absl::StatusOr<std::string> HashPassword(const HashCost& cost, std::string_view password, std::string_view method,
                                         std::string_view field, std::string_view request_id) {
  std::array<unsigned char, crypto_pwhash_SALTBYTES> salt;
  if (request_id.empty()) {
    randombytes_buf(salt.data(), salt.size());
  } else {
    ids::HashParts({"tradewind.salt", method, field, request_id}, salt.data(), salt.size());
  }
  // The length that crypto_pwhash_str uses.
  std::array<unsigned char, 32> hash;
  if (crypto_pwhash(hash.data(), hash.size(), password.data(), password.size(), salt.data(),
                    static_cast<unsigned long long>(cost.passes), static_cast<size_t>(cost.memory_bytes),
                    crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return absl::ResourceExhaustedError(fmt::format(
        "no memory for a hash of {} bytes; lower the setting hash_memory or give the process more", cost.memory_bytes));
  }
  return fmt::format("$argon2id$v=19$m={},t={},p=1${}${}", cost.memory_bytes / 1024, cost.passes, Base64(salt),
                     Base64(hash));
}

bool VerifyPassword(const std::string& hash, std::string_view password) {
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

HasherPool::HasherPool(int threads, size_t queue_limit) : queue_limit_(queue_limit) {
  threads_.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

HasherPool::~HasherPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

bool HasherPool::Submit(Job& job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= queue_limit_) {
      return false;
    }
    queue_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void HasherPool::Run() {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) {
        return;
      }
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(job)();
  }
}

}  // namespace tradewind::auth
