#include "services/cli/sign_erasures.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/seal/keys.h"

namespace tradewind::cli {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(5);
constexpr char kClientId[] = "tradewind-cli-keys";

// Keys would make the topic where there is none.
absl::Status CheckTopic(const Session& session) {
  const auto admin = bus::KafkaAdmin::Create(session.config.kafka, kClientId);
  if (!admin.ok()) return admin.status();
  const auto topics = (*admin)->ListTopics();
  if (!topics.ok()) return topics.status();
  const std::string name = bus::FullTopic(session.config.kafka, bus::kKeysTopic);
  if (std::any_of(topics->begin(), topics->end(), [&](const auto& topic) { return topic.name == name; })) {
    return absl::OkStatus();
  }
  return absl::NotFoundError(fmt::format("there is no topic {} at {}", name, session.config.kafka.brokers));
}

}  // namespace

int RunSignErasures(const SignErasuresOptions& options, const Session& session) {
  if (const absl::Status checked = seal::Check(session.config.keys); !checked.ok()) {
    return Fail(session, checked, kExitUsage);
  }
  if (const absl::Status there = CheckTopic(session); !there.ok()) return Fail(session, there);
  seal::KeysConfig config = session.config.keys;
  // Those that are to be signed count here, whatever the mesh takes.
  config.require_signed_erasures = false;
  seal::Keys keys;
  if (const absl::Status started = keys.Start(config, session.config.kafka, kClientId); !started.ok()) {
    return Fail(session, started);
  }
  const size_t count = keys.CountUnsignedErasures();
  if (count == 0) {
    session.out << "every erasure on the log of keys is signed; seal.require_signed_erasures can be set\n";
    return kExitOk;
  }
  session.out << fmt::format(
      "{} erasure{} on the log of keys {} not signed: of an earlier version, or of somebody else who can write to it. "
      "Each is signed as it is, and cannot be told from ours any more.\n",
      count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
  if (!options.yes) {
    session.out << "nothing was done; add --yes to sign them\n";
    return kExitNotWell;
  }
  if (const absl::Status done = keys.SignErasures(clock::SteadyNow() + kTimeout); !done.ok())
    return Fail(session, done);
  session.out << fmt::format("{} signed; seal.require_signed_erasures can be set\n", count);
  return kExitOk;
}

}  // namespace tradewind::cli
