#include "services/mailbox/smtp_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tradewind::mailbox {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

class SmtpSessionTest : public ::testing::Test {
 protected:
  // The answer to whole lines.
  std::string Say(const std::string& lines) { return session_.Take(lines); }
  void SendMail(const std::string& text) {
    Say("EHLO me\r\nMAIL FROM:<shop@example.org> SIZE=10\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n");
    last_ = Say(text + ".\r\n");
  }

  bool keeps_ = true;
  std::vector<ReceivedMail> kept_;
  std::string last_;
  SmtpSession session_{[this](const ReceivedMail& mail) {
    kept_.push_back(mail);
    return keeps_;
  }};
};

TEST_F(SmtpSessionTest, KeepsAMailAndTakesTheDotsOut) {
  SendMail("Subject: x\r\n\r\n..dot\r\n.\t\r\n");
  EXPECT_THAT(last_, StartsWith("250 "));
  ASSERT_EQ(kept_.size(), 1);
  EXPECT_EQ(kept_[0].from, "shop@example.org");
  EXPECT_THAT(kept_[0].to, ElementsAre("ada@example.org"));
  EXPECT_EQ(kept_[0].text, "Subject: x\r\n\r\n.dot\r\n\t\r\n");
}

TEST_F(SmtpSessionTest, DoesNotMindWhereItsInputIsCut) {
  const std::string all = "EHLO me\r\nmail from:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n";
  for (const char c : all) Say(std::string(1, c));
  ASSERT_EQ(kept_.size(), 1);
  EXPECT_EQ(kept_[0].text, "hello\r\n");
  EXPECT_TRUE(session_.ended());
}

TEST_F(SmtpSessionTest, RefusesWhatIsTooLargeAndTakesTheNext) {
  std::string text;
  while (text.size() <= SmtpSession::kMostMailBytes) text += std::string(1000, 'x') + "\r\n";
  SendMail(text);
  EXPECT_THAT(last_, StartsWith("552 "));
  EXPECT_TRUE(kept_.empty());
  SendMail("small\r\n");
  EXPECT_EQ(kept_.size(), 1);
}

TEST_F(SmtpSessionTest, SaysWhereAMailCannotBeKept) {
  keeps_ = false;
  SendMail("x\r\n");
  EXPECT_THAT(last_, StartsWith("451 "));
}

TEST_F(SmtpSessionTest, RefusesWhatComesInTheWrongOrder) {
  EXPECT_THAT(Say("DATA\r\n"), StartsWith("503 "));
  EXPECT_THAT(Say("RCPT TO:<a@b>\r\n"), StartsWith("503 "));
  Say("MAIL FROM:<a@b>\r\n");
  EXPECT_THAT(Say("MAIL FROM:<a@b>\r\n"), StartsWith("503 "));
  EXPECT_THAT(Say("RCPT TO:nobody\r\n"), StartsWith("501 "));
  EXPECT_THAT(Say("STARTTLS\r\n"), StartsWith("500 "));
}

TEST_F(SmtpSessionTest, EndsWithALineThatIsTooLong) {
  EXPECT_THAT(Say(std::string(SmtpSession::kMostLineBytes + 1, 'x')), StartsWith("500 "));
  EXPECT_TRUE(session_.ended());
}

TEST_F(SmtpSessionTest, BoundsTheRecipients) {
  Say("MAIL FROM:<a@b>\r\n");
  for (size_t i = 0; i < SmtpSession::kMostRecipients; ++i) EXPECT_THAT(Say("RCPT TO:<a@b>\r\n"), StartsWith("250 "));
  EXPECT_THAT(Say("RCPT TO:<a@b>\r\n"), StartsWith("452 "));
}

}  // namespace
}  // namespace tradewind::mailbox
