#include "services/notification/mail_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include "services/notification/mail_sender.h"

namespace tradewind::notification {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Mail Plain() {
  return {.from = "shop@example.org",
          .from_name = "Tradewind",
          .to = "ada@example.org",
          .to_name = "Ada",
          .id = "n-1",
          .time = absl::FromUnixSeconds(1'700'000'000),
          .subject = "Your order has arrived",
          .text = "Order o-1 was delivered."};
}

TEST(MailMessageTest, IsPlainWhereThatIsEnough) {
  EXPECT_EQ(WriteMail(Plain()),
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
            "From: \"Tradewind\"\r\n <shop@example.org>\r\n"
            "To: \"Ada\"\r\n <ada@example.org>\r\n"
            "Subject: Your order has arrived\r\n"
            "Message-ID: <n-1@example.org>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            "Content-Transfer-Encoding: 7bit\r\n"
            "\r\n"
            "Order o-1 was delivered.\r\n");
}

TEST(MailMessageTest, IsTheSameForTheSame) { EXPECT_EQ(WriteMail(Plain()), WriteMail(Plain())); }

TEST(MailMessageTest, EncodesOtherScripts) {
  Mail mail = Plain();
  mail.to_name = "小明";
  mail.subject = "您的订单已送达";
  mail.text = "订单 o-1 已送达。";
  const std::string message = WriteMail(mail);
  EXPECT_THAT(message, HasSubstr("To: =?UTF-8?B?5bCP5piO?=\r\n <ada@example.org>\r\n"));
  EXPECT_THAT(message, HasSubstr("Subject: =?UTF-8?B?5oKo55qE6K6i5Y2V5bey6YCB6L6+?=\r\n"));
  EXPECT_THAT(message, HasSubstr("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"));
  for (const char c : message) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
}

// Every line of a header begins with one of these names or is a continuation.
void ExpectOnlyOurHeaders(const std::string& message) {
  const std::string head = message.substr(0, message.find("\r\n\r\n"));
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(head, "\r\n"))) {
    bool ours = line.front() == ' ';
    for (const char* name : {"Date: ", "From: ", "To: ", "Subject: ", "Message-ID: ", "Auto-Submitted: ",
                             "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: "}) {
      ours = ours || line.compare(0, std::string(name).size(), name) == 0;
    }
    EXPECT_TRUE(ours) << line;
    EXPECT_LE(line.size(), 76) << line;
    EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos);
  }
}

TEST(MailMessageTest, TakesNoHeaderFromANameOrASubject) {
  for (const std::string& evil :
       {std::string("x\r\nBcc: eve@example.org"), std::string("x\nBcc: eve@example.org"),
        std::string("x\rBcc: eve@example.org"), std::string("\r\n\r\nhello"), std::string("x\0y", 3),
        std::string("\" <eve@example.org>, \""), std::string("好\r\nBcc: eve@example.org"), std::string(2000, 'x'),
        std::string("=?UTF-8?B?DQpCY2M6IGV2ZQ==?=")}) {
    Mail mail = Plain();
    mail.to_name = evil;
    mail.from_name = evil;
    mail.subject = evil;
    ExpectOnlyOurHeaders(WriteMail(mail));
  }
  Mail mail = Plain();
  mail.to_name = "A \"B\" \\";
  EXPECT_THAT(WriteMail(mail), HasSubstr("To: \"A \\\"B\\\" \\\\\"\r\n <ada@example.org>\r\n"));
}

TEST(MailMessageTest, CutsLongHeadersBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "订单";
  const std::string encoded = EncodeHeader(text);
  std::string decoded;
  for (const std::string& word : std::vector<std::string>(absl::StrSplit(encoded, "\r\n "))) {
    ASSERT_TRUE(absl::StartsWith(word, "=?UTF-8?B?") && absl::EndsWith(word, "?=")) << word;
    EXPECT_LE(word.size(), 75);
    // 39 bytes are 13 of these characters: no padding, hence no cut within one.
    EXPECT_EQ(word.size() % 4, (10 + 2) % 4);
  }
  EXPECT_THAT(EncodeHeader("plain"), "plain");
}

TEST(MailMessageTest, EncodesATextWithLongLinesOrControls) {
  Mail mail = Plain();
  mail.text = std::string(200, 'x');
  EXPECT_THAT(WriteMail(mail), HasSubstr("base64"));
  mail.text = "a\x1b[31mb";
  EXPECT_THAT(WriteMail(mail), Not(HasSubstr("\x1b")));
}

TEST(MailMessageTest, EndsLinesAsTheWireDoes) {
  Mail mail = Plain();
  mail.text = "a\nb\r\nc\rd";
  EXPECT_THAT(WriteMail(mail), HasSubstr("\r\n\r\na\r\nb\r\nc\r\nd\r\n"));
}

TEST(MailAddressTest, IsWhatCanStandInAnEnvelope) {
  for (const char* address : {"ada@example.org", "a.b+c@example.org", "o'neil@example.org", "小明@例子.org"}) {
    EXPECT_TRUE(IsMailAddress(address)) << address;
  }
  for (const std::string& address :
       {std::string(), std::string("ada"), std::string("@example.org"), std::string("ada@"),
        std::string("a b@example.org"), std::string("ada@example.org\r\nRCPT TO:<eve@example.org>"),
        std::string("ada@example.org> SIZE=1"), std::string("<ada@example.org"), std::string("a,b@example.org"),
        std::string("a@b@example.org"), std::string("-x@example.org"), std::string(250, 'a') + "@example.org"}) {
    EXPECT_FALSE(IsMailAddress(address)) << address;
  }
}

TEST(MailSenderTest, AsksForTlsUnlessTheServerIsOnThisMachine) {
  NotificationSettings settings;
  for (const char* url : {"smtp://mail.example.org:587", "smtp://10.0.0.1:25", "smtp://localhost.example.org"}) {
    settings.smtp_url = url;
    EXPECT_TRUE(RequiresTls(settings)) << url;
  }
  for (const char* url : {"smtp://127.0.0.1:1025", "smtp://localhost:25", "smtp://[::1]:25"}) {
    settings.smtp_url = url;
    EXPECT_FALSE(RequiresTls(settings)) << url;
  }
  settings.smtp_tls = "required";
  EXPECT_TRUE(RequiresTls(settings));
  settings.smtp_tls = "off";
  settings.smtp_url = "smtp://mail.example.org";
  EXPECT_FALSE(RequiresTls(settings));
}

}  // namespace
}  // namespace tradewind::notification
