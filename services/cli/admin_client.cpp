#include "services/cli/admin_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "services/cli/text.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/rpc/connected_call.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;

constexpr size_t kLargestPage = 1000;
// Of a page that is only looked through.
constexpr int32_t kLookedThrough = 100;
// AdminService has no call that waits; a service looks for requests twice a second. What takes longer is asked for less
// and less often.
constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

bool IsRequested(const v1::ParkedRecord& record) { return record.requested() != v1::PARKED_ACTION_UNSPECIFIED; }

}  // namespace

AdminClient::AdminClient(std::string service, std::string address, std::shared_ptr<grpc::Channel> channel,
                         absl::Duration timeout)
    : service_(std::move(service)),
      address_(std::move(address)),
      channel_(std::move(channel)),
      timeout_(timeout),
      stub_(v1::AdminService::NewStub(channel_)) {}

absl::StatusOr<v1::ListParkedResponse> AdminClient::Page(const v1::ListParkedRequest& request) {
  v1::ListParkedResponse page;
  const grpc::Status status = Call(&v1::AdminService::Stub::ListParked, request, page);
  if (!status.ok()) {
    return Failure(status);
  }
  return page;
}

absl::StatusOr<AdminClient::Listed> AdminClient::List(const v1::ParkedFilter& filter, size_t limit,
                                                      const Predicate& wanted) {
  v1::ListParkedRequest request;
  *request.mutable_filter() = filter;
  // One more tells whether there are more.
  request.set_page_size(static_cast<int32_t>(std::min(kLargestPage, limit + 1)));
  Listed listed;
  do {
    auto page = Page(request);
    if (!page.ok()) {
      return page.status();
    }
    for (v1::ParkedRecord& record : *page->mutable_records()) {
      if (wanted && !wanted(record)) {
        continue;
      }
      if (listed.records.size() == limit) {
        listed.more = true;
        return listed;
      }
      listed.records.push_back(std::move(record));
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return listed;
}

absl::StatusOr<v1::ParkedRecord> AdminClient::Get(int64_t id) {
  v1::GetParkedRequest request;
  request.set_id(id);
  v1::ParkedRecord record;
  const grpc::Status status = Call(&v1::AdminService::Stub::GetParked, request, record);
  if (!status.ok()) {
    return Failure(status);
  }
  return record;
}

absl::StatusOr<int64_t> AdminClient::Request(v1::ParkedAction action, const v1::ParkedFilter& filter, bool all) {
  if (action == v1::PARKED_ACTION_SKIP) {
    v1::SkipParkedRequest request;
    *request.mutable_filter() = filter;
    request.set_all(all);
    v1::SkipParkedResponse response;
    const grpc::Status status = Call(&v1::AdminService::Stub::SkipParked, request, response);
    return status.ok() ? absl::StatusOr<int64_t>(response.count()) : Failure(status);
  }
  v1::RetryParkedRequest request;
  *request.mutable_filter() = filter;
  request.set_all(all);
  v1::RetryParkedResponse response;
  const grpc::Status status = Call(&v1::AdminService::Stub::RetryParked, request, response);
  return status.ok() ? absl::StatusOr<int64_t>(response.count()) : Failure(status);
}

absl::StatusOr<bool> AdminClient::AwaitCarriedOut(const v1::ParkedFilter& filter, absl::Time deadline) {
  v1::ListParkedRequest request;
  *request.mutable_filter() = filter;
  request.set_page_size(kLookedThrough);
  while (true) {
    const auto page = Page(request);
    if (!page.ok()) {
      return page.status();
    }
    const auto open = std::find_if(page->records().begin(), page->records().end(), IsRequested);
    if (open != page->records().end()) {
      auto carried_out = AwaitOne(open->id(), deadline);
      if (!carried_out.ok() || !*carried_out) {
        return carried_out;
      }
      // The same page once more: the others were carried out with this one, as a rule.
      continue;
    }
    // What was looked through once need not be again: ids rise, and what is requested by others is not waited for.
    request.set_page_token(page->next_page_token());
    if (request.page_token().empty()) {
      return true;
    }
  }
}

absl::StatusOr<bool> AdminClient::AwaitOne(int64_t id, absl::Time deadline) {
  v1::ListParkedRequest request;
  request.mutable_filter()->set_id(id);
  request.set_page_size(1);
  for (absl::Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const auto page = Page(request);
    if (!page.ok()) {
      return page.status();
    }
    if (std::none_of(page->records().begin(), page->records().end(), IsRequested)) {
      return true;
    }
    const absl::Duration left = deadline - clock::SteadyNow();
    if (left <= absl::ZeroDuration()) {
      return false;
    }
    absl::SleepFor(std::min(pause, left));  // Between two looks; the condition ends the wait.
  }
}

absl::StatusOr<v1::DescribePartitionResponse> AdminClient::DescribePartition(
    const v1::DescribePartitionRequest& request) {
  v1::DescribePartitionResponse response;
  const grpc::Status status = Call(&v1::AdminService::Stub::DescribePartition, request, response);
  if (!status.ok()) {
    return Failure(status);
  }
  return response;
}

absl::Status AdminClient::AcceptLoss(const v1::AcceptLossRequest& request) {
  v1::AcceptLossResponse response;
  const grpc::Status status = Call(&v1::AdminService::Stub::AcceptLoss, request, response);
  return status.ok() ? absl::OkStatus() : Failure(status);
}

absl::Status AdminClient::ForgetSource(const v1::ForgetSourceRequest& request) {
  v1::ForgetSourceResponse response;
  const grpc::Status status = Call(&v1::AdminService::Stub::ForgetSource, request, response);
  return status.ok() ? absl::OkStatus() : Failure(status);
}

template <typename Asked, typename Answer>
grpc::Status AdminClient::Call(Method<Asked, Answer> method, const Asked& request, Answer& response) {
  return rpc::CallWhenConnected(*channel_, timeout_, [&](grpc::ClientContext& context) {
    return (stub_.get()->*method)(&context, request, &response);
  });
}

absl::Status AdminClient::Failure(const grpc::Status& status) const {
  // The two enumerations share their numbers.
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (rpc::NeverConnected(*channel_, status)) {
    return absl::UnavailableError(fmt::format("{} does not answer at {} ({}): start it, or set cli.services", service_,
                                              address_, Printable(rpc::InnermostReason(status.error_message()))));
  }
  if (code == absl::StatusCode::kDeadlineExceeded) {
    return absl::DeadlineExceededError(
        fmt::format("{} at {} did not answer within {}", service_, address_, absl::FormatDuration(timeout_)));
  }
  if (code == absl::StatusCode::kUnimplemented) {
    return absl::UnimplementedError(
        fmt::format("what answers at {} does not know this call: it is not {}, or older than this command; set "
                    "cli.services",
                    address_, service_));
  }
  const std::string message = Printable(status.error_message());
  return absl::Status(code,
                      fmt::format("{}: {}", service_, message.empty() ? absl::StatusCodeToString(code) : message));
}

}  // namespace tradewind::cli
