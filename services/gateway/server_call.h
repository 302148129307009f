// What every call at the front door has in common: it ends once, is counted and timed, and leaves one line in the
// access log.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/arena.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"

#include "services/gateway/authenticator.h"
#include "services/gateway/catalog.h"
#include "tradewind/errors/problem.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/trace.h"

namespace tradewind::gateway {

// Counts and times the calls of one method. Thread-safe.
class MethodMetrics {
 public:
  explicit MethodMetrics(const Method& method);
  void Observe(grpc::StatusCode code, absl::Duration took) const;

 private:
  // By gRPC status code.
  std::vector<telemetry::Counter> calls_;
  telemetry::Histogram seconds_;
};

// A reactor that reads one request and ends once. Subclasses decide when; they may be gone as soon as End returns.
class ServerCall : public grpc::ServerGenericBidiReactor {
 public:
  void OnReadDone(bool ok) final;
  void OnDone() final { delete this; }

 protected:
  // `method`, `metrics` and `context` outlive the call.
  ServerCall(const Method& method, const MethodMetrics& metrics, Caller caller,
             grpc::GenericCallbackServerContext& context);

  // Exactly one of these, once. A problem is the gateway's own refusal, and is counted as one.
  void End(const grpc::Status& status);
  void End(const errors::Problem& problem);
  void EndWith(grpc::ByteBuffer response);

  // Starts reading the request; OnRequest follows once the caller is known, unless it sent none or is to be refused:
  // the call ends by itself then.
  void ReadRequest() { StartRead(&request_); }
  virtual void OnRequest() = 0;

  // The request as a message in `arena`, checked against its rules and without what the schema does not have. Null when
  // it was refused: the call has ended then.
  google::protobuf::Message* ParseAndCheck(google::protobuf::Arena& arena);
  // Checks the request and leaves in request() what was checked, written anew: the owning service gets not a byte that
  // nobody here has looked at. False when it was refused: the call has ended then.
  bool CheckRequest();

  // The caller's metadata of that name; empty where there is none.
  std::string_view Metadata(const char* name) const;

  const Method& method() const { return method_; }
  // Who calls; empty where nobody said.
  const std::string& caller() const { return caller_.id; }
  // Whom the call is counted for, where places in a queue are shared out: the caller, or the address it comes from.
  std::string client() const;
  grpc::GenericCallbackServerContext& context() const { return context_; }
  grpc::ByteBuffer& request() { return request_; }
  // Of this hop: a child of the caller's trace, or a new one.
  const telemetry::TraceContext& trace() const { return trace_; }

 private:
  void OnIdentified(Identity identity);
  void Account(const grpc::Status& status);

  const Method& method_;
  const MethodMetrics& metrics_;
  Caller caller_;
  grpc::GenericCallbackServerContext& context_;
  const absl::Time start_;
  const telemetry::TraceContext trace_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

// Ends a call that is not taken at all, counted and logged as any refusal.
class RefusedCall final : public grpc::ServerGenericBidiReactor {
 public:
  // `metrics` are of the method; null for one that is not served.
  RefusedCall(const errors::Problem& problem, const MethodMetrics* metrics,
              const grpc::GenericCallbackServerContext& context);
  void OnDone() override { delete this; }
};

}  // namespace tradewind::gateway
