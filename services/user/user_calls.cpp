#include "services/user/user_calls.h"

#include <utility>

#include "tradewind/rpc/pooled_call.h"

namespace tradewind::user {
grpc::ServerUnaryReactor* UserCalls::LogIn(grpc::CallbackServerContext* context, const v1::LogInRequest* request,
                                           v1::Session* response) {
  return rpc::AnswerLaterOn(
      sessions_->passwords(), *context,
      [=, this](rpc::Done done) { sessions_->LogIn(*request, response, std::move(done)); },
      sessions_->TurnOf(*request));
}

grpc::ServerUnaryReactor* UserCalls::RefreshSession(grpc::CallbackServerContext* context,
                                                    const v1::RefreshSessionRequest* request, v1::Session* response) {
  return rpc::AnswerLaterOn(
      pool(), *context, [=, this](rpc::Done done) { sessions_->RefreshSession(*request, response, std::move(done)); });
}

grpc::ServerUnaryReactor* UserCalls::LogOut(grpc::CallbackServerContext* context, const v1::LogOutRequest* request,
                                            v1::LogOutResponse* response) {
  return rpc::AnswerLaterOn(pool(), *context,
                            [=, this](rpc::Done done) { sessions_->LogOut(*request, response, std::move(done)); });
}

grpc::ServerUnaryReactor* UserCalls::ChangePassword(grpc::CallbackServerContext* context,
                                                    const v1::ChangePasswordRequest* request, v1::User* response) {
  return rpc::AnswerLaterOn(
      sessions_->passwords(), *context,
      [=, this](rpc::Done done) { sessions_->ChangePassword(*request, response, std::move(done)); },
      sessions_->TurnOf(*request));
}

grpc::ServerUnaryReactor* KeyCalls::ListVerificationKeys(grpc::CallbackServerContext* context,
                                                         const mesh::v1::ListVerificationKeysRequest* /*request*/,
                                                         mesh::v1::ListVerificationKeysResponse* response) {
  if (sessions_->ListKnownKeys(response)) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  return rpc::AnswerOn(sessions_->queries(), *context, [=, this] { return sessions_->ListVerificationKeys(response); });
}

}  // namespace tradewind::user
