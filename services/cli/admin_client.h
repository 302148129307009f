// Asks the mesh.v1.AdminService of one service. Used by `tradewind parked` and `tradewind partition`.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/mesh/v1/admin.grpc.pb.h"

namespace tradewind::cli {

// Methods block until they are answered. Errors carry the code of the call; their message names the service. One thread
// at a time.
class AdminClient {
 public:
  // `address` is the channel's, for messages. `timeout` bounds each call that a method makes.
  AdminClient(std::string service, std::string address, std::shared_ptr<grpc::Channel> channel, absl::Duration timeout);

  const std::string& service() const { return service_; }

  struct Listed {
    // Without values and headers.
    std::vector<mesh::v1::ParkedRecord> records;
    // There are more than were asked for.
    bool more = false;
  };
  using Predicate = std::function<bool(const mesh::v1::ParkedRecord&)>;
  // The oldest `limit` records, over as many pages as they take. Where `wanted` is given, only those for which it is
  // true count.
  absl::StatusOr<Listed> List(const mesh::v1::ParkedFilter& filter, size_t limit, const Predicate& wanted = nullptr);

  // With its value and headers. NotFound when it is done with.
  absl::StatusOr<mesh::v1::ParkedRecord> Get(int64_t id);

  // Returns how many were chosen. An empty filter is refused unless `all` is set.
  absl::StatusOr<int64_t> Request(mesh::v1::ParkedAction action, const mesh::v1::ParkedFilter& filter, bool all);

  // NotFound where no group of the service reads the topic.
  absl::StatusOr<mesh::v1::DescribePartitionResponse> DescribePartition(
      const mesh::v1::DescribePartitionRequest& request);
  absl::Status AcceptLoss(const mesh::v1::AcceptLossRequest& request);
  absl::Status ForgetSource(const mesh::v1::ForgetSourceRequest& request);

  // Waits until nothing is requested of the records that match. False when something still is at `deadline`,
  // of clock::SteadyNow.
  absl::StatusOr<bool> AwaitCarriedOut(const mesh::v1::ParkedFilter& filter, absl::Time deadline);

 private:
  // The same of one record, whatever becomes of it.
  absl::StatusOr<bool> AwaitOne(int64_t id, absl::Time deadline);
  absl::StatusOr<mesh::v1::ListParkedResponse> Page(const mesh::v1::ListParkedRequest& request);
  template <typename Asked, typename Answer>
  using Method = grpc::Status (mesh::v1::AdminService::Stub::*)(grpc::ClientContext*, const Asked&, Answer*);
  // Until it is answered or `timeout_` is over. Tries again where a connection fails for another reason than that
  // nobody listens: on a busy machine the first one does now and then.
  template <typename Asked, typename Answer>
  grpc::Status Call(Method<Asked, Answer> method, const Asked& request, Answer& response);
  absl::Status Failure(const grpc::Status& status) const;

  const std::string service_;
  const std::string address_;
  const std::shared_ptr<grpc::Channel> channel_;
  const absl::Duration timeout_;
  const std::unique_ptr<mesh::v1::AdminService::Stub> stub_;
};

}  // namespace tradewind::cli
