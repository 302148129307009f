#include "services/gateway/authenticator.h"

#include <fmt/format.h>

#include <chrono>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

#include "services/gateway/logger.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"
#include "tradewind/rpc/channel.h"

namespace tradewind::gateway {
namespace {

constexpr std::string_view kScheme = "Bearer ";
constexpr absl::Duration kFetchTimeout = absl::Seconds(1);
constexpr absl::Duration kFetchPause = absl::Seconds(1);
// Then all are forgotten, and verified again when they come.
constexpr size_t kMostVerified = 10'000;

errors::Problem Invalid(std::string_view why) {
  return {.code = absl::StatusCode::kUnauthenticated,
          .reason = "TOKEN_INVALID",
          .message = fmt::format("{}; send 'authorization: Bearer <access_token>' as LogIn gave it, or nothing", why)};
}

}  // namespace

class Authenticator::Keys {
 public:
  explicit Keys(const std::string& address) : stub_(mesh::v1::KeyService::NewStub(rpc::MakeChannel(address))) {}

  grpc::Status List(mesh::v1::ListVerificationKeysResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kFetchTimeout));
    return stub_->ListVerificationKeys(&context, {}, response);
  }

 private:
  const std::unique_ptr<mesh::v1::KeyService::Stub> stub_;
};

Authenticator::Authenticator(const std::string& keys_address)
    : service_(keys_address.empty() ? nullptr : std::make_unique<Keys>(keys_address)) {}
Authenticator::~Authenticator() = default;

Authenticator::Caller Authenticator::Identify(std::string_view authorization, absl::Time now) {
  if (authorization.empty()) return {};
  if (service_ == nullptr) return {.problem = Invalid("this gateway verifies no tokens")};
  if (authorization.substr(0, kScheme.size()) != kScheme) {
    return {.problem = Invalid("the authorization is no bearer token")};
  }
  const std::string_view token = authorization.substr(kScheme.size());
  if (const auto known = FindVerified(token, now)) return {.id = known->subject};

  const auto find = [this](std::string_view id) { return FindKey(id); };
  auto claims = auth::VerifyToken(token, find, now);
  if (absl::IsNotFound(claims.status())) {
    if (const absl::Status fetched = FetchKeys(now); !fetched.ok()) {
      return {.problem = errors::Problem{.code = absl::StatusCode::kUnavailable,
                                         .reason = "KEYS_UNAVAILABLE",
                                         .message = fmt::format("the token cannot be verified now ({}); try again",
                                                                std::string(fetched.message()))}};
    }
    claims = auth::VerifyToken(token, find, now);
  }
  if (!claims.ok()) return {.problem = Invalid(std::string(claims.status().message()))};
  Remember(token, *claims);
  return {.id = claims->subject};
}

std::optional<std::string> Authenticator::FindKey(std::string_view id) {
  absl::MutexLock lock(&mutex_);
  const auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

std::optional<auth::Claims> Authenticator::FindVerified(std::string_view token, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const auto found = verified_.find(std::string(token));
  if (found == verified_.end() || now >= found->second.expires) return std::nullopt;
  return found->second;
}

void Authenticator::Remember(std::string_view token, const auth::Claims& claims) {
  absl::MutexLock lock(&mutex_);
  if (verified_.size() >= kMostVerified) verified_.clear();
  verified_[std::string(token)] = claims;
}

absl::Status Authenticator::FetchKeys(absl::Time now) {
  absl::MutexLock fetching(&fetch_mutex_);
  // What was fetched just now answers for this one too.
  if (now < fetched_ + kFetchPause) return absl::OkStatus();
  mesh::v1::ListVerificationKeysResponse response;
  if (const grpc::Status status = service_->List(&response); !status.ok()) {
    kLog.Warn("cannot have the keys of tokens", {{"error", status.error_message()}});
    return absl::UnavailableError(status.error_message());
  }
  fetched_ = now;
  absl::MutexLock lock(&mutex_);
  for (const auto& key : response.keys()) keys_[key.id()] = key.public_pem();
  return absl::OkStatus();
}

}  // namespace tradewind::gateway
