// tradewind-mailbox: a mail server for one machine that delivers nothing. Whatever is sent to it can be seen in a
// folder. For development and tests: no TLS, no login, whoever can reach it can fill the folder.
#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "services/mailbox/mail_folder.h"
#include "services/mailbox/mail_server.h"
#include "tradewind/config/config.h"

namespace tradewind::mailbox {
namespace {

struct Settings {
  std::string address = "127.0.0.1:1025";
  std::string directory = "mail";
  int32_t most_mails = 10'000;
};

void Describe(config::Schema& schema, Settings& settings) {
  auto section = schema.Section("mailbox", "Where mails are taken and kept.");
  section.Field("address", &settings.address, "IPv4:port to listen on").NotEmpty().ListensOn(net::Use::kListenOnIpv4);
  section.Field("directory", &settings.directory, "folder of the mails, a file each").NotEmpty();
  section.Field("most_mails", &settings.most_mails, "about as many are kept, the oldest go first").Min(1);
}

int Say(const absl::Status& problem) {
  fmt::print(stderr, "tradewind-mailbox: {}\n", std::string(problem.message()));
  return 1;
}

// The signals that ask the process to end as something to read, for every thread that comes after.
int WatchSignals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGHUP);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  return signalfd(-1, &ends, SFD_CLOEXEC);
}

int Serve(const Settings& settings) {
  MailFolder folder(settings.directory, settings.most_mails);
  if (const absl::Status opened = folder.Open(); !opened.ok()) return Say(opened);
  const int signals = WatchSignals();
  const auto server = MailServer::Listen(settings.address, folder);
  if (absl::IsCancelled(server.status())) return 0;
  if (!server.ok()) return Say(server.status());
  fmt::print(stderr, "tradewind-mailbox: mails to {} are kept in {}\n", settings.address, settings.directory);
  (*server)->Run(signals);
  fmt::print(stderr, "tradewind-mailbox: stopped\n");
  close(signals);
  return 0;
}

int Main(int argc, char** argv) {
  Settings settings;
  config::Schema schema;
  Describe(schema, settings);
  const auto command = config::Load(
      schema, {.name = "tradewind-mailbox", .summary = "Takes every mail and keeps it in a folder."}, argc, argv);
  if (!command.ok()) {
    Say(command.status());
    return 2;
  }
  if (command->verb == config::Verb::kHealth) {
    const absl::Status healthy = CheckGreeting(settings.address);
    if (!healthy.ok()) return Say(healthy);
    fmt::print("SERVING\n");
    return 0;
  }
  if (command->verb != config::Verb::kRun) {
    fmt::print("{}", command->output);
    return 0;
  }
  return Serve(settings);
}

}  // namespace
}  // namespace tradewind::mailbox

int main(int argc, char** argv) { return tradewind::mailbox::Main(argc, argv); }
