#include "tradewind/rpc/work_pool.h"

#include <algorithm>
#include <utility>

namespace tradewind::rpc {
namespace {

WorkPool::Options Completed(WorkPool::Options options) {
  if (options.max_waiting_of_client == 0) options.max_waiting_of_client = std::max<size_t>(options.max_waiting / 2, 1);
  return options;
}

}  // namespace

WorkPool::WorkPool(Options options)
    : options_(Completed(std::move(options))),
      waiting_gauge_(telemetry::NewGauge("tradewind_work_waiting", "Jobs that wait for a thread of their pool.",
                                         {{"pool", options_.name}})),
      refused_(telemetry::NewCounter("tradewind_work_refused_total",
                                     "Jobs that a pool did not take, because it, their client's share or their "
                                     "subject's was full.",
                                     {{"pool", options_.name}})) {
  threads_.reserve(static_cast<size_t>(options_.threads));
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

absl::StatusOr<WorkPool::Ticket> WorkPool::Submit(Job job) {
  Ticket ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    if (absl::Status status = CheckBounds(job); !status.ok()) {
      refused_.Add();
      return status;
    }
    ticket = ++last_ticket_;
    const std::string client = job.client;
    if (!job.subject.empty()) ++about_subject_[job.subject];
    const auto [found, is_new] = clients_.try_emplace(client);
    if (is_new) found->second.turn = turns_.insert(turns_.end(), client);
    std::list<Waiting>& jobs = found->second.jobs;
    places_[ticket] = {.client = client, .entry = jobs.insert(jobs.end(), {.ticket = ticket, .job = std::move(job)})};
    waiting_gauge_.Add(1);
  }
  changed_.notify_one();
  return ticket;
}

absl::Status WorkPool::CheckBounds(const Job& job) const {
  if (stopping_) return absl::ResourceExhaustedError("the process is ending");
  if (places_.size() >= options_.max_waiting) return absl::ResourceExhaustedError("the queue is full");
  const auto client = clients_.find(job.client);
  if (client != clients_.end() && client->second.jobs.size() >= options_.max_waiting_of_client) {
    return absl::ResourceExhaustedError("the client's share of the queue is full");
  }
  const auto subject = about_subject_.find(job.subject);
  if (options_.max_waiting_about_subject == 0 || subject == about_subject_.end()) return absl::OkStatus();
  if (subject->second >= options_.max_waiting_about_subject) {
    return absl::ResourceExhaustedError("too much waits for the same subject");
  }
  if (client == clients_.end()) return absl::OkStatus();
  const std::list<Waiting>& own = client->second.jobs;
  const auto about_it = static_cast<size_t>(std::count_if(
      own.begin(), own.end(), [&](const Waiting& waiting) { return waiting.job.subject == job.subject; }));
  if (about_it >= std::max<size_t>(options_.max_waiting_about_subject / 2, 1)) {
    return absl::ResourceExhaustedError("the client's share of what waits for this subject is full");
  }
  return absl::OkStatus();
}

bool WorkPool::Withdraw(Ticket ticket) {
  // Destroyed without the lock: what it holds may want to come back here.
  Job job;
  {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(ticket);
    if (place == places_.end()) return false;
    job = Remove(place->second.client, place->second.entry);
  }
  return true;
}

size_t WorkPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return places_.size();
}

WorkPool::Job WorkPool::TakeNext() {
  Client& client = clients_.at(turns_.front());
  // Behind the others, for what else it has.
  turns_.splice(turns_.end(), turns_, client.turn);
  return Remove(turns_.back(), client.jobs.begin());
}

WorkPool::Job WorkPool::Remove(const std::string& client, std::list<Waiting>::iterator entry) {
  // `client` may belong to what goes.
  const auto found = clients_.find(client);
  Job job = std::move(entry->job);
  places_.erase(entry->ticket);
  found->second.jobs.erase(entry);
  if (found->second.jobs.empty()) {
    turns_.erase(found->second.turn);
    clients_.erase(found);
  }
  if (const auto about = about_subject_.find(job.subject); about != about_subject_.end() && --about->second == 0) {
    about_subject_.erase(about);
  }
  waiting_gauge_.Add(-1);
  return job;
}

void WorkPool::Run() {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !places_.empty(); });
      if (places_.empty()) return;
      job = TakeNext();
    }
    std::move(job.run)();
  }
}

}  // namespace tradewind::rpc
