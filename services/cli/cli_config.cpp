#include "services/cli/cli_config.h"

#include <filesystem>
#include <system_error>

#include "tradewind/config/config.h"

namespace tradewind::cli {

CliConfig DefaultCliConfig() {
  CliConfig config;
  std::error_code error;
  const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path folder = error ? std::filesystem::path(".") : executable.parent_path();
  config.descriptors = (folder.parent_path() / "share" / "tradewind" / "descriptors.binpb").string();
  return config;
}

void Describe(config::Schema& schema, CliConfig& config) {
  auto section = schema.Section("cli", "The operator's command.");
  section.Field("gateway", &config.gateway, "host:port of the gateway's gRPC").NotEmpty().Reaches();
  section.Field("descriptors", &config.descriptors, "descriptor set that events are decoded with").NotEmpty();
  section.Field("services", &config.services, "host:port of the gRPC of each service: what `status` and `parked` ask")
      .Reaches();
  section.Field("groups", &config.groups, "consumer groups whose lag `status` shows, with host:port of their /metrics")
      .Reaches();
  section
      .Field("pages", &config.pages,
             "processes without a consumer group, such as the gateway, with host:port of their /metrics")
      .Reaches();
  bus::Describe(schema, config.kafka);
  seal::Describe(schema, config.keys);
  telemetry::Describe(schema, config.log);
}

}  // namespace tradewind::cli
