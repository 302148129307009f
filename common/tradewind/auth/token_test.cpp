#include "tradewind/auth/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <jwt.h>
#include <sodium.h>

#include <cstdlib>
#include <string>

namespace tradewind::auth {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class TokenTest : public ::testing::Test {
 protected:
  absl::StatusOr<Claims> Verify(const std::string& token, absl::Time now = kNow) {
    return VerifyToken(
        token,
        [this](std::string_view id) {
          return id == key_.id ? std::optional<std::string>(key_.public_pem) : std::nullopt;
        },
        now);
  }
  std::string Sign(const SigningKey& key) {
    return SignToken(key, {.subject = "u-1", .issued = kNow, .expires = kNow + absl::Minutes(15)}).value();
  }
  // A token that says what ours say, made as somebody else might.
  std::string Forge(jwt_alg_t algorithm, const std::string& key, const char* issuer = "tradewind",
                    const char* subject = "u-1") {
    jwt_t* jwt = nullptr;
    jwt_new(&jwt);
    jwt_add_header(jwt, "kid", key_.id.c_str());
    jwt_add_grant(jwt, "iss", issuer);
    jwt_add_grant(jwt, "aud", "tradewind");
    jwt_add_grant(jwt, "sub", subject);
    jwt_add_grant_int(jwt, "exp", absl::ToUnixSeconds(kNow) + 60);
    jwt_set_alg(jwt, algorithm, reinterpret_cast<const unsigned char*>(key.data()), static_cast<int>(key.size()));
    char* text = jwt_encode_str(jwt);
    const std::string token = text;
    std::free(text);
    jwt_free(jwt);
    return token;
  }

  const SigningKey key_ = NewSigningKey().value();
};

TEST_F(TokenTest, SaysWhoItSpeaksOfUntilItExpires) {
  const std::string token = Sign(key_);
  const auto claims = Verify(token);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->subject, "u-1");
  EXPECT_EQ(claims->issued, kNow);
  EXPECT_EQ(claims->expires, kNow + absl::Minutes(15));
  EXPECT_TRUE(Verify(token, kNow + absl::Minutes(15) - absl::Seconds(1)).ok());
  const auto late = Verify(token, kNow + absl::Minutes(15));
  EXPECT_TRUE(absl::IsUnauthenticated(late.status()));
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("expired"));
}

TEST_F(TokenTest, IsRefusedOnceAnyOfItsCharactersIsAnother) {
  const std::string token = Sign(key_);
  // But the last, some of whose bits stand for nothing.
  for (size_t i = 0; i + 1 < token.size(); i += 7) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Verify(changed).ok()) << i;
  }
}

TEST_F(TokenTest, IsRefusedWhereAnotherKeySignedIt) {
  SigningKey other = NewSigningKey().value();
  EXPECT_TRUE(absl::IsNotFound(Verify(Sign(other)).status()));
  // One that claims to be of the known key.
  other.id = key_.id;
  EXPECT_TRUE(absl::IsUnauthenticated(Verify(Sign(other)).status()));
}

TEST_F(TokenTest, IsRefusedWhereThePublicKeyWasUsedAsASecretOrNoneAtAll) {
  EXPECT_TRUE(absl::IsUnauthenticated(Verify(Forge(JWT_ALG_HS256, key_.public_pem)).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(Verify(Forge(JWT_ALG_NONE, "")).status()));
}

TEST_F(TokenTest, IsRefusedWhereItIsOfAnotherIssuerOrOfNobody) {
  EXPECT_TRUE(Verify(Forge(JWT_ALG_ES256, key_.private_pem)).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(Verify(Forge(JWT_ALG_ES256, key_.private_pem, "somebody")).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(Verify(Forge(JWT_ALG_ES256, key_.private_pem, "tradewind", "")).status()));
}

TEST_F(TokenTest, IsRefusedWhereItIsNone) {
  for (const std::string& text : {std::string(), std::string("x"), std::string("a.b.c"), std::string(10'000, 'a')}) {
    EXPECT_TRUE(absl::IsUnauthenticated(Verify(text).status())) << text.substr(0, 10);
  }
}

TEST_F(TokenTest, NamesItsKeyAfterThePublicHalf) {
  EXPECT_EQ(key_.id.size(), 32);
  EXPECT_NE(key_.id, NewSigningKey().value().id);
}

}  // namespace
}  // namespace tradewind::auth
