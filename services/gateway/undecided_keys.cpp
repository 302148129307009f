#include "services/gateway/undecided_keys.h"

#include <utility>

#include "tradewind/commands/problems.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::gateway {

void UndecidedKeys::Add(uint64_t id, std::string subject, absl::Time now) {
  std::vector<std::string> overdue;
  {
    absl::MutexLock lock(&mutex_);
    undecided_.emplace(id, Undecided{.subject = std::move(subject), .since = now});
    while (undecided_.size() > max_ || now - undecided_.begin()->second.since > seal::Keys::kWithdrawableFor) {
      overdue.push_back(std::move(undecided_.begin()->second.subject));
      undecided_.erase(undecided_.begin());
    }
    count_ = undecided_.size();
  }
  for (const std::string& subject_of_old : overdue) keys_.Keep(subject_of_old);
}

std::string UndecidedKeys::Take(uint64_t id) {
  if (count_ == 0) return "";
  absl::MutexLock lock(&mutex_);
  const auto found = undecided_.find(id);
  if (found == undecided_.end()) return "";
  std::string subject = std::move(found->second.subject);
  undecided_.erase(found);
  count_ = undecided_.size();
  return subject;
}

void UndecidedKeys::OnReply(const mesh::v1::Reply& reply) {
  // Another reply is to come.
  if (reply.has_error() && commands::IsPending(reply.error())) return;
  const std::string subject = Take(reply.correlation_id());
  if (subject.empty()) return;
  if (reply.has_error() && commands::IsDecided(reply.error())) {
    keys_.Withdraw(subject);
  } else {
    keys_.Keep(subject);
  }
}

void UndecidedKeys::OnAbsent(uint64_t id) {
  if (const std::string subject = Take(id); !subject.empty()) keys_.Withdraw(subject);
}

}  // namespace tradewind::gateway
