#include "services/cli/event_decoder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/options.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;

bus::Record MakeRecord(const std::string& type, const std::string& value, const std::string& topic = "a.topic") {
  bus::RecordContent content{.topic = topic, .key = "k", .value = value};
  if (!type.empty()) {
    content.headers.emplace_back("ce_type", type);
  }
  return bus::Record::FromContent(std::move(content));
}

template <typename Message>
bus::Record RecordOf(const Message& message) {
  return MakeRecord(Message::descriptor()->full_name(), message.SerializeAsString());
}

// A set with sensitive fields in every place where a field can be.
google::protobuf::FileDescriptorSet NestedSet() {
  google::protobuf::FileDescriptorSet set;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    file {
      name: "nested.proto" package: "test" syntax: "proto3"
      dependency: "tradewind/mesh/v1/options.proto" dependency: "google/protobuf/any.proto"
      message_type {
        name: "Card"
        field { name: "number" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL
                options { [tradewind.mesh.v1.field] { sensitive: SENSITIVE_REDACT } } }
        field { name: "pin" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL
                options { [tradewind.mesh.v1.field] { sensitive: SENSITIVE_HASH } } }
        field { name: "past_numbers" number: 3 type: TYPE_STRING label: LABEL_REPEATED
                options { [tradewind.mesh.v1.field] { sensitive: SENSITIVE_REDACT } } }
        field { name: "brand" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL }
      }
      message_type {
        name: "Wallet"
        options { [tradewind.mesh.v1.message] { topic: "wallet.events.v1" key: "owner" } }
        field { name: "card" number: 1 type: TYPE_MESSAGE type_name: ".test.Card" label: LABEL_OPTIONAL }
        field { name: "cards" number: 2 type: TYPE_MESSAGE type_name: ".test.Card" label: LABEL_REPEATED }
        field { name: "by_name" number: 3 type: TYPE_MESSAGE type_name: ".test.Wallet.ByNameEntry"
                label: LABEL_REPEATED }
        field { name: "extra" number: 4 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL }
        field { name: "owner" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL }
        nested_type {
          name: "ByNameEntry" options { map_entry: true }
          field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
          field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".test.Card" label: LABEL_OPTIONAL }
        }
      }
    })",
                                                            &set));
  return set;
}

// The bytes of a message of the schema, written as text.
std::string Bytes(const EventSchema& schema, const std::string& type, const std::string& text) {
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(schema.Find(type))->New());
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, message.get()));
  return message->SerializeAsString();
}

class EventDecoderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto schema = EventSchema::Load(TRADEWIND_DESCRIPTORS);
    ASSERT_TRUE(schema.ok()) << schema.status();
    schema_ = *std::move(schema);
    decoder_ = std::make_unique<EventDecoder>(*schema_, "pre.");
  }

  std::unique_ptr<EventSchema> schema_;
  std::unique_ptr<EventDecoder> decoder_;
};

TEST_F(EventDecoderTest, ShowsAnEventUnderItsProtoNames) {
  order::v1::OrderConfirmed confirmed;
  confirmed.set_order_id("o-1");
  confirmed.mutable_total()->set_currency_code("EUR");
  confirmed.mutable_total()->set_units(12);
  confirmed.mutable_confirm_time()->set_seconds(0);
  confirmed.mutable_confirm_time()->set_nanos(5'000'000);
  const DecodedEvent event = decoder_->Decode(RecordOf(confirmed));
  EXPECT_EQ(event.problem, "");
  EXPECT_EQ(event.type, "tradewind.order.v1.OrderConfirmed");
  EXPECT_EQ(
      event.body.dump(),
      R"({"order_id":"o-1","total":{"currency_code":"EUR","units":"12"},"confirm_time":"1970-01-01T00:00:00.005Z"})");
}

