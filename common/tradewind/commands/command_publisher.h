// Puts commands on the log and tells their calls what became of them. One sink, one thread that collects its delivery
// reports; a producer that broke is replaced without a restart, and without anybody waiting for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"

#include "tradewind/bus/event_sink.h"
#include "tradewind/bus/replaceable_sink.h"
#include "tradewind/commands/pending_table.h"

namespace tradewind::commands {

// Publish may be called by any thread.
class CommandPublisher {
 public:
  // `sink` takes Produce from many threads at once, and so does what `make` makes in its place; `pending` outlives the
  // publisher.
  CommandPublisher(std::unique_ptr<bus::EventSink> sink, bus::MakeSink make, PendingTable& pending);
  // Reports what is still to be reported, for up to `kLastReports`, then ends.
  ~CommandPublisher();

  // Enters `call` into the table under `id` and hands the record to the producer; does not block. When this returns OK
  // the call is the table's and may have ended already. Otherwise it is the caller's again, and Kafka does not have the
  // record: ResourceExhausted when the producer's queue is full, TooManyWaiting where no more may wait, InvalidArgument
  // when the record can never be sent, anything else when the producer is broken (and about to be replaced).
  absl::Status Publish(const bus::OutgoingRecord& record, uint64_t id, PendingCall& call, Await await,
                       PendingShare& share);

 private:
  void Run();
  void Report(const bus::Delivery& delivery);
  void ReplaceProducer();

  bus::ReplaceableSink sink_;
  PendingTable& pending_;
  std::atomic<bool> broken_ = false;
  // Produced and not yet reported.
  std::atomic<int64_t> owed_ = 0;
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace tradewind::commands
