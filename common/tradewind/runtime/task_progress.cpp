#include "tradewind/runtime/task_progress.h"

#include <algorithm>

#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"

#include "tradewind/mesh/v1/state.pb.h"

namespace tradewind::runtime {
namespace {

bus::Sequence FromProto(const mesh::v1::Sequence& sequence) {
  return {.epoch = sequence.epoch(), .number = sequence.number()};
}

void ToProto(const bus::Sequence& sequence, mesh::v1::Sequence& out) {
  out.set_epoch(sequence.epoch);
  out.set_number(sequence.number);
}

uint32_t HourOf(absl::Time time) {
  return static_cast<uint32_t>(std::max<int64_t>(absl::ToUnixSeconds(time) / 3600, 0));
}

// What `message` holds that this version has no fields for.
std::string UnknownOf(const google::protobuf::Message& message) {
  const google::protobuf::UnknownFieldSet& unknown = message.GetReflection()->GetUnknownFields(message);
  std::string bytes;
  if (!unknown.empty()) unknown.SerializeToString(&bytes);
  return bytes;
}

void PutUnknown(const std::string& bytes, google::protobuf::Message& message) {
  if (bytes.empty()) return;
  message.GetReflection()->MutableUnknownFields(&message)->ParseFromString(bytes);
}

}  // namespace

std::vector<InputProgress::Watermark>::const_iterator InputProgress::Find(std::string_view source) const {
  return std::lower_bound(watermarks_.begin(), watermarks_.end(), source,
                          [](const Watermark& mark, std::string_view wanted) { return mark.source < wanted; });
}

Verdict InputProgress::Judge(const bus::Envelope& envelope) const {
  if (!envelope.sequence.has_value()) return Verdict::kTake;
  const auto mark = Find(envelope.source);
  if (!Knows(envelope.source)) {
    const bool lost_its_predecessor = read_from_start_ && envelope.previous.number > 0;
    return lost_its_predecessor ? Verdict::kGap : Verdict::kTake;
  }
  if (*envelope.sequence <= mark->sequence) return Verdict::kRepeat;
  return mark->takes_up || envelope.previous <= mark->sequence ? Verdict::kTake : Verdict::kGap;
}

bool InputProgress::Knows(std::string_view source) const {
  const auto mark = Find(source);
  return mark != watermarks_.end() && mark->source == source;
}

bool InputProgress::MakeRoomFor(const bus::Envelope& envelope, absl::Time now) {
  if (!envelope.sequence.has_value() || watermarks_.size() < kMaxSources || Knows(envelope.source)) return true;
  const uint32_t oldest_kept = HourOf(now - kSourceAge);
  const auto forgotten =
      std::erase_if(watermarks_, [&](const Watermark& mark) { return mark.seen_hour < oldest_kept; });
  std::erase_if(unknown_of_watermarks_, [&](const auto& unknown) { return !Knows(unknown.first); });
  // One that was forgotten and speaks again is taken as it comes.
  if (forgotten > 0) read_from_start_ = false;
  return forgotten > 0;
}

void InputProgress::Take(const bus::Envelope& envelope, absl::Time now) {
  if (envelope.sequence.has_value()) SetWatermark(envelope.source, *envelope.sequence, now);
}

void InputProgress::SetWatermark(std::string_view source, bus::Sequence sequence, absl::Time now) {
  const auto found = Find(source);
  const auto place = watermarks_.begin() + (found - watermarks_.begin());
  if (found != watermarks_.end() && found->source == source) {
    place->sequence = sequence;
    place->seen_hour = HourOf(now);
    place->takes_up = false;
  } else {
    watermarks_.insert(place, {.source = std::string(source), .sequence = sequence, .seen_hour = HourOf(now)});
  }
}

std::optional<bus::Sequence> InputProgress::WatermarkOf(std::string_view source) const {
  const auto mark = Find(source);
  if (mark == watermarks_.end() || mark->source != source) return std::nullopt;
  return mark->sequence;
}

void InputProgress::ForgetSource(std::string_view source, absl::Time now) {
  SetWatermark(source, {}, now);
  watermarks_[static_cast<size_t>(Find(source) - watermarks_.begin())].takes_up = true;
}

void InputProgress::GoOnAt(int64_t offset, int64_t begin) {
  std::erase_if(pending_, [&](int64_t pending) { return pending < begin || pending >= offset; });
  if (offset == next_offset_) return;
  if (offset < next_offset_) outdated_mirror_ = std::max(outdated_mirror_, next_offset_);
  next_offset_ = offset;
  fingerprint_ = 0;
  read_from_start_ = false;
  for (Watermark& mark : watermarks_) mark.takes_up = true;
}

void InputProgress::RemovePending(int64_t offset) {
  const auto found = std::lower_bound(pending_.begin(), pending_.end(), offset);
  if (found != pending_.end() && *found == offset) pending_.erase(found);
}

absl::StatusOr<TaskProgress> TaskProgress::Parse(const std::string& blob) {
  mesh::v1::TaskProgress proto;
  if (!proto.ParseFromString(blob)) return absl::DataLossError("the progress of a task does not parse");
  TaskProgress progress;
  progress.cluster_id_ = proto.cluster_id();
  progress.unknown_ = UnknownOf(proto);
  if (proto.has_suspect()) {
    const auto& suspect = proto.suspect();
    progress.suspect_ = {suspect.topic(), suspect.offset(), suspect.fingerprint(), suspect.attempts(),
                         UnknownOf(suspect)};
  }
  for (const auto& input : proto.inputs()) {
    InputProgress& added = progress.AddInput(input.topic(), input.offset());
    added.fingerprint_ = input.fingerprint();
    added.read_from_start_ = input.read_from_start();
    added.outdated_mirror_ = input.outdated_mirror();
    added.unknown_ = UnknownOf(input);
    for (const auto& mark : input.watermarks()) {
      added.watermarks_.push_back({mark.source(), FromProto(mark.sequence()), mark.seen_hour(), mark.takes_up()});
      if (std::string unknown = UnknownOf(mark); !unknown.empty()) {
        added.unknown_of_watermarks_[mark.source()] = std::move(unknown);
      }
    }
    int64_t pending = input.offset();
    for (const uint64_t distance : input.pending_distances()) {
      pending -= static_cast<int64_t>(distance);
      added.pending_.push_back(pending);
    }
    std::reverse(added.pending_.begin(), added.pending_.end());
  }
  for (const auto& output : proto.outputs()) {
    progress.outputs_.push_back({output.topic(), output.partition(), FromProto(output.last()), UnknownOf(output)});
  }
  return progress;
}

std::string TaskProgress::Serialize(const std::string& cluster_id) const {
  mesh::v1::TaskProgress proto;
  proto.set_cluster_id(cluster_id);
  PutUnknown(unknown_, proto);
  if (suspect_.has_value()) {
    auto& suspect = *proto.mutable_suspect();
    suspect.set_topic(suspect_->topic);
    suspect.set_offset(suspect_->offset);
    suspect.set_fingerprint(suspect_->fingerprint);
    suspect.set_attempts(suspect_->attempts);
    PutUnknown(suspect_->unknown, suspect);
  }
  for (const InputProgress& input : inputs_) {
    auto& out = *proto.add_inputs();
    out.set_topic(input.topic_);
    out.set_offset(input.next_offset_);
    out.set_fingerprint(input.fingerprint_);
    out.set_read_from_start(input.read_from_start_);
    out.set_outdated_mirror(input.outdated_mirror_);
    PutUnknown(input.unknown_, out);
    for (const auto& mark : input.watermarks_) {
      auto& watermark = *out.add_watermarks();
      watermark.set_source(mark.source);
      ToProto(mark.sequence, *watermark.mutable_sequence());
      watermark.set_seen_hour(mark.seen_hour);
      watermark.set_takes_up(mark.takes_up);
      const auto unknown = input.unknown_of_watermarks_.find(mark.source);
      if (unknown != input.unknown_of_watermarks_.end()) PutUnknown(unknown->second, watermark);
    }
    int64_t behind = input.next_offset_;
    for (auto pending = input.pending_.rbegin(); pending != input.pending_.rend(); ++pending) {
      out.add_pending_distances(static_cast<uint64_t>(behind - *pending));
      behind = *pending;
    }
  }
  for (const Output& output : outputs_) {
    auto& out = *proto.add_outputs();
    out.set_topic(output.topic);
    out.set_partition(output.partition);
    ToProto(output.last, *out.mutable_last());
    PutUnknown(output.unknown, out);
  }
  return proto.SerializeAsString();
}

const InputProgress* TaskProgress::FindInput(std::string_view topic) const {
  const auto found =
      std::find_if(inputs_.begin(), inputs_.end(), [&](const InputProgress& input) { return input.topic() == topic; });
  return found == inputs_.end() ? nullptr : &*found;
}

InputProgress* TaskProgress::FindInput(std::string_view topic) {
  for (InputProgress& input : inputs_) {
    if (input.topic_ == topic) return &input;
  }
  return nullptr;
}

InputProgress& TaskProgress::AddInput(std::string topic, int64_t next_offset) {
  return inputs_.emplace_back(std::move(topic), next_offset);
}

std::optional<bus::Sequence> TaskProgress::Extend(std::string_view topic, int32_t partition, bus::Sequence sequence) {
  const auto before = [&](const Output& output, int32_t wanted) {
    return output.partition < wanted || (output.partition == wanted && output.topic < topic);
  };
  const auto found = std::lower_bound(outputs_.begin(), outputs_.end(), partition, before);
  if (found != outputs_.end() && found->partition == partition && found->topic == topic) {
    return std::exchange(found->last, sequence);
  }
  outputs_.insert(found, {std::string(topic), partition, sequence});
  return std::nullopt;
}

}  // namespace tradewind::runtime
