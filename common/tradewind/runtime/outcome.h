// What a handler says of the message it was given.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

#include "tradewind/errors/problem.h"

namespace tradewind::runtime {

// Why a handler failed that threw what has no text.
inline constexpr std::string_view kUnknownException = "it threw something that is not a std::exception";

class Outcome {
 public:
  enum class Kind { kAck, kReject, kRetry, kDead };

  Kind kind() const { return kind_; }
  // kRetry and kDead.
  const std::string& reason() const { return reason_; }
  // kRetry: not before this much time has passed.
  absl::Duration after() const { return after_; }
  // kReject.
  const errors::Problem& problem() const { return problem_; }

 private:
  friend Outcome Ack();
  friend Outcome Reject(errors::Problem problem);
  friend Outcome Retry(absl::Duration after, std::string reason);
  friend Outcome Dead(std::string reason);

  Kind kind_ = Kind::kAck;
  std::string reason_;
  absl::Duration after_;
  errors::Problem problem_;
};

// Done: state, events and reply are kept.
inline Outcome Ack() { return {}; }

// The command was understood and is refused: the caller gets `problem`; whatever the handler changed or emitted is
// dropped. The refusal is remembered under the request_id like any other answer.
inline Outcome Reject(errors::Problem problem) {
  Outcome outcome;
  outcome.kind_ = Outcome::Kind::kReject;
  outcome.problem_ = std::move(problem);
  return outcome;
}

// Not now. Whatever the handler changed or emitted is dropped, and the message is handled again after a delay that
// grows with each attempt, not before `after`. Until then it holds back later messages of its key, and no others.
inline Outcome Retry(absl::Duration after, std::string reason) {
  Outcome outcome;
  outcome.kind_ = Outcome::Kind::kRetry;
  outcome.after_ = after;
  outcome.reason_ = std::move(reason);
  return outcome;
}

// Never. Whatever the handler changed or emitted is dropped, and the message is kept as dead for a person to look at:
// `tradewind parked` retries or skips it. Until then later messages of its key wait, unless the subscription passes
// over what is dead.
inline Outcome Dead(std::string reason) {
  Outcome outcome;
  outcome.kind_ = Outcome::Kind::kDead;
  outcome.reason_ = std::move(reason);
  return outcome;
}

}  // namespace tradewind::runtime
