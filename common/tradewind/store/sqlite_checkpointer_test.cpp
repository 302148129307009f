#include "tradewind/store/sqlite_checkpointer.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>

#include "tradewind/store/sqlite_open.h"
#include "tradewind/store/sqlite_site.h"

namespace tradewind::store {
namespace {

// How often the log has been begun anew: bytes 12 to 15 of its header, big endian.
uint32_t TimesReset(const std::string& log) {
  std::ifstream file(log, std::ios::binary);
  std::array<unsigned char, 16> header{};
  file.read(reinterpret_cast<char*>(header.data()), header.size());
  return uint32_t{header[12]} << 24 | uint32_t{header[13]} << 16 | uint32_t{header[14]} << 8 | uint32_t{header[15]};
}

TEST(SqliteCheckpointer, KeepsTheLogShortWhileCommitsGoOn) {
  const TemporaryFolder folder;
  auto connection = OpenForWriting(folder.File("a.db"), folder.Config());
  ASSERT_TRUE(connection.ok()) << connection.status();
  ASSERT_TRUE((*connection)->Execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB)").ok());
  std::mutex writer_mutex;
  auto checkpointer = SqliteCheckpointer::Start(**connection, writer_mutex, {.copy_pages = 10, .reset_pages = 20});
  ASSERT_TRUE(checkpointer.ok()) << checkpointer.status();
  const std::string log = folder.File("a.db-wal");
  const uint32_t before = TimesReset(log);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int64_t rows = 0;
  while (TimesReset(log) < before + 5) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the log was never begun anew";
    const std::lock_guard lock(writer_mutex);
    ASSERT_TRUE((*connection)->Execute("INSERT INTO t (value) VALUES (randomblob(2000))").ok());
    ++rows;
  }
  checkpointer->reset();
  EXPECT_EQ(*(*connection)->QueryText("SELECT count(*) FROM t"), std::to_string(rows));
  EXPECT_EQ(*(*connection)->QueryText("PRAGMA integrity_check"), "ok");
}

TEST(SqliteCheckpointer, CopiesNothingWhileTheLogIsShort) {
  const TemporaryFolder folder;
  auto connection = OpenForWriting(folder.File("a.db"), folder.Config());
  ASSERT_TRUE(connection.ok()) << connection.status();
  std::mutex writer_mutex;
  auto checkpointer = SqliteCheckpointer::Start(**connection, writer_mutex, {.copy_pages = 1000, .reset_pages = 2000});
  ASSERT_TRUE(checkpointer.ok()) << checkpointer.status();
  const auto size = std::filesystem::file_size(folder.File("a.db"));
  ASSERT_TRUE((*connection)->Execute("CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB)").ok());
  ASSERT_TRUE((*connection)->Execute("INSERT INTO t (value) VALUES (randomblob(1000000))").ok());
  checkpointer->reset();
  EXPECT_EQ(std::filesystem::file_size(folder.File("a.db")), size);
}

}  // namespace
}  // namespace tradewind::store
