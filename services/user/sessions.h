// The direct methods of the user service: verifies passwords and tokens, passwords on threads of their own, so that
// logins cannot starve anything else; what has to change is changed by a command that it sends its own service. A
// password in the clear is never stored, logged or sent on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/status.h"

#include "services/user/user_record.pb.h"
#include "services/user/user_settings.h"
#include "tradewind/app/command_client.h"
#include "tradewind/auth/password.h"
#include "tradewind/auth/token.h"
#include "tradewind/mesh/v1/keys.pb.h"
#include "tradewind/rpc/pooled_call.h"
#include "tradewind/rpc/work_pool.h"
#include "tradewind/seal/keys.h"
#include "tradewind/store/store.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::user {

// Thread-safe.
class Sessions {
 public:
  using Done = rpc::Done;

  // `reader`, `queries` and `commands` outlive it. What is under way is finished in the destructor.
  Sessions(store::Reader& reader, rpc::WorkPool& queries, CommandClient& commands,
           std::shared_ptr<const seal::Keys> keys, const UserSettings& settings);

  // Requests and responses stay valid until `done` is called, once, by any thread. These two block for the store and
  // for as long as a password's hash costs: they are for threads of passwords(), in the turn that TurnOf says.
  void LogIn(const v1::LogInRequest& request, v1::Session* response, Done done);
  void ChangePassword(const v1::ChangePasswordRequest& request, v1::User* response, Done done);
  // These two block for the store.
  void RefreshSession(const v1::RefreshSessionRequest& request, v1::Session* response, Done done);
  void LogOut(const v1::LogOutRequest& request, v1::LogOutResponse* response, Done done);
  // The key that signs, none where there is none yet. The first does not block, and is false where it has to be read.
  bool ListKnownKeys(mesh::v1::ListVerificationKeysResponse* response) const;
  grpc::Status ListVerificationKeys(mesh::v1::ListVerificationKeysResponse* response);

  rpc::WorkPool& queries() { return queries_; }
  rpc::WorkPool& passwords() { return passwords_; }
  // So that guesses at one account leave places for the others.
  rpc::Turn TurnOf(const v1::LogInRequest& request) const;
  rpc::Turn TurnOf(const v1::ChangePasswordRequest& request) const;

 private:
  // A refresh token: "<session id>.<secret>".
  struct RefreshToken {
    std::string session_id;
    std::string secret;
  };
  static std::optional<RefreshToken> ParseToken(const std::string& text);

  // Nothing where there is none; an error where the store cannot be read.
  absl::StatusOr<std::optional<internal::v1::UserRecord>> FindUserByEmail(const std::string& email) const;
  // The session of a refresh token that is good.
  absl::StatusOr<std::optional<internal::v1::SessionRecord>> FindSession(const RefreshToken& token) const;
  // OK where `password` is the user's. Blocks for as long as the hash's cost says.
  grpc::Status Verify(const absl::StatusOr<std::optional<internal::v1::UserRecord>>& user,
                      const std::string& password) const;
  void StartSession(const internal::v1::UserRecord& user, v1::Session* response, Done done);
  // Calls back with the key once it is there, null where it cannot be had; makes it where there is none. Does not
  // block.
  using UseKey = absl::AnyInvocable<void(const auth::SigningKey*)>;
  void WithKey(UseKey use);
  // Null where it is not known here.
  const auth::SigningKey* KnownKey() const;
  // Blocks for the store, where the key is not known; null where it is not there either.
  absl::StatusOr<const auth::SigningKey*> ReadKey();
  // Sends the command that makes it.
  void MakeKey(UseKey use);
  grpc::Status Sign(const auth::SigningKey* key, const std::string& user_id, v1::Session* response) const;

  store::Reader& reader_;
  rpc::WorkPool& queries_;
  CommandClient& commands_;
  const std::shared_ptr<const seal::Keys> keys_;
  const UserSettings settings_;
  const std::string nobodys_hash_;
  // Held for a look alone.
  mutable absl::Mutex mutex_;
  // Never changes once it is known.
  std::unique_ptr<const auth::SigningKey> key_ ABSL_GUARDED_BY(mutex_);
  rpc::WorkPool passwords_;
};

}  // namespace tradewind::user
