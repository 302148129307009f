#include "tradewind/commands/command_publisher.h"

#include <string>

#include "tradewind/clock/steady_now.h"
#include "tradewind/commands/logger.h"
#include "tradewind/errors/problem.h"

namespace tradewind::commands {
namespace {

// How often the thread looks whether it should stop or replace the producer, where no report wakes it.
constexpr absl::Duration kPollTimeout = absl::Milliseconds(100);
constexpr absl::Duration kReplaceBackoff = absl::Seconds(1);
constexpr absl::Duration kLastReports = absl::Seconds(2);

}  // namespace

CommandPublisher::CommandPublisher(std::unique_ptr<bus::EventSink> sink, bus::MakeSink make, PendingTable& pending)
    : sink_(std::move(sink), std::move(make)), pending_(pending), thread_([this] { Run(); }) {}

CommandPublisher::~CommandPublisher() {
  stop_.Notify();
  thread_.join();
}

absl::Status CommandPublisher::Publish(const bus::OutgoingRecord& record, uint64_t id, PendingCall& call, Await await,
                                       PendingShare& share) {
  bool still_ours = true;
  const absl::Status status = sink_.Use([&](bus::EventSink& sink) {
    // Before the record is on its way: the answer may be here before Produce has returned.
    if (!pending_.Insert(id, call, await, share)) {
      pending_.TakeAbsent(id);
      return TooManyWaiting();
    }
    owed_.fetch_add(1, std::memory_order_relaxed);
    absl::Status produced = sink.Produce(record, id);
    if (!produced.ok()) {
      owed_.fetch_sub(1, std::memory_order_relaxed);
      still_ours = pending_.TakeAbsent(id) != nullptr;
      // Otherwise neither this record nor the load is to blame.
      if (!absl::IsResourceExhausted(produced) && !absl::IsInvalidArgument(produced)) broken_ = true;
    }
    return produced;
  });
  // Where a cancellation or the deadline was faster, the call has ended and the error is nobody's.
  return still_ours ? status : absl::OkStatus();
}

void CommandPublisher::Run() {
  const auto report = [this](const bus::Delivery& delivery) { Report(delivery); };
  while (!stop_.HasBeenNotified()) {
    sink_.Poll(kPollTimeout, report);
    if (broken_) {
      ReplaceProducer();
    }
  }
  const absl::Time end = clock::SteadyNow() + kLastReports;
  while (owed_ > 0 && clock::SteadyNow() < end) {
    sink_.Poll(kPollTimeout, report);
  }
}

void CommandPublisher::Report(const bus::Delivery& delivery) {
  owed_.fetch_sub(1, std::memory_order_relaxed);
  if (delivery.status.ok()) {
    if (PendingCall* call = pending_.Deliver(delivery.token)) {
      call->OnAccepted();
    }
    return;
  }
  if (errors::Read(delivery.status) == errors::Reading::kFatal) {
    broken_ = true;
  }
  PendingCall* call = delivery.certainly_absent ? pending_.TakeAbsent(delivery.token) : pending_.Take(delivery.token);
  if (call == nullptr) {
    return;
  }
  if (delivery.certainly_absent) {
    call->OnNotAccepted(delivery.status);
  } else {
    kLog.Warn("a command may have reached Kafka or not", {{"error", delivery.status}});
    call->OnOutcomePending(absl::UnknownError("Kafka did not confirm the command"));
  }
}

void CommandPublisher::ReplaceProducer() {
  std::vector<PendingCall*> lost;
  const absl::Status status = sink_.Replace([&] {
    broken_ = false;
    owed_ = 0;
    lost = pending_.TakeUndelivered();
  });
  const absl::Status why = absl::UnknownError("the producer was replaced while the command was on its way");
  for (PendingCall* call : lost) {
    call->OnOutcomePending(why);
  }
  if (status.ok()) {
    kLog.Warn("replaced a producer that had failed", {{"calls_left_pending", lost.size()}});
    return;
  }
  kLog.Error("cannot replace a producer that has failed, trying again", {{"error", status}, {"in", kReplaceBackoff}});
  stop_.WaitForNotificationWithTimeout(kReplaceBackoff);
}

}  // namespace tradewind::commands
