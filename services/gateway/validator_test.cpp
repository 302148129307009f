#include "services/gateway/validator.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "services/gateway/rules_test.pb.h"
#include "tradewind/seal/sealed_text.h"

namespace tradewind::gateway {
namespace {

using test::v1::AllRules;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Breaks nothing.
AllRules Fine() {
  AllRules message;
  message.set_required_text("x");
  message.add_required_list("a");
  message.set_bounded_int(1);
  message.set_required_int(-1);
  message.mutable_required_message();
  message.set_required_enum(test::v1::COLOR_RED);
  return message;
}

std::vector<errors::FieldViolation> Check(const AllRules& message) {
  RuleSet rules;
  const auto compiled = rules.Compile(*AllRules::descriptor());
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return Validate(**compiled, message);
}

// The paths of what is wrong once `change` was made to a message that is fine.
std::vector<std::string> Broken(const std::function<void(AllRules&)>& change) {
  AllRules message = Fine();
  change(message);
  std::vector<std::string> paths;
  for (const errors::FieldViolation& violation : Check(message)) {
    paths.push_back(violation.field);
  }
  return paths;
}

TEST(Validator, AcceptsWhatBreaksNoRule) {
  EXPECT_THAT(Broken([](AllRules&) {}), IsEmpty());
}

TEST(Validator, ReportsEverythingThatIsMissingAtOnce) {
  std::vector<std::string> paths;
  for (const errors::FieldViolation& violation : Check(AllRules())) {
    paths.push_back(violation.field);
  }
  EXPECT_THAT(paths, ElementsAre("required_text", "required_list", "bounded_int", "required_int", "required_message",
                                 "required_enum"));
}

TEST(Validator, CountsTheLengthOfTextInCodePoints) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_text("äöüäö"); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_text("äöüäöü"); }), ElementsAre("bounded_text"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_text("äö"); }), ElementsAre("bounded_text"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_text("𝄞𝄞𝄞"); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_text(""); }), IsEmpty());
}

// It would be opened for whoever sees the answer.
TEST(Validator, TakesNoSealedValueFromACaller) {
  const std::string sealed = seal::SealText({}, seal::TagOf("ann"), "Ann");
  EXPECT_THAT(Broken([&](AllRules& m) { m.set_plain_text("see " + sealed); }), ElementsAre("plain_text"));
  EXPECT_THAT(Broken([&](AllRules& m) { m.set_plain_text("sealed:1: is how such a value begins"); }), IsEmpty());
}

TEST(Validator, ReportsNoMoreOfATextThatIsTooLong) {
  AllRules message = Fine();
  message.set_plain_text(std::string(1024, 'x') + seal::SealText({}, seal::TagOf("ann"), "Ann"));
  message.set_given_or_generated("too long and no UUID");
  const std::vector<errors::FieldViolation> violations = Check(message);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_THAT(violations[0].description, HasSubstr("at most 1024 characters"));
  EXPECT_THAT(violations[1].description, HasSubstr("at most 4 characters"));
}

TEST(Validator, BoundsTextWithoutARule) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_plain_text(std::string(1024, 'x')); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_plain_text(std::string(1025, 'x')); }), ElementsAre("plain_text"));
}

TEST(Validator, CountsTheLengthOfBytesInBytes) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_bytes("\xC3\xA4\xC3\xA4"); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_bytes("12345"); }), ElementsAre("bounded_bytes"));
}

TEST(Validator, BoundsLists) {
  EXPECT_THAT(Broken([](AllRules& m) { m.add_required_list("b"); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) {
                m.add_required_list("b");
                m.add_required_list("c");
              }),
              ElementsAre("required_list"));
  EXPECT_THAT(Broken([](AllRules& m) { m.add_required_list("long"); }), ElementsAre("required_list[1]"));
  EXPECT_THAT(Broken([](AllRules& m) { m.mutable_plain_list()->Resize(1000, 0); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.mutable_plain_list()->Resize(1001, 0); }), ElementsAre("plain_list"));
  EXPECT_THAT(Broken([](AllRules& m) { m.add_bounded_list(-1); }), ElementsAre("bounded_list[0]"));
}

TEST(Validator, BoundsNumbersInclusively) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_int(10); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_int(11); }), ElementsAre("bounded_int"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_int(0); }), ElementsAre("bounded_int"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_uint(100); }), IsEmpty());
  // As a signed number this would be -1.
  EXPECT_THAT(Broken([](AllRules& m) { m.set_bounded_uint(UINT64_MAX); }), ElementsAre("bounded_uint"));
}

