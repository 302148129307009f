#include "services/gateway/undecided_keys.h"

#include <utility>
#include <vector>

#include "services/gateway/logger.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/commands/problems.h"
#include "tradewind/mesh/v1/envelope.pb.h"

namespace tradewind::gateway {
namespace {

// For a key to get back to the log.
constexpr absl::Duration kPatience = absl::Minutes(1);

}  // namespace

void UndecidedKeys::Add(uint64_t id, std::string subject, absl::Time now) {
  std::vector<std::string> overdue;
  {
    absl::MutexLock lock(&mutex_);
    undecided_.emplace(id, Undecided{.subject = std::move(subject), .since = now});
    while (undecided_.size() > max_ || now - undecided_.begin()->second.since > seal::Keys::kWithdrawableFor) {
      overdue.push_back(std::move(undecided_.begin()->second.subject));
      undecided_.erase(undecided_.begin());
    }
    has_any_ = true;
  }
  for (const std::string& old : overdue) keys_.Keep(old);
}

void UndecidedKeys::OnReply(const mesh::v1::Reply& reply) {
  if (!has_any_) return;
  const uint64_t id = reply.correlation_id();
  if (reply.has_error() && commands::IsDecided(reply.error())) {
    Withdraw(id);
  } else if (!reply.has_error() || !commands::IsPending(reply.error())) {
    // It is done; or it was set aside, and may be done when somebody has it retried.
    Keep(id);
  }
}

void UndecidedKeys::OnAbsent(uint64_t id) {
  if (has_any_) Withdraw(id);
}

void UndecidedKeys::Keep(uint64_t id) {
  std::string undecided;
  std::string withdrawn;
  {
    absl::MutexLock lock(&mutex_);
    if (auto node = undecided_.extract(id)) undecided = std::move(node.mapped().subject);
    if (auto node = withdrawn_.extract(id)) withdrawn = std::move(node.mapped());
    has_any_ = !undecided_.empty() || !withdrawn_.empty();
  }
  if (!undecided.empty()) keys_.Keep(undecided);
  if (!withdrawn.empty()) PutBack(withdrawn);
}

void UndecidedKeys::Withdraw(uint64_t id) {
  std::string subject;
  {
    absl::MutexLock lock(&mutex_);
    auto node = undecided_.extract(id);
    if (!node) return;
    subject = std::move(node.mapped().subject);
    withdrawn_.emplace(id, subject);
    if (withdrawn_.size() > max_) withdrawn_.erase(withdrawn_.begin());
  }
  keys_.Withdraw(subject);
}

void UndecidedKeys::PutBack(const std::string& subject) {
  kLog.Error(
      "a command was refused and then done; putting its subject's key back. See who can write to mesh.replies.v1",
      {{"subject", subject}});
  keys_.Prepare(subject, clock::SteadyNow() + kPatience, [this, subject](const absl::Status& made) {
    if (made.ok()) {
      keys_.Keep(subject);
    } else {
      kLog.Error("a subject's key cannot be put back", {{"subject", subject}, {"error", made}});
    }
  });
}

}  // namespace tradewind::gateway
