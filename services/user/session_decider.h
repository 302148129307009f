// What becomes of sessions, and of the key that access tokens are signed with: the answers to the commands that the
// user service sends itself. Who sends them has verified a password; here it is only decided whether that still holds.
#pragma once

#include "services/user/user_record.pb.h"
#include "tradewind/app/app.h"
#include "tradewind/mesh/v1/keys.pb.h"
#include "tradewind/user/v1/sessions.pb.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::user {

// The one aggregate of type SigningKeyRecord.
inline constexpr std::string_view kSigningKey = "signing-key";

// A session ends by EndSessionRequest or when its time has come; nothing is kept of it then.
struct SessionDecider {
  using State = internal::v1::SessionRecord;
  using Commands = Types<v1::StartSessionRequest, v1::EndSessionRequest>;
  using Timers = Types<internal::v1::SessionExpired>;
  using Events = Types<>;

  // Rejects: SESSION_ENDED where the password was changed since it was verified, WRONG_CREDENTIALS where the account
  // was deleted since.
  static Outcome Decide(const v1::StartSessionRequest& command, Loaded<State> session, Context& context);
  static Outcome Decide(const v1::EndSessionRequest& command, Loaded<State> session, Context& context);
  static Outcome Decide(const internal::v1::SessionExpired& timer, Loaded<State> session, Context& context);
};

// Makes a key at random where there is none: a decision that is repeated makes another one, and only the one that is
// committed is ever used.
struct SigningKeyDecider {
  using State = internal::v1::SigningKeyRecord;
  using Commands = Types<v1::MakeSigningKeyRequest>;
  using Events = Types<>;

  // Answers with the VerificationKey.
  static Outcome Decide(const v1::MakeSigningKeyRequest& command, Loaded<State> key, Context& context);
};

}  // namespace tradewind::user