TEST(Validator, LooksAtAnOptionalNumberOnlyWhenItIsThere) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_optional_int(0); }), ElementsAre("optional_int"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_optional_int(5); }), IsEmpty());
}

TEST(Validator, ChecksFormats) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_uuid("0199e7c8-0000-7000-8000-0000000000AB"); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_uuid("0199e7c8-0000-7000-8000-0000000000A"); }), ElementsAre("uuid"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_uuid("0199e7c8-0000-7000-8000-0000000000Ag"); }), ElementsAre("uuid"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_uuid("0199e7c80000-7000-8000-0000000000ABCD"); }), ElementsAre("uuid"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_email("a@b.example"); }), IsEmpty());
  for (const char* wrong : {"a", "@b.c", "a@b", "a@@b.c", "a@b.", "a@.b", "a b@c.d", "a@b..c"}) {
    EXPECT_THAT(Broken([&](AllRules& m) { m.set_email(wrong); }), ElementsAre("email")) << wrong;
  }
  EXPECT_TRUE(IsEmail(std::string(248, 'a') + "@b.com"));
  EXPECT_FALSE(IsEmail(std::string(249, 'a') + "@b.com"));
}

TEST(Validator, KeepsGeneratedFieldsForTheGateway) {
  EXPECT_THAT(Broken([](AllRules& m) { m.set_generated("mine"); }), ElementsAre("generated"));
  EXPECT_THAT(Broken([](AllRules& m) { m.set_given_or_generated("mine"); }), IsEmpty());
  EXPECT_THAT(Broken([](AllRules& m) { m.set_given_or_generated("mine!"); }), ElementsAre("given_or_generated"));
}

TEST(Validator, NamesThePlaceInNestedMessages) {
  EXPECT_THAT(Broken([](AllRules& m) { m.mutable_required_message()->mutable_inner()->set_name("long"); }),
              ElementsAre("required_message.inner.name"));
  EXPECT_THAT(Broken([](AllRules& m) {
                m.add_nested_list();
                m.add_nested_list()->set_name("long");
              }),
              ElementsAre("nested_list[1].name"));
  EXPECT_THAT(Broken([](AllRules& m) { (*m.mutable_nested_map())["k"].set_name("long"); }),
              ElementsAre("nested_map[\"k\"].value.name"));
}

TEST(Validator, ChecksMoneyWhereverItIs) {
  const auto money = [](const char* currency, int64_t units, int32_t nanos) {
    return Broken([&](AllRules& m) {
      m.mutable_price()->set_currency_code(currency);
      m.mutable_price()->set_units(units);
      m.mutable_price()->set_nanos(nanos);
    });
  };
  EXPECT_THAT(money("EUR", -1, -750'000'000), IsEmpty());
  EXPECT_THAT(money("EUR", 0, -1), IsEmpty());
  EXPECT_THAT(money("EUR", 1, 999'999'999), IsEmpty());
  EXPECT_THAT(money("EUR", 1, 1'000'000'000), ElementsAre("price.nanos"));
  EXPECT_THAT(money("EUR", 1, -1), ElementsAre("price.nanos"));
  EXPECT_THAT(money("EUR", -1, 1), ElementsAre("price.nanos"));
  EXPECT_THAT(money("eur", 1, 0), ElementsAre("price.currency_code"));
  EXPECT_THAT(money("", 1, 0), ElementsAre("price.currency_code"));
  EXPECT_THAT(money("EURO", 1, INT32_MIN), ElementsAre("price.currency_code", "price.nanos"));
}

TEST(Validator, CountsWhatItDoesNotList) {
  AllRules message = Fine();
  for (size_t i = 0; i < kMaxListedViolations + 5; ++i) {
    message.add_nested_list()->set_name("long");
  }
  const std::vector<errors::FieldViolation> violations = Check(message);
  ASSERT_EQ(violations.size(), kMaxListedViolations + 1);
  EXPECT_EQ(violations.back().description, "and 5 more");
}

TEST(Validator, NeverRepeatsAValue) {
  AllRules message = Fine();
  message.set_email("my-secret");
  message.set_bounded_text("my-secret");
  for (const errors::FieldViolation& violation : Check(message)) {
    EXPECT_THAT(violation.description, testing::Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace tradewind::gateway
