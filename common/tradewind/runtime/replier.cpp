#include "tradewind/runtime/replier.h"

#include <map>
#include <utility>

#include "tradewind/bus/envelope.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/runtime/context.h"
#include "tradewind/runtime/logger.h"

namespace tradewind::runtime {

void Replier::Send(std::vector<PendingReply>& replies) {
  struct Letter {
    mesh::v1::ReplyBatch batch;
    size_t bytes = 0;
  };
  std::map<std::pair<int32_t, std::string>, Letter> letters;
  for (PendingReply& pending : replies) {
    Letter& letter = letters[{pending.partition, pending.instance_id}];
    const size_t bytes = pending.reply->ByteSizeLong();
    if (letter.bytes > 0 && letter.bytes + bytes > kMaxEventBytes) {
      Produce(pending.partition, letter.batch.SerializeAsString());
      letter = {};
    }
    letter.batch.set_instance_id(pending.instance_id);
    letter.batch.mutable_replies()->AddAllocated(pending.reply.release());
    letter.bytes += bytes;
  }
  for (const auto& [address, letter] : letters) Produce(address.first, letter.batch.SerializeAsString());
  replies.clear();
}

void Replier::Produce(int32_t partition, const std::string& value) {
  static const std::string type = mesh::v1::ReplyBatch::descriptor()->full_name();
  const bus::HeaderView headers[] = {{bus::kTypeHeader, type}, {bus::kContentTypeHeader, bus::kProtobufContentType}};
  const absl::Status taken =
      sink_.Produce({.topic = topic_, .partition = partition, .key = {}, .value = value, .headers = headers}, 0);
  if (taken.ok()) {
    ++on_their_way_;
  } else {
    kLog.Warn("an answer could not be sent; its caller can repeat the request", {{"error", taken}});
  }
}

void Replier::Pump() {
  sink_.Poll(absl::ZeroDuration(), [this](const bus::Delivery& delivery) { OnDelivery(delivery); });
}

void Replier::Settle(absl::Duration patience) {
  const absl::Time deadline = clock::SteadyNow() + patience;
  while (on_their_way_ > 0 && clock::SteadyNow() < deadline) {
    sink_.Poll(absl::Milliseconds(20), [this](const bus::Delivery& delivery) { OnDelivery(delivery); });
  }
}

void Replier::OnDelivery(const bus::Delivery& delivery) {
  --on_their_way_;
  if (!delivery.status.ok()) {
    kLog.Warn("an answer was not delivered; its caller can repeat the request", {{"error", delivery.status}});
  }
}

}  // namespace tradewind::runtime
