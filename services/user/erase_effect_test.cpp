#include "services/user/erase_effect.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "services/user/test_keys.h"
#include "services/user/user_app.h"
#include "tradewind/app/in_memory_mesh.h"
#include "tradewind/user/v1/user.pb.h"

namespace tradewind::user {
namespace {

using Kind = Outcome::Kind;

Outcome Erase(const std::shared_ptr<seal::Keys>& keys, const std::string& user_id) {
  static const std::atomic<bool> stopping = false;
  v1::UserDeleted deleted;
  deleted.set_user_id(user_id);
  EffectContext context({.key = user_id, .event_id = "event-1", .traceparent = "", .attempt = 1},
                        absl::InfiniteFuture(), stopping);
  return EraseEffect(keys)(deleted, context);
}

TEST(EraseEffectTest, MakesWhatIsSealedUnreadableForThatUserAlone) {
  TestKeys keys;
  const std::string hers = keys.Sealed("u-1", "ada@example.org");
  const std::string his = keys.Sealed("u-2", "bob@example.org");
  ASSERT_EQ(Erase(keys.shared(), "u-1").kind(), Kind::kAck);
  EXPECT_EQ(keys.Opened(hers), seal::kErased);
  EXPECT_EQ(keys.Opened(his), "bob@example.org");
  EXPECT_TRUE(absl::IsFailedPrecondition(keys.shared()->Seal("u-1", "ada@example.org").status()));
}

TEST(EraseEffectTest, DoesNoHarmTwiceNorWhereNothingWasSealed) {
  TestKeys keys;
  EXPECT_EQ(Erase(keys.shared(), "u-1").kind(), Kind::kAck);
  EXPECT_EQ(Erase(keys.shared(), "u-1").kind(), Kind::kAck);
}

TEST(EraseEffectTest, IsRepeatedWhereItFails) {
  // Not started.
  const Outcome outcome = Erase(std::make_shared<seal::Keys>(), "u-1");
  ASSERT_EQ(outcome.kind(), Kind::kRetry);
  EXPECT_NE(outcome.reason(), "");
}

TEST(EraseEffectTest, FollowsTheDeletionOfAnAccount) {
  testing::InMemoryMesh mesh;
  mesh.Add("user", Declare);
  mesh.keys().Prepare("u-1", absl::InfiniteFuture(), [](const absl::Status& made) { ASSERT_TRUE(made.ok()) << made; });
  v1::RegisterUserRequest command;
  command.set_id("u-1");
  command.set_email(mesh.keys().Seal("u-1", "ada@example.org").value());
  command.set_display_name(mesh.keys().Seal("u-1", "Ada").value());
  command.set_email_fingerprint("fingerprint");
  command.set_password("$argon2id$hash");
  ASSERT_TRUE(mesh.Call<v1::User>(command).ok());
  mesh.Settle();
  const std::string left = mesh.Events<v1::UserRegistered>().at(0).email();
  EXPECT_EQ(mesh.keys().Open(left).value(), "ada@example.org");

  v1::DeleteUserRequest deletion;
  deletion.set_id("u-1");
  ASSERT_TRUE(mesh.Call<v1::DeleteUserResponse>(deletion).ok());
  mesh.Settle();
  EXPECT_EQ(mesh.keys().Open(left).value(), seal::kErased);
  EXPECT_TRUE(mesh.dead().empty());
}

}  // namespace
}  // namespace tradewind::user
