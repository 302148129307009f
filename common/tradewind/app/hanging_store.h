// Whether a service is deaf while its store hangs, for the tests of services.
#pragma once

#include <string>
#include <vector>

#include "grpcpp/impl/service_type.h"

#include "tradewind/rpc/work_pool.h"
#include "tradewind/testing/fake_reader.h"

namespace tradewind::testing {

struct RawCall {
  // "/tradewind.order.v1.OrderService/GetOrder".
  std::string method;
  // The request's bytes.
  std::string request;
};

// True where grpc.health.v1 is answered by a real server of `service` while each of `calls`, made three times, hangs:
// first in `reader`, then behind that in `pool`, whose threads are fewer than the calls. Nothing is let go before
// health has been answered. The pool has `threads` and room for the others.
bool AnswersHealthWhileItsStoreHangs(grpc::Service& service, FakeReader& reader, rpc::WorkPool& pool, size_t threads,
                                     const std::vector<RawCall>& calls);

}  // namespace tradewind::testing
