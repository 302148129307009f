// What becomes of an account: the pure answer to each command. Its state is the UserRecord, of which clients see the
// User. Address and name come sealed and stay so; an address is compared by its fingerprint.
#pragma once

#include <vector>

#include "services/user/user_record.pb.h"
#include "tradewind/app/app.h"
#include "tradewind/store/store.h"
#include "tradewind/user/v1/events.pb.h"
#include "tradewind/user/v1/sessions.pb.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::user {

struct UserDecider {
  using State = internal::v1::UserRecord;
  using Commands = Types<v1::RegisterUserRequest, v1::UpdateUserRequest, v1::SetPasswordRequest, v1::DeleteUserRequest>;
  using Events = Types<v1::UserRegistered, v1::UserUpdated, v1::PasswordChanged, v1::UserDeleted>;

  // One account per address: the claim under the fingerprint is an aggregate of its own, and of two commands that both
  // saw it free, one is decided again. Rejects: EMAIL_TAKEN, USER_EXISTS, PASSWORD_NOT_HASHED, NOT_SEALED.
  static Outcome Decide(const v1::RegisterUserRequest& command, Loaded<State> record, Context& context);
  // The claim moves with the address. Rejects: USER_NOT_FOUND, INVALID_FIELD, EMAIL_TAKEN, NOT_SEALED.
  static Outcome Decide(const v1::UpdateUserRequest& command, Loaded<State> record, Context& context);
  // Rejects: WRONG_CREDENTIALS where the password was changed since it was verified, PASSWORD_NOT_HASHED.
  static Outcome Decide(const v1::SetPasswordRequest& command, Loaded<State> record, Context& context);
  // Removes account and claim; what is on topics stays, and EraseEffect makes it unreadable. Rejects: USER_NOT_FOUND.
  static Outcome Decide(const v1::DeleteUserRequest& command, Loaded<State> record, Context& context);
};

// Secondary indexes, both in the order of registration: every account, and the one of an address's fingerprint.
inline constexpr std::string_view kAllUsers = "all";
inline constexpr std::string_view kUsersByEmail = "email";
std::vector<store::IndexEntry> IndexUser(const internal::v1::UserRecord& record);

}  // namespace tradewind::user
