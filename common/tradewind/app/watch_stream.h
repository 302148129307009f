// Watch methods: a server stream that starts with what is there and goes on with what happens, shared by every service
// that has one. A WatchStream is the gRPC reactor; a Viewer is what one call wants to see.
//
//   grpc::ServerWriteReactor<Order>* WatchOrder(grpc::CallbackServerContext* context,
//                                               const WatchOrderRequest* request) {
//     return StartWatch<Order>(streams_, feed_, *context, request->id(),
//                              std::make_unique<OrderViewer>(reader_, request->id()), /*capacity=*/64);
//   }
//
// The order of things makes sure that nothing falls between store and feed: the feed is watched first, then the viewer
// reads the store, then it gets the events that came meanwhile, then those that come.
//
// A client that reads slowly is held back by nobody and holds nobody back: messages wait in a queue of its own, and
// when that is full the stream ends with RESOURCE_EXHAUSTED (once the client has taken the message that is under way).
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/status.h"

#include "tradewind/app/event_feed.h"
#include "tradewind/rpc/caller.h"
#include "tradewind/rpc/pooled_call.h"
#include "tradewind/rpc/work_pool.h"

namespace tradewind {

// A stream as the registry knows it.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  // Ends the stream as soon as the message under way is out, without what waits behind it.
  virtual void EndNow(grpc::Status status) = 0;
};

// The open watch streams of one gRPC service. They end by themselves only when their clients go, so a server that wants
// to stop ends them here first. Thread-safe; outlives the server that the streams belong to.
class WatchStreams {
 public:
  // Viewers open on the pool, which outlives the streams.
  explicit WatchStreams(rpc::WorkPool& pool) : pool_(pool) {}

  // Every open stream, and every one opened later, ends with UNAVAILABLE: clients come again, to another instance or
  // after the restart.
  void EndAll();
  size_t open() const;

  // For WatchStream.
  void Add(const std::shared_ptr<OpenStream>& stream);
  void Remove(const OpenStream* stream);
  rpc::WorkPool& pool() { return pool_; }

 private:
  rpc::WorkPool& pool_;
  // Between the threads of the gRPC server and the one that shuts it down; held for a look-up only.
  mutable std::mutex mutex_;
  std::unordered_map<const OpenStream*, std::weak_ptr<OpenStream>> streams_;
  bool ended_ = false;
};

// What a viewer says to its client. Neither call blocks; after End both do nothing.
template <typename Response>
class WatchOutput {
 public:
  // Behind everything sent before.
  virtual void Send(Response message) = 0;
  // The stream ends once everything sent before is out.
  virtual void End(grpc::Status status) = 0;

 protected:
  ~WatchOutput() = default;
};

// Turns store and events into what one client sees. Open is called once, then OnEvent for each event of the key in
// order; never two of them at a time, though on different threads.
template <typename Response>
class Viewer {
 public:
  virtual ~Viewer() = default;
  // Sends what is there already. Runs on the pool and may block for a read of the store. An error ends the stream.
  virtual grpc::Status Open(WatchOutput<Response>& output) = 0;
  // Must not block: every watcher of the topic waits.
  virtual void OnEvent(std::string_view type, std::string_view value, WatchOutput<Response>& output) = 0;
};

