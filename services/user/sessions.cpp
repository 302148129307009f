#include "services/user/sessions.h"

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <utility>

#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"

#include "services/user/session_decider.h"
#include "tradewind/app/read_aggregate.h"
#include "tradewind/app/timestamp.h"
#include "tradewind/errors/problem.h"
#include "tradewind/ids/ids.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/user/v1/sessions.pb.h"

namespace tradewind::user {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
constexpr size_t kSecretBytes = 32;
// Passwords of one account that may wait to be verified.
constexpr size_t kMaxWaitingOfAccount = 8;

grpc::Status WrongCredentials() {
  return rpc::ToGrpcStatus(errors::Problem{.code = absl::StatusCode::kUnauthenticated,
                                           .reason = "WRONG_CREDENTIALS",
                                           .message = "there is no account with this address and password"});
}

grpc::Status SessionEnded() {
  return rpc::ToGrpcStatus(errors::Problem{.code = absl::StatusCode::kUnauthenticated,
                                           .reason = "SESSION_ENDED",
                                           .message = "the session has ended; log in again"});
}

std::string NewSecret() {
  std::array<unsigned char, kSecretBytes> bytes;
  randombytes_buf(bytes.data(), bytes.size());
  std::array<char, sodium_base64_ENCODED_LEN(kSecretBytes, kVariant)> text;
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kVariant);
  return text.data();
}

// The secret is random: a fast hash is enough.
std::string HashOf(std::string_view secret) {
  std::string hash(crypto_generichash_BYTES, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), hash.size(),
                     reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), nullptr, 0);
  return hash;
}

auth::HashCost CostOf(const UserSettings& settings) {
  return {.memory_bytes = settings.hash_memory.bytes, .passes = settings.hash_passes};
}

rpc::Turn PasswordTurn(std::string account) {
  return {.subject = std::move(account),
          .busy_reason = "TOO_MANY_LOGINS",
          .busy_message = "too many passwords wait to be verified; try again"};
}

}  // namespace

Sessions::Sessions(store::Reader& reader, rpc::WorkPool& queries, CommandClient& commands,
                   std::shared_ptr<const seal::Keys> keys, const UserSettings& settings)
    : reader_(reader),
      queries_(queries),
      commands_(commands),
      keys_(std::move(keys)),
      settings_(settings),
      nobodys_hash_(auth::HashOfNobody(CostOf(settings))),
      passwords_({.name = "passwords",
                  .threads = settings.hash_threads,
                  .max_waiting = static_cast<size_t>(settings.hash_queue),
                  .max_waiting_about_subject = kMaxWaitingOfAccount}) {}

rpc::Turn Sessions::TurnOf(const v1::LogInRequest& request) const {
  const auto fingerprint = keys_->Fingerprint(request.email());
  return PasswordTurn(fingerprint.ok() ? *fingerprint : "");
}

rpc::Turn Sessions::TurnOf(const v1::ChangePasswordRequest& request) const { return PasswordTurn(request.id()); }

absl::StatusOr<std::optional<internal::v1::UserRecord>> Sessions::FindUserByEmail(const std::string& email) const {
  const auto fingerprint = keys_->Fingerprint(email);
  if (!fingerprint.ok()) return fingerprint.status();
  const auto claim = ReadAggregate<internal::v1::EmailClaim>(reader_, *fingerprint);
  if (!claim.ok()) return claim.status();
  if (!claim->has_value()) return std::optional<internal::v1::UserRecord>();
  return ReadAggregate<internal::v1::UserRecord>(reader_, (*claim)->user_id());
}

grpc::Status Sessions::Verify(const absl::StatusOr<std::optional<internal::v1::UserRecord>>& user,
                              const std::string& password) const {
  if (!user.ok()) return rpc::FromStoreError(user.status());
  const bool exists = user->has_value();
  // Also where there is no account, so that the answer takes as long as for one.
  const bool right = auth::VerifyPassword(exists ? (*user)->password_hash() : nobodys_hash_, password);
  return exists && right ? grpc::Status::OK : WrongCredentials();
}

void Sessions::LogIn(const v1::LogInRequest& request, v1::Session* response, Done done) {
  const auto user = FindUserByEmail(request.email());
  if (grpc::Status verified = Verify(user, request.password()); !verified.ok()) {
    std::move(done)(std::move(verified));
    return;
  }
  StartSession(**user, response, std::move(done));
}

