// The gRPC services of the user service: queries as UserQueries answers them, direct methods as Sessions does.
#pragma once

#include <memory>

#include "services/user/sessions.h"
#include "services/user/user_queries.h"
#include "tradewind/mesh/v1/keys.grpc.pb.h"

namespace tradewind::user {

// Thread-safe.
class UserCalls final : public UserQueries {
 public:
  // Reader and pool outlive the service.
  UserCalls(store::Reader& reader, rpc::WorkPool& pool, std::shared_ptr<const seal::Keys> keys,
            std::shared_ptr<Sessions> sessions)
      : UserQueries(reader, pool, std::move(keys)), sessions_(std::move(sessions)) {}

  grpc::ServerUnaryReactor* LogIn(grpc::CallbackServerContext* context, const v1::LogInRequest* request,
                                  v1::Session* response) override;
  grpc::ServerUnaryReactor* RefreshSession(grpc::CallbackServerContext* context,
                                           const v1::RefreshSessionRequest* request, v1::Session* response) override;
  grpc::ServerUnaryReactor* LogOut(grpc::CallbackServerContext* context, const v1::LogOutRequest* request,
                                   v1::LogOutResponse* response) override;
  grpc::ServerUnaryReactor* ChangePassword(grpc::CallbackServerContext* context,
                                           const v1::ChangePasswordRequest* request, v1::User* response) override;

 private:
  const std::shared_ptr<Sessions> sessions_;
};

// Thread-safe.
class KeyCalls final : public mesh::v1::KeyService::CallbackService {
 public:
  explicit KeyCalls(std::shared_ptr<Sessions> sessions) : sessions_(std::move(sessions)) {}

  grpc::ServerUnaryReactor* ListVerificationKeys(grpc::CallbackServerContext* context,
                                                 const mesh::v1::ListVerificationKeysRequest* request,
                                                 mesh::v1::ListVerificationKeysResponse* response) override;

 private:
  const std::shared_ptr<Sessions> sessions_;
};

}  // namespace tradewind::user
