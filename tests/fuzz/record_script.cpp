#include "tests/fuzz/record_script.h"

#include <algorithm>

#include "tradewind/bus/envelope.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/order/v1/order.pb.h"

namespace tradewind::fuzz {
namespace {

// ---- bytes
// -----------------------------------------------------------------------------------------------------------

// With as many times as kMaxTextBytes has room for, and one of nothing.
Text Bounded(std::string bytes, uint64_t times) {
  bytes.resize(std::min(bytes.size(), kMaxTextBytes));
  const uint64_t most = bytes.empty() ? 1 : kMaxTextBytes / bytes.size();
  return {.bytes = std::move(bytes), .times = static_cast<uint32_t>(std::clamp<uint64_t>(times, 1, most))};
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  uint64_t Number() {
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      number |= uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) break;
    }
    return number;
  }
  Text TakeText() {
    const uint64_t announced = Number();
    const size_t length = std::min<uint64_t>(announced, rest_.size());
    std::string bytes(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return Bounded(std::move(bytes), Number());
  }

 private:
  std::string_view rest_;
};

void PutNumber(std::string& out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>(number | 0x80));
  out.push_back(static_cast<char>(number));
}

void PutText(std::string& out, const Text& text) {
  PutNumber(out, text.bytes.size());
  out += text.bytes;
  PutNumber(out, text.times);
}

// ---- good records
// ----------------------------------------------------------------------------------------------------

using Headers = std::vector<std::pair<std::string_view, std::string>>;

Step StepOf(uint8_t topic, const std::string& key, const google::protobuf::Message& message, const Headers& headers) {
  Step step{.topic = topic, .key = {key}, .value = Text{message.SerializeAsString()}};
  step.headers.push_back({{std::string(bus::kSpecVersionHeader)}, {"1.0"}});
  step.headers.push_back({{std::string(bus::kTypeHeader)}, {message.GetDescriptor()->full_name()}});
  for (const auto& [name, value] : headers) step.headers.push_back({{std::string(name)}, {value}});
  return step;
}

// Of a task of another service.
Headers ChainHeaders(uint32_t number) {
  return {{bus::kIdHeader, "/payment/0-" + std::to_string(number)},
          {bus::kSourceHeader, "/payment/0"},
          {bus::kSequenceHeader, bus::Sequence{1'700'000'000'000, number}.ToString()},
          {bus::kPreviousHeader, bus::Sequence{1'700'000'000'000, number - 1}.ToString()},
          {bus::kPartitionKeyHeader, "o-1"}};
}

template <typename Event>
Event EventOf(const std::string& order, const std::string& user) {
  Event event;
  event.set_order_id(order);
  event.set_user_id(user);
  return event;
}

// ---- changes
// ---------------------------------------------------------------------------------------------------------

size_t Below(std::minstd_rand& random, size_t limit) {
  return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
}