void Sessions::StartSession(const internal::v1::UserRecord& user, v1::Session* response, Done done) {
  const absl::Time expires = absl::Now() + settings_.refresh_lifetime;
  const std::string secret = NewSecret();
  v1::StartSessionRequest command;
  command.set_id(std::string(ids::NewUuid(absl::Now()).view()));
  command.set_user_id(user.user().id());
  command.set_secret_hash(HashOf(secret));
  command.set_password_changes(user.password_changes());
  *command.mutable_expire_time() = ToTimestamp(expires);
  response->set_refresh_token(command.id() + "." + secret);
  *response->mutable_refresh_expire_time() = command.expire_time();

  commands_.Call(command, {.caller = "", .method = "LogIn", .request_id = "", .traceparent = ""},
                 [this, response, user_id = user.user().id(), done = std::move(done)](CommandOutcome outcome) mutable {
                   if (!outcome.ok()) {
                     std::move(done)(rpc::ToGrpcStatus(outcome.error));
                     return;
                   }
                   WithKey([this, response, user_id, done = std::move(done)](const auth::SigningKey* key) mutable {
                     std::move(done)(Sign(key, user_id, response));
                   });
                 });
}

std::optional<Sessions::RefreshToken> Sessions::ParseToken(const std::string& text) {
  const size_t dot = text.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == text.size()) return std::nullopt;
  return RefreshToken{.session_id = text.substr(0, dot), .secret = text.substr(dot + 1)};
}

absl::StatusOr<std::optional<internal::v1::SessionRecord>> Sessions::FindSession(const RefreshToken& token) const {
  auto session = ReadAggregate<internal::v1::SessionRecord>(reader_, token.session_id);
  if (!session.ok() || !session->has_value()) return session;
  const std::string hash = HashOf(token.secret);
  const std::string& stored = (*session)->secret_hash();
  if (stored.size() != hash.size() || sodium_memcmp(stored.data(), hash.data(), hash.size()) != 0) session->reset();
  return session;
}

void Sessions::RefreshSession(const v1::RefreshSessionRequest& request, v1::Session* response, Done done) {
  const auto token = ParseToken(request.refresh_token());
  if (!token.has_value()) {
    std::move(done)(SessionEnded());
    return;
  }
  const auto found = FindSession(*token);
  const std::optional<internal::v1::SessionRecord> session = found.ok() ? *found : std::nullopt;
  const auto user = session.has_value() ? ReadAggregate<internal::v1::UserRecord>(reader_, session->user_id())
                                        : absl::StatusOr<std::optional<internal::v1::UserRecord>>(std::nullopt);
  if (!found.ok() || !user.ok()) {
    std::move(done)(rpc::FromStoreError(found.ok() ? user.status() : found.status()));
    return;
  }
  if (!user->has_value() || (*user)->password_changes() != session->password_changes() ||
      TimeUtil::TimestampToMicroseconds(session->expire_time()) <= absl::ToUnixMicros(absl::Now())) {
    std::move(done)(SessionEnded());
    return;
  }
  *response->mutable_refresh_expire_time() = session->expire_time();
  WithKey([this, response, user_id = session->user_id(), done = std::move(done)](const auth::SigningKey* key) mutable {
    std::move(done)(Sign(key, user_id, response));
  });
}

void Sessions::LogOut(const v1::LogOutRequest& request, v1::LogOutResponse* /*response*/, Done done) {
  const auto token = ParseToken(request.refresh_token());
  const auto session = token.has_value() ? FindSession(*token)
                                         : absl::StatusOr<std::optional<internal::v1::SessionRecord>>(std::nullopt);
  if (!session.ok() || !session->has_value()) {
    // Where there is none, the token is good for nothing already.
    std::move(done)(session.ok() ? grpc::Status::OK : rpc::FromStoreError(session.status()));
    return;
  }
  v1::EndSessionRequest command;
  command.set_id(token->session_id);
  commands_.Call(command, {.caller = "", .method = "LogOut", .request_id = "", .traceparent = ""},
                 [done = std::move(done)](CommandOutcome outcome) mutable {
                   std::move(done)(outcome.ok() ? grpc::Status::OK : rpc::ToGrpcStatus(outcome.error));
                 });
}