// Owns itself from Start until gRPC is done with it.
template <typename Response>
class WatchStream final : public grpc::ServerWriteReactor<Response>,
                          public OpenStream,
                          private WatchOutput<Response>,
                          public std::enable_shared_from_this<WatchStream<Response>> {
 public:
  WatchStream(WatchStreams& streams, std::unique_ptr<Viewer<Response>> viewer, size_t capacity)
      : streams_(streams), viewer_(std::move(viewer)), capacity_(capacity) {}

  // To be called on the thread that handles the call, before gRPC is given the reactor: until then it does not call
  // back, so nothing here can be destroyed meanwhile.
  void Start(EventFeed& feed, const grpc::CallbackServerContext& context, std::string key) {
    self_ = this->shared_from_this();
    streams_.Add(self_);
    subscription_ = feed.Watch(std::move(key), [this](const bus::Envelope& envelope, const bus::Record& record) {
      OnFeedEvent(envelope.type, record.value());
    });
    // gRPC may be done with the stream before the viewer has opened.
    auto open = [self = self_, trace = rpc::TraceOf(context)] { self->OpenViewer(trace); };
    const auto ticket = streams_.pool().Submit({.run = std::move(open), .client = rpc::ClientOf(context)});
    if (ticket.ok()) {
      ticket_ = *ticket;
    } else {
      End(rpc::Busy({}));
    }
  }

  void EndNow(grpc::Status status) override {
    Step step;
    {
      const std::lock_guard lock(mutex_);
      queue_.clear();
      ending_ = std::move(status);
      step = NextStep();
    }
    Take(std::move(step));
  }

  void OnWriteDone(bool ok) override {
    Step step;
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (!ok) {
        queue_.clear();
        ending_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client went away");
      }
      step = NextStep();
    }
    Take(std::move(step));
  }

  void OnCancel() override {
    streams_.pool().Withdraw(ticket_);
    EndNow(grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled"));
  }

  void OnDone() override {
    // Waits for the watcher where it runs just now; it does not block.
    subscription_.reset();
    streams_.Remove(this);
    self_.reset();
  }

 private:
  // What to do once the lock is released: gRPC is never called under it.
  struct Step {
    enum class Kind { kNone, kWrite, kFinish };
    Kind kind = Kind::kNone;
    grpc::Status status;
  };
  struct HeldEvent {
    std::string type;
    std::string value;
  };

  void OpenViewer(const telemetry::TraceContext& trace) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_.has_value()) return;
    }
    const telemetry::TraceScope scope(trace);
    if (grpc::Status opened = viewer_->Open(*this); !opened.ok()) {
      End(std::move(opened));
      return;
    }
    CatchUp();
  }

  void Send(Response message) override {
    Step step;
    {
      const std::lock_guard lock(mutex_);
      if (ending_.has_value()) return;
      if (queue_.size() < capacity_) {
        queue_.push_back(std::move(message));
      } else {
        EndAsTooSlow();
      }
      step = NextStep();
    }
    Take(std::move(step));
  }

  void End(grpc::Status status) override {
    Step step;
    {
      const std::lock_guard lock(mutex_);
      if (ending_.has_value()) return;
      ending_ = std::move(status);
      step = NextStep();
    }
    Take(std::move(step));
  }

  // On the feed's thread.
  void OnFeedEvent(std::string_view type, std::string_view value) {
    Step step;
    bool open = false;
    {
      const std::lock_guard lock(mutex_);
      if (ending_.has_value()) return;
      open = open_;
      if (!open) {
        // Copied: envelope and record end with the watcher's call.
        if (held_.size() < capacity_) {
          held_.push_back({std::string(type), std::string(value)});
        } else {
          EndAsTooSlow();
          step = NextStep();
        }
      }
    }
    Take(std::move(step));
    // The viewer is ours once it is open: the pool's thread gave it up then.
    if (open) viewer_->OnEvent(type, value, *this);
  }

  // On the pool's thread: shows the viewer what came while it opened, then leaves it to the feed's thread.
  void CatchUp() {
    while (true) {
      HeldEvent event;
      {
        const std::lock_guard lock(mutex_);
        if (ending_.has_value() || held_.empty()) {
          held_.clear();
          open_ = true;
          return;
        }
        event = std::move(held_.front());
        held_.pop_front();
      }
      viewer_->OnEvent(event.type, event.value, *this);
    }
  }

  // With the lock held.
  void EndAsTooSlow() {
    queue_.clear();
    ending_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                           "the stream is read too slowly: changes were dropped; watch again to go on from here");
  }

  // With the lock held. One write at a time, and Finish once, after the last of them.
  Step NextStep() {
    if (writing_ || finished_) return {};
    if (!queue_.empty()) {
      current_ = std::move(queue_.front());
      queue_.pop_front();
      writing_ = true;
      return {.kind = Step::Kind::kWrite, .status = {}};
    }
    if (!ending_.has_value()) return {};
    finished_ = true;
    return {.kind = Step::Kind::kFinish, .status = *ending_};
  }

  // Without the lock. Only who set writing_ or finished_ gets here with work, so current_ is not touched meanwhile, and
  // gRPC keeps the reactor until it has answered.
  void Take(Step step) {
    if (step.kind == Step::Kind::kWrite) this->StartWrite(&current_);
    if (step.kind == Step::Kind::kFinish) this->Finish(std::move(step.status));
  }

  WatchStreams& streams_;
  const std::unique_ptr<Viewer<Response>> viewer_;
  const size_t capacity_;
  std::shared_ptr<WatchStream> self_;
  std::unique_ptr<EventFeed::Subscription> subscription_;
  // Of the job that opens the viewer; 0 where the pool did not take it.
  rpc::WorkPool::Ticket ticket_ = 0;

  // Between gRPC's threads, the feed's and the one that ends all streams.
  std::mutex mutex_;
  std::deque<Response> queue_;
  Response current_;
  std::deque<HeldEvent> held_;
  std::optional<grpc::Status> ending_;
  bool open_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

// Answers a watch call. At most `capacity` messages wait for the client; what the viewer sends when it opens has to
// fit.
template <typename Response>
grpc::ServerWriteReactor<Response>* StartWatch(WatchStreams& streams, EventFeed& feed,
                                               const grpc::CallbackServerContext& context, std::string key,
                                               std::unique_ptr<Viewer<Response>> viewer, size_t capacity) {
  auto stream = std::make_shared<WatchStream<Response>>(streams, std::move(viewer), capacity);
  stream->Start(feed, context, std::move(key));
  return stream.get();
}

}  // namespace tradewind
