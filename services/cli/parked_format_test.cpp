#include "services/cli/parked_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace tradewind::cli {
namespace {

namespace v1 = mesh::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'000'000'000);

v1::ParkedRecord Sample(v1::ParkedState state = v1::PARKED_STATE_PARKED) {
  v1::ParkedRecord record;
  record.set_id(7);
  record.set_state(state);
  record.set_holds_key(true);
  record.set_group("picky");
  record.set_partition(3);
  record.set_key("o-1");
  record.set_type("tradewind.order.v1.OrderCreated");
  record.set_reason("picky about u-1");
  record.set_attempts(2);
  record.mutable_record()->set_topic("order.events.v1");
  record.mutable_record()->set_partition(3);
  record.mutable_record()->set_offset(17);
  record.mutable_record()->set_timestamp_ms(1'000'000'000'007);
  return record;
}

v1::ParkedRecord Retrying(absl::Duration in) {
  v1::ParkedRecord record = Sample();
  const int64_t ms = absl::ToUnixMillis(kNow + in);
  record.mutable_retry_time()->set_seconds(ms / 1000);
  record.mutable_retry_time()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
  return record;
}

v1::ParkedRecord Waiting() {
  v1::ParkedRecord record = Sample();
  record.set_waiting(true);
  record.set_attempts(0);
  return record;
}

TEST(StateOf, TellsWhatIsRetriedFromWhatWaits) {
  EXPECT_EQ(StateOf(Sample(v1::PARKED_STATE_DEAD)), "dead");
  EXPECT_EQ(StateOf(Sample(v1::PARKED_STATE_HELD)), "held");
  EXPECT_EQ(StateOf(Retrying(absl::Seconds(1))), "retrying");
  EXPECT_EQ(StateOf(Waiting()), "waiting");
}

TEST(StateOf, SaysWhatWasAskedFor) {
  v1::ParkedRecord record = Sample(v1::PARKED_STATE_DEAD);
  record.set_requested(v1::PARKED_ACTION_SKIP);
  EXPECT_EQ(StateOf(record), "dead, skip requested");
}

TEST(NextAttempt, CountsInAUnitThatFits) {
  EXPECT_EQ(NextAttempt(Sample(), kNow), "-");
  EXPECT_EQ(NextAttempt(Retrying(absl::Milliseconds(3210)), kNow), "in 3.2 s");
  EXPECT_EQ(NextAttempt(Retrying(absl::Seconds(240)), kNow), "in 4.0 min");
  EXPECT_EQ(NextAttempt(Retrying(absl::Hours(24)), kNow), "in 24.0 h");
  EXPECT_EQ(NextAttempt(Retrying(-absl::Seconds(1)), kNow), "now");
}

TEST(ParkedTable, IsALineARecord) {
  Table table = ParkedTable();
  AddParkedRow(table, "picky", Retrying(absl::Seconds(2)), kNow);
  v1::ParkedRecord bare = Sample(v1::PARKED_STATE_DEAD);
  bare.set_key("\xff\n");
  bare.clear_type();
  bare.set_reason(std::string(100, 'r'));
  AddParkedRow(table, "order", bare, kNow);
  std::ostringstream out;
  table.Print(out, false);
  EXPECT_EQ(out.str(),
            "SERVICE  ID  STATE     KEY       TYPE          ATTEMPTS  NEXT      FROM                  REASON\n"
            "picky     7  retrying  o-1       OrderCreated         2  in 2.0 s  order.events.v1-3@17  picky about u-1\n"
            "order     7  dead      \\xff\\x0a  -                    2  -         order.events.v1-3@17  " +
                std::string(57, 'r') + "...\n");
}

TEST(ParkedJson, HasWhatAProgramActsOn) {
  v1::ParkedRecord record = Retrying(absl::Milliseconds(1500));
  record.set_requested(v1::PARKED_ACTION_RETRY);
  EXPECT_EQ(ParkedJson("picky", record).dump(),
            R"({"service":"picky","id":7,"state":"retrying","key":"o-1","type":"tradewind.order.v1.OrderCreated",)"
            R"("attempts":2,"holds_key":true,"retry_time":"2001-09-09T01:46:41.500Z","requested":"retry",)"
            R"("group":"picky","topic":"order.events.v1","partition":3,"offset":17,)"
            R"("time":"2001-09-09T01:46:40.007Z","reason":"picky about u-1"})");
}

TEST(Advice, NamesTheCommandForEachState) {
  EXPECT_THAT(Advice("picky", Sample(v1::PARKED_STATE_DEAD), {}, kNow),
              AllOf(HasSubstr("`tradewind parked retry picky --id 7`"), HasSubstr("parked skip picky --id 7` drops")));
  EXPECT_THAT(Advice("picky", Sample(v1::PARKED_STATE_HELD), {}, kNow), HasSubstr("retry picky --id 7`"));
  EXPECT_THAT(Advice("picky", Retrying(absl::Seconds(2)), {}, kNow),
              AllOf(HasSubstr("again in 2.0 s;"), HasSubstr("retry picky --id 7`")));
}

TEST(Advice, LeadsFromOneThatWaitsToTheFirst) {
  QueuePlace place;
  place.first = Sample(v1::PARKED_STATE_DEAD);
  place.first->set_id(4);
  const std::string advice = Advice("picky", Waiting(), place, kNow);
  EXPECT_THAT(advice, AllOf(HasSubstr("after 4, which is dead"), HasSubstr("`tradewind parked show picky 4`"),
                            Not(HasSubstr("retry"))));
}

TEST(Advice, SaysThatARequestIsOpen) {
  v1::ParkedRecord record = Sample(v1::PARKED_STATE_DEAD);
  record.set_requested(v1::PARKED_ACTION_RETRY);
  EXPECT_THAT(Advice("picky", record, {}, kNow), HasSubstr("a retry was requested and is not carried out yet"));
}

}  // namespace
}  // namespace tradewind::cli
