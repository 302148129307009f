#include "services/cli/mesh_problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/str_replace.h"

#include "services/cli/metrics_scrape.h"
#include "services/cli/text.h"

namespace tradewind::cli {
namespace {

constexpr GaugeCheck kGaugeChecks[] = {
    {.metric = "tradewind_outbox_oldest_seconds",
     .bound = 10,
     .is_time = true,
     .what = "the outbox has not moved for {value}: Kafka does not take what the service has to publish",
     .remedy = "see that the brokers are well, and in the service's log why an event could not be published"},
    {.metric = "tradewind_store_away_seconds",
     .bound = 5,
     .is_time = true,
     .what = "the store has answered no {call} for {value}: it is full, away or stuck",
     .remedy =
         "make room on its disk or bring the database back; the service's log has its error, and the service goes "
         "on by itself"},
    {.metric = "tradewind_handler_running_seconds",
     .bound = 10,
     .is_time = true,
     .what = "a handler has been running for {value}: everything else that its process reads for this group waits",
     .remedy =
         "see what it waits for (a debugger, or `kill -ABRT` for a core); slow work belongs into an effect, and a "
         "process that is ended handles the message again"},
    {.metric = "tradewind_repeats_seconds",
     .is_time = true,
     .each = true,
     .what = "new events of {source} in {topic}-{partition} have been dropped as repeats for {value}: a record with a "
             "later ce_sequence came among them",
     .remedy = "`tradewind partition forget-source {topic}/{partition} {source}` shows what would be taken again"},
    {.metric = "tradewind_tasks_stopped",
     .why = "lost",
     .what = "{value} of its tasks stopped: records of their partition are gone, and nothing more of it is read",
     .remedy =
         "bring the topic back, or go on without them: `tradewind partition accept-loss TOPIC/PARTITION` says what "
         "that loses; the service's log names topic and partition"},
    {.metric = "tradewind_tasks_stopped",
     .why = "damaged",
     .what = "{value} of its tasks stopped: what the store has of them does not parse",
     .remedy = "the service's log names partition and row; bring the store back from a copy in which it is whole"},
    {.metric = "tradewind_tasks_stopped",
     .why = "other",
     .what = "{value} of its tasks stopped: what they need is not there, or the store refuses what they write",
     .remedy = "the service's log says which and why (\"a task has stopped\"); once it is mended they go on within a "
               "minute"},
    {.metric = "tradewind_topics_paused_by_gaps",
     .what = "{value} partitions of its topics are read no more: too many events wait behind gaps",
     .remedy =
         "`tradewind parked list --state held` shows them; bring back what is missing, or give it up with `tradewind "
         "parked retry --id ID` of the first of each source"},
    {.metric = "tradewind_tasks_paused_by_keys",
     .what = "{value} of its tasks read nothing more: messages of too many keys wait",
     .remedy =
         "`tradewind parked list` shows why they failed; mend the cause, or let them go with `tradewind parked skip`"},
    {.metric = "tradewind_unreadable_timers",
     .what = "{value} timers are due and cannot be read: they do not fire",
     .remedy = "the service's log names their keys; bring the store back from a copy in which it is whole"},
    {.metric = "tradewind_unreadable_aggregates_total",
     .each = true,
     .of_process = true,
     .what =
         "since the service started, queries have met a {kind} that does not parse {value} times; lists go without it",
     .remedy = "the service's log names its key; bring the store back from a copy in which it is whole"},
    {.metric = "tradewind_keys_unread_seconds",
     .bound = 10,
     .is_time = true,
     .of_process = true,
     .what =
         "mesh.keys.v1 could not be read for {value}: nobody can register, and personal data that is new stays sealed",
     .remedy = "see that the topic is there and that the service may read it; its log says why it cannot"},
    {.metric = "tradewind_replies_unread_seconds",
     .bound = 10,
     .is_time = true,
     .of_process = true,
     .what = "mesh.replies.v1 could not be read for {value}: callers do not learn what became of their commands",
     .remedy = "see that the topic is there and that the process may read it; a gateway that is started again makes it "
               "where it is missing"},
    {.metric = "tradewind_keys_taken_away_seconds",
     .is_time = true,
     .of_process = true,
     .what = "for {value}, somebody has taken users' keys away from mesh.keys.v1; they were put back",
     .remedy = "see who can write to mesh.keys.v1; this line goes ten minutes after the last one was taken"},
    {.metric = "tradewind_partitions_unread",
     .each = true,
     .what = "{value} partitions of {topic} are read by no task: its keys are spread over the first {pinned}, as they "
             "were before partitions were added",
     .remedy = "set kafka.pinned_partitions to {pinned} in every process of the mesh, the gateway included, before it "
               "is started again; services/cli/README.md, \"More partitions\", tells how to use them"},
    {.metric = "tradewind_rekeyed_unread_records",
     .what = "{value} events wait under other keys that nothing reads: no subscription of this build is KeyedBy",
     .remedy = "start a build with KeyedBy again until it has read them; the service's log names the partitions"},
    {.metric = "tradewind_no_handler_records",
     .what = "{value} records wait that this build has no handler for",
     .remedy =
         "start a build that has one, or drop them with `tradewind parked skip --type TYPE`; effects that had begun "
         "on a topic that is read no more, which the service's log names, with `tradewind partition accept-loss`"},
    {.metric = "tradewind_timers_waiting_seconds",
     .bound = 10,
     .is_time = true,
     .what = "timers that are due have waited for {value}: an input of their task is paused or cannot be reached",
     .remedy = "the service's log names the input; the timers fire once it has been read to its end"},
};

std::string AsText(const GaugeCheck& check, double value) {
  const auto whole = static_cast<int64_t>(std::ceil(std::min(value, 1e15)));
  return check.is_time ? absl::FormatDuration(absl::Seconds(whole)) : Grouped(whole);
}

std::string LabelOf(const Sample& sample, const std::string& name) {
  const auto label = sample.labels.find(name);
  return label == sample.labels.end() ? "" : label->second;
}

Problem ProblemOf(const GaugeCheck& check, std::string_view group, const Sample& sample) {
  std::vector<std::pair<std::string, std::string>> words = {{"{group}", std::string(group)},
                                                            {"{value}", AsText(check, sample.value)}};
  for (const auto& [label, value] : sample.labels) {
    words.emplace_back(fmt::format("{{{}}}", label), Printable(value));
  }
  const auto filled = [&](std::string_view text) {
    return absl::StrReplaceAll(absl::string_view(text.data(), text.size()), words);
  };
  return {std::string(group), filled(check.what), filled(check.remedy)};
}

std::string PartitionName(const bus::LogEnd& end) { return fmt::format("{}-{}", end.topic, end.partition); }

}  // namespace

absl::Span<const GaugeCheck> GaugeChecks() { return kGaugeChecks; }

namespace {

std::vector<Problem> Judge(bool of_process, std::string_view where, std::string_view page) {
  std::vector<Problem> problems;
  for (const GaugeCheck& check : kGaugeChecks) {
    if (check.of_process != of_process) {
      continue;
    }
    std::vector<Sample> samples = Samples(page, check.metric);
    std::erase_if(samples, [&](const Sample& sample) {
      return (!of_process && LabelOf(sample, "group") != where) ||
             (!check.why.empty() && LabelOf(sample, "why") != check.why) || !(sample.value > check.bound);
    });
    std::stable_sort(samples.begin(), samples.end(), [](const auto& a, const auto& b) { return a.value > b.value; });
    if (!check.each && samples.size() > 1) {
      samples.erase(std::next(samples.begin()), samples.end());
    }
    for (const Sample& sample : samples) {
      problems.push_back(ProblemOf(check, where, sample));
    }
  }
  return problems;
}

}  // namespace

std::vector<Problem> JudgeMetrics(std::string_view group, std::string_view page) { return Judge(false, group, page); }

std::vector<Problem> JudgeProcess(std::string_view service, std::string_view page) {
  return Judge(true, service, page);
}

Problem JudgeSilentPage(absl::Span<const std::string> groups, const std::string& address, const absl::Status& error) {
  return {fmt::format("{}", fmt::join(groups, ", ")),
          fmt::format("the metrics do not answer, so that nothing else is known of it: {}",
                      Printable(std::string(error.message()))),
          fmt::format("see that the service runs and that its metrics.address is {}", address)};
}

std::vector<Problem> JudgeBrokers(absl::Span<const BrokerAnswer> brokers, const absl::Status& answered,
                                  absl::Span<const int32_t> missing) {
  constexpr std::string_view kRemedy = "start it again; `deploy/up` brings back the one that it started";
  const bool all_connected =
      std::all_of(brokers.begin(), brokers.end(), [](const BrokerAnswer& broker) { return broker.connected.ok(); });
  std::vector<Problem> problems;
  for (const BrokerAnswer& broker : brokers) {
    // One that is stuck still takes connections, as many as the kernel keeps for it; the next one gets no answer.
    const bool is_silent = broker.connected.ok() ? all_connected && !answered.ok()
                                                 : broker.connected.code() == absl::StatusCode::kDeadlineExceeded;
    if (is_silent) {
      problems.push_back({"kafka", fmt::format("the broker at {} does not answer", broker.address),
                          fmt::format("see its log; if it is stuck, end it and {}", kRemedy)});
    } else if (!broker.connected.ok()) {
      problems.push_back({"kafka", fmt::format("the broker is dead: {}", std::string(broker.connected.message())),
                          std::string(kRemedy)});
    }
  }
  if (missing.size() > problems.size()) {
    problems.push_back({"kafka",
                        fmt::format("brokers that should hold partitions are dead: the cluster misses those with the "
                                    "node ids {}",
                                    fmt::join(missing, ", ")),
                        std::string(kRemedy)});
  }
  return problems;
}

std::string OpenTransactionText(const bus::LogEnd& end) {
  return fmt::format("an open transaction holds {} at offset {}", PartitionName(end), end.stable);
}

Problem JudgeOpenTransaction(const bus::LogEnd& end, absl::Duration age, std::string_view brokers) {
  return {PartitionName(end),
          fmt::format("{}, for {} or longer; {} offsets behind it are read once it has ended", OpenTransactionText(end),
                      absl::FormatDuration(absl::Trunc(age, absl::Seconds(1))), end.high - end.stable),
          fmt::format("end its producer's transaction, or abort it with Kafka's `kafka-transactions.sh "
                      "--bootstrap-server {} abort --topic {} --partition {} --start-offset {}`",
                      brokers, end.topic, end.partition, end.stable)};
}

absl::Duration OpenTransactionAge(const bus::LogEnd& end, std::string_view page) {
  double seconds = 0;
  const std::string partition = std::to_string(end.partition);
  for (const Sample& sample : Samples(page, "tradewind_open_transaction_seconds")) {
    const auto topic = sample.labels.find("topic");
    const auto number = sample.labels.find("partition");
    if (topic != sample.labels.end() && topic->second == end.topic && number != sample.labels.end() &&
        number->second == partition) {
      seconds = std::max(seconds, sample.value);
    }
  }
  return absl::Seconds(seconds);
}

}  // namespace tradewind::cli
