#include "services/cli/topics.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/cli/event_schema.h"
#include "services/cli/text.h"
#include "tradewind/bus/kafka_admin.h"

namespace tradewind::cli {
namespace {

struct TopicRow {
  std::string name;
  std::vector<std::string> types;
  // Nothing where the cluster does not have it.
  std::optional<bus::TopicInfo> info;
  int64_t records = 0;
};

absl::StatusOr<std::vector<TopicRow>> Collect(const Session& session, const EventSchema& schema,
                                              bus::KafkaAdmin& admin) {
  const auto existing = admin.ListTopics();
  if (!existing.ok()) {
    return existing.status();
  }
  std::vector<TopicRow> rows;
  for (const auto& [name, types] : schema.topics()) {
    TopicRow row{.name = bus::FullTopic(session.config.kafka, name), .types = types};
    const auto found = std::find_if(existing->begin(), existing->end(),
                                    [&](const bus::TopicInfo& topic) { return topic.name == row.name; });
    if (found != existing->end()) {
      row.info = *found;
      for (int32_t partition = 0; partition < found->partitions; ++partition) {
        const auto range = admin.Range(row.name, partition);
        if (!range.ok()) {
          return range.status();
        }
        row.records += range->high - range->low;
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Without their packages, which the topics' names tell.
std::string ShortNames(const std::vector<std::string>& types) {
  std::string names;
  for (const std::string& type : types) {
    names += (names.empty() ? "" : ", ") + type.substr(type.rfind('.') + 1);
  }
  return names;
}

void PrintTable(const std::vector<TopicRow>& rows, const Session& session) {
  Table table({{"TOPIC"}, {"PARTITIONS", true}, {"REPLICAS", true}, {"RECORDS", true}, {"TYPES"}});
  for (const TopicRow& row : rows) {
    const std::string types = ShortNames(row.types);
    if (row.info.has_value()) {
      table.AddRow({row.name, std::to_string(row.info->partitions), std::to_string(row.info->replication_factor),
                    Grouped(row.records), types});
    } else {
      table.AddRow({row.name, {"-", Tone::kDim}, {"-", Tone::kDim}, {"none yet", Tone::kDim}, types});
    }
  }
  table.Print(session.out, session.color);
}

void PrintJson(const std::vector<TopicRow>& rows, const Session& session) {
  auto list = nlohmann::ordered_json::array();
  for (const TopicRow& row : rows) {
    nlohmann::ordered_json item = {{"topic", row.name}, {"exists", row.info.has_value()}};
    if (row.info.has_value()) {
      item["partitions"] = row.info->partitions;
      item["replication_factor"] = row.info->replication_factor;
      item["records"] = row.records;
    }
    item["types"] = row.types;
    list.push_back(std::move(item));
  }
  session.out << JsonDocument(list) << '\n';
}

}  // namespace

int RunTopics(const TopicsOptions& options, const Session& session) {
  const auto schema = EventSchema::Load(session.config.descriptors);
  if (!schema.ok()) {
    return Fail(session, schema.status());
  }
  const auto admin = bus::KafkaAdmin::Create(session.config.kafka, "tradewind-topics");
  if (!admin.ok()) {
    return Fail(session, admin.status());
  }
  const auto rows = Collect(session, **schema, **admin);
  if (!rows.ok()) {
    return Fail(session, rows.status());
  }
  options.json ? PrintJson(*rows, session) : PrintTable(*rows, session);
  return kExitOk;
}

}  // namespace tradewind::cli
