// The CloudEvents 1.0 envelope in Kafka binary mode, with the mesh's extensions: how an event names its type, its
// source and its place in the source's chain, and how a command says where its answer goes.
//
// Sources: CloudEvents "Kafka Protocol Binding" 1.0.2 (binary content mode), "Sequence" and "Partitioning" extensions,
// W3C Trace Context (traceparent).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "tradewind/bus/record.h"

namespace tradewind::bus {

// Header names, as they stand on the log.
inline constexpr std::string_view kSpecVersionHeader = "ce_specversion";
inline constexpr std::string_view kIdHeader = "ce_id";
inline constexpr std::string_view kTypeHeader = "ce_type";
inline constexpr std::string_view kSourceHeader = "ce_source";
inline constexpr std::string_view kTimeHeader = "ce_time";
inline constexpr std::string_view kSubjectHeader = "ce_subject";
inline constexpr std::string_view kPartitionKeyHeader = "ce_partitionkey";
inline constexpr std::string_view kSequenceHeader = "ce_sequence";
inline constexpr std::string_view kPreviousHeader = "ce_previous";
inline constexpr std::string_view kContentTypeHeader = "content-type";
inline constexpr std::string_view kTraceparentHeader = "traceparent";
// The mesh that a record was written in, as MeshName puts it.
inline constexpr std::string_view kMeshHeader = "tradewind-mesh";
// Commands only. The reply address is a partition of mesh.replies.v1.
inline constexpr std::string_view kReplyPartitionHeader = "tradewind-reply-partition";
inline constexpr std::string_view kReplyInstanceHeader = "tradewind-reply-instance";
inline constexpr std::string_view kCorrelationHeader = "tradewind-correlation";
inline constexpr std::string_view kCallerHeader = "tradewind-caller";
inline constexpr std::string_view kMethodHeader = "tradewind-method";
inline constexpr std::string_view kRequestIdHeader = "tradewind-request-id";

// The most bytes that ce_id, ce_type and ce_source may have, and the most that the headers of a command may have: they
// are kept, indexed and shown. A record with more in one of them is refused.
inline constexpr size_t kMaxAttributeBytes = 1024;
inline constexpr size_t kMaxCommandHeaderBytes = 4096;
// The greatest epoch of a sequence: epochs are times in milliseconds since 1970, and this is the year 2100. A greater
// one can only be forged or damaged, and taking it would make a repeat of everything that comes after it.
inline constexpr uint64_t kMaxEpoch = 4'102'444'800'000;

inline constexpr std::string_view kSpecVersion = "1.0";
inline constexpr std::string_view kProtobufContentType = "application/protobuf";
inline constexpr std::string_view kRepliesTopic = "mesh.replies.v1";
inline constexpr std::string_view kDeadTopic = "mesh.dead.v1";
inline constexpr std::string_view kKeysTopic = "mesh.keys.v1";

// An event's place among those of its source. Ordered by epoch, then number.
struct Sequence {
  uint64_t epoch = 0;
  uint64_t number = 0;

  friend auto operator<=>(const Sequence&, const Sequence&) = default;

  // "<epoch>-<number>", each zero-padded to 16 digits: sorts as text as it sorts as a pair.
  std::string ToString() const;
  // Nothing where the text is not of that form.
  static std::optional<Sequence> Parse(std::string_view text);
};

// Where the answer to a command goes.
struct ReplyAddress {
  int32_t partition = 0;
  std::string_view instance_id;
  uint64_t correlation_id = 0;
};

// Views into the record's headers; an absent text header is an empty view.
struct Envelope {
  std::string_view id;
  std::string_view type;
  std::string_view source;
  std::string_view time;
  std::string_view subject;
  std::string_view content_type;
  std::string_view traceparent;
  // Absent on events from outside the mesh, which take no part in the chain.
  std::optional<Sequence> sequence;
  // Zero when this is the first event its source put into this partition.
  Sequence previous;
  std::optional<ReplyAddress> reply_to;
  std::string_view caller;
  std::string_view method;
  std::string_view request_id;
  // Absent on records from outside the mesh, and on those that were written before meshes had names.
  std::optional<std::string_view> mesh;
};

// The name of a mesh in kMeshHeader: the id of its Kafka cluster and the prefix of its topics, with a slash between
// them. Neither can contain one.
std::string MeshName(std::string_view cluster_id, std::string_view topic_prefix);

// The reverse of ParseEnvelope, for whoever produces: the headers of an outgoing record.
//
//   bus::EnvelopeHeaders headers(envelope, key);
//   sink.Produce({.topic = topic, .partition = partition, .key = key, .value = value, .headers = headers.view()},
//   token);
//
// Attributes that are empty, and a zero `previous`, are left out; nothing is checked. Neither copied nor moved: its
// views point into itself and into what the envelope points to.
class EnvelopeHeaders {
 public:
  EnvelopeHeaders(const Envelope& envelope, std::string_view partition_key);
  EnvelopeHeaders(const EnvelopeHeaders&) = delete;
  EnvelopeHeaders& operator=(const EnvelopeHeaders&) = delete;

  absl::Span<const HeaderView> view() const { return headers_; }

 private:
  std::string sequence_;
  std::string previous_;
  std::string reply_partition_;
  std::string correlation_;
  Record::Headers headers_;
};

// RFC 3339 in UTC with milliseconds, as ce_time has it.
std::string EventTime(absl::Time time);

// Reads and checks the headers of a record, whoever wrote it. InvalidArgument, naming the header, when
//   - it is a CloudEvent in structured or batch mode,
//   - a required attribute (id, type, source, specversion 1.0) is missing, or a header of a command does not parse,
//   - a text that the mesh keeps is not UTF-8 or has more bytes than the limits above,
//   - nothing of the record can be read (Record::damage),
//   - a `ce_` or `tradewind-` header stands there twice; of any other the last counts,
//   - the sequence is one that no clock could give, or does not follow its predecessor.
// A ce_sequence of another form than ours is somebody else's: the event then has no sequence. A traceparent that is not
// printable ASCII of at most 512 bytes is left out, as W3C Trace Context asks. Unknown headers are ignored.
absl::StatusOr<Envelope> ParseEnvelope(const Record& record);

// Java's murmur2 as Kafka's DefaultPartitioner uses it: the partition of a key, the same for every client that is set
// to `murmur2_random`. `partition_count` > 0.
int32_t PartitionOf(std::string_view key, int32_t partition_count);

}  // namespace tradewind::bus
