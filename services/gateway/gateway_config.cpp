#include "services/gateway/gateway_config.h"

#include <fmt/format.h>
#include <sodium.h>

#include <filesystem>
#include <system_error>

#include "tradewind/auth/password.h"

namespace tradewind::gateway {

void Describe(config::Schema& schema, GatewayConfig& config) {
  auto section = schema.Section("gateway", "Front door.");
  section.Field(
      "descriptors", &config.descriptors,
      "descriptor set to serve from; empty: ../share/tradewind/descriptors.binpb beside the executable's folder");
  section.Field("services", &config.services, "full service name -> gRPC address of the service that owns it")
      .NotEmpty()
      .Reaches();
  section.Field("keys_of", &config.keys_of,
                "the one of services whose owner has the keys of access tokens; empty: tokens are refused");
  section.Field("timeout", &config.timeout, "deadline of a call that has none").Min(absl::Milliseconds(50));
  section.Field("max_timeout", &config.max_timeout, "longest wait for a command's outcome")
      .Min(absl::Milliseconds(50))
      .Max(absl::Minutes(10));
  section.Field("delivery_timeout", &config.delivery_timeout, "longest wait for Kafka's acknowledgement")
      .Min(absl::Milliseconds(10));
  section.Field("linger", &config.linger, "wait for more commands to share a request to Kafka").Max(absl::Seconds(1));
  section.Field("queue_limit", &config.queue_limit, "commands in the producer's queue, in flight included").Min(1);
  section
      .Field("max_pending", &config.max_pending,
             "commands whose callers wait for an outcome, half of them at most for one service; more are refused")
      .Min(2);
  section.Field("hash_memory", &config.hash_memory, "memory of one Argon2id hash")
      .Min(config::ByteSize{static_cast<int64_t>(crypto_pwhash_argon2id_MEMLIMIT_MIN)})
      .Max(config::ByteSize{auth::kMaxHashMemory});
  section.Field("hash_passes", &config.hash_passes, "passes of one Argon2id hash").Min(1).Max(auth::kMaxHashPasses);
  section.Field("hash_threads", &config.hash_threads, "hashes worked on at once").Min(1).Max(256);
  section.Field("hash_queue", &config.hash_queue, "hashes that may wait for a thread").Min(1);
  section.Field("drain", &config.drain, "how long calls under way may take after SIGTERM")
      .Min(absl::ZeroDuration())
      .Max(absl::Minutes(10));
}

absl::StatusOr<std::string> DescriptorPath(const GatewayConfig& config) {
  if (!config.descriptors.empty()) {
    return config.descriptors;
  }
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    return absl::FailedPreconditionError(
        fmt::format("cannot tell where this executable is ({}); set gateway.descriptors", error.message()));
  }
  return (self.parent_path().parent_path() / "share/tradewind/descriptors.binpb").string();
}

}  // namespace tradewind::gateway
