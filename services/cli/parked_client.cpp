#include "services/cli/parked_client.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;

constexpr size_t kLargestPage = 1000;
// AdminService has no call that waits; a service looks for requests twice a second.
constexpr absl::Duration kPollEvery = absl::Milliseconds(50);

// Returns the last part of a reason that gRPC gives, such as "Connection refused"; before it stand the layers that
// passed it on.
std::string Innermost(std::string_view reason) {
  const size_t colon = reason.rfind(": ");
  return Printable(colon == std::string_view::npos ? reason : reason.substr(colon + 2));
}

}  // namespace

ParkedClient::ParkedClient(std::string service, std::string address, std::shared_ptr<grpc::Channel> channel,
                           absl::Duration timeout)
    : service_(std::move(service)),
      address_(std::move(address)),
      channel_(std::move(channel)),
      timeout_(timeout),
      stub_(v1::AdminService::NewStub(channel_)) {}

absl::StatusOr<v1::ListParkedResponse> ParkedClient::Page(const v1::ListParkedRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  v1::ListParkedResponse page;
  const grpc::Status status = stub_->ListParked(&context, request, &page);
  if (!status.ok()) {
    return Failure(status);
  }
  return page;
}

absl::StatusOr<ParkedClient::Listed> ParkedClient::List(const v1::ParkedFilter& filter, size_t limit,
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

absl::StatusOr<v1::ParkedRecord> ParkedClient::Get(int64_t id) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  v1::GetParkedRequest request;
  request.set_id(id);
  v1::ParkedRecord record;
  const grpc::Status status = stub_->GetParked(&context, request, &record);
  if (!status.ok()) {
    return Failure(status);
  }
  return record;
}

absl::StatusOr<int64_t> ParkedClient::Request(v1::ParkedAction action, const v1::ParkedFilter& filter, bool all) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  if (action == v1::PARKED_ACTION_SKIP) {
    v1::SkipParkedRequest request;
    *request.mutable_filter() = filter;
    request.set_all(all);
    v1::SkipParkedResponse response;
    const grpc::Status status = stub_->SkipParked(&context, request, &response);
    return status.ok() ? absl::StatusOr<int64_t>(response.count()) : Failure(status);
  }
  v1::RetryParkedRequest request;
  *request.mutable_filter() = filter;
  request.set_all(all);
  v1::RetryParkedResponse response;
  const grpc::Status status = stub_->RetryParked(&context, request, &response);
  return status.ok() ? absl::StatusOr<int64_t>(response.count()) : Failure(status);
}

absl::StatusOr<bool> ParkedClient::AwaitCarriedOut(const v1::ParkedFilter& filter, absl::Time deadline) {
  v1::ListParkedRequest request;
  *request.mutable_filter() = filter;
  request.set_page_size(kLargestPage);
  while (true) {
    auto page = Page(request);
    if (!page.ok()) {
      return page.status();
    }
    const bool open = std::any_of(page->records().begin(), page->records().end(), [](const v1::ParkedRecord& record) {
      return record.requested() != v1::PARKED_ACTION_UNSPECIFIED;
    });
    if (open) {
      if (absl::Now() >= deadline) {
        return false;
      }
      absl::SleepFor(kPollEvery);
      continue;
    }
    // What was looked through once need not be again: ids rise, and what is requested by others is not waited for.
    request.set_page_token(page->next_page_token());
    if (request.page_token().empty()) {
      return true;
    }
  }
}

absl::Status ParkedClient::Failure(const grpc::Status& status) const {
  // The two enumerations share their numbers.
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (code == absl::StatusCode::kUnavailable && channel_->GetState(false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    return absl::UnavailableError(fmt::format("{} does not answer at {} ({}): start it, or set cli.services", service_,
                                              address_, Innermost(status.error_message())));
  }
  if (code == absl::StatusCode::kDeadlineExceeded) {
    return absl::DeadlineExceededError(
        fmt::format("{} at {} did not answer within {}", service_, address_, absl::FormatDuration(timeout_)));
  }
  if (code == absl::StatusCode::kUnimplemented) {
    return absl::UnimplementedError(
        fmt::format("what answers at {} keeps no parked records: it is not {}, or older than this command; set "
                    "cli.services",
                    address_, service_));
  }
  const std::string message = Printable(status.error_message());
  return absl::Status(code,
                      fmt::format("{}: {}", service_, message.empty() ? absl::StatusCodeToString(code) : message));
}

}  // namespace tradewind::cli
