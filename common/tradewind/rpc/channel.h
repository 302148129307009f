// Client channels as the mesh uses them: DNS with round robin, keepalive, no proxy.
#pragma once

#include <memory>
#include <string>

namespace grpc {
class Channel;
}

namespace tradewind::rpc {

// Connects lazily. `address` is host:port or any gRPC target. Thread-safe.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

}  // namespace tradewind::rpc
