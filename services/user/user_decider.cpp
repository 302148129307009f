#include "services/user/user_decider.h"

#include <fmt/format.h>

#include <string>

#include "absl/strings/match.h"
#include "google/protobuf/util/time_util.h"

#include "services/user/email.h"

namespace tradewind::user {
namespace {

using google::protobuf::util::TimeUtil;

// How every Argon2 hash in PHC string format begins.
constexpr char kHashPrefix[] = "$argon2";

}  // namespace

Outcome UserDecider::Decide(const v1::RegisterUserRequest& command, Loaded<State> record, Context& context) {
  if (record.exists()) {
    return Reject(
        {.code = absl::StatusCode::kAlreadyExists,
         .reason = "USER_EXISTS",
         .message = fmt::format("there is a user with the id '{}' already; leave id empty for a new one", command.id()),
         .metadata = {{"id", command.id()}}});
  }
  // A command that did not come through the gateway may carry the password itself: that must not be kept.
  if (!absl::StartsWith(command.password(), kHashPrefix)) {
    return Reject(
        {.code = absl::StatusCode::kInvalidArgument,
         .reason = "PASSWORD_NOT_HASHED",
         .message = "the password did not arrive as an Argon2id hash; call RegisterUser through the gateway"});
  }
  const std::string address = NormalizeEmail(command.email());
  if (address.empty()) return Reject(errors::InvalidFields({{"email", "is required"}}));
  const auto claim = context.Load<internal::v1::EmailClaim>(address);
  if (claim.exists() && claim->user_id() != command.id()) {
    return Reject({.code = absl::StatusCode::kAlreadyExists,
                   .reason = "EMAIL_TAKEN",
                   .message = fmt::format("'{}' has an account already; log in, or register with another address",
                                          command.email()),
                   .metadata = {{"email", command.email()}}});
  }
  claim->set_user_id(command.id());

  v1::User& user = *record->mutable_user();
  user.set_id(command.id());
  user.set_email(command.email());
  user.set_display_name(command.display_name());
  user.set_locale(command.locale());
  *user.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(context.now()));
  *user.mutable_update_time() = user.create_time();
  record->set_password_hash(command.password());

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

std::vector<store::IndexEntry> IndexUser(const internal::v1::UserRecord& record) {
  const int64_t created = TimeUtil::TimestampToMicroseconds(record.user().create_time());
  return {{.index = std::string(kAllUsers), .value = "", .order = created},
          {.index = std::string(kUsersByEmail), .value = NormalizeEmail(record.user().email()), .order = created}};
}

}  // namespace tradewind::user
