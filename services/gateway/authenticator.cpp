#include "services/gateway/authenticator.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

#include "services/gateway/logger.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"
#include "tradewind/rpc/channel.h"

namespace tradewind::gateway {
namespace {

constexpr std::string_view kScheme = "Bearer ";
// Then all are forgotten, and verified again when they come.
constexpr size_t kMaxVerified = 10'000;
// Then all are forgotten, and asked for again when they come.
constexpr size_t kMaxUnknown = 1'000;

errors::Problem Invalid(std::string_view why) {
  return {.code = absl::StatusCode::kUnauthenticated,
          .reason = "TOKEN_INVALID",
          .message = fmt::format("{}; send 'authorization: Bearer <access_token>' as LogIn gave it, or nothing", why)};
}

errors::Problem KeysUnavailable() {
  return {.code = absl::StatusCode::kUnavailable,
          .reason = "KEYS_UNAVAILABLE",
          .message = "the token cannot be verified now: its key cannot be had from its owner; try again"};
}

std::chrono::steady_clock::duration ToSteady(absl::Duration duration) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(absl::ToChronoNanoseconds(duration));
}

}  // namespace

class Authenticator::Keys {
 public:
  explicit Keys(const std::string& address) : stub_(mesh::v1::KeyService::NewStub(rpc::MakeChannel(address))) {}

  grpc::Status List(absl::Duration timeout, mesh::v1::ListVerificationKeysResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
    return stub_->ListVerificationKeys(&context, {}, response);
  }

 private:
  const std::unique_ptr<mesh::v1::KeyService::Stub> stub_;
};

Authenticator::Authenticator(const std::string& keys_address, const Options& options)
    : options_(options), service_(keys_address.empty() ? nullptr : std::make_unique<Keys>(keys_address)) {
  next_refresh_ = next_allowed_ = std::chrono::steady_clock::now();
  if (service_ != nullptr) thread_ = std::thread([this] { Run(); });
}

Authenticator::~Authenticator() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Waiting& one : waiting_) std::move(one.done)({.problem = KeysUnavailable()});
}

std::optional<Identity> Authenticator::Identify(std::string_view authorization, absl::Time now) {
  std::string key_id;
  return Verify(authorization, now, key_id);
}

std::optional<Identity> Authenticator::Verify(std::string_view authorization, absl::Time now, std::string& key_id) {
  if (authorization.empty()) return Identity();
  if (service_ == nullptr) return Identity{.problem = Invalid("this gateway verifies no tokens")};
  if (authorization.substr(0, kScheme.size()) != kScheme) {
    return Identity{.problem = Invalid("the authorization is no bearer token")};
  }
  const std::string_view token = authorization.substr(kScheme.size());
  if (const auto known = FindVerified(token, now)) return Identity{.id = known->subject};

  const auto claims = auth::VerifyToken(
      token,
      [&](std::string_view id) {
        key_id = std::string(id);
        return FindKey(id);
      },
      now);
  if (absl::IsNotFound(claims.status()) && !IsUnknown(key_id)) return std::nullopt;
  if (!claims.ok()) return Identity{.problem = Invalid(std::string(claims.status().message()))};
  Remember(token, *claims);
  return Identity{.id = claims->subject};
}

void Authenticator::Await(std::string authorization, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && waiting_.size() < options_.max_waiting) {
      waiting_.push_back({.authorization = std::move(authorization), .done = std::move(done)});
      changed_.notify_all();
      return;
    }
  }
  std::move(done)({.problem = KeysUnavailable()});
}

void Authenticator::Run() {
  while (auto waiting = NextFetch()) {
    const absl::Status fetched = FetchKeys();
    for (Waiting& one : *waiting) {
      std::move(one.done)(fetched.ok() ? Conclude(one.authorization) : Identity{.problem = KeysUnavailable()});
    }
  }
}

std::optional<std::vector<Authenticator::Waiting>> Authenticator::NextFetch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const SteadyTime due = waiting_.empty() ? next_refresh_ : next_allowed_;
    if (std::chrono::steady_clock::now() >= due) return std::exchange(waiting_, {});
    changed_.wait_until(lock, due);
  }
  return std::nullopt;
}

absl::Status Authenticator::FetchKeys() {
  mesh::v1::ListVerificationKeysResponse response;
  const grpc::Status status = service_->List(options_.timeout, &response);
  const SteadyTime now = std::chrono::steady_clock::now();
  next_allowed_ = now + ToSteady(options_.pause);
  next_refresh_ = status.ok() ? now + ToSteady(options_.refresh) : next_allowed_;
  if (!status.ok()) {
    if (!std::exchange(failing_, true)) {
      kLog.Warn("cannot have the keys of tokens, trying again", {{"error", status.error_message()}});
    }
    return absl::UnavailableError(status.error_message());
  }
  if (std::exchange(failing_, false)) kLog.Info("has the keys of tokens", {{"keys", response.keys_size()}});
  std::map<std::string, std::string, std::less<>> keys;
  for (const auto& key : response.keys()) keys[key.id()] = key.public_pem();
  const std::lock_guard lock(mutex_);
  if (keys == keys_) return absl::OkStatus();
  keys_ = std::move(keys);
  // By keys that may be gone, and of keys that may have come.
  verified_.clear();
  unknown_.clear();
  return absl::OkStatus();
}

Identity Authenticator::Conclude(const std::string& authorization) {
  std::string key_id;
  if (auto identity = Verify(authorization, absl::Now(), key_id)) return *std::move(identity);
  {
    const std::lock_guard lock(mutex_);
    if (unknown_.size() >= kMaxUnknown) unknown_.clear();
    unknown_[key_id] = std::chrono::steady_clock::now() + ToSteady(options_.unknown_for);
  }
  return {.problem = Invalid("the token is signed by a key that is not known")};
}

bool Authenticator::IsUnknown(const std::string& key_id) {
  const std::lock_guard lock(mutex_);
  const auto found = unknown_.find(key_id);
  return found != unknown_.end() && std::chrono::steady_clock::now() < found->second;
}

std::optional<std::string> Authenticator::FindKey(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

std::optional<auth::Claims> Authenticator::FindVerified(std::string_view token, absl::Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = verified_.find(std::string(token));
  if (found == verified_.end() || now >= found->second.expires) return std::nullopt;
  return found->second;
}

void Authenticator::Remember(std::string_view token, const auth::Claims& claims) {
  const std::lock_guard lock(mutex_);
  if (verified_.size() >= kMaxVerified) verified_.clear();
  verified_[std::string(token)] = claims;
}

}  // namespace tradewind::gateway
