// Threads for what blocks: reads of a store, waits for a key, password hashes. gRPC runs all callbacks of a process,
// health included, on two threads, so a handler hands such work over and returns. What waits for a thread is bounded,
// and shared out: no client can fill the queue, nor keep the others waiting behind its own jobs.
//
//   rpc::WorkPool pool({.name = "queries", .threads = 8, .max_waiting = 2'000});
//   return rpc::AnswerOn(pool, *context, [=, this] { return Get(*request, response); });     // pooled_call.h
//
// Knows no gRPC.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

#include "tradewind/telemetry/metrics.h"

namespace tradewind::rpc {

// Thread-safe.
class WorkPool {
 public:
  struct Options {
    // Label of the pool's metrics, tradewind_work_waiting and tradewind_work_refused_total.
    std::string name = "work";
    int threads = 8;
    // Jobs that may wait for a thread.
    size_t max_waiting = 2'000;
    // Of them for one client; 0 means half of max_waiting.
    size_t max_waiting_of_client = 0;
    // Of them about one subject, of which one client may have half: nobody keeps a subject from all others. 0 means no
    // bound of its own.
    size_t max_waiting_about_subject = 0;
  };
  struct Job {
    absl::AnyInvocable<void()> run;
    // Whom it is for. Clients take turns; the jobs of one run in their order.
    std::string client;
    // What it is about, such as the account of a login; may be empty.
    std::string subject;
  };
  using Ticket = uint64_t;

  explicit WorkPool(Options options);
  // Runs what waits, then ends.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Does not block. The ticket is never 0. ResourceExhausted, saying which bound was met, where the job is not taken.
  absl::StatusOr<Ticket> Submit(Job job);

  // Takes a job back that still waits. False, and nothing happens, where it runs, has run or was taken back.
  bool Withdraw(Ticket ticket);

  size_t waiting() const;

 private:
  struct Waiting {
    Ticket ticket = 0;
    Job job;
  };
  struct Client {
    // In the order in which they came; never empty.
    std::list<Waiting> jobs;
    // Where it stands in turns_.
    std::list<std::string>::iterator turn;
  };

  void Run();
  absl::Status CheckBounds(const Job& job) const;
  // The first job of the client whose turn it is. With the lock held, as all that follow.
  Job TakeNext();
  // Removes a job and what is counted with it.
  Job Remove(const std::string& client, std::list<Waiting>::iterator entry);

  const Options options_;
  const telemetry::Gauge waiting_gauge_;
  const telemetry::Counter refused_;
  // Between those who submit and the pool's threads; held for look-ups alone.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Ticket last_ticket_ = 0;
  std::unordered_map<std::string, Client> clients_;
  // Each of them once, the next one first.
  std::list<std::string> turns_;
  struct Place {
    std::string client;
    std::list<Waiting>::iterator entry;
  };
  std::unordered_map<Ticket, Place> places_;
  std::unordered_map<std::string, size_t> about_subject_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tradewind::rpc