TEST_F(EventDecoderTest, RedactsHashedAndHiddenFields) {
  user::v1::RegisterUserRequest request;
  request.set_email("a@b.example");
  request.set_password("$argon2id$secret");
  request.set_locale("en-GB");
  EXPECT_EQ(decoder_->Decode(RecordOf(request)).body.dump(),
            R"({"email":"[redacted]","password":"[redacted]","locale":"en-GB"})");
  order::v1::CreateOrderRequest order;
  order.set_payment_token("tok-4711");
  EXPECT_EQ(decoder_->Decode(RecordOf(order)).body.dump(), R"({"payment_token":"[redacted]"})");
}

TEST_F(EventDecoderTest, DecodesRepliesWithoutATypeHeader) {
  mesh::v1::ReplyBatch batch;
  batch.set_instance_id("gw-1");
  order::v1::Order order;
  order.set_id("o-1");
  batch.add_replies()->mutable_resource()->PackFrom(order);
  batch.add_replies()->mutable_error()->set_message("no");
  const DecodedEvent event = decoder_->Decode(MakeRecord("", batch.SerializeAsString(), "pre.mesh.replies.v1"));
  EXPECT_EQ(event.problem, "");
  EXPECT_EQ(event.type, "tradewind.mesh.v1.ReplyBatch");
  EXPECT_EQ(event.body["replies"][0]["resource"]["id"], "o-1");
  EXPECT_EQ(event.body["replies"][1]["error"]["message"], "no");
}

TEST_F(EventDecoderTest, RedactsInsideAReply) {
  user::v1::RegisterUserRequest request;
  request.set_password("$argon2id$secret");
  mesh::v1::ReplyBatch batch;
  batch.add_replies()->mutable_resource()->PackFrom(request);
  const DecodedEvent event = decoder_->Decode(MakeRecord("", batch.SerializeAsString(), "pre.mesh.replies.v1"));
  EXPECT_EQ(event.body["replies"][0]["resource"]["password"], kRedacted);
}

TEST_F(EventDecoderTest, ShowsErrorDetailsThatTheSetDoesNotName) {
  mesh::v1::ReplyBatch batch;
  // google.rpc.ErrorInfo with reason (1) "R", by hand, as the wire has it.
  auto* detail = batch.add_replies()->mutable_error()->add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  detail->set_value("\x0a\x01R");
  const DecodedEvent event = decoder_->Decode(MakeRecord("", batch.SerializeAsString(), "pre.mesh.replies.v1"));
  EXPECT_EQ(event.problem, "");
  EXPECT_EQ(event.body["replies"][0]["error"]["details"][0]["reason"], "R");
}

TEST_F(EventDecoderTest, SaysWhyARecordCannotBeDecoded) {
  EXPECT_EQ(decoder_->Decode(MakeRecord("", "\x01\x02")).problem, "undecodable: no ce_type header (2 bytes: 0102)");
  EXPECT_THAT(decoder_->Decode(MakeRecord("no.such.Type", "x")).problem, HasSubstr("does not know this type"));
  const DecodedEvent broken = decoder_->Decode(MakeRecord("tradewind.order.v1.OrderConfirmed", "\xff\xff"));
  EXPECT_EQ(broken.type, "tradewind.order.v1.OrderConfirmed");
  EXPECT_TRUE(broken.body.is_null());
  EXPECT_THAT(broken.problem, HasSubstr("2 bytes: ffff"));
}

TEST_F(EventDecoderTest, KeepsBytesOfTypesWithSensitiveFieldsToItself) {
  user::v1::RegisterUserRequest request;
  request.set_password("secret");
  const std::string cut_short = request.SerializeAsString().substr(0, 6);
  const std::string problem =
      decoder_->Decode(MakeRecord(user::v1::RegisterUserRequest::descriptor()->full_name(), cut_short)).problem;
  EXPECT_THAT(problem, HasSubstr("6 bytes"));
  EXPECT_THAT(problem, HasSubstr("withheld"));
  EXPECT_THAT(problem, Not(HasSubstr("7365")));
}

