#include "tradewind/app/admin_service.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"

#include "tradewind/errors/printable.h"
#include "tradewind/errors/problem.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/pooled_call.h"

namespace tradewind {
namespace {

constexpr int32_t kDefaultPage = 50;
constexpr int32_t kMaxPage = 1000;
// A record from elsewhere may have a key of nearly a megabyte, and a page has a thousand of them.
constexpr size_t kListedKeyBytes = 1024;
// The same for a type or a reason of a version that kept them as they came.
constexpr size_t kListedTextBytes = 1100;
// A page has no more records than this many bytes hold of them, in the store and in the answer; at least one.
constexpr int64_t kMaxPageBytes = 2 << 20;

grpc::Status InvalidField(std::string field, std::string description) {
  return rpc::ToGrpcStatus(errors::InvalidFields({{std::move(field), std::move(description)}}));
}

// With all that is known: nobody but an operator reaches this service.
grpc::Status ToOperator(const absl::Status& status) {
  // The two enumerations share their numbers.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

store::KeptFilter ToStore(const mesh::v1::ParkedFilter& filter) {
  store::KeptFilter chosen;
  if (filter.id() != 0) chosen.id = filter.id();
  if (!filter.key().empty()) chosen.key = filter.key();
  if (!filter.type().empty()) chosen.type = filter.type();
  if (filter.state() != mesh::v1::PARKED_STATE_UNSPECIFIED)
    chosen.state = static_cast<store::KeptState>(filter.state());
  return chosen;
}

// All but `record`, with its texts cut to `max_text`.
mesh::v1::ParkedRecord ToProto(const store::KeptRecord& kept, size_t max_text) {
  mesh::v1::ParkedRecord record;
  record.set_id(kept.id);
  // Both number their values alike.
  record.set_state(static_cast<mesh::v1::ParkedState>(kept.state));
  record.set_requested(static_cast<mesh::v1::ParkedAction>(kept.requested));
  record.set_waiting(kept.state == store::KeptState::kParked && kept.due == absl::UnixEpoch());
  record.set_holds_key(kept.queued);
  // What is damaged, or was kept by a version that took a type as it came, may be any bytes; a field of text that is
  // none would make the whole answer unreadable.
  record.set_group(errors::Printable(kept.task.group, max_text));
  record.set_partition(kept.task.partition);
  record.set_key(kept.key);
  record.set_type(errors::Printable(kept.type, max_text));
  record.set_reason(errors::Printable(kept.reason, max_text));
  record.set_attempts(kept.attempts);
  if (kept.state == store::KeptState::kParked && !record.waiting()) {
    *record.mutable_retry_time() =
        google::protobuf::util::TimeUtil::MillisecondsToTimestamp(absl::ToUnixMillis(kept.due));
  }
  return record;
}

// Leaves nothing in `record` of what cannot be read: what was read before that showed might not be text either.
void ParseRecord(const store::KeptRecord& kept, mesh::v1::KeptRecord& record) {
  if (!record.ParseFromString(kept.record)) record.Clear();
}

mesh::v1::ParkedRecord ToListed(const store::KeptRecord& kept) {
  mesh::v1::ParkedRecord record = ToProto(kept, kListedTextBytes);
  if (record.key().size() > kListedKeyBytes) record.set_key(kept.key.substr(0, kListedKeyBytes));
  // A message of its own, which goes at once: a field that is cleared keeps its memory.
  mesh::v1::KeptRecord whole;
  ParseRecord(kept, whole);
  mesh::v1::KeptRecord& place = *record.mutable_record();
  place.set_topic(whole.topic());
  place.set_partition(whole.partition());
  place.set_offset(whole.offset());
  place.set_timestamp_ms(whole.timestamp_ms());
  if (whole.has_has_value()) place.set_has_value(whole.has_value());
  place.set_unhandled(whole.unhandled());
  return record;
}

// A page token is the id of the last record of the page before.
bool ParseToken(const std::string& token, int64_t& after) {
  if (token.empty()) return true;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), after);
  return error == std::errc() && end == token.data() + token.size();
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::ListParked(grpc::CallbackServerContext* context,
                                                   const mesh::v1::ListParkedRequest* request,
                                                   mesh::v1::ListParkedResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return List(*request, *response); });
}

grpc::ServerUnaryReactor* AdminService::GetParked(grpc::CallbackServerContext* context,
                                                  const mesh::v1::GetParkedRequest* request,
                                                  mesh::v1::ParkedRecord* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return Get(*request, *response); });
}

