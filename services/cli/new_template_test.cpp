#include "services/cli/new_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tradewind::cli {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

TEST(Filled, ReplacesPlaceholdersAlsoInsideWords) {
  EXPECT_EQ(Filled("on_my_event.h: CreateMyThing of my_thing, mine",
                   {{"my_event", "paid"}, {"MyThing", "Gift"}, {"my_thing", "gift"}}),
            "on_paid.h: CreateGift of gift, mine");
}

TEST(Filled, TakesTheLongerOfTwoAndNeverLooksAtWhatItPutIn) {
  EXPECT_EQ(Filled("my_a my_ab", {{"my_a", "my_ab"}, {"my_ab", "2"}}), "my_ab 2");
}

TEST(SnakeCase, AndCamelCaseUndoEachOther) {
  EXPECT_EQ(SnakeCase("OrderConfirmed"), "order_confirmed");
  EXPECT_EQ(CamelCase("order_confirmed"), "OrderConfirmed");
  EXPECT_EQ(CamelCase("loyalty2"), "Loyalty2");
}

TEST(Templates, AreEmbeddedWithAllThatAFolderNeeds) {
  for (const auto* files : {&SubscriberTemplate(), &ServiceTemplate()}) {
    for (const char* path : {"CMakeLists.txt", "README.md", "compose.yaml", "config.yaml", "gitignore", "main.cpp"}) {
      EXPECT_THAT(*files, Contains(Field(&TemplateFile::path, path)));
    }
  }
  EXPECT_THAT(ServiceTemplate(), Contains(Field(&TemplateFile::text, HasSubstr("ROUTE_COMMAND"))));
}

}  // namespace
}  // namespace tradewind::cli
