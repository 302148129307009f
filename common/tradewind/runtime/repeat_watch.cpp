#include "tradewind/runtime/repeat_watch.h"

#include <algorithm>
#include <utility>

#include "tradewind/runtime/logger.h"

namespace tradewind::runtime {
namespace {

bus::Sequence WatermarkOf(const TaskProgress& progress, const std::string& topic, const std::string& source) {
  for (const InputProgress& input : progress.inputs()) {
    if (input.topic() == topic) return input.WatermarkOf(source).value_or(bus::Sequence{});
  }
  return {};
}

// For a page that has to be UTF-8: the source is what whoever wrote the record put there.
std::string ForPage(std::string_view source) {
  constexpr size_t kMaxSource = 200;
  std::string shown(source.substr(0, kMaxSource));
  std::replace_if(
      shown.begin(), shown.end(), [](char one) { return one < ' ' || one > '~'; }, '?');
  return shown;
}

}  // namespace

RepeatedEvent RepeatedEvent::From(std::string_view topic, const bus::Envelope& envelope) {
  RepeatedEvent event{std::string(topic), std::string(envelope.source), absl::InfinitePast()};
  const absl::string_view time(envelope.time.data(), envelope.time.size());
  absl::Time decided;
  if (absl::ParseTime(absl::RFC3339_full, time, &decided, nullptr)) event.decided = decided;
  return event;
}

void RepeatWatch::Note(int32_t partition, const TaskProgress& progress, const RepeatedEvent& event, absl::Time now) {
  const Name name{partition, event.topic, event.source};
  const bus::Sequence watermark = WatermarkOf(progress, event.topic, event.source);
  auto found = followed_.find(name);
  if (found != followed_.end() && found->second.watermark != watermark) {
    Drop(found);
    found = followed_.end();
  }
  if (found == followed_.end()) {
    if (MakeRoom()) followed_[name] = {.watermark = watermark, .first = now};
    return;
  }
  Followed& source = found->second;
  if (source.is_new || event.decided <= source.first + kClockDifference) return;
  source.is_new = true;
  Report(name, source, now);
}

bool RepeatWatch::MakeRoom() {
  if (followed_.size() < kMaxFollowed) return true;
  const auto quiet =
      std::find_if(followed_.begin(), followed_.end(), [](const auto& one) { return !one.second.is_new; });
  if (quiet == followed_.end()) return false;
  Drop(quiet);
  return true;
}

void RepeatWatch::Review(int32_t partition, const TaskProgress& progress) {
  for (auto source = followed_.lower_bound({partition, "", ""}); source != followed_.end();) {
    const auto& [of, topic, name] = source->first;
    if (of != partition) return;
    source = WatermarkOf(progress, topic, name) == source->second.watermark ? std::next(source) : Drop(source);
  }
}

void RepeatWatch::Forget(int32_t partition) {
  for (auto source = followed_.lower_bound({partition, "", ""});
       source != followed_.end() && std::get<0>(source->first) == partition;) {
    source = Drop(source);
  }
}

telemetry::Age RepeatWatch::Metric(const Name& name) const {
  const auto& [partition, topic, source] = name;
  return telemetry::NewAge(
      "tradewind_repeats_seconds", "Since new events of the source are dropped as repeats.",
      {{"group", group_}, {"topic", topic}, {"partition", std::to_string(partition)}, {"source", ForPage(source)}});
}

void RepeatWatch::Report(const Name& name, const Followed& source, absl::Time now) {
  const auto& [partition, topic, of] = name;
  kLog.Error(
      "new events of a source are dropped as repeats: a record with a later ce_sequence has come among them",
      {{"topic", topic}, {"partition", partition}, {"source", of}, {"taken_up_to", source.watermark.ToString()}});
  // A metric stays on the page once it is there.
  if (!shown_.contains(name)) {
    if (shown_.size() >= kMaxShown) return;
    shown_.emplace(name, Metric(name));
  }
  shown_.at(name).Set(now - source.first);
}

std::map<RepeatWatch::Name, RepeatWatch::Followed>::iterator RepeatWatch::Drop(
    std::map<Name, Followed>::iterator source) {
  if (const auto shown = shown_.find(source->first); shown != shown_.end()) shown->second.End();
  return followed_.erase(source);
}

}  // namespace tradewind::runtime
