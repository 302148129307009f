#include "services/user/session_decider.h"

#include <string>

#include "google/protobuf/util/time_util.h"

#include "tradewind/auth/token.h"

namespace tradewind::user {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kExpiry[] = "expiry";

}  // namespace

Outcome SessionDecider::Decide(const v1::StartSessionRequest& command, Loaded<State> session, Context& context) {
  const auto user = context.Load<internal::v1::UserRecord>(command.user_id());
  if (!user.exists()) {
    return Reject({.code = absl::StatusCode::kUnauthenticated,
                   .reason = "WRONG_CREDENTIALS",
                   .message = "there is no account with this address and password"});
  }
  if (user->password_changes() != command.password_changes()) {
    return Reject({.code = absl::StatusCode::kUnauthenticated,
                   .reason = "SESSION_ENDED",
                   .message = "the password was changed meanwhile; log in with the new one"});
  }
  session->set_user_id(command.user_id());
  session->set_secret_hash(command.secret_hash());
  session->set_password_changes(command.password_changes());
  *session->mutable_expire_time() = command.expire_time();
  context.SetTimer(kExpiry, absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(command.expire_time())),
                   internal::v1::SessionExpired());
  v1::Session answer;
  answer.set_user_id(command.user_id());
  context.Reply(answer);
  return Ack();
}

Outcome SessionDecider::Decide(const v1::EndSessionRequest& /*command*/, Loaded<State> session, Context& context) {
  if (session.exists()) session.Remove();
  context.CancelTimer(kExpiry);
  context.Reply(v1::LogOutResponse());
  return Ack();
}

Outcome SessionDecider::Decide(const internal::v1::SessionExpired& /*timer*/, Loaded<State> session,
                               Context& /*context*/) {
  if (session.exists()) session.Remove();
  return Ack();
}

Outcome SigningKeyDecider::Decide(const v1::MakeSigningKeyRequest& /*command*/, Loaded<State> key, Context& context) {
  if (!key.exists()) {
    const auto made = auth::NewSigningKey();
    if (!made.ok()) return Retry({}, std::string(made.status().message()));
    key->set_id(made->id);
    key->set_private_pem(made->private_pem);
    key->set_public_pem(made->public_pem);
  }
  mesh::v1::VerificationKey answer;
  answer.set_id(key->id());
  answer.set_public_pem(key->public_pem());
  context.Reply(answer);
  return Ack();
}

}  // namespace tradewind::user
