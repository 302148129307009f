#include "services/user/user_decider.h"

#include <fmt/format.h>

#include <string>

#include "absl/strings/match.h"
#include "google/protobuf/util/time_util.h"

#include "tradewind/app/timestamp.h"
#include "tradewind/auth/password.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::user {
namespace {

using google::protobuf::util::TimeUtil;
using seal::IsSealedFor;

// How every Argon2 hash in PHC string format begins.
constexpr char kHashPrefix[] = "$argon2";

// A command that did not come as it should may carry the password itself: that must not be kept. Nor a hash that would
// take too much of every login.
bool IsHash(const std::string& text) { return absl::StartsWith(text, kHashPrefix) && !auth::CostsTooMuch(text); }

errors::Problem NotSealed(std::string_view method) {
  return {.code = absl::StatusCode::kInvalidArgument,
          .reason = "NOT_SEALED",
          .message = fmt::format("address and name did not arrive sealed with the user's key, the address with its "
                                 "fingerprint; call {} through the gateway",
                                 method)};
}

errors::Problem EmailTaken() {
  return {.code = absl::StatusCode::kAlreadyExists,
          .reason = "EMAIL_TAKEN",
          .message = "this address has an account already; log in, or use another address"};
}

// Gives the address to the user. False where somebody else has it.
bool Claim(const std::string& fingerprint, const std::string& user_id, Context& context) {
  const auto claim = context.Load<internal::v1::EmailClaim>(fingerprint);
  if (claim.exists() && claim->user_id() != user_id) return false;
  claim->set_user_id(user_id);
  return true;
}

bool ArrivedSealed(const v1::UpdateUserRequest& command) {
  const bool email =
      command.email().empty() || (IsSealedFor(command.id(), command.email()) && !command.email_fingerprint().empty());
  return email && (command.display_name().empty() || IsSealedFor(command.id(), command.display_name()));
}

// What is wrong with the mask, and with the fields that it names.
std::vector<errors::FieldViolation> ViolationsOf(const v1::UpdateUserRequest& command) {
  std::vector<errors::FieldViolation> violations;
  if (command.update_mask().paths().empty()) violations.push_back({"update_mask", "must name what is to be changed"});
  for (const std::string& path : command.update_mask().paths()) {
    if (path == "email") {
      if (command.email().empty()) violations.push_back({"email", "is required"});
    } else if (path == "display_name") {
      if (command.display_name().empty()) violations.push_back({"display_name", "is required"});
    } else if (path != "locale") {
      violations.push_back(
          {"update_mask", fmt::format("names '{}'; email, display_name and locale can be changed", path)});
    }
  }
  return violations;
}

}  // namespace

Outcome UserDecider::Decide(const v1::RegisterUserRequest& command, Loaded<State> record, Context& context) {
  if (record.exists()) {
    return Reject(
        {.code = absl::StatusCode::kAlreadyExists,
         .reason = "USER_EXISTS",
         .message = fmt::format("there is a user with the id '{}' already; leave id empty for a new one", command.id()),
         .metadata = {{"id", command.id()}}});
  }
  if (!IsHash(command.password())) {
    return Reject(
        {.code = absl::StatusCode::kInvalidArgument,
         .reason = "PASSWORD_NOT_HASHED",
         .message = "the password did not arrive as an Argon2id hash; call RegisterUser through the gateway"});
  }
  if (!IsSealedFor(command.id(), command.email()) || !IsSealedFor(command.id(), command.display_name()) ||
      command.email_fingerprint().empty()) {
    return Reject(NotSealed("RegisterUser"));
  }
  if (!Claim(command.email_fingerprint(), command.id(), context)) return Reject(EmailTaken());

  v1::User& user = *record->mutable_user();
  user.set_id(command.id());
  user.set_email(command.email());
  user.set_display_name(command.display_name());
  user.set_locale(command.locale());
  *user.mutable_create_time() = Now(context);
  *user.mutable_update_time() = user.create_time();
  record->set_password_hash(command.password());
  record->set_email_fingerprint(command.email_fingerprint());

  v1::UserRegistered registered;
  registered.set_user_id(user.id());
  registered.set_email(user.email());
  registered.set_display_name(user.display_name());
  registered.set_locale(user.locale());
  *registered.mutable_register_time() = user.create_time();
  context.Emit(registered);
  context.Reply(user);
  return Ack();
}

Outcome UserDecider::Decide(const v1::UpdateUserRequest& command, Loaded<State> record, Context& context) {
  if (!record.exists()) return Reject(errors::NotFound("user", command.id()));
  if (auto violations = ViolationsOf(command); !violations.empty()) {
    return Reject(errors::InvalidFields(std::move(violations)));
  }
  if (!ArrivedSealed(command)) return Reject(NotSealed("UpdateUser"));
  v1::User& user = *record->mutable_user();
  for (const std::string& path : command.update_mask().paths()) {
    if (path == "display_name") user.set_display_name(command.display_name());
    if (path == "locale") user.set_locale(command.locale());
    if (path != "email") continue;
    const std::string before = record->email_fingerprint();
    const std::string& after = command.email_fingerprint();
    if (!Claim(after, user.id(), context)) return Reject(EmailTaken());
    if (before != after) context.Load<internal::v1::EmailClaim>(before).Remove();
    user.set_email(command.email());
    record->set_email_fingerprint(after);
  }
  *user.mutable_update_time() = Now(context);

  v1::UserUpdated updated;
  updated.set_user_id(user.id());
  updated.set_email(user.email());
  updated.set_display_name(user.display_name());
  updated.set_locale(user.locale());
  *updated.mutable_update_time() = user.update_time();
  context.Emit(updated);
  context.Reply(user);
  return Ack();
}

Outcome UserDecider::Decide(const v1::SetPasswordRequest& command, Loaded<State> record, Context& context) {
  if (!record.exists() || record->password_changes() != command.password_changes()) {
    return Reject({.code = absl::StatusCode::kUnauthenticated,
                   .reason = "WRONG_CREDENTIALS",
                   .message = "the password was changed meanwhile; show the new one"});
  }
  if (!IsHash(command.password_hash())) {
    return Reject({.code = absl::StatusCode::kInvalidArgument,
                   .reason = "PASSWORD_NOT_HASHED",
                   .message = "the password did not arrive as an Argon2id hash; call ChangePassword"});
  }
  record->set_password_hash(command.password_hash());
  record->set_password_changes(record->password_changes() + 1);
  *record->mutable_user()->mutable_update_time() = Now(context);
  v1::PasswordChanged changed;
  changed.set_user_id(command.id());
  *changed.mutable_change_time() = Now(context);
  context.Emit(changed);
  context.Reply(record->user());
  return Ack();
}

Outcome UserDecider::Decide(const v1::DeleteUserRequest& command, Loaded<State> record, Context& context) {
  if (!record.exists()) return Reject(errors::NotFound("user", command.id()));
  context.Load<internal::v1::EmailClaim>(record->email_fingerprint()).Remove();
  record.Remove();
  v1::UserDeleted deleted;
  deleted.set_user_id(command.id());
  *deleted.mutable_delete_time() = Now(context);
  context.Emit(deleted);
  context.Reply(v1::DeleteUserResponse());
  return Ack();
}

std::vector<store::IndexEntry> IndexUser(const internal::v1::UserRecord& record) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(record.user().create_time());
  return {{.index = std::string(kAllUsers), .value = "", .order = created},
          {.index = std::string(kUsersByEmail), .value = record.email_fingerprint(), .order = created}};
}

}  // namespace tradewind::user
