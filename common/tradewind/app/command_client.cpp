#include "tradewind/app/command_client.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "absl/time/clock.h"

#include "tradewind/clock/steady_now.h"
#include "tradewind/commands/problems.h"
#include "tradewind/errors/problem.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/runtime/message_rule.h"

namespace tradewind {
namespace {

constexpr absl::Duration kDrainStep = absl::Milliseconds(5);

CommandOutcome Failed(const errors::Problem& problem) {
  CommandOutcome outcome;
  outcome.error = errors::ToRpcStatus(problem);
  return outcome;
}

// Owns itself while it waits in the table.
class OneCall final : public commands::PendingCall {
 public:
  OneCall(bool has_request_id, CommandClient::Done done) : has_request_id_(has_request_id), done_(std::move(done)) {}
  virtual ~OneCall() = default;

  void OnAccepted() override { End({}); }
  void OnReply(mesh::v1::Reply& reply) override {
    CommandOutcome outcome;
    if (reply.has_error()) {
      outcome.error = std::move(*reply.mutable_error());
    } else {
      const std::string& url = reply.resource().type_url();
      outcome.type = url.substr(url.rfind('/') + 1);
      outcome.resource = std::move(*reply.mutable_resource()->mutable_value());
    }
    End(std::move(outcome));
  }
  void OnNotAccepted(const absl::Status& why) override {
    End(Failed(rpc::Traced(commands::NotAccepted(), std::string(why.message()))));
  }
  void OnOutcomePending(const absl::Status& why) override {
    End(Failed(commands::OutcomePending(std::string(why.message()), has_request_id_)));
  }

 private:
  void End(CommandOutcome outcome) {
    const std::unique_ptr<OneCall> self(this);
    std::move(done_)(std::move(outcome));
  }

  const bool has_request_id_;
  CommandClient::Done done_;
};

}  // namespace

void CommandClient::Call(const google::protobuf::Message& command, Options options, Done done) {
  if (draining_) {
    std::move(done)(Failed(rpc::Traced(commands::NotAccepted(), "this instance is about to end")));
    return;
  }
  const auto route = runtime::RouteOf(command.GetDescriptor());
  if (!route.ok()) throw std::invalid_argument(std::string(route.status().message()));
  std::string scratch;
  const std::string key(route->KeyOf(command, scratch));
  const std::string value = command.SerializeAsString();
  const commands::Command sent{.topic = route->topic,
                               .key = key,
                               .value = value,
                               .type = command.GetDescriptor()->full_name(),
                               .caller = options.caller,
                               .method = options.method,
                               .request_id = options.request_id,
                               .traceparent = options.traceparent,
                               .now = absl::Now()};
  auto call = std::make_unique<OneCall>(!options.request_id.empty(), std::move(done));
  const absl::Status status = link_.Send(sent, link_.NextId(), *call, commands::Await::kOutcome, options.wait);
  // Where it was sent it may have ended, and gone, already.
  OneCall* const raw = call.release();
  if (!status.ok()) raw->OnNotAccepted(status);
}

void CommandClient::Drain(absl::Duration at_most) {
  draining_ = true;
  const absl::Time end = clock::SteadyNow() + at_most;
  while (link_.pending() > 0 && clock::SteadyNow() < end) absl::SleepFor(kDrainStep);
}

}  // namespace tradewind