// What has been known to hurt.
Text InterestingText(std::minstd_rand& random) {
  static const std::vector<Text> kTexts = {
      {""},
      {std::string(1, '\0')},
      {"\xff\xfe"},
      {"\xff", 3'000},
      {"\xff", 240'000},
      {"\xc3\x28", 400'000},
      {"k", 1'025},
      {"k", 4'096},
      {"k", 2'705},
      {"k", 65'536},
      {"k", 900'001},
      {"k", 999'000},
      {"k", 1'047'000},
      {"o-1"},
      {"u-1"},
      {"-1"},
      {"9999"},
      {"18446744073709551616"},
      {"1.1"},
      {"0000000000000000-0000000000000000"},
      {"0000000000000001-0000000000000001"},
      {"9999999999999999-9999999999999999"},
      {"1700000000000000-0000000000000000"},
      {"/order/0"},
      {"/payment/0"},
      {"tradewind.order.v1.CreateOrderRequest"},
      {"tradewind.order.v1.CancelOrderRequest"},
      {"tradewind.order.v1.OrderConfirmed"},
      {"tradewind.order.v1.OrderCreated"},
      {"tradewind.order.v1.OrderCancelled"},
      {"tradewind.mesh.v1.EventDied"},
      {"google.protobuf.Empty"},
      {"application/cloudevents+json"},
      {"retry"},
      {"dead"},
      {"throw"},
      {"timer"},
      {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
  };
  return kTexts[Below(random, kTexts.size())];
}

std::string_view HeaderName(std::minstd_rand& random) {
  static constexpr std::string_view kNames[] = {
      bus::kSpecVersionHeader,   bus::kIdHeader,          bus::kTypeHeader,         bus::kSourceHeader,
      bus::kTimeHeader,          bus::kSubjectHeader,     bus::kPartitionKeyHeader, bus::kSequenceHeader,
      bus::kPreviousHeader,      bus::kContentTypeHeader, bus::kTraceparentHeader,  bus::kReplyPartitionHeader,
      bus::kReplyInstanceHeader, bus::kCorrelationHeader, bus::kCallerHeader,       bus::kMethodHeader,
      bus::kRequestIdHeader,
  };
  return kNames[Below(random, std::size(kNames))];
}

void ChangeText(Text& text, std::minstd_rand& random, ByteChange change) {
  switch (Below(random, 4)) {
    case 0:
      text = InterestingText(random);
      break;
    case 1:
      text = Bounded(text.bytes.substr(0, Below(random, text.bytes.size() + 1)), text.times);
      break;
    default:
      text = Bounded(change(text.bytes), text.times);
  }
}

void ChangeHeaders(Step& step, std::minstd_rand& random, ByteChange change) {
  auto& headers = step.headers;
  const size_t kind = Below(random, headers.empty() ? 1 : 6);
  switch (kind) {
    case 0:
      headers.push_back({{std::string(HeaderName(random))}, InterestingText(random)});
      break;
    case 1:
      headers.erase(headers.begin() + static_cast<std::ptrdiff_t>(Below(random, headers.size())));
      break;
    case 2:
      headers.push_back(headers[Below(random, headers.size())]);
      break;
    case 3:
      std::swap(headers[Below(random, headers.size())], headers[Below(random, headers.size())]);
      break;
    case 4:
      ChangeText(headers[Below(random, headers.size())].first, random, change);
      break;
    default:
      ChangeText(headers[Below(random, headers.size())].second, random, change);
  }
  if (headers.size() > kMaxHeaders) headers.resize(kMaxHeaders);
}

void ChangeStep(Step& step, std::minstd_rand& random, ByteChange change) {
  static constexpr int64_t kTimes[] = {0, -1, 1, 1'700'000'000'000, 253'402'300'800'000, INT64_MAX, INT64_MIN};
  switch (Below(random, 12)) {
    case 0:
      step.topic = static_cast<uint8_t>(Below(random, std::size(kTopics)));
      break;
    case 1:
      step.partition = static_cast<uint8_t>(Below(random, 4));
      break;
    case 2:
      step.timestamp_ms = kTimes[Below(random, std::size(kTimes))];
      break;
    case 3:
      step.gap = static_cast<uint8_t>(Below(random, 3) == 0 ? kFirstRequest + Below(random, 4) : Below(random, 5));
      break;
    case 4:
    case 5:
      ChangeText(step.key, random, change);
      break;
    case 6:
      step.value.reset();
      break;
    case 7:
      if (!step.value.has_value()) step.value.emplace();
      ChangeText(*step.value, random, change);
      break;
    default:
      ChangeHeaders(step, random, change);
  }
}

}  // namespace

std::string Text::Expand() const {
  std::string all;
  all.reserve(bytes.size() * times);
  for (uint32_t i = 0; i < times; ++i) all += bytes;
  return all;
}

Script Parse(std::string_view bytes) {
  Reader reader(bytes);
  Script script;
  while (!reader.empty() && script.size() < kMaxSteps) {
    Step step;
    step.topic = reader.Byte();
    step.partition = reader.Byte();
    step.timestamp_ms = static_cast<int64_t>(reader.Number());
    step.gap = reader.Byte();
    step.key = reader.TakeText();
    if (reader.Byte() % 2 == 1) step.value = reader.TakeText();
    const size_t headers = reader.Byte() % (kMaxHeaders + 1);
    for (size_t i = 0; i < headers && !reader.empty(); ++i) {
      Text name = reader.TakeText();
      step.headers.emplace_back(std::move(name), reader.TakeText());
    }
    script.push_back(std::move(step));
  }
  return script;
}

std::string Serialize(const Script& script) {
  std::string out;
  for (const Step& step : script) {
    out.push_back(static_cast<char>(step.topic));
    out.push_back(static_cast<char>(step.partition));
    PutNumber(out, static_cast<uint64_t>(step.timestamp_ms));
    out.push_back(static_cast<char>(step.gap));
    PutText(out, step.key);
    out.push_back(step.value.has_value() ? '\1' : '\0');
    if (step.value.has_value()) PutText(out, *step.value);
    out.push_back(static_cast<char>(step.headers.size()));
    for (const auto& [name, value] : step.headers) {
      PutText(out, name);
      PutText(out, value);
    }
  }
  return out;
}

void Mutate(Script& script, std::minstd_rand& random, ByteChange change) {
  const size_t kind = script.empty() ? 0 : Below(random, 8);
  const auto place = [&] { return script.begin() + static_cast<std::ptrdiff_t>(Below(random, script.size())); };
  switch (kind) {
    case 0: {
      // Most often as the last: what comes before it is what makes its place interesting.
      const Step good = GoodStep(static_cast<int>(Below(random, kGoodKinds)), static_cast<uint32_t>(script.size() + 1));
      script.insert(script.empty() || Below(random, 2) == 0 ? script.end() : place(), good);
      break;
    }
    case 1:
      script.insert(script.end(), *place());
      break;
    case 2:
      script.erase(place());
      break;
    default:
      ChangeStep(*place(), random, change);
  }
  if (script.size() > kMaxSteps) script.resize(kMaxSteps);
}

Script Splice(const Script& left, const Script& right, std::minstd_rand& random) {
  Script spliced;
  for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const Script& from = Below(random, 2) == 0 ? left : right;
    if (i < from.size()) spliced.push_back(from[i]);
  }
  return spliced;
}

Step GoodStep(int kind, uint32_t number) {
  const std::string id = "o-" + std::to_string(number % 3);
  const Headers command = {{bus::kIdHeader, "command-" + std::to_string(number)},
                           {bus::kSourceHeader, "/tradewind/gateway/1"},
                           {bus::kReplyPartitionHeader, "1"},
                           {bus::kReplyInstanceHeader, "gateway-1"},
                           {bus::kCorrelationHeader, std::to_string(number)},
                           {bus::kMethodHeader, "/tradewind.order.v1.OrderService/CreateOrder"},
                           {bus::kRequestIdHeader, "request-" + std::to_string(number)},
                           {bus::kCallerHeader, "u-1"}};
  const Headers foreign = {{bus::kIdHeader, "foreign-" + std::to_string(number)}, {bus::kSourceHeader, "outside"}};
  order::v1::CreateOrderRequest create;
  create.set_id(id);
  create.set_user_id("u-1");
  switch (kind) {
    case 0:
      return StepOf(kCommandTopic, id, create, command);
    case 1:
      create.set_user_id("retry");
      return StepOf(kCommandTopic, id, create, command);
    case 2:
      return StepOf(kEventTopic, id, EventOf<order::v1::OrderConfirmed>(id, "u-1"), ChainHeaders(number));
    case 3:
      return StepOf(kEventTopic, id, EventOf<order::v1::OrderConfirmed>(id, "retry"), foreign);
    case 4:
      return StepOf(kEventTopic, id, EventOf<order::v1::OrderCreated>(id, "u-1"), foreign);
    default:
      return StepOf(kRekeyedTopic, "u-1", EventOf<order::v1::OrderCreated>(id, "u-1"), ChainHeaders(number));
  }
}

}  // namespace tradewind::fuzz