TEST_F(EventDecoderTest, AnyOfAnUnknownTypeIsUndecodable) {
  mesh::v1::ReplyBatch batch;
  batch.add_replies()->mutable_resource()->set_type_url("type.googleapis.com/no.such.Type");
  batch.mutable_replies(0)->mutable_resource()->set_value("x");
  const DecodedEvent event = decoder_->Decode(MakeRecord("", batch.SerializeAsString(), "pre.mesh.replies.v1"));
  EXPECT_THAT(event.problem, HasSubstr("no.such.Type"));
}

TEST_F(EventDecoderTest, SurvivesAnyBytesUnderAnyType) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  std::vector<std::string> types;
  for (const auto& [topic, names] : schema_->topics()) {
    types.insert(types.end(), names.begin(), names.end());
  }
  ASSERT_FALSE(types.empty());
  for (int round = 0; round < 20'000; ++round) {
    std::string value(random() % 60, '\0');
    for (char& c : value) {
      // Small numbers make for valid tags and lengths more often than bytes at large.
      c = static_cast<char>(random() % (random() % 2 == 0 ? 32 : 256));
    }
    const DecodedEvent event = decoder_->Decode(MakeRecord(types[random() % types.size()], value));
    ASSERT_EQ(event.body.is_null(), !event.problem.empty());
  }
}

TEST(NestedRedaction, ReachesEveryPlaceAFieldCanBe) {
  const auto schema = EventSchema::FromSet(NestedSet());
  ASSERT_TRUE(schema.ok()) << schema.status();
  EventDecoder decoder(**schema, "");
  const std::string value = Bytes(**schema, "test.Wallet", R"(
    card { number: "111" pin: 7 past_numbers: "222" past_numbers: "333" brand: "B" }
    cards { number: "444" }
    by_name { key: "n" value { number: "555" } }
    extra { [type.googleapis.com/test.Wallet] { card { number: "666" } } }
    owner: "o")");
  EXPECT_EQ(decoder.Decode(MakeRecord("test.Wallet", value)).body.dump(),
            R"({"card":{"number":"[redacted]","pin":"[redacted]","past_numbers":"[redacted]","brand":"B"},)"
            R"("cards":[{"number":"[redacted]"}],"by_name":{"n":{"number":"[redacted]"}},)"
            R"("extra":{"@type":"type.googleapis.com/test.Wallet","card":{"number":"[redacted]"}},"owner":"o"})");
}

TEST(NestedRedaction, ReachesAnAnyInAnAny) {
  const auto schema = EventSchema::FromSet(NestedSet());
  ASSERT_TRUE(schema.ok()) << schema.status();
  EventDecoder decoder(**schema, "");
  const std::string value = Bytes(**schema, "test.Wallet", R"(
    extra { [type.googleapis.com/google.protobuf.Any] { [type.googleapis.com/test.Card] { number: "777" } } })");
  const DecodedEvent event = decoder.Decode(MakeRecord("test.Wallet", value));
  EXPECT_EQ(event.problem, "");
  EXPECT_THAT(event.body.dump(), Not(HasSubstr("777")));
}

TEST(EventSchema, NamesTheTopicsOfTheMeshAndTheirTypes) {
  const auto schema = EventSchema::FromSet(NestedSet());
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_EQ((*schema)->topics().at("wallet.events.v1"), std::vector<std::string>{"test.Wallet"});
  EXPECT_THAT((*schema)->topics(), Contains(Key("mesh.replies.v1")));
  EXPECT_THAT((*schema)->topics(), Contains(Key("mesh.dead.v1")));
}

TEST(EventSchema, RefusesAFileThatIsNotThere) {
  const auto schema = EventSchema::Load("no/such/file.binpb");
  EXPECT_EQ(schema.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(schema.status().message()), HasSubstr("cli.descriptors"));
}

TEST(EventSchema, RefusesASetWithoutItsImports) {
  google::protobuf::FileDescriptorSet set;
  auto* file = set.add_file();
  file->set_name("a.proto");
  file->add_dependency("absent.proto");
  const auto schema = EventSchema::FromSet(set);
  EXPECT_EQ(schema.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(schema.status().message()), HasSubstr("a.proto"));
}

}  // namespace
}  // namespace tradewind::cli
