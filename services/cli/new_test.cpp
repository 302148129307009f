#include "services/cli/new.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace tradewind::cli {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

class RunNewTest : public ::testing::Test {
 protected:
  RunNewTest() {
    std::string name = (fs::temp_directory_path() / "tradewind-new-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    config_.descriptors = TRADEWIND_DESCRIPTORS;
  }
  ~RunNewTest() override { fs::remove_all(folder_); }

  int Run(NewOptions options) {
    if (options.into == ".") options.into = folder_.string();
    out_.str("");
    err_.str("");
    const std::atomic<bool> interrupted = false;
    return RunNew(options, {.config = config_, .out = out_, .err = err_, .interrupted = interrupted});
  }
  int RunSubscriber(const std::string& name, const std::string& on) {
    return Run({.kind = NewOptions::Kind::kSubscriber, .name = name, .on = on});
  }

  std::string Read(const fs::path& path) const {
    std::ifstream file(folder_ / path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::set<std::string> FilesIn(const std::string& name) const {
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / name)) {
      if (entry.is_regular_file()) files.insert(entry.path().lexically_relative(folder_ / name).string());
    }
    return files;
  }
  void ExpectNoPlaceholderIn(const std::string& name) const {
    static const std::regex placeholder("\\bmy_[a-z]|[Mm]y(Thing|Event)|MY_THING");
    for (const std::string& file : FilesIn(name)) {
      EXPECT_FALSE(std::regex_search(file, placeholder)) << file;
      std::smatch match;
      const std::string text = Read(fs::path(name) / file);
      EXPECT_FALSE(std::regex_search(text, match, placeholder)) << file << ": " << match.str();
    }
  }

  fs::path folder_;
  CliConfig config_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(RunNewTest, MakesASubscriber) {
  ASSERT_EQ(RunSubscriber("points", "order.v1.OrderConfirmed"), kExitOk) << err_.str();
  EXPECT_THAT(FilesIn("points"),
              IsSupersetOf({"CMakeLists.txt", "main.cpp", "on_order_confirmed.h", "on_order_confirmed.cpp",
                            "on_order_confirmed_test.cpp", "config.yaml", "compose.yaml", "README.md", ".gitignore"}));
  ExpectNoPlaceholderIn("points");
  EXPECT_THAT(Read("points/on_order_confirmed.cpp"), HasSubstr("tradewind::order::v1::OrderConfirmed& event"));
  EXPECT_THAT(Read("points/on_order_confirmed.h"), HasSubstr("#include \"tradewind/order/v1/events.pb.h\""));
  EXPECT_THAT(Read("points/CMakeLists.txt"), HasSubstr("EVENTS order)"));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("cmake -S . -B build"), HasSubstr("build/bin/tradewind-points")));
}

TEST_F(RunNewTest, MakesAService) {
  ASSERT_EQ(Run({.kind = NewOptions::Kind::kService, .name = "gift_cards"}), kExitOk) << err_.str();
  EXPECT_THAT(FilesIn("gift_cards"),
              IsSupersetOf({"proto/gift_cards/v1/gift_cards.proto", "proto/gift_cards/v1/events.proto",
                            "gift_cards_decider.cpp", "gift_cards_queries.cpp", "gateway.yaml", "compose.yaml"}));
  ExpectNoPlaceholderIn("gift_cards");
  EXPECT_THAT(Read("gift_cards/proto/gift_cards/v1/gift_cards.proto"), HasSubstr("rpc CreateGiftCards("));
  EXPECT_THAT(Read("gift_cards/gateway.yaml"),
              AllOf(HasSubstr("    tradewind.order.v1.OrderService: 127.0.0.1:50053\n"),
                    HasSubstr("    gift_cards.v1.GiftCardsService: 127.0.0.1:")));
  EXPECT_THAT(Read("gift_cards/compose.yaml"), HasSubstr("tradewind.order.v1.OrderService=order:50053,"));
}

TEST_F(RunNewTest, TheGatewayIsToldOnlyOfWhatItsDescriptorSetHas) {
  config_.services = {{"gateway", "h:1"}, {"order", "h:2"}, {"unheard_of", "h:3"}};
  ASSERT_EQ(Run({.kind = NewOptions::Kind::kService, .name = "gifts"}), kExitOk) << err_.str();
  const std::string gateway = Read("gifts/gateway.yaml");
  EXPECT_THAT(gateway, HasSubstr("tradewind.order.v1.OrderService: h:2\n"));
  EXPECT_EQ(gateway.find("h:1"), std::string::npos);
  EXPECT_EQ(gateway.find("h:3"), std::string::npos);
}

TEST_F(RunNewTest, InTheTreeItIsBuiltWithTheTree) {
  fs::create_directories(folder_ / "cmake");
  std::ofstream(folder_ / "cmake/FindTradewind.cmake") << "\n";
  fs::create_directories(folder_ / "services");
  fs::create_directories(folder_ / "examples/taken");
  NewOptions options{.kind = NewOptions::Kind::kService, .name = "gifts", .into = (folder_ / "services").string()};
  ASSERT_EQ(Run(options), kExitOk) << err_.str();
  EXPECT_THAT(Read("services/gifts/README.md"),
              AllOf(HasSubstr("--target tradewind-gifts gifts_test"), HasSubstr("../../build/bin/tradewind-gifts")));
  EXPECT_THAT(Read("services/gifts/compose.yaml"), HasSubstr("./build/bin}:"));
  options.name = "taken";
  EXPECT_EQ(Run(options), kExitUsage);
}

TEST_F(RunNewTest, LeavesAFolderThatIsThereAsItIs) {
  fs::create_directory(folder_ / "points");
  EXPECT_EQ(RunSubscriber("points", "OrderConfirmed"), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("is there already"));
  EXPECT_TRUE(fs::is_empty(folder_ / "points"));
}

TEST_F(RunNewTest, RefusesWhatCannotBeMadeAndWritesNothing) {
  EXPECT_EQ(RunSubscriber("Points", "OrderConfirmed"), kExitUsage);
  EXPECT_EQ(RunSubscriber("order", "OrderConfirmed"), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("there is a service 'order' already"));
  EXPECT_EQ(RunSubscriber("points", "order.v1.OrderConfirmedd"), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean order.v1.OrderConfirmed"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(RunNewTest, SaysWhyAFolderCannotBeMade) {
  std::ofstream(folder_ / "file") << "not a folder";
  EXPECT_EQ(Run({.kind = NewOptions::Kind::kService, .name = "gifts", .into = (folder_ / "file").string()}),
            kExitNotWell);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("cannot make folder"), HasSubstr("--into")));
}

}  // namespace
}  // namespace tradewind::cli
