// What a provider tells by itself, once it has decided: POST /v1/callbacks, signed by Standard Webhooks (headers
// webhook-id, webhook-timestamp, webhook-signature), with the body of provider_protocol.h. Each is sent on as the
// command ReportOperationRequest, so that it takes its place in the log like the answer to a call does; the decider
// takes the first word on each operation and ignores every other.
//
//   200  taken, and committed; also what was known already, or is about an operation that nobody waits for
//   400  not of the protocol        401  the signature is wrong, or older than five minutes, or from the future
//   404  the order has no payment, or there is no such path        405  not a POST
//   503  it is not known whether it was taken: to be sent again
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tradewind/app/command_client.h"
#include "tradewind/http/server.h"
#include "tradewind/payment/v1/events.pb.h"

namespace tradewind::payment {

// Thread-safe.
class CallbackCalls {
 public:
  // CommandClient::Call of a client that outlives this.
  using Report = std::function<void(const v1::ReportOperationRequest&, CommandClient::Done)>;

  CallbackCalls(std::vector<std::string> secrets, Report report)
      : secrets_(std::move(secrets)), report_(std::move(report)) {}

  // For http::Server: does not block.
  void Handle(const http::Request& request, http::Server::Done done) const;

 private:
  const std::vector<std::string> secrets_;
  const Report report_;
};

}  // namespace tradewind::payment
