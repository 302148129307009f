#include "services/cli/partition.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "services/cli/admin_client.h"
#include "services/cli/parked_targets.h"
#include "services/cli/text.h"
#include "tradewind/bus/envelope.h"

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;

// A group of a service of which something is to be decided.
struct Case {
  AdminClient* client = nullptr;
  v1::PartitionProgress progress;
};

bool IsCase(const PartitionOptions& options, const v1::PartitionProgress& progress) {
  return options.verb == PartitionVerb::kAcceptLoss ? progress.has_lost() : progress.has_taken();
}

std::string Plural(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", Grouped(count), noun, count == 1 ? "" : "s");
}

std::string GivenUp(const v1::PartitionProgress& progress) {
  const v1::LostRecords& lost = progress.lost();
  std::vector<std::string> parts;
  if (lost.unread() > 0) {
    parts.push_back(Plural(lost.unread(), "offset") + " it had not read");
  } else if (lost.go_on_at() != progress.next_offset()) {
    parts.emplace_back("what it had not read of the former log");
  }
  if (lost.effects() > 0) {
    parts.push_back(Plural(lost.effects(), "effect") + " that had begun and not ended");
  }
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::string DescribeLoss(const PartitionOptions& options, const v1::PartitionProgress& progress) {
  const std::string given_up = fmt::format(
      "{}: its next record of {}/{} is at offset {}, and the log holds {} to {}: {}.\n"
      "  Going on gives up {}.",
      Printable(progress.group()), Printable(options.topic), options.partition, progress.next_offset(),
      progress.log_begin(), progress.log_end(), Printable(progress.lost().reason()), GivenUp(progress));
  if (progress.lost().go_on_at() == progress.next_offset()) return given_up + " Nothing else changes.\n";
  return fmt::format(
      "{} It goes on at offset {}, where each source is taken up as it next speaks; it knows {}.\n"
      "  Nothing that it has kept changes: what the lost events would have changed stays as it is.\n",
      given_up, progress.lost().go_on_at(), Grouped(progress.sources()));
}

std::string DescribeForgetting(const PartitionOptions& options, const v1::PartitionProgress& progress) {
  const bus::Sequence taken{progress.taken().epoch(), progress.taken().number()};
  return fmt::format(
      "{}: of {} it has taken everything up to {} in {}/{}, and drops as a repeat what comes with that sequence or an "
      "earlier "
      "one.\n"
      "  Forgetting it takes whatever the source says next, at offset {} or later. An event that was taken before and "
      "comes "
      "again is then taken again, as are all behind it. What was dropped as a repeat before stays dropped.\n",
      Printable(progress.group()), Printable(options.source), taken.ToString(), Printable(options.topic),
      options.partition, progress.next_offset());
}

absl::Status Decide(const PartitionOptions& options, const Case& decided) {
  if (options.verb == PartitionVerb::kForgetSource) {
    v1::ForgetSourceRequest request;
    request.set_topic(options.topic);
    request.set_partition(options.partition);
    request.set_group(decided.progress.group());
    request.set_source(options.source);
    return decided.client->ForgetSource(request);
  }
  v1::AcceptLossRequest request;
  request.set_topic(options.topic);
  request.set_partition(options.partition);
  request.set_group(decided.progress.group());
  request.set_next_offset(decided.progress.next_offset());
  request.set_go_on_at(decided.progress.lost().go_on_at());
  return decided.client->AcceptLoss(request);
}

std::string NothingToDecide(const PartitionOptions& options) {
  if (options.verb == PartitionVerb::kForgetSource) {
    return fmt::format("no group knows a source {} in {}/{}", Printable(options.source), Printable(options.topic),
                       options.partition);
  }
  return fmt::format("no group has lost anything of {}/{}", Printable(options.topic), options.partition);
}

}  // namespace

int RunPartition(const PartitionOptions& options, const Session& session) {
  const auto clients = ChooseServices(session.config, options.service, options.timeout);
  if (!clients.ok()) {
    return Fail(session, clients.status(), kExitUsage);
  }
  v1::DescribePartitionRequest request;
  request.set_topic(options.topic);
  request.set_partition(options.partition);
  request.set_source(options.source);
  int code = kExitOk;
  bool is_read = false;
  std::vector<Case> cases;
  for (const auto& client : *clients) {
    const auto described = client->DescribePartition(request);
    if (absl::IsNotFound(described.status())) {
      continue;
    }
    if (!described.ok()) {
      code = Fail(session, described.status());
      continue;
    }
    is_read = true;
    for (const v1::PartitionProgress& progress : described->groups()) {
      if (IsCase(options, progress)) {
        cases.push_back({client.get(), progress});
      }
    }
  }
  if (!is_read && code == kExitOk) {
    return Fail(session, absl::NotFoundError(fmt::format("no service reads {}; `tradewind topics` shows what there is",
                                                         Printable(options.topic))));
  }
  if (cases.empty()) {
    return code == kExitOk ? Fail(session, absl::NotFoundError(NothingToDecide(options))) : code;
  }
  for (const Case& decided : cases) {
    session.out << (options.verb == PartitionVerb::kAcceptLoss ? DescribeLoss(options, decided.progress)
                                                               : DescribeForgetting(options, decided.progress));
  }
  if (!options.yes) {
    session.out << "nothing was done; add --yes to do it\n";
    return kExitNotWell;
  }
  for (const Case& decided : cases) {
    if (const absl::Status done = Decide(options, decided); !done.ok()) {
      code = Fail(session, done);
      continue;
    }
    session.out << fmt::format("{}: done; it goes on within a minute\n", decided.progress.group());
  }
  return code;
}

}  // namespace tradewind::cli
