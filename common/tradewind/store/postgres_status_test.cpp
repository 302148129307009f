#include "tradewind/store/postgres_status.h"

#include <gtest/gtest.h>

#include <string_view>
#include <utility>

namespace tradewind::store {
namespace {

TEST(PostgresStatus, ReadsEachErrorAsTheStorePromises) {
  const std::pair<std::string_view, absl::StatusCode> codes[] = {
      {"", absl::StatusCode::kUnavailable},
      {"08006", absl::StatusCode::kUnavailable},
      {"57P01", absl::StatusCode::kUnavailable},
      {"57P03", absl::StatusCode::kUnavailable},
      {"57014", absl::StatusCode::kUnavailable},
      {"53300", absl::StatusCode::kUnavailable},
      {"53200", absl::StatusCode::kUnavailable},
      {"40001", absl::StatusCode::kUnavailable},
      {"40P01", absl::StatusCode::kUnavailable},
      {"25006", absl::StatusCode::kUnavailable},
      {"58030", absl::StatusCode::kUnavailable},
      {"53100", absl::StatusCode::kResourceExhausted},
      {"XX001", absl::StatusCode::kDataLoss},
      {"XX002", absl::StatusCode::kDataLoss},
      {"22021", absl::StatusCode::kInvalidArgument},
      {"23505", absl::StatusCode::kInvalidArgument},
      {"54000", absl::StatusCode::kInvalidArgument},
      {"28P01", absl::StatusCode::kPermissionDenied},
      {"42501", absl::StatusCode::kPermissionDenied},
      {"3D000", absl::StatusCode::kFailedPrecondition},
      {"42P01", absl::StatusCode::kFailedPrecondition},
      {"XX000", absl::StatusCode::kInternal},
      {"42601", absl::StatusCode::kInternal},
  };
  for (const auto& [sqlstate, expected] : codes) {
    const absl::Status status = PostgresStatus(sqlstate, "server", "detail");
    EXPECT_EQ(status.code(), expected) << sqlstate;
    EXPECT_EQ(SqlStateOf(status), sqlstate);
  }
  EXPECT_EQ(PostgresStatus("53100", "PostgreSQL at h:1/d", "no room").message(),
            "PostgreSQL at h:1/d: no room (SQLSTATE 53100)");
}

TEST(PostgresStatus, TellsWhatMayBeRepeatedAndWhatEndsAConnection) {
  EXPECT_TRUE(IsWorthRepeating(PostgresStatus("40P01", "", "")));
  EXPECT_TRUE(IsWorthRepeating(PostgresStatus("40001", "", "")));
  // The connection broke: the transaction may have been committed.
  EXPECT_FALSE(IsWorthRepeating(PostgresStatus("", "", "")));
  EXPECT_FALSE(IsWorthRepeating(PostgresStatus("57014", "", "")));
  EXPECT_TRUE(EndsConnection(PostgresStatus("57P01", "", "")));
  EXPECT_TRUE(EndsConnection(PostgresStatus("25006", "", "")));
  EXPECT_FALSE(EndsConnection(PostgresStatus("57014", "", "")));
}

TEST(PostgresStatus, FindsTheSqlStateOfAConnectionThatWasRefused) {
  EXPECT_EQ(SqlStateOfConnect("connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password "
                              "authentication failed for user \"a\"\nLOCATION:  auth_failed, auth.c:328\n"),
            "28P01");
  EXPECT_EQ(SqlStateOfConnect("... FATALE:  3D000: il database \"x\" non esiste\nLOCATION:  x, y:1\n"), "3D000");
  EXPECT_EQ(SqlStateOfConnect("connection to server at \"h\" failed: Connection refused\n\tIs the server running?\n"),
            "");
  EXPECT_EQ(SqlStateOfConnect(""), "");
  EXPECT_EQ(OneLine("first\n\tsecond\nLOCATION:  x, y:1\n"), "first; second");
}

}  // namespace
}  // namespace tradewind::store
