#include "tradewind/bus/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"

#include "tradewind/bus/internal/murmur2.h"
#include "tradewind/errors/printable.h"

namespace tradewind::bus {
namespace {

constexpr size_t kSequenceDigits = 16;

// The whole of `text` as a decimal number, or nothing.
template <typename Integer>
std::optional<Integer> ParseNumber(std::string_view text) {
  Integer number{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end) {
    return std::nullopt;
  }
  return number;
}

std::optional<uint64_t> ParsePadded(std::string_view digits) {
  // from_chars takes no sign for an unsigned type, so that a match of this length is digits only.
  return digits.size() == kSequenceDigits ? ParseNumber<uint64_t>(digits) : std::nullopt;
}

// Written for each event and its predecessor: fmt's {:016} takes nearly three times as many instructions.
void AppendPadded(std::string& text, uint64_t number) {
  char digits[std::numeric_limits<uint64_t>::digits10 + 1];
  const size_t size = std::to_chars(std::begin(digits), std::end(digits), number).ptr - digits;
  text.append(kSequenceDigits - std::min(size, kSequenceDigits), '0').append(digits, size);
}

// How much of a header's text an error shows.
constexpr size_t kShown = 80;

absl::Status Malformed(std::string_view header, std::string_view value, std::string_view expected) {
  return absl::InvalidArgumentError(
      fmt::format("header {} is '{}', not {}", header, value.substr(0, kShown), expected));
}

absl::Status Missing(std::string_view header) {
  return absl::InvalidArgumentError(fmt::format("header {} is missing", header));
}

// A header whose text goes into the envelope as it is.
struct TextAttribute {
  std::string_view header;
  std::string_view Envelope::*field;
  // 0 for a text that the mesh does not keep: it may be any bytes.
  size_t max_bytes;
};

constexpr TextAttribute kTextAttributes[] = {
    {kIdHeader, &Envelope::id, kMaxAttributeBytes},
    {kTypeHeader, &Envelope::type, kMaxAttributeBytes},
    {kSourceHeader, &Envelope::source, kMaxAttributeBytes},
    {kTimeHeader, &Envelope::time, 0},
    {kSubjectHeader, &Envelope::subject, 0},
    {kContentTypeHeader, &Envelope::content_type, 0},
    {kTraceparentHeader, &Envelope::traceparent, 0},
    {kCallerHeader, &Envelope::caller, kMaxCommandHeaderBytes},
    {kMethodHeader, &Envelope::method, kMaxCommandHeaderBytes},
    {kRequestIdHeader, &Envelope::request_id, kMaxCommandHeaderBytes},
};

// Headers whose text has to be read further. Absent ones have a null pointer, so that an empty value is not absence.
struct RawAttributes {
  std::string_view spec_version;
  std::string_view sequence;
  std::string_view previous;
  std::string_view reply_partition;
  std::string_view reply_instance;
  std::string_view correlation;
  std::string_view mesh;
};

struct RawAttribute {
  std::string_view header;
  std::string_view RawAttributes::*field;
};

constexpr RawAttribute kRawAttributes[] = {
    {kSpecVersionHeader, &RawAttributes::spec_version},
    {kSequenceHeader, &RawAttributes::sequence},
    {kPreviousHeader, &RawAttributes::previous},
    {kReplyPartitionHeader, &RawAttributes::reply_partition},
    {kReplyInstanceHeader, &RawAttributes::reply_instance},
    {kCorrelationHeader, &RawAttributes::correlation},
    {kMeshHeader, &RawAttributes::mesh},
};

// Whether a second header of this name leaves open which of the two was meant. Of other headers the last one counts.
bool MustBeUnique(std::string_view name) { return name.substr(0, 3) == "ce_" || name.substr(0, 10) == "tradewind-"; }

// Puts headers where they belong, and finds those that stand there twice.
class HeaderSorter {
 public:
  HeaderSorter(Envelope& envelope, RawAttributes& raw) : envelope_(envelope), raw_(raw) {}

  void Add(const HeaderView& header) {
    uint32_t bit = 1;
    for (const TextAttribute& attribute : kTextAttributes) {
      if (header.name == attribute.header) {
        Note(header.name, bit);
        envelope_.*attribute.field = header.value;
        return;
      }
      bit <<= 1;
    }
    for (const RawAttribute& attribute : kRawAttributes) {
      if (header.name == attribute.header) {
        Note(header.name, bit);
        raw_.*attribute.field = header.value.data() == nullptr ? std::string_view("") : header.value;
        return;
      }
      bit <<= 1;
    }
    // Some clients write this name as they would in HTTP, where case does not matter.
    if (absl::EqualsIgnoreCase({header.name.data(), header.name.size()},
                               {kContentTypeHeader.data(), kContentTypeHeader.size()})) {
      envelope_.content_type = header.value;
      return;
    }
    if (MustBeUnique(header.name)) {
      others_.push_back(header.name);
    }
  }

