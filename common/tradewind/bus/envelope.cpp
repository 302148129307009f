#include "tradewind/bus/envelope.h"

#include <fmt/format.h>

#include <charconv>

#include "tradewind/bus/internal/murmur2.h"

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

absl::Status Malformed(std::string_view header, std::string_view value, std::string_view expected) {
  constexpr size_t kShown = 80;
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
};

constexpr TextAttribute kTextAttributes[] = {
    {kIdHeader, &Envelope::id},
    {kTypeHeader, &Envelope::type},
    {kSourceHeader, &Envelope::source},
    {kTimeHeader, &Envelope::time},
    {kSubjectHeader, &Envelope::subject},
    {kContentTypeHeader, &Envelope::content_type},
    {kTraceparentHeader, &Envelope::traceparent},
    {kCallerHeader, &Envelope::caller},
    {kMethodHeader, &Envelope::method},
    {kRequestIdHeader, &Envelope::request_id},
};

// Headers whose text has to be read further. Absent ones have a null pointer, so that an empty value is not absence.
struct RawAttributes {
  std::string_view spec_version;
  std::string_view sequence;
  std::string_view previous;
  std::string_view reply_partition;
  std::string_view reply_instance;
  std::string_view correlation;
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
};

void Sort(const HeaderView& header, Envelope& envelope, RawAttributes& raw) {
  for (const TextAttribute& attribute : kTextAttributes) {
    if (header.name == attribute.header) {
      envelope.*attribute.field = header.value;
      return;
    }
  }
  for (const RawAttribute& attribute : kRawAttributes) {
    if (header.name == attribute.header) {
      raw.*attribute.field = header.value.data() == nullptr ? std::string_view("") : header.value;
      return;
    }
  }
}

bool Present(std::string_view raw) { return raw.data() != nullptr; }

absl::Status ReadChain(const RawAttributes& raw, Envelope& envelope) {
  // Without a sequence there is no chain: `previous` is then somebody else's extension.
  if (!Present(raw.sequence)) {
    return absl::OkStatus();
  }
  constexpr std::string_view kForm = "<epoch>-<sequence> of 16 digits each";
  envelope.sequence = Sequence::Parse(raw.sequence);
  if (!envelope.sequence) {
    return Malformed(kSequenceHeader, raw.sequence, kForm);
  }
  if (!Present(raw.previous)) {
    return absl::OkStatus();
  }
  const std::optional<Sequence> previous = Sequence::Parse(raw.previous);
  if (!previous) {
    return Malformed(kPreviousHeader, raw.previous, kForm);
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

}  // namespace

std::string Sequence::ToString() const { return fmt::format("{:016}-{:016}", epoch, number); }

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

absl::StatusOr<Envelope> ParseEnvelope(const Record& record) {
  Envelope envelope;
  RawAttributes raw;
  for (const HeaderView& header : record.headers()) {
    Sort(header, envelope, raw);
  }
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
  if (envelope.source.empty()) {
    return Missing(kSourceHeader);
  }
  if (absl::Status status = ReadChain(raw, envelope); !status.ok()) {
    return status;
  }
  if (absl::Status status = ReadReplyAddress(raw, envelope); !status.ok()) {
    return status;
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
}

std::string EventTime(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()); }

int32_t PartitionOf(std::string_view key, int32_t partition_count) {
  return static_cast<int32_t>(internal::Murmur2(key) & 0x7fffffff) % partition_count;
}

}  // namespace tradewind::bus
