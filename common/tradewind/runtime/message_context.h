// The Context of one message within an attempt.
#pragma once

#include <string>

#include "tradewind/runtime/attempt.h"
#include "tradewind/runtime/context.h"

namespace tradewind::runtime {

class MessageContext final : public Context {
 public:
  MessageContext(Attempt& attempt, TaskWork& work, const bus::Record& record, const bus::Envelope& envelope,
                 std::string traceparent, mesh::v1::Reply& reply)
      : attempt_(attempt),
        work_(work),
        record_(record),
        envelope_(envelope),
        traceparent_(std::move(traceparent)),
        reply_(reply) {}
  ~MessageContext() = default;

  void Emit(const google::protobuf::Message& event) override;
  void Reply(const google::protobuf::Message& resource) override;
  void SetTimer(std::string_view name, absl::Time due, const google::protobuf::Message& message) override;
  void CancelTimer(std::string_view name) override;
  std::string_view key() const override { return record_.key(); }
  std::string_view event_id() const override { return envelope_.id; }
  absl::Time now() const override;
  std::string_view caller() const override { return envelope_.caller; }

 protected:
  Slot LoadSlot(const google::protobuf::Message& prototype, std::string_view key) override;

 private:
  Attempt& attempt_;
  TaskWork& work_;
  const bus::Record& record_;
  const bus::Envelope& envelope_;
  // Of what the handler emits; empty where the message carried none.
  const std::string traceparent_;
  mesh::v1::Reply& reply_;
};

}  // namespace tradewind::runtime
