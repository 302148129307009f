#include "services/user/user_queries.h"

#include <string>
#include <utility>

#include "services/user/user_decider.h"
#include "tradewind/app/paging.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind::user {
namespace {

using internal::v1::UserRecord;

const std::string& Kind() { return UserRecord::descriptor()->full_name(); }

}  // namespace

grpc::ServerUnaryReactor* UserQueries::GetUser(grpc::CallbackServerContext* context, const v1::GetUserRequest* request,
                                               v1::User* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, response); });
}

grpc::ServerUnaryReactor* UserQueries::ListUsers(grpc::CallbackServerContext* context,
                                                 const v1::ListUsersRequest* request, v1::ListUsersResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return List(*request, response); });
}

grpc::Status UserQueries::Get(const v1::GetUserRequest& request, v1::User* response) {
  std::string stored;
  if (grpc::Status found = GetStored(reader_, Kind(), "user", request.id(), &stored); !found.ok()) return found;
  UserRecord record;
  if (!record.ParseFromString(stored)) return UnreadableAggregate(Kind(), request.id());
  *response = std::move(*record.mutable_user());
  return rpc::FromKeysError(keys_->OpenFields(*response));
}

grpc::Status UserQueries::List(const v1::ListUsersRequest& request, v1::ListUsersResponse* response) {
  const auto fingerprint = keys_->Fingerprint(request.email());
  if (!fingerprint.ok()) return rpc::FromKeysError(fingerprint.status());
  const store::ListQuery query{
      .kind = Kind(), .index = request.email().empty() ? kAllUsers : kUsersByEmail, .value = *fingerprint};
  const auto add = [&](const std::string& stored) {
    UserRecord record;
    if (!record.ParseFromString(stored)) return false;
    *response->add_users() = std::move(*record.mutable_user());
    return true;
  };
  grpc::Status listed =
      ListPage(reader_, query, request.page_size(), request.page_token(), add, response->mutable_next_page_token());
  return listed.ok() ? rpc::FromKeysError(keys_->OpenFields(*response)) : listed;
}

}  // namespace tradewind::user