  // The first name found to stand there twice; empty where there is none.
  std::string_view Doubled() {
    if (doubled_.empty() && others_.size() > 1) {
      std::sort(others_.begin(), others_.end());
      const auto twice = std::adjacent_find(others_.begin(), others_.end());
      if (twice != others_.end()) {
        doubled_ = *twice;
      }
    }
    return doubled_;
  }

 private:
  void Note(std::string_view name, uint32_t bit) {
    if ((seen_ & bit) != 0 && doubled_.empty() && MustBeUnique(name)) {
      doubled_ = name;
    }
    seen_ |= bit;
  }

  Envelope& envelope_;
  RawAttributes& raw_;
  // A bit for each row of the two tables.
  uint32_t seen_ = 0;
  // Extensions of others.
  absl::InlinedVector<std::string_view, 4> others_;
  std::string_view doubled_;
};

bool Present(std::string_view raw) { return raw.data() != nullptr; }

absl::Status CheckTexts(const Envelope& envelope) {
  for (const TextAttribute& attribute : kTextAttributes) {
    const std::string_view text = envelope.*attribute.field;
    if (attribute.max_bytes == 0) {
      continue;
    }
    if (text.size() > attribute.max_bytes) {
      return absl::InvalidArgumentError(
          fmt::format("header {} has {} bytes; the most is {}", attribute.header, text.size(), attribute.max_bytes));
    }
    if (!errors::IsUtf8(text)) {
      return Malformed(attribute.header, text, "UTF-8");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMode(std::string_view content_type) {
  // Media types are case-insensitive (RFC 9110, 8.3.1).
  if (!absl::StartsWithIgnoreCase({content_type.data(), content_type.size()}, "application/cloudevents")) {
    return absl::OkStatus();
  }
  return Malformed(kContentTypeHeader, content_type,
                   "that of a message: this is a CloudEvent in structured or batch mode, and a mesh takes binary mode, "
                   "with the attributes in ce_ headers and the message as the value");
}

bool IsTraceparent(std::string_view text) {
  constexpr size_t kMaxTraceparent = 512;
  return text.size() <= kMaxTraceparent &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

absl::Status ReadChain(const RawAttributes& raw, Envelope& envelope) {
  // Without a sequence of our form there is no chain: the headers are then somebody else's extensions.
  envelope.sequence = Sequence::Parse(raw.sequence);
  if (!envelope.sequence) {
    return absl::OkStatus();
  }
  if (envelope.sequence->epoch > kMaxEpoch) {
    return Malformed(kSequenceHeader, raw.sequence, "one that a clock could give: its epoch lies beyond the year 2100");
  }
  if (!Present(raw.previous)) {
    return absl::OkStatus();
  }
  const std::optional<Sequence> previous = Sequence::Parse(raw.previous);
  if (!previous) {
    return Malformed(kPreviousHeader, raw.previous, "<epoch>-<sequence> of 16 digits each");
  }
  if (*previous >= *envelope.sequence) {
    // A consumer would wait for ever for what cannot come before it.
    return Malformed(kPreviousHeader, raw.previous, fmt::format("before {} {}", kSequenceHeader, raw.sequence));
  }
  envelope.previous = *previous;
  return absl::OkStatus();
}

absl::Status ReadReplyAddress(const RawAttributes& raw, Envelope& envelope) {
  if (!Present(raw.reply_partition) && !Present(raw.reply_instance) && !Present(raw.correlation)) {
    return absl::OkStatus();
  }
  if (!Present(raw.reply_partition)) {
    return Missing(kReplyPartitionHeader);
  }
  if (raw.reply_instance.empty()) {
    return Missing(kReplyInstanceHeader);
  }
  if (raw.reply_instance.size() > kMaxAttributeBytes || !errors::IsUtf8(raw.reply_instance)) {
    return Malformed(kReplyInstanceHeader, raw.reply_instance,
                     fmt::format("UTF-8 of at most {} bytes", kMaxAttributeBytes));
  }
  if (!Present(raw.correlation)) {
    return Missing(kCorrelationHeader);
  }
  const std::optional<int32_t> partition = ParseNumber<int32_t>(raw.reply_partition);
  if (!partition || *partition < 0) {
    return Malformed(kReplyPartitionHeader, raw.reply_partition, "a partition number");
  }
  const std::optional<uint64_t> correlation = ParseNumber<uint64_t>(raw.correlation);
  if (!correlation) {
    return Malformed(kCorrelationHeader, raw.correlation, "a number");
  }
  envelope.reply_to = ReplyAddress{*partition, raw.reply_instance, *correlation};
  return absl::OkStatus();
}

absl::Status CheckRequired(const RawAttributes& raw, const Envelope& envelope) {
  if (!Present(raw.spec_version)) {
    return Missing(kSpecVersionHeader);
  }
  if (raw.spec_version != kSpecVersion) {
    return Malformed(kSpecVersionHeader, raw.spec_version, kSpecVersion);
  }
  if (envelope.id.empty()) {
    return Missing(kIdHeader);
  }
  if (envelope.type.empty()) {
    return Missing(kTypeHeader);
  }
  return envelope.source.empty() ? Missing(kSourceHeader) : absl::OkStatus();
}

}  // namespace

std::string Sequence::ToString() const {
  std::string text;
  text.reserve(2 * kSequenceDigits + 1);
  AppendPadded(text, epoch);
  text += '-';
  AppendPadded(text, number);
  return text;
}

std::optional<Sequence> Sequence::Parse(std::string_view text) {
  if (text.size() != 2 * kSequenceDigits + 1 || text[kSequenceDigits] != '-') {
    return std::nullopt;
  }
  const std::optional<uint64_t> epoch = ParsePadded(text.substr(0, kSequenceDigits));
  const std::optional<uint64_t> number = ParsePadded(text.substr(kSequenceDigits + 1));
  if (!epoch || !number) {
    return std::nullopt;
  }
  return Sequence{*epoch, *number};
}

std::string MeshName(std::string_view cluster_id, std::string_view topic_prefix) {
  return fmt::format("{}/{}", cluster_id, topic_prefix);
}

absl::StatusOr<Envelope> ParseEnvelope(const Record& record) {
  if (!record.damage().empty()) {
    return absl::InvalidArgumentError(std::string(record.damage()));
  }
  Envelope envelope;
  RawAttributes raw;
  HeaderSorter sorter(envelope, raw);
  for (const HeaderView& header : record.headers()) {
    sorter.Add(header);
  }
  if (absl::Status status = CheckMode(envelope.content_type); !status.ok()) {
    return status;
  }
  if (const std::string_view doubled = sorter.Doubled(); !doubled.empty()) {
    return absl::InvalidArgumentError(fmt::format("header {} stands there twice", doubled.substr(0, kShown)));
  }
  if (absl::Status status = CheckRequired(raw, envelope); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckTexts(envelope); !status.ok()) {
    return status;
  }
  if (absl::Status status = ReadChain(raw, envelope); !status.ok()) {
    return status;
  }
  if (absl::Status status = ReadReplyAddress(raw, envelope); !status.ok()) {
    return status;
  }
  if (Present(raw.mesh)) {
    envelope.mesh = raw.mesh;
  }
  if (!IsTraceparent(envelope.traceparent)) {
    envelope.traceparent = {};
  }
  return envelope;
}

EnvelopeHeaders::EnvelopeHeaders(const Envelope& envelope, std::string_view partition_key) {
  headers_.push_back({kSpecVersionHeader, kSpecVersion});
  for (const TextAttribute& attribute : kTextAttributes) {
    if (const std::string_view value = envelope.*attribute.field; !value.empty()) {
      headers_.push_back({attribute.header, value});
    }
  }
  if (!partition_key.empty()) {
    headers_.push_back({kPartitionKeyHeader, partition_key});
  }
  if (envelope.sequence) {
    sequence_ = envelope.sequence->ToString();
    headers_.push_back({kSequenceHeader, sequence_});
    if (envelope.previous != Sequence{}) {
      previous_ = envelope.previous.ToString();
      headers_.push_back({kPreviousHeader, previous_});
    }
  }
  if (envelope.reply_to) {
    reply_partition_ = std::to_string(envelope.reply_to->partition);
    correlation_ = std::to_string(envelope.reply_to->correlation_id);
    headers_.push_back({kReplyPartitionHeader, reply_partition_});
    headers_.push_back({kReplyInstanceHeader, envelope.reply_to->instance_id});
    headers_.push_back({kCorrelationHeader, correlation_});
  }
  if (envelope.mesh) {
    headers_.push_back({kMeshHeader, *envelope.mesh});
  }
}

std::string EventTime(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()); }

int32_t PartitionOf(std::string_view key, int32_t partition_count) {
  return static_cast<int32_t>(internal::Murmur2(key) & 0x7fffffff) % partition_count;
}

}  // namespace tradewind::bus