void Sessions::ChangePassword(const v1::ChangePasswordRequest& request, v1::User* response, Done done) {
  const auto user = ReadAggregate<internal::v1::UserRecord>(reader_, request.id());
  if (grpc::Status verified = Verify(user, request.old_password()); !verified.ok()) {
    std::move(done)(std::move(verified));
    return;
  }
  const auto hash = auth::HashPassword(CostOf(settings_), request.new_password(), "ChangePassword", "new_password", "");
  if (!hash.ok()) {
    std::move(done)(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, std::string(hash.status().message())));
    return;
  }
  v1::SetPasswordRequest command;
  command.set_id(request.id());
  command.set_password_hash(*hash);
  command.set_password_changes((*user)->password_changes());
  commands_.Call(command, {.caller = "", .method = "ChangePassword", .request_id = "", .traceparent = ""},
                 [this, response, done = std::move(done)](CommandOutcome outcome) mutable {
                   const bool read = outcome.ok() && response->ParseFromString(outcome.resource);
                   // The key is long there, and this thread, which brings all outcomes, must not wait for one.
                   std::move(done)(read ? rpc::FromKeysError(keys_->OpenFields(*response, absl::ZeroDuration()))
                                        : rpc::ToGrpcStatus(outcome.error));
                 });
}

bool Sessions::ListKnownKeys(mesh::v1::ListVerificationKeysResponse* response) const {
  const auth::SigningKey* key = KnownKey();
  if (key == nullptr) return false;
  auto& listed = *response->add_keys();
  listed.set_id(key->id);
  listed.set_public_pem(key->public_pem);
  return true;
}

grpc::Status Sessions::ListVerificationKeys(mesh::v1::ListVerificationKeysResponse* response) {
  if (const auto read = ReadKey(); !read.ok()) return rpc::FromStoreError(read.status());
  ListKnownKeys(response);
  return grpc::Status::OK;
}

const auth::SigningKey* Sessions::KnownKey() const {
  absl::MutexLock lock(&mutex_);
  return key_.get();
}

absl::StatusOr<const auth::SigningKey*> Sessions::ReadKey() {
  if (const auth::SigningKey* known = KnownKey(); known != nullptr) return known;
  // Without the lock, which gRPC's threads take. Whoever reads it too reads the same.
  const auto stored = ReadAggregate<internal::v1::SigningKeyRecord>(reader_, kSigningKey);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return nullptr;
  absl::MutexLock lock(&mutex_);
  if (key_ == nullptr) {
    key_ = std::make_unique<auth::SigningKey>(auth::SigningKey{
        .id = (*stored)->id(), .private_pem = (*stored)->private_pem(), .public_pem = (*stored)->public_pem()});
  }
  return key_.get();
}

void Sessions::WithKey(UseKey use) {
  if (const auth::SigningKey* known = KnownKey(); known != nullptr) {
    std::move(use)(known);
    return;
  }
  const auto shared = std::make_shared<UseKey>(std::move(use));
  const auto ticket = queries_.Submit({.run =
                                           [this, shared] {
                                             const auto stored = ReadKey();
                                             if (stored.ok() && *stored == nullptr) {
                                               MakeKey(std::move(*shared));
                                             } else {
                                               std::move (*shared)(stored.value_or(nullptr));
                                             }
                                           },
                                       .client = "keys"});
  if (!ticket.ok()) std::move (*shared)(nullptr);
}

void Sessions::MakeKey(UseKey use) {
  const auto shared = std::make_shared<UseKey>(std::move(use));
  v1::MakeSigningKeyRequest command;
  command.set_id(std::string(kSigningKey));
  commands_.Call(command, {.caller = "", .method = "MakeSigningKey", .request_id = "", .traceparent = ""},
                 [this, shared](const CommandOutcome& outcome) {
                   // This thread brings all outcomes and must not wait for the store.
                   const auto read = [this, shared] { std::move (*shared)(ReadKey().value_or(nullptr)); };
                   if (!outcome.ok() || !queries_.Submit({.run = read, .client = "keys"}).ok()) {
                     std::move (*shared)(nullptr);
                   }
                 });
}

grpc::Status Sessions::Sign(const auth::SigningKey* key, const std::string& user_id, v1::Session* response) const {
  if (key == nullptr) {
    return rpc::ToGrpcStatus(errors::Problem{.code = absl::StatusCode::kUnavailable,
                                             .reason = "SIGNING_KEY_UNAVAILABLE",
                                             .message = "there is no key to sign a token with; try again"});
  }
  const absl::Time now = absl::Now();
  const absl::Time expires = now + settings_.access_lifetime;
  auto token = auth::SignToken(*key, {.subject = user_id, .issued = now, .expires = expires});
  if (!token.ok()) return {grpc::StatusCode::INTERNAL, std::string(token.status().message())};
  response->set_user_id(user_id);
  response->set_access_token(*std::move(token));
  *response->mutable_access_expire_time() = ToTimestamp(expires);
  return grpc::Status::OK;
}

}  // namespace tradewind::user
