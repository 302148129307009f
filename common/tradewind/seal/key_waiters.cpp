#include "tradewind/seal/key_waiters.h"

namespace tradewind::seal {

void KeyWaiters::AddForNew(const SubjectTag& subject, absl::Time deadline, Done done) {
  Add({.subject = subject, .deadline = deadline, .is_for_new = true, .end = {}, .done = std::move(done)});
}

void KeyWaiters::AddForKnown(const SubjectTag& subject, absl::Time deadline, const KeyLog::End& end, Done done) {
  Add({.subject = subject,
       .deadline = deadline,
       .is_for_new = false,
       .end = {end.partition, end.question},
       .done = std::move(done)});
}

void KeyWaiters::Add(Waiter waiter) {
  const uint64_t id = next_id_++;
  OfSubject& of = by_subject_[waiter.subject];
  of.ids.insert(id);
  by_deadline_.emplace(waiter.deadline, id);
  if (waiter.is_for_new) {
    ++of.for_new;
  } else {
    by_end_[waiter.end].insert(id);
  }
  waiters_.emplace(id, std::move(waiter));
}

KeyWaiters::Done KeyWaiters::Take(uint64_t id) {
  auto node = waiters_.extract(id);
  Waiter& waiter = node.mapped();
  by_deadline_.erase({waiter.deadline, id});
  const auto of = by_subject_.find(waiter.subject);
  of->second.ids.erase(id);
  if (waiter.is_for_new) {
    --of->second.for_new;
  } else {
    const auto ending = by_end_.find(waiter.end);
    ending->second.erase(id);
    if (ending->second.empty()) by_end_.erase(ending);
  }
  if (of->second.ids.empty()) by_subject_.erase(of);
  return std::move(waiter.done);
}

int KeyWaiters::NewOf(const SubjectTag& subject) const {
  const auto of = by_subject_.find(subject);
  return of == by_subject_.end() ? 0 : of->second.for_new;
}

std::vector<KeyWaiters::Done> KeyWaiters::TakeOf(const SubjectTag& subject) {
  std::vector<Done> taken;
  const auto of = by_subject_.find(subject);
  if (of == by_subject_.end()) return taken;
  const std::set<uint64_t> ids = of->second.ids;
  for (const uint64_t id : ids) taken.push_back(Take(id));
  return taken;
}

std::vector<KeyWaiters::Done> KeyWaiters::TakeOverdue(absl::Time now) {
  std::vector<Done> taken;
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
    taken.push_back(Take(by_deadline_.begin()->second));
  }
  return taken;
}

std::vector<KeyWaiters::Done> KeyWaiters::TakeEnded(absl::FunctionRef<bool(const KeyLog::End&)> is_read) {
  std::vector<uint64_t> ids;
  for (const auto& [end, waiting] : by_end_) {
    if (is_read({.partition = end.first, .question = end.second}))
      ids.insert(ids.end(), waiting.begin(), waiting.end());
  }
  std::vector<Done> taken;
  taken.reserve(ids.size());
  for (const uint64_t id : ids) taken.push_back(Take(id));
  return taken;
}

}  // namespace tradewind::seal
