#include "services/user/user_queries.h"

#include <string>
#include <utility>

#include "services/user/email.h"
#include "services/user/user_decider.h"
#include "tradewind/app/paging.h"

namespace tradewind::user {
namespace {

using internal::v1::UserRecord;

const std::string& Kind() { return UserRecord::descriptor()->full_name(); }

}  // namespace

grpc::ServerUnaryReactor* UserQueries::GetUser(grpc::CallbackServerContext* context, const v1::GetUserRequest* request,
                                               v1::User* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(Get(*request, response));
  return reactor;
}

grpc::ServerUnaryReactor* UserQueries::ListUsers(grpc::CallbackServerContext* context,
                                                 const v1::ListUsersRequest* request, v1::ListUsersResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(List(*request, response));
  return reactor;
}

grpc::Status UserQueries::Get(const v1::GetUserRequest& request, v1::User* response) {
  std::string stored;
  if (grpc::Status found = GetStored(reader_, Kind(), "user", request.id(), &stored); !found.ok()) return found;
  UserRecord record;
  if (!record.ParseFromString(stored)) return UnreadableAggregate(Kind(), request.id());
  *response = std::move(*record.mutable_user());
  return grpc::Status::OK;
}

grpc::Status UserQueries::List(const v1::ListUsersRequest& request, v1::ListUsersResponse* response) {
  const std::string address = NormalizeEmail(request.email());
  const store::ListQuery query{
      .kind = Kind(), .index = request.email().empty() ? kAllUsers : kUsersByEmail, .value = address};
  const auto add = [&](const std::string& stored) {
    UserRecord record;
    if (!record.ParseFromString(stored)) return false;
    *response->add_users() = std::move(*record.mutable_user());
    return true;
  };
  return ListPage(reader_, query, request.page_size(), request.page_token(), add, response->mutable_next_page_token());
}

}  // namespace tradewind::user
