#include "services/mailbox/mail_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace tradewind::mailbox {
namespace {

using ::testing::HasSubstr;

class MailFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "mailboxXXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = std::filesystem::path(pattern) / "mail";
  }
  void TearDown() override { std::filesystem::remove_all(path_.parent_path()); }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) names.push_back(entry.path().filename());
    return names;
  }

  std::filesystem::path path_;
};

TEST_F(MailFolderTest, KeepsAMailWithItsEnvelope) {
  MailFolder folder(path_, 10);
  ASSERT_TRUE(folder.Open().ok());
  const ReceivedMail mail{
      .from = "shop@example.org", .to = {"ada@example.org", "a\r\nX: y"}, .text = "Subject: x\r\n\r\nhello\r\n"};
  ASSERT_TRUE(folder.Keep(mail).ok());
  ASSERT_EQ(Files().size(), 1);
  ASSERT_TRUE(Files()[0].ends_with(".eml"));
  std::ifstream file(path_ / Files()[0], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text,
            "X-Envelope-From: <shop@example.org>\r\nX-Envelope-To: <ada@example.org>\r\n"
            "X-Envelope-To: <a\\x0d\\x0aX: y>\r\nSubject: x\r\n\r\nhello\r\n");
}

TEST_F(MailFolderTest, RemovesTheOldestWhereThereAreTooMany) {
  MailFolder folder(path_, 10);
  ASSERT_TRUE(folder.Open().ok());
  for (int i = 0; i < 101; ++i) ASSERT_TRUE(folder.Keep({.text = "x\r\n"}).ok());
  EXPECT_EQ(Files().size(), 10);
}

TEST_F(MailFolderTest, SaysWhereItCannotKeepMails) {
  std::ofstream(path_) << "in the way";
  MailFolder folder(path_, 10);
  EXPECT_THAT(std::string(folder.Open().message()), HasSubstr("mailbox.directory"));
  EXPECT_FALSE(folder.Keep({.text = "x\r\n"}).ok());
}

}  // namespace
}  // namespace tradewind::mailbox
