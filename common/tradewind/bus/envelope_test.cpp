#include "tradewind/bus/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <limits>
#include <map>
#include <optional>

#include "tradewind/bus/internal/murmur2.h"

namespace tradewind::bus {
namespace {

using ::testing::HasSubstr;
using Headers = std::vector<std::pair<std::string, std::string>>;

Headers Required() {
  return {{"ce_specversion", "1.0"},
          {"ce_id", "id-1"},
          {"ce_type", "tradewind.order.v1.OrderConfirmed"},
          {"ce_source", "/order/3"}};
}

Headers With(Headers more) {
  Headers headers = Required();
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

Record RecordWith(Headers headers) {
  return Record::FromContent({.topic = "order.events.v1", .key = "k", .value = "v", .headers = std::move(headers)});
}

// The error of parsing these headers.
std::string ErrorOf(Headers headers) {
  const Record record = RecordWith(std::move(headers));
  const auto envelope = ParseEnvelope(record);
  EXPECT_EQ(envelope.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(envelope.status().message());
}

TEST(Sequence, SortsAsTextAsItSortsAsAPair) {
  const Sequence early{.epoch = 9, .number = 1000};
  const Sequence late{.epoch = 10, .number = 2};
  EXPECT_LT(early, late);
  EXPECT_LT(early.ToString(), late.ToString());
  EXPECT_EQ(late.ToString(), "0000000000000010-0000000000000002");
}

TEST(Sequence, ReadsWhatItWrote) {
  const Sequence sequence{.epoch = 1'700'000'000'123, .number = 77};
  EXPECT_EQ(Sequence::Parse(sequence.ToString()), sequence);
}

TEST(Sequence, KeepsEveryDigit) {
  const Sequence widest{.epoch = 9'999'999'999'999'999, .number = 0};
  EXPECT_EQ(widest.ToString(), "9999999999999999-0000000000000000");
  const Sequence too_wide{.epoch = 0, .number = std::numeric_limits<uint64_t>::max()};
  EXPECT_EQ(too_wide.ToString(), "0000000000000000-18446744073709551615");
}

TEST(Sequence, RefusesAnyOtherForm) {
  for (const char* text :
       {"", "1-2", "0000000000000010_0000000000000002", "000000000000001-00000000000000020",
        "0000000000000010-000000000000000a", "+000000000000010-0000000000000002", "-000000000000010-0000000000000002",
        " 000000000000010-0000000000000002", "00000000000000100-000000000000002"}) {
    EXPECT_FALSE(Sequence::Parse(text).has_value()) << text;
  }
}

TEST(Envelope, OfARecordThatCannotBeReadSaysWhy) {
  const auto envelope = ParseEnvelope(Record::Unreadable("t", 0, 7, "its batch is too large"));
  EXPECT_EQ(envelope.status(), absl::InvalidArgumentError("its batch is too large"));
}

TEST(Envelope, ReadsEveryAttribute) {
  const Record record = RecordWith(With({{"ce_time", "2026-01-02T03:04:05.678Z"},
                                         {"ce_subject", "order-1"},
                                         {"ce_sequence", "0000000000000005-0000000000000009"},
                                         {"ce_previous", "0000000000000005-0000000000000007"},
                                         {"content-type", "application/protobuf"},
                                         {"traceparent", "00-aa-bb-01"},
                                         {"tradewind-reply-partition", "11"},
                                         {"tradewind-reply-instance", "gateway-a"},
                                         {"tradewind-correlation", "18446744073709551615"},
                                         {"tradewind-caller", "alice"},
                                         {"tradewind-method", "/tradewind.order.v1.OrderService/CreateOrder"},
                                         {"tradewind-request-id", "r-1"},
                                         {"something-else", "ignored"}}));
  const auto envelope = ParseEnvelope(record);
  ASSERT_TRUE(envelope.ok()) << envelope.status();
  EXPECT_EQ(envelope->id, "id-1");
  EXPECT_EQ(envelope->type, "tradewind.order.v1.OrderConfirmed");
  EXPECT_EQ(envelope->source, "/order/3");
  EXPECT_EQ(envelope->time, "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(envelope->subject, "order-1");
  EXPECT_EQ(envelope->content_type, "application/protobuf");
  EXPECT_EQ(envelope->traceparent, "00-aa-bb-01");
  EXPECT_EQ(envelope->sequence, (Sequence{5, 9}));
  EXPECT_EQ(envelope->previous, (Sequence{5, 7}));
  ASSERT_TRUE(envelope->reply_to.has_value());
  EXPECT_EQ(envelope->reply_to->partition, 11);
  EXPECT_EQ(envelope->reply_to->instance_id, "gateway-a");
  EXPECT_EQ(envelope->reply_to->correlation_id, 18446744073709551615ULL);
  EXPECT_EQ(envelope->caller, "alice");
  EXPECT_EQ(envelope->method, "/tradewind.order.v1.OrderService/CreateOrder");
  EXPECT_EQ(envelope->request_id, "r-1");
}

TEST(Envelope, TakesAnEventFromOutsideTheMesh) {
  const Record record = RecordWith(Required());
  const auto envelope = ParseEnvelope(record);
  ASSERT_TRUE(envelope.ok()) << envelope.status();
  EXPECT_FALSE(envelope->sequence.has_value());
  EXPECT_FALSE(envelope->reply_to.has_value());
  EXPECT_EQ(envelope->previous, Sequence{});
  EXPECT_EQ(envelope->subject, "");
}

TEST(Envelope, NamesTheRequiredHeaderThatIsMissing) {
  for (size_t i = 0; i < Required().size(); ++i) {
    Headers headers = Required();
    const std::string name = headers[i].first;
    headers.erase(headers.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(ErrorOf(headers), HasSubstr(name));
  }
}

TEST(Envelope, RefusesAnotherSpecVersion) {
  Headers headers = Required();
  headers[0].second = "0.3";
  EXPECT_THAT(ErrorOf(headers), HasSubstr("ce_specversion is '0.3'"));
}

// The headers of an event that is taken, with its sequence, or nothing where it has none.
std::optional<Sequence> SequenceOf(Headers headers) {
  const Record record = RecordWith(std::move(headers));
  const auto envelope = ParseEnvelope(record);
  EXPECT_TRUE(envelope.ok()) << envelope.status();
  return envelope.ok() ? envelope->sequence : std::nullopt;
}

TEST(Envelope, TakesAForeignSequenceForNone) {
  const std::string ours = Sequence{5, 9}.ToString();
  for (const std::string& foreign : {std::string("42"), std::string(), std::string("00000000000000000001"),
                                     std::string("\xff\xfe"), ours + "0", std::string(500'000, '7')}) {
    EXPECT_EQ(SequenceOf(With({{"ce_sequence", foreign}})), std::nullopt);
    // A predecessor means nothing then either.
    EXPECT_EQ(SequenceOf(With({{"ce_sequence", foreign}, {"ce_previous", "x"}})), std::nullopt);
  }
  EXPECT_EQ(SequenceOf(With({{"ce_sequence", ours}})), (Sequence{5, 9}));
}

TEST(Envelope, RefusesASequenceBeyondTheYear2100) {
  EXPECT_EQ(SequenceOf(With({{"ce_sequence", Sequence{kMaxEpoch, 1}.ToString()}})), (Sequence{kMaxEpoch, 1}));
  EXPECT_THAT(ErrorOf(With({{"ce_sequence", Sequence{kMaxEpoch + 1, 1}.ToString()}})), HasSubstr("2100"));
  EXPECT_THAT(ErrorOf(With({{"ce_sequence", "9999999999999999-9999999999999999"}})), HasSubstr("2100"));
}

TEST(Envelope, RefusesAHeaderThatStandsThereTwice) {
  for (const char* name : {"ce_specversion", "ce_id", "ce_type", "ce_source", "ce_sequence", "ce_subject", "ce_theirs",
                           "tradewind-mesh", "tradewind-request-id", "tradewind-theirs"}) {
    const std::string value = std::string_view(name) == "ce_specversion" ? "1.0" : "v";
    Headers headers = With({{"x", "between"}});
    std::erase_if(headers, [&](const auto& header) { return header.first == name; });
    headers.insert(headers.begin(), {name, value});
    headers.emplace_back(name, value);
    EXPECT_THAT(ErrorOf(headers), HasSubstr(std::string(name) + " stands there twice"));
  }
}

TEST(Envelope, TakesTheLastOfOtherHeadersThatStandThereTwice) {
  const Record record = RecordWith(With({{"traceparent", "00-aa-bb-01"},
                                         {"content-type", "text/plain"},
                                         {"x", "1"},
                                         {"traceparent", "00-cc-dd-01"},
                                         {"content-type", "application/protobuf"},
                                         {"x", "2"}}));
  const auto envelope = ParseEnvelope(record);
  ASSERT_TRUE(envelope.ok()) << envelope.status();
  EXPECT_EQ(envelope->traceparent, "00-cc-dd-01");
  EXPECT_EQ(envelope->content_type, "application/protobuf");
}

TEST(Envelope, NamesBinaryModeToAnEventInAnotherMode) {
  for (const char* type : {"application/cloudevents+json", "application/cloudevents-batch+json; charset=utf-8",
                           "Application/CloudEvents+avro"}) {
    EXPECT_THAT(ErrorOf({{"content-type", type}}), HasSubstr("binary mode"));
    EXPECT_THAT(ErrorOf({{"Content-Type", type}}), HasSubstr("binary mode"));
    EXPECT_THAT(ErrorOf(With({{"content-type", type}})), HasSubstr("binary mode"));
  }
}

TEST(Envelope, RefusesTextThatIsNotUtf8) {
  for (const char* name :
       {"ce_id", "ce_type", "ce_source", "tradewind-caller", "tradewind-method", "tradewind-request-id"}) {
    Headers headers = Required();
    std::erase_if(headers, [&](const auto& header) { return header.first == name; });
    headers.emplace_back(name, "/ext\xff");
    EXPECT_THAT(ErrorOf(headers), HasSubstr(std::string(name) + " is '/ext\xff', not UTF-8"));
  }
}

TEST(Envelope, RefusesTextBeyondItsLimit) {
  for (const auto& [name, limit] : std::map<std::string, size_t>{{"ce_id", 1024},
                                                                 {"ce_type", 1024},
                                                                 {"ce_source", 1024},
                                                                 {"tradewind-caller", 4096},
                                                                 {"tradewind-request-id", 4096}}) {
    Headers headers = Required();
    std::erase_if(headers, [&, wanted = name](const auto& header) { return header.first == wanted; });
    headers.emplace_back(name, std::string(limit, 'k'));
    EXPECT_TRUE(ParseEnvelope(RecordWith(headers)).ok()) << name;
    headers.back().second += 'k';
    EXPECT_THAT(ErrorOf(headers), HasSubstr("the most is " + std::to_string(limit)));
  }
}

TEST(Envelope, LeavesOutATraceparentThatIsNone) {
  for (const std::string& text : {std::string("\xff"), std::string("00-aa\n"), std::string(513, '0')}) {
    const Record record = RecordWith(With({{"traceparent", text}}));
    const auto envelope = ParseEnvelope(record);
    ASSERT_TRUE(envelope.ok()) << envelope.status();
    EXPECT_EQ(envelope->traceparent, "");
  }
}

TEST(Envelope, PassesOverHeadersOfAnyOtherNameAndValue) {
  Headers headers = With({{"", ""}, {"\xff\x00", "\xff"}, {std::string(100'000, 'n'), std::string(100'000, 'v')}});
  for (int i = 0; i < 10'000; ++i) headers.emplace_back("ce_theirs" + std::to_string(i), "v");
  const Record record = RecordWith(headers);
  EXPECT_TRUE(ParseEnvelope(record).ok());
}

TEST(Envelope, ReadsTheMeshThatARecordNames) {
  EXPECT_EQ(MeshName("cluster-1", "staging."), "cluster-1/staging.");
  const Record named = RecordWith(With({{"tradewind-mesh", "cluster-1/"}}));
  EXPECT_EQ(ParseEnvelope(named)->mesh, "cluster-1/");
  const Record empty = RecordWith(With({{"tradewind-mesh", ""}}));
  EXPECT_EQ(ParseEnvelope(empty)->mesh, "");
  const Record unnamed = RecordWith(Required());
  EXPECT_EQ(ParseEnvelope(unnamed)->mesh, std::nullopt);
}

TEST(Envelope, RefusesAChainThatCannotBe) {
  const std::string sequence = Sequence{5, 9}.ToString();
  EXPECT_THAT(ErrorOf(With({{"ce_sequence", sequence}, {"ce_previous", "x"}})), HasSubstr("ce_previous"));
  EXPECT_THAT(ErrorOf(With({{"ce_sequence", sequence}, {"ce_previous", sequence}})), HasSubstr("ce_previous"));
}

TEST(Envelope, RefusesHalfAReplyAddress) {
  EXPECT_THAT(ErrorOf(With({{"tradewind-reply-partition", "1"}, {"tradewind-reply-instance", "a"}})),
              HasSubstr("tradewind-correlation"));
  EXPECT_THAT(ErrorOf(With({{"tradewind-reply-partition", "1"}, {"tradewind-correlation", "1"}})),
              HasSubstr("tradewind-reply-instance"));
  EXPECT_THAT(ErrorOf(With({{"tradewind-reply-instance", "a"}, {"tradewind-correlation", "1"}})),
              HasSubstr("tradewind-reply-partition"));
  EXPECT_THAT(
      ErrorOf(With(
          {{"tradewind-reply-partition", "-1"}, {"tradewind-reply-instance", "a"}, {"tradewind-correlation", "1"}})),
      HasSubstr("tradewind-reply-partition is '-1'"));
}

TEST(Envelope, IsReadBackFromTheHeadersItWrites) {
  const Envelope sent{.id = "id-1",
                      .type = "t",
                      .source = "s",
                      .time = "2026-01-02T03:04:05.678Z",
                      .content_type = kProtobufContentType,
                      .traceparent = "00-aa-bb-01",
                      .sequence = Sequence{5, 9},
                      .previous = Sequence{5, 7},
                      .reply_to = ReplyAddress{11, "gateway-a", 12},
                      .caller = "alice",
                      .method = "/m",
                      .request_id = "r-1",
                      .mesh = "cluster-1/"};
  const EnvelopeHeaders headers(sent, "key-1");
  Headers copied;
  for (const HeaderView& header : headers.view()) {
    copied.emplace_back(header.name, header.value);
  }
  EXPECT_THAT(copied, ::testing::Not(::testing::Contains(::testing::Key("ce_subject"))));
  const Record record = RecordWith(copied);
  EXPECT_EQ(record.header("ce_partitionkey"), "key-1");
  const auto read = ParseEnvelope(record);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, sent.id);
  EXPECT_EQ(read->time, sent.time);
  EXPECT_EQ(read->content_type, sent.content_type);
  EXPECT_EQ(read->traceparent, sent.traceparent);
  EXPECT_EQ(read->sequence, sent.sequence);
  EXPECT_EQ(read->previous, sent.previous);
  EXPECT_EQ(read->reply_to->partition, 11);
  EXPECT_EQ(read->reply_to->instance_id, "gateway-a");
  EXPECT_EQ(read->reply_to->correlation_id, 12U);
  EXPECT_EQ(read->caller, sent.caller);
  EXPECT_EQ(read->method, sent.method);
  EXPECT_EQ(read->request_id, sent.request_id);
  EXPECT_EQ(read->mesh, sent.mesh);
}

TEST(EventTime, IsUtcWithMilliseconds) {
  EXPECT_EQ(EventTime(absl::FromUnixMillis(1'700'000'000'007)), "2023-11-14T22:13:20.007Z");
}

// The vectors of Kafka's own test of Utils.murmur2, which returns a signed number.
TEST(Murmur2, MatchesKafkasVectors) {
  const std::pair<std::string_view, int32_t> vectors[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [key, hash] : vectors) {
    EXPECT_EQ(static_cast<int32_t>(internal::Murmur2(key)), hash) << key;
  }
}

TEST(PartitionOf, AgreesWithLibrdkafkasMurmur2Partitioner) {
  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::string(static_cast<size_t>(i % 37), '\xf1') + std::to_string(i * 7919);
    EXPECT_EQ(PartitionOf(key, 12),
              rd_kafka_msg_partitioner_murmur2(nullptr, key.data(), key.size(), 12, nullptr, nullptr))
        << key;
  }
}

}  // namespace
}  // namespace tradewind::bus
