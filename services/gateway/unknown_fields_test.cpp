#include "services/gateway/unknown_fields.h"

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/unknown_field_set.h"
#include "gtest/gtest.h"

#include "services/gateway/rules_test.pb.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::Message;
using google::protobuf::UnknownFieldSet;
using test::v1::Grown;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

UnknownFieldSet& UnknownOf(Message& message) { return *message.GetReflection()->MutableUnknownFields(&message); }

// A message as the gateway has it: parsed by a prototype that was made of descriptors.
class UnknownFieldsTest : public testing::Test {
 protected:
  std::vector<errors::FieldViolation> Take(const Message& sent) {
    message_.reset(factory_.GetPrototype(Grown::descriptor())->New());
    EXPECT_TRUE(message_->ParseFromString(sent.SerializeAsString()));
    return TakeUnknownFields(*message_);
  }
  std::vector<std::string> Paths(const Message& sent) {
    std::vector<std::string> paths;
    for (const errors::FieldViolation& violation : Take(sent)) paths.push_back(violation.field);
    return paths;
  }
  // What goes on.
  Grown Taken(const Message& sent) {
    EXPECT_THAT(Paths(sent), IsEmpty());
    Grown taken;
    EXPECT_TRUE(taken.ParseFromString(message_->SerializeAsString()));
    return taken;
  }

  google::protobuf::DynamicMessageFactory factory_;
  std::unique_ptr<Message> message_;
};

TEST_F(UnknownFieldsTest, FindsNothingInWhatTheSchemaHas) {
  Grown sent;
  sent.set_id("a");
  sent.mutable_part()->mutable_inner()->set_name("b");
  (*sent.mutable_by_name())["k"].set_name("c");
  sent.mutable_any()->PackFrom(sent.part());
  const Grown taken = Taken(sent);
  EXPECT_EQ(taken.DebugString(), sent.DebugString());
}

TEST_F(UnknownFieldsTest, NamesNumberAndPathAtEveryDepth) {
  Grown sent;
  UnknownOf(sent).AddLengthDelimited(103, "hunter2");
  UnknownOf(*sent.mutable_part()->mutable_inner()).AddVarint(104, 1);
  sent.add_parts();
  UnknownOf(*sent.add_parts()).AddFixed32(105, 1);
  UnknownOf((*sent.mutable_by_name())["k"]).AddFixed64(106, 1);
  EXPECT_THAT(Paths(sent), ElementsAre("103", "part.inner.104", "parts[1].105", "by_name[\"k\"].value.106"));
}

