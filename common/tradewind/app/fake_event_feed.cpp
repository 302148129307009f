#include "tradewind/app/fake_event_feed.h"

#include <stdexcept>
#include <utility>

#include "tradewind/runtime/message_rule.h"

namespace tradewind::testing {

bus::Record MakeEventRecord(const google::protobuf::Message& event, const std::string& source,
                            const bus::Sequence& sequence) {
  const auto route = runtime::RouteOf(event.GetDescriptor());
  if (!route.ok()) throw std::invalid_argument(std::string(route.status().message()));
  std::string scratch;
  bus::RecordContent content;
  content.topic = route->topic;
  content.offset = static_cast<int64_t>(sequence.number);
  content.key = std::string(route->KeyOf(event, scratch));
  content.value = event.SerializeAsString();
  content.headers = {{std::string(bus::kSpecVersionHeader), "1.0"},
                     {std::string(bus::kIdHeader), source + "/" + sequence.ToString()},
                     {std::string(bus::kTypeHeader), event.GetDescriptor()->full_name()},
                     {std::string(bus::kSourceHeader), source},
                     {std::string(bus::kSequenceHeader), sequence.ToString()}};
  return bus::Record::FromContent(std::move(content));
}

std::unique_ptr<EventFeed::Subscription> FakeEventFeed::Watch(std::string key, Watcher watcher) {
  return table_.Watch(std::move(key), std::move(watcher));
}

void FakeEventFeed::Publish(const google::protobuf::Message& event) {
  table_.Dispatch(MakeEventRecord(event, "test/0", {.epoch = 1, .number = ++published_}));
}

}  // namespace tradewind::testing
