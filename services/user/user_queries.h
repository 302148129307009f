// What the user service answers over gRPC: its own accounts, read from its store and opened, without what must stay
// there.
// Commands come through Kafka and are not implemented here.
#pragma once

#include <memory>

#include "tradewind/rpc/work_pool.h"
#include "tradewind/seal/keys.h"
#include "tradewind/store/store.h"
#include "tradewind/user/v1/user.grpc.pb.h"

namespace tradewind::user {

// Thread-safe. Its methods read the store on the pool's threads: gRPC's own must not wait.
class UserQueries : public v1::UserService::CallbackService {
 public:
  // Reader and pool outlive the service.
  UserQueries(store::Reader& reader, rpc::WorkPool& pool, std::shared_ptr<const seal::Keys> keys)
      : reader_(reader), pool_(pool), keys_(std::move(keys)) {}

  grpc::ServerUnaryReactor* GetUser(grpc::CallbackServerContext* context, const v1::GetUserRequest* request,
                                    v1::User* response) override;
  grpc::ServerUnaryReactor* ListUsers(grpc::CallbackServerContext* context, const v1::ListUsersRequest* request,
                                      v1::ListUsersResponse* response) override;

 protected:
  rpc::WorkPool& pool() { return pool_; }

 private:
  grpc::Status Get(const v1::GetUserRequest& request, v1::User* response);
  grpc::Status List(const v1::ListUsersRequest& request, v1::ListUsersResponse* response);

  store::Reader& reader_;
  rpc::WorkPool& pool_;
  const std::shared_ptr<const seal::Keys> keys_;
};

}  // namespace tradewind::user