TEST_F(UnknownFieldsTest, NamesTheNumberInTheDescriptionAndNoValue) {
  Grown sent;
  UnknownOf(sent).AddLengthDelimited(103, "hunter2");
  const errors::Problem problem = UnknownFields(Take(sent));
  EXPECT_EQ(problem.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(problem.reason, "UNKNOWN_FIELD");
  EXPECT_THAT(problem.message, HasSubstr("field 103 of tradewind.gateway.test.v1.Grown"));
  EXPECT_THAT(problem.message, testing::Not(HasSubstr("hunter2")));
}

TEST_F(UnknownFieldsTest, RefusesAFieldInTheEntryOfAMapBesideKeyAndValue) {
  // by_name { 1: "k" 3: "x" }, which no generated class can write.
  Grown sent;
  UnknownOf(sent).AddLengthDelimited(4, std::string("\x0a\x01k\x1a\x01x", 6));
  EXPECT_THAT(Paths(sent), ElementsAre("by_name[\"k\"].3"));
}

TEST_F(UnknownFieldsTest, RefusesGroupsAndKnownNumbersOfAnotherType) {
  Grown sent;
  UnknownOf(sent).AddGroup(40)->AddVarint(1, 1);
  UnknownOf(sent).AddVarint(1, 7);
  UnknownOf(*sent.mutable_part()).AddFixed64(2, 7);
  EXPECT_THAT(Paths(sent), ElementsAre("40", "1", "part.2"));
}

TEST_F(UnknownFieldsTest, DropsNumbersThatTheSchemaReserves) {
  Grown sent;
  sent.set_id("a");
  UnknownOf(sent).AddLengthDelimited(5, "old");
  UnknownOf(sent).AddGroup(20)->AddLengthDelimited(1, "old");
  UnknownOf(sent).AddVarint(29, 1);
  UnknownOf(*sent.mutable_part()).AddLengthDelimited(9, "old");
  UnknownOf(*sent.add_parts()).AddLengthDelimited(9, "old");
  UnknownOf((*sent.mutable_by_name())["k"]).AddLengthDelimited(9, "old");
  test::v1::GrownPart inside;
  inside.set_name("stays");
  UnknownOf(inside).AddLengthDelimited(9, "old");
  sent.mutable_any()->PackFrom(inside);

  const Grown taken = Taken(sent);
  EXPECT_THAT(taken.SerializeAsString(), testing::Not(HasSubstr("old")));
  EXPECT_EQ(taken.id(), "a");
  EXPECT_TRUE(taken.has_part());
  EXPECT_EQ(taken.by_name().count("k"), 1u);
  ASSERT_TRUE(taken.any().UnpackTo(&inside));
  EXPECT_EQ(inside.name(), "stays");
}

TEST_F(UnknownFieldsTest, RefusesANumberBesideAReservedOne) {
  Grown sent;
  UnknownOf(sent).AddVarint(5, 1);
  UnknownOf(sent).AddVarint(30, 1);
  UnknownOf(*sent.mutable_part()).AddVarint(5, 1);
  EXPECT_THAT(Paths(sent), ElementsAre("30", "part.5"));
}

TEST_F(UnknownFieldsTest, LooksIntoWhatAnAnyHolds) {
  test::v1::GrownPart inside;
  UnknownOf(inside).AddVarint(77, 1);
  Grown sent;
  sent.mutable_any()->PackFrom(inside);
  EXPECT_THAT(Paths(sent), ElementsAre("any.77"));

  // An Any in an Any.
  google::protobuf::Any inner;
  inner.PackFrom(inside);
  sent.mutable_any()->PackFrom(inner);
  EXPECT_THAT(Paths(sent), ElementsAre("any.77"));
}

TEST_F(UnknownFieldsTest, RefusesAnAnyThatItCannotLookInto) {
  Grown sent;
  sent.mutable_any()->set_type_url("type.googleapis.com/no.such.Type");
  EXPECT_THAT(Paths(sent), ElementsAre("any"));
  sent.mutable_any()->set_type_url("type.googleapis.com/tradewind.gateway.test.v1.GrownPart");
  sent.mutable_any()->set_value("\xff");
  EXPECT_THAT(Paths(sent), ElementsAre("any"));
  sent.mutable_any()->clear_type_url();
  EXPECT_THAT(Paths(sent), ElementsAre("any"));
}

TEST_F(UnknownFieldsTest, RefusesAnyInAnyWithoutEnd) {
  google::protobuf::Any nested;
  for (int i = 0; i < 1'000; ++i) {
    google::protobuf::Any outer;
    outer.PackFrom(nested);
    nested = outer;
  }
  Grown sent;
  *sent.mutable_any() = nested;
  const auto violations = Take(sent);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_THAT(violations[0].description, HasSubstr("more than 100 deep"));
}

TEST_F(UnknownFieldsTest, CountsWhatItDoesNotList) {
  Grown sent;
  for (int i = 0; i < 100'000; ++i) UnknownOf(sent).AddVarint(103, 1);
  const auto violations = Take(sent);
  ASSERT_EQ(violations.size(), 21u);
  EXPECT_EQ(violations.back().description, "and 99980 more");
}

}  // namespace
}  // namespace tradewind::gateway
