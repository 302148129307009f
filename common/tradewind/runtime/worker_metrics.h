// What a worker counts. Names and meanings are listed in the folder's README.
#pragma once

#include <string>

#include "absl/time/time.h"

#include "tradewind/runtime/attempt.h"
#include "tradewind/telemetry/metrics.h"

namespace tradewind::runtime {

struct WorkerMetrics {
  explicit WorkerMetrics(const std::string& group)
      : handled(New("tradewind_events_handled_total", "Messages given to a handler.", group)),
        skipped(New("tradewind_events_skipped_total", "Events of a type without a handler.", group)),
        repeats(New("tradewind_events_repeated_total", "Events dropped as seen before.", group)),
        gaps(New("tradewind_events_held_total", "Events held back behind a gap.", group)),
        dead(New("tradewind_events_dead_total", "Messages kept as dead.", group)),
        rejected(New("tradewind_commands_rejected_total", "Commands refused by their handler.", group)),
        parked(
            New("tradewind_events_parked_total", "Messages that failed and are retried, or wait behind one.", group)),
        beyond_sources(New("tradewind_events_beyond_sources_total",
                           "Events set aside because their partition has too many sources.", group)),
        unannounced(New("tradewind_deaths_unannounced_total",
                        "Dead messages without a notice on mesh.dead.v1: there were too many in a minute.", group)),
        timers(New("tradewind_timers_fired_total", "Timers handled.", group)),
        conflicts(New("tradewind_commit_conflicts_total", "Batches decided again: an aggregate had changed.", group)),
        fenced(New("tradewind_commits_fenced_total", "Commits refused because a task had another owner.", group)),
        clock_steps(New("tradewind_clock_steps_seconds_total",
                        "Seconds by which the machine's clock has stepped ahead, a suspended machine's included.",
                        group)),
        batches(New("tradewind_batches_total", "Batches committed.", group)),
        dead_records(NewGauge("tradewind_dead_records", "Messages in the store that are dead.", group)),
        parked_records(NewGauge("tradewind_parked_records", "Messages in the store that wait in a queue.", group)),
        held_records(NewGauge("tradewind_held_records", "Events in the store that wait behind a gap.", group)),
        parked_keys(NewGauge("tradewind_parked_keys", "Keys of this process's tasks that have a queue.", group)),
        no_handler_records(NewGauge("tradewind_no_handler_records",
                                    "First messages of queues that have no handler in this version, and effects that "
                                    "had begun on topics that it does not read.",
                                    group)),
        tasks_stopped_lost(NewStopped("lost", group)),
        tasks_stopped_damaged(NewStopped("damaged", group)),
        tasks_stopped_other(NewStopped("other", group)),
        tasks_paused_by_keys(NewGauge("tradewind_tasks_paused_by_keys",
                                      "Tasks that read nothing more: messages of too many keys wait.", group)),
        topics_paused_by_gaps(NewGauge("tradewind_topics_paused_by_gaps",
                                       "Topics and partitions that are read no more: too many of their events wait "
                                       "behind gaps.",
                                       group)),
        unreadable_timers(NewGauge("tradewind_unreadable_timers",
                                   "Timers that are due and cannot be read: they do not fire.", group)),
        requests_held_back(NewGauge(
            "tradewind_requests_held_back_seconds",
            "Since every task was last read to its end: for so much longer are answers to requests kept.", group)),
        rekeyed_unread(NewGauge("tradewind_rekeyed_unread_records",
                                "Events under other keys that nothing reads: no subscription is KeyedBy any more.",
                                group)),
        outbox_bytes(NewGauge("tradewind_outbox_bytes", "Committed and not yet acknowledged by Kafka.", group)),
        outbox_full(NewGauge("tradewind_outbox_full", "1 while a full outbox keeps input from being read.", group)),
        outbox_oldest(telemetry::NewAge("tradewind_outbox_oldest_seconds",
                                        "Since the oldest event that Kafka has not acknowledged was decided.",
                                        {{"group", group}})),
        timers_waiting(telemetry::NewAge("tradewind_timers_waiting_seconds",
                                         "Since timers are due and wait for inputs to be read to their ends.",
                                         {{"group", group}})),
        batch_seconds(telemetry::NewHistogram("tradewind_batch_seconds", "From the first load to the commit.",
                                              {{"group", group}})) {}

  void Committed(const Counts& counts, absl::Duration took) const {
    handled.Add(static_cast<double>(counts.handled));
    skipped.Add(static_cast<double>(counts.skipped));
    repeats.Add(static_cast<double>(counts.repeats));
    gaps.Add(static_cast<double>(counts.gaps));
    dead.Add(static_cast<double>(counts.dead));
    rejected.Add(static_cast<double>(counts.rejected));
    parked.Add(static_cast<double>(counts.parked));
    beyond_sources.Add(static_cast<double>(counts.beyond_sources));
    unannounced.Add(static_cast<double>(counts.unannounced));
    timers.Add(static_cast<double>(counts.timers));
    batches.Add();
    batch_seconds.Observe(absl::ToDoubleSeconds(took));
  }

  telemetry::Counter handled, skipped, repeats, gaps, dead, rejected, parked, beyond_sources, unannounced, timers,
      conflicts, fenced, clock_steps, batches;
  telemetry::Gauge dead_records, parked_records, held_records, parked_keys, no_handler_records, tasks_stopped_lost,
      tasks_stopped_damaged, tasks_stopped_other, tasks_paused_by_keys, topics_paused_by_gaps, unreadable_timers,
      requests_held_back, rekeyed_unread, outbox_bytes, outbox_full;
  telemetry::Age outbox_oldest, timers_waiting;
  telemetry::Histogram batch_seconds;

 private:
  static telemetry::Gauge NewStopped(const std::string& why, const std::string& group) {
    return telemetry::NewGauge("tradewind_tasks_stopped",
                               "Tasks that have stopped: their log has lost records (lost), what the store has of them "
                               "does not parse (damaged), or the log names what is wrong (other).",
                               {{"group", group}, {"why", why}});
  }
  static telemetry::Counter New(const std::string& name, const std::string& help, const std::string& group) {
    return telemetry::NewCounter(name, help, {{"group", group}});
  }
  static telemetry::Gauge NewGauge(const std::string& name, const std::string& help, const std::string& group) {
    return telemetry::NewGauge(name, help, {{"group", group}});
  }
};

}  // namespace tradewind::runtime
