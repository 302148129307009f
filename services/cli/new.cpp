#include "services/cli/new.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "services/cli/event_schema.h"
#include "services/cli/new_check.h"
#include "services/cli/new_folder.h"

namespace tradewind::cli {
namespace {

namespace fs = std::filesystem;

fs::path Executable() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path("bin/tradewind") : path;
}

// Services that are there, as far as this command knows, and what else uses a name in the tree.
std::set<std::string, std::less<>> TakenNames(const Session& session, const EventSchema& schema,
                                              const NewFolder& folder) {
  std::set<std::string, std::less<>> taken = {"tradewind", "mesh", "kafka", "cli"};
  for (const auto& [name, address] : session.config.services) taken.insert(name);
  for (const auto& [topic, types] : schema.topics()) taken.insert(topic.substr(0, topic.find('.')));
  if (folder.in_tree) {
    const fs::path tree = fs::weakly_canonical(folder.path).parent_path().parent_path();
    for (const char* room : {"common/tradewind", "examples", "services"}) {
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(tree / room, error)) {
        taken.insert(entry.path().filename().string());
      }
    }
  }
  return taken;
}

// Where each of the mesh's own gRPC services is, for a gateway that serves one more: "<service><between><address>".
// `in_compose`: by the names of containers. Those that no client calls have no service of that name.
std::vector<std::string> Routes(const Session& session, const EventSchema& schema, std::string_view between,
                                bool in_compose) {
  std::vector<std::string> routes;
  for (const auto& [name, address] : session.config.services) {
    const std::string service = fmt::format("tradewind.{}.v1.{}Service", name, CamelCase(name));
    if (!schema.HasService(service)) continue;
    const std::string where = in_compose ? name + address.substr(address.rfind(':')) : address;
    routes.push_back(fmt::format("{}{}{}", service, between, where));
  }
  return routes;
}

void AddPorts(std::string_view name, Words& words) {
  const auto [grpc, metrics] = DefaultPorts(name);
  words["my_grpc_port"] = fmt::format("{}", grpc);
  words["my_metrics_port"] = fmt::format("{}", metrics);
  // Of the gateway that the README starts.
  words["my_gateway_port"] = fmt::format("{}", grpc - 1000);
}

void AddEvent(const EventType& event, Words& words) {
  const google::protobuf::Descriptor& type = *event.type;
  const std::string& package = type.file()->package();
  std::string header = type.file()->name();
  header.replace(header.rfind(".proto"), std::string::npos, ".pb.h");
  words["MyEvent"] = type.name();
  words["my_event"] = SnakeCase(type.name());
  words["my_package"] = package;
  words["my_namespace"] = absl::StrJoin(absl::StrSplit(package, '.'), "::");
  words["tradewind/my_header"] = header;
  words["my_domain"] = event.domain;
  words["my_key"] = event.key;
}

void SayWhatIsNext(const NewOptions& options, const NewFolder& folder, const Session& session) {
  session.out << fmt::format("made {}\n\nNext:\n  cd {}\n", folder.path.string(), folder.path.string());
  for (const std::string& command : BuildCommands(folder, options.name)) session.out << "  " << command << '\n';
  const std::string build = folder.in_tree ? "../../build" : "build";
  session.out << fmt::format("  {}/bin/tradewind-{} --config config.yaml\n", build, options.name);
  session.out << "README.md there tells the rest." << std::endl;
}

}  // namespace

int RunNew(const NewOptions& options, const Session& session) {
  const NewFolder folder = PlanFolder(options.name, options.into, Executable());
  const auto schema = EventSchema::Load(session.config.descriptors);
  if (!schema.ok()) return Fail(session, schema.status());
  if (const absl::Status checked = CheckServiceName(options.name, TakenNames(session, **schema, folder));
      !checked.ok()) {
    return Fail(session, checked, kExitUsage);
  }
  Words words = WordsOf(folder, options.name);
  AddPorts(options.name, words);
  const bool is_subscriber = options.kind == NewOptions::Kind::kSubscriber;
  if (is_subscriber) {
    const auto event = FindEventType(**schema, options.on);
    if (!event.ok()) return Fail(session, event.status(), kExitUsage);
    AddEvent(*event, words);
  } else {
    words["my_gateway_services"] = "    " + absl::StrJoin(Routes(session, **schema, ": ", false), "\n    ");
    words["my_compose_services"] = absl::StrJoin(Routes(session, **schema, "=", true), ",");
  }
  const absl::Status written =
      WriteFolder(folder.path, is_subscriber ? SubscriberTemplate() : ServiceTemplate(), words);
  if (!written.ok()) return Fail(session, written, absl::IsAlreadyExists(written) ? kExitUsage : kExitNotWell);
  SayWhatIsNext(options, folder, session);
  return kExitOk;
}

}  // namespace tradewind::cli
