#include "tradewind/ids/ids.h"

#include <regex>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace tradewind::ids {
namespace {

constexpr const char* kMethod = "/p.S/Make";
constexpr const char* kRequest = "0199e7c8-0000-7000-8000-000000000001";

bool IsUuid(std::string_view text) {
  static const std::regex kUuid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  return std::regex_match(text.begin(), text.end(), kUuid);
}

TEST(Ids, NewOnesAreUuidsOfVersion7ThatSortByTime) {
  const absl::Time now = absl::FromUnixMillis(0x0199'E7C8'1234);
  const Uuid first = NewUuid(now);
  const Uuid later = NewUuid(now + absl::Milliseconds(1));
  EXPECT_TRUE(IsUuid(first.view()));
  EXPECT_EQ(first.view().substr(0, 15), "0199e7c8-1234-7");
  EXPECT_TRUE(std::string("89ab").find(first.text[19]) != std::string::npos) << first.view();
  EXPECT_LT(first.view(), later.view());
}

TEST(Ids, NewOnesDiffer) {
  const absl::Time now = absl::FromUnixSeconds(1);
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_TRUE(seen.emplace(NewUuid(now).view()).second);
  }
}

TEST(Ids, DerivedOnesAreUuidsOfVersion8) {
  const Uuid id = DeriveUuid("", kMethod, kRequest);
  EXPECT_TRUE(IsUuid(id.view()));
  EXPECT_EQ(id.text[14], '8');
  EXPECT_TRUE(std::string("89ab").find(id.text[19]) != std::string::npos) << id.view();
}

TEST(Ids, DerivedOnesNeverChange) {
  // Clients hold ids that older versions derived: this value is a contract.
  EXPECT_EQ(DeriveUuid("", kMethod, kRequest).view(), "b635ac61-286e-8f49-85b8-25523557ef47");
}

TEST(Ids, DerivedOnesDependOnEveryPart) {
  const std::string id(DeriveUuid("alice", kMethod, kRequest).view());
  EXPECT_EQ(DeriveUuid("alice", kMethod, kRequest).view(), id);
  EXPECT_NE(DeriveUuid("bob", kMethod, kRequest).view(), id);
  EXPECT_NE(DeriveUuid("alice", "/p.S/Other", kRequest).view(), id);
  EXPECT_NE(DeriveUuid("alice", kMethod, "0199e7c8-0000-7000-8000-000000000002").view(), id);
}

TEST(Ids, PartsDoNotRunIntoOneAnother) {
  EXPECT_NE(DeriveUuid("ab", "c", "d").view(), DeriveUuid("a", "bc", "d").view());
  EXPECT_NE(DeriveUuid("a", "b", "").view(), DeriveUuid("a", "", "b").view());
}

}  // namespace
}  // namespace tradewind::ids
