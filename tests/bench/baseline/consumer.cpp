// The smallest consumer behind bench-server: one SQLite transaction a poll that upserts a row and appends an outbox row
// per key, then an event and a reply for each command. It keeps no offsets in the database, recognises no repeats and
// never empties its outbox: what is left out makes it faster, not slower.
#include <sqlite3.h>

#include <string>
#include <vector>

#include "CLI/CLI.hpp"

#include "tests/bench/baseline/kafka.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"

namespace bench {
namespace {

using tradewind::order::v1::CreateOrderRequest;
using tradewind::order::v1::Order;
using tradewind::order::v1::OrderConfirmed;

struct Options {
  std::string prefix = "baseline.";
  std::string database = "baseline.db";
  int partitions = 12;
  size_t batch = 500;
  ProducerSettings producer;
};

class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) Die(path + ": " + sqlite3_errmsg(db_));
    Execute("PRAGMA journal_mode=WAL");
    Execute("PRAGMA synchronous=NORMAL");
    Execute("PRAGMA cache_size=-262144");
    // Debian's SQLite overwrites what is deleted unless told not to.
    Execute("PRAGMA secure_delete=OFF");
    Execute("PRAGMA wal_autocheckpoint=16384");
    Execute("CREATE TABLE IF NOT EXISTS state(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
    Execute("CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY, key BLOB NOT NULL, event BLOB NOT NULL)");
    upsert_ = Prepare("INSERT INTO state VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
    append_ = Prepare("INSERT INTO outbox(key, event) VALUES(?, ?)");
  }

  void Begin() { Execute("BEGIN IMMEDIATE"); }
  void Commit() { Execute("COMMIT"); }
  void Upsert(std::string_view key, std::string_view value) { Run(upsert_, key, value); }
  void Append(std::string_view key, std::string_view event) { Run(append_, key, event); }

 private:
  void Execute(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) Die(sqlite3_errmsg(db_));
  }
  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      Die(sqlite3_errmsg(db_));
    }
    return statement;
  }
  void Run(sqlite3_stmt* statement, std::string_view first, std::string_view second) {
    sqlite3_bind_blob(statement, 1, first.data(), static_cast<int>(first.size()), SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, second.data(), static_cast<int>(second.size()), SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_DONE) Die(sqlite3_errmsg(db_));
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* upsert_ = nullptr;
  sqlite3_stmt* append_ = nullptr;
};

struct Answer {
  Message command;
  std::string order;
  std::string event;
};

Answer Decide(Message command) {
  CreateOrderRequest request;
  request.ParseFromArray(command->payload, static_cast<int>(command->len));
  Order order;
  order.set_id(static_cast<const char*>(command->key), command->key_len);
  order.set_user_id(request.user_id());
  order.set_state(tradewind::order::v1::ORDER_STATE_CONFIRMED);
  order.mutable_lines()->Swap(request.mutable_lines());
  OrderConfirmed event;
  event.set_order_id(order.id());
  event.set_user_id(order.user_id());
  *event.mutable_lines() = order.lines();
  return {std::move(command), order.SerializeAsString(), event.SerializeAsString()};
}

class Consumer {
 public:
  explicit Consumer(const Options& options)
      : batch_(options.batch),
        database_(options.database),
        events_(NewProducer(options.producer, nullptr, nullptr)),
        replies_(NewProducer(ReplySettings(options.producer), nullptr, nullptr)) {
    EnsureTopic(events_, options.prefix + "commands", options.partitions);
    EnsureTopic(events_, options.prefix + "events", options.partitions);
    EnsureTopic(events_, options.prefix + "replies", 1);
    event_topic_ = OpenTopic(events_, options.prefix + "events");
    reply_topic_ = OpenTopic(replies_, options.prefix + "replies");
    commands_ = NewGroupMember(options.producer.brokers, options.prefix + "group", options.prefix + "commands");
  }

  [[noreturn]] void Run() {
    std::vector<Answer> answers;
    for (;;) {
      answers.clear();
      Collect(answers);
      if (!answers.empty()) {
        Store(answers);
        Publish(answers);
      }
      rd_kafka_poll(events_.get(), 0);
      rd_kafka_poll(replies_.get(), 0);
    }
  }

 private:
  static ProducerSettings ReplySettings(ProducerSettings settings) {
    settings.durable = false;
    settings.linger_ms = 0;
    return settings;
  }

  void Collect(std::vector<Answer>& answers) {
    int timeout_ms = 100;
    while (answers.size() < batch_) {
      Message message(rd_kafka_consumer_poll(commands_.get(), timeout_ms));
      if (!message) return;
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) answers.push_back(Decide(std::move(message)));
      timeout_ms = 0;
    }
  }

  void Store(const std::vector<Answer>& answers) {
    database_.Begin();
    for (const Answer& answer : answers) {
      const std::string_view key(static_cast<const char*>(answer.command->key), answer.command->key_len);
      database_.Upsert(key, answer.order);
      database_.Append(key, answer.event);
    }
    database_.Commit();
  }

  void Publish(const std::vector<Answer>& answers) {
    for (const Answer& answer : answers) {
      const std::string_view correlation = Header(answer.command.get(), "correlation");
      Send(replies_, reply_topic_, 0, answer, answer.order, correlation);
      Send(events_, event_topic_, RD_KAFKA_PARTITION_UA, answer, answer.event, {});
    }
  }

  static void Send(const Client& producer, const Topic& topic, int32_t partition, const Answer& answer,
                   const std::string& value, std::string_view correlation) {
    for (;;) {
      const rd_kafka_resp_err_t error = rd_kafka_producev(
          producer.get(), RD_KAFKA_V_RKT(topic.get()), RD_KAFKA_V_PARTITION(partition),
          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(answer.command->key, answer.command->key_len),
          RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
          RD_KAFKA_V_HEADER("correlation", correlation.data(), static_cast<ssize_t>(correlation.size())),
          RD_KAFKA_V_END);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) Die(rd_kafka_err2str(error));
      rd_kafka_poll(producer.get(), 10);
    }
  }

  const size_t batch_;
  Database database_;
  Client events_;
  Client replies_;
  Topic event_topic_;
  Topic reply_topic_;
  Client commands_;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("The smallest consumer that keeps state and answers.");
  app.add_option("--prefix", options.prefix);
  app.add_option("--database", options.database);
  app.add_option("--partitions", options.partitions);
  app.add_option("--batch", options.batch);
  app.add_option("--brokers", options.producer.brokers);
  app.add_option("--linger-ms", options.producer.linger_ms);
  app.add_option("--in-flight", options.producer.in_flight);
  CLI11_PARSE(app, argc, argv);
  Consumer(options).Run();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
