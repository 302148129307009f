#include "services/user/user_calls.h"

namespace tradewind::user {
namespace {

Sessions::Done FinishOf(grpc::ServerUnaryReactor* reactor) {
  return [reactor](grpc::Status status) { reactor->Finish(std::move(status)); };
}

}  // namespace

grpc::ServerUnaryReactor* UserCalls::LogIn(grpc::CallbackServerContext* context, const v1::LogInRequest* request,
                                           v1::Session* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  sessions_->LogIn(*request, response, FinishOf(reactor));
  return reactor;
}

grpc::ServerUnaryReactor* UserCalls::RefreshSession(grpc::CallbackServerContext* context,
                                                    const v1::RefreshSessionRequest* request, v1::Session* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  sessions_->RefreshSession(*request, response, FinishOf(reactor));
  return reactor;
}

grpc::ServerUnaryReactor* UserCalls::LogOut(grpc::CallbackServerContext* context, const v1::LogOutRequest* request,
                                            v1::LogOutResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  sessions_->LogOut(*request, response, FinishOf(reactor));
  return reactor;
}

grpc::ServerUnaryReactor* UserCalls::ChangePassword(grpc::CallbackServerContext* context,
                                                    const v1::ChangePasswordRequest* request, v1::User* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  sessions_->ChangePassword(*request, response, FinishOf(reactor));
  return reactor;
}

grpc::ServerUnaryReactor* KeyCalls::ListVerificationKeys(grpc::CallbackServerContext* context,
                                                         const mesh::v1::ListVerificationKeysRequest* /*request*/,
                                                         mesh::v1::ListVerificationKeysResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  sessions_->ListVerificationKeys(response, FinishOf(reactor));
  return reactor;
}

}  // namespace tradewind::user