grpc::ServerUnaryReactor* AdminService::RetryParked(grpc::CallbackServerContext* context,
                                                    const mesh::v1::RetryParkedRequest* request,
                                                    mesh::v1::RetryParkedResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] {
    int64_t count = 0;
    grpc::Status status = Request(request->filter(), request->all(), store::KeptAction::kRetry, count);
    response->set_count(count);
    return status;
  });
}

grpc::ServerUnaryReactor* AdminService::SkipParked(grpc::CallbackServerContext* context,
                                                   const mesh::v1::SkipParkedRequest* request,
                                                   mesh::v1::SkipParkedResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this] {
    int64_t count = 0;
    grpc::Status status = Request(request->filter(), request->all(), store::KeptAction::kSkip, count);
    response->set_count(count);
    return status;
  });
}

grpc::ServerUnaryReactor* AdminService::DescribePartition(grpc::CallbackServerContext* context,
                                                          const mesh::v1::DescribePartitionRequest* request,
                                                          mesh::v1::DescribePartitionResponse* response) {
  return rpc::AnswerOn(pool_, *context, [=, this]() -> grpc::Status {
    auto described = partitions_.Describe(*request);
    if (!described.ok()) return ToOperator(described.status());
    *response = *std::move(described);
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* AdminService::AcceptLoss(grpc::CallbackServerContext* context,
                                                   const mesh::v1::AcceptLossRequest* request,
                                                   mesh::v1::AcceptLossResponse*) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return ToOperator(partitions_.AcceptLoss(*request)); });
}

grpc::ServerUnaryReactor* AdminService::ForgetSource(grpc::CallbackServerContext* context,
                                                     const mesh::v1::ForgetSourceRequest* request,
                                                     mesh::v1::ForgetSourceResponse*) {
  return rpc::AnswerOn(pool_, *context, [=, this] { return ToOperator(partitions_.ForgetSource(*request)); });
}

grpc::Status AdminService::List(const mesh::v1::ListParkedRequest& request, mesh::v1::ListParkedResponse& response) {
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return InvalidField("page_size", fmt::format("is {}: it may be 0 to {}", request.page_size(), kMaxPage));
  }
  int64_t after = 0;
  if (!ParseToken(request.page_token(), after)) {
    return InvalidField("page_token", "is not one that ListParked gave; leave it empty to start over");
  }
  const int32_t size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  const auto kept = store_.reader().ListKept(ToStore(request.filter()), after, size, kMaxPageBytes);
  if (!kept.ok()) return rpc::FromStoreError(kept.status());
  int64_t loaded = 0;
  int64_t answered = 0;
  for (const store::KeptRecord& one : *kept) {
    loaded += static_cast<int64_t>(one.record.size());
    mesh::v1::ParkedRecord& record = *response.add_records();
    record = ToListed(one);
    answered += static_cast<int64_t>(record.ByteSizeLong());
    if (answered >= kMaxPageBytes) break;
  }
  const bool is_full = response.records_size() == size || loaded >= kMaxPageBytes || answered >= kMaxPageBytes;
  if (is_full) response.set_next_page_token(std::to_string(response.records().rbegin()->id()));
  return grpc::Status::OK;
}

grpc::Status AdminService::Get(const mesh::v1::GetParkedRequest& request, mesh::v1::ParkedRecord& response) {
  const auto kept = store_.reader().ListKept({.id = request.id()}, 0, 1);
  if (!kept.ok()) return rpc::FromStoreError(kept.status());
  if (kept->empty()) return rpc::ToGrpcStatus(errors::NotFound("parked record", std::to_string(request.id())));
  response = ToProto(kept->front(), std::numeric_limits<size_t>::max());
  ParseRecord(kept->front(), *response.mutable_record());
  return grpc::Status::OK;
}

grpc::Status AdminService::Request(const mesh::v1::ParkedFilter& filter, bool all, store::KeptAction action,
                                   int64_t& count) {
  const store::KeptFilter chosen = ToStore(filter);
  if (!all && !chosen.id && !chosen.key && !chosen.type && !chosen.state) {
    return InvalidField("filter", "is empty: say which records, or set `all`");
  }
  std::vector<store::KeptState> states = {store::KeptState::kDead, store::KeptState::kParked};
  if (chosen.id) states.push_back(store::KeptState::kHeld);
  if (chosen.state) states = {*chosen.state};
  for (const store::KeptState state : states) {
    store::KeptFilter one = chosen;
    one.state = state;
    // What waits behind another record of its key has not failed: it can be skipped by name, and not be retried.
    one.failed_only = !chosen.id || action == store::KeptAction::kRetry;
    const auto noted = store_.Request(one, action);
    if (!noted.ok()) return rpc::FromStoreError(noted.status());
    count += *noted;
  }
  return grpc::Status::OK;
}

}  // namespace tradewind
