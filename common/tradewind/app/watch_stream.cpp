#include "tradewind/app/watch_stream.h"

#include <vector>

#include "tradewind/errors/problem.h"
#include "tradewind/rpc/errors.h"

namespace tradewind {
namespace {

grpc::Status ShuttingDown() {
  return rpc::ToGrpcStatus(errors::Problem{.code = absl::StatusCode::kUnavailable,
                                           .reason = "SHUTTING_DOWN",
                                           .message = "the service is shutting down; watch again in a moment"});
}

}  // namespace

void WatchStreams::EndAll() {
  std::vector<std::shared_ptr<OpenStream>> streams;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (const auto& [key, stream] : streams_) {
      if (auto open = stream.lock()) streams.push_back(std::move(open));
    }
  }
  for (const auto& stream : streams) stream->EndNow(ShuttingDown());
}

size_t WatchStreams::open() const {
  const std::lock_guard lock(mutex_);
  return streams_.size();
}

void WatchStreams::Add(const std::shared_ptr<OpenStream>& stream) {
  bool ended = false;
  {
    const std::lock_guard lock(mutex_);
    streams_.emplace(stream.get(), stream);
    ended = ended_;
  }
  if (ended) stream->EndNow(ShuttingDown());
}

void WatchStreams::Remove(const OpenStream* stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase(stream);
}

}  // namespace tradewind
