#include "tradewind/app/watched_session.h"

#include <initializer_list>
#include <utility>

#include "tradewind/errors/problem.h"

namespace tradewind {
namespace {

telemetry::Age AwayAge(const std::string& group, const std::string& call) {
  return telemetry::NewAge("tradewind_store_away_seconds", "Since the store answers no call of this kind.",
                           {{"group", group}, {"call", call}});
}

// Asks the store by `call`, and ends the ages of what its answer shows to be well. An error is an answer too, unless it
// says that the store is away.
template <typename Call>
auto Watch(std::initializer_list<telemetry::Age> ages, Call call) {
  ages.begin()->Begin();
  auto result = call();
  if (result.ok() || errors::Read(result.status()) == errors::Reading::kPermanent) {
    for (const telemetry::Age& age : ages) age.End();
  }
  return result;
}

}  // namespace

WatchedSession::WatchedSession(std::unique_ptr<store::Session> inner, const std::string& group)
    : inner_(std::move(inner)), writing_(AwayAge(group, "write")), reading_(AwayAge(group, "read")) {}

absl::StatusOr<store::TakenTask> WatchedSession::TakeTask(const store::TaskId& task, uint64_t epoch_floor,
                                                          uint64_t own_epoch) {
  return Watch({writing_, reading_}, [&] { return inner_->TakeTask(task, epoch_floor, own_epoch); });
}

absl::StatusOr<store::CommitResult> WatchedSession::Commit(const store::Batch& batch) {
  return Watch({writing_, reading_}, [&] { return inner_->Commit(batch); });
}

absl::StatusOr<int64_t> WatchedSession::PruneRequests(std::string_view group, absl::Span<const int32_t> partitions,
                                                      absl::Time before, int64_t limit) {
  return Watch({writing_, reading_}, [&] { return inner_->PruneRequests(group, partitions, before, limit); });
}

absl::StatusOr<int64_t> WatchedSession::PruneRequestsWithoutTask(absl::Time before, int64_t limit) {
  return Watch({writing_, reading_}, [&] { return inner_->PruneRequestsWithoutTask(before, limit); });
}

absl::StatusOr<std::vector<store::Aggregate>> WatchedSession::LoadAggregates(
    absl::Span<const store::AggregateKey> keys) {
  return Watch({reading_}, [&] { return inner_->LoadAggregates(keys); });
}

absl::StatusOr<std::vector<std::optional<store::RequestRow>>> WatchedSession::LoadRequests(
    absl::Span<const store::RequestKey> keys) {
  return Watch({reading_}, [&] { return inner_->LoadRequests(keys); });
}

absl::StatusOr<std::vector<store::KeptRecord>> WatchedSession::LoadKept(const store::TaskId& task,
                                                                        store::KeptState state, int64_t after,
                                                                        int64_t limit, int64_t max_bytes) {
  return Watch({reading_}, [&] { return inner_->LoadKept(task, state, after, limit, max_bytes); });
}

absl::StatusOr<std::vector<store::KeptRecord>> WatchedSession::LoadKeptById(absl::Span<const int64_t> ids) {
  return Watch({reading_}, [&] { return inner_->LoadKeptById(ids); });
}

absl::StatusOr<store::KeptCounts> WatchedSession::CountKept(std::string_view group) {
  return Watch({reading_}, [&] { return inner_->CountKept(group); });
}

absl::StatusOr<std::vector<store::QueueHead>> WatchedSession::LoadQueueHeads(const store::TaskId& task) {
  return Watch({reading_}, [&] { return inner_->LoadQueueHeads(task); });
}

absl::StatusOr<std::vector<store::KeptRecord>> WatchedSession::LoadQueues(const store::TaskId& task,
                                                                          absl::Span<const std::string> keys,
                                                                          int64_t limit, int64_t max_bytes) {
  return Watch({reading_}, [&] { return inner_->LoadQueues(task, keys, limit, max_bytes); });
}

absl::StatusOr<std::vector<store::KeptRecord>> WatchedSession::LoadRequested(std::string_view group,
                                                                             absl::Span<const int32_t> partitions,
                                                                             int64_t limit, int64_t max_bytes) {
  return Watch({reading_}, [&] { return inner_->LoadRequested(group, partitions, limit, max_bytes); });
}

absl::StatusOr<std::vector<store::Timer>> WatchedSession::LoadTimers(const store::TaskId& task, int64_t limit,
                                                                     int64_t max_bytes) {
  return Watch({reading_}, [&] { return inner_->LoadTimers(task, limit, max_bytes); });
}

}  // namespace tradewind
