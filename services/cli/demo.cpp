#include "services/cli/demo.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/cli/demo_report.h"
#include "services/cli/event_schema.h"
#include "services/cli/mesh_topics.h"
#include "services/cli/shop_client.h"
#include "services/cli/topic_follower.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/telemetry/trace.h"
#include "tradewind/user/v1/events.pb.h"

namespace tradewind::cli {
namespace {

using Clock = TraceCollector::Clock;

template <typename Message>
std::string TypeName() {
  return Message::descriptor()->full_name();
}

double MsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// RFC 9562, version 4, out of the bits of a fresh trace id.
std::string RandomUuid() {
  auto bytes = telemetry::TraceContext::NewRoot().trace_id;
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3F) | 0x80);
  std::string uuid;
  for (size_t i = 0; i < bytes.size(); ++i) {
    uuid += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  }
  return uuid;
}

order::v1::CreateOrderRequest SampleOrder(const std::string& user_id) {
  order::v1::CreateOrderRequest request;
  request.set_user_id(user_id);
  request.set_payment_token("demo-token");
  request.set_request_id(RandomUuid());
  const auto add = [&](const char* product, int32_t quantity, int64_t units, int32_t cents) {
    order::v1::OrderLine* line = request.add_lines();
    line->set_product_id(product);
    line->set_quantity(quantity);
    line->mutable_unit_price()->set_currency_code("EUR");
    line->mutable_unit_price()->set_units(units);
    line->mutable_unit_price()->set_nanos(cents * 10'000'000);
  };
  add("compass", 1, 24, 50);
  add("sail-needle", 3, 1, 95);
  return request;
}

// One run. Every step leaves what it saw in the report, whether or not it succeeds.
class Demo {
 public:
  Demo(const DemoOptions& options, const std::string& gateway, TopicFollower& follower)
      : options_(options), follower_(follower), shop_(rpc::MakeChannel(gateway), gateway), begin_(Clock::now()) {}

  absl::Status Run() {
    absl::Status status = Register();
    for (int32_t i = 0; status.ok() && i < options_.orders; ++i) {
      status = PlaceOrder();
    }
    if (status.ok()) {
      status = AwaitEffects();
    }
    CollectHops();
    report_.total_ms = MsSince(begin_);
    return status;
  }

  const DemoReport& report() const { return report_; }

 private:
  // Makes the follower expect the call and notes its begin.
  Clock::time_point Begin(CallReport& call, const telemetry::TraceContext& trace, std::string what) {
    const Clock::time_point start = Clock::now();
    call.trace_id = trace.trace_id_hex();
    call.hops.push_back({.ms = 0, .what = std::move(what)});
    follower_.Expect(call.trace_id, start);
    return start;
  }

  ShopClient::Deadline CallDeadline() const {
    return std::chrono::system_clock::now() + absl::ToChronoMicroseconds(options_.timeout);
  }

  absl::Status Register() {
    CallReport& call = report_.registration.emplace().call;
    const telemetry::TraceContext trace = telemetry::TraceContext::NewRoot();
    user::v1::RegisterUserRequest request;
    request.set_email(fmt::format("demo-{}@example.com", trace.trace_id_hex().substr(0, 12)));
    request.set_display_name("Demo Customer");
    request.set_password(RandomUuid());
    request.set_request_id(RandomUuid());
    const Clock::time_point start = Begin(call, trace, "call RegisterUser");
    auto user = shop_.RegisterUser(request, trace, CallDeadline());
    if (!user.ok()) {
      return user.status();
    }
    call.answer_ms = MsSince(start);
    call.hops.push_back({.ms = *call.answer_ms, .what = "answer: the user"});
    report_.registration->user = *std::move(user);
    return absl::OkStatus();
  }

  absl::Status PlaceOrder() {
    DemoReport::PlacedOrder& placed = report_.orders.emplace_back();
    CallReport& call = placed.call;
    const telemetry::TraceContext trace = telemetry::TraceContext::NewRoot();
    const order::v1::CreateOrderRequest request = SampleOrder(report_.registration->user.id());
    const ShopClient::Deadline deadline = CallDeadline();
    const Clock::time_point start = Begin(call, trace, "call CreateOrder");
    auto order = shop_.CreateOrder(request, trace, deadline);
    if (!order.ok()) {
      return order.status();
    }
    call.answer_ms = MsSince(start);
    call.hops.push_back({.ms = *call.answer_ms, .what = "answer: the order, " + StateName(order->state())});
    placed.order = *std::move(order);

    auto settled = shop_.AwaitSettled(placed.order.id(), deadline);
    if (!settled.ok()) {
      return settled.status();
    }
    placed.order = *std::move(settled);
    call.hops.push_back({.ms = MsSince(start), .what = "watch: " + StateName(placed.order.state())});
    const order::v1::OrderState state = placed.order.state();
    if (state == order::v1::ORDER_STATE_CANCELLED || state == order::v1::ORDER_STATE_REJECTED) {
      return absl::FailedPreconditionError(
          fmt::format("order {} was not confirmed: it is {}{}{}", placed.order.id(), StateName(state),
                      placed.order.cancel_reason().empty() ? "" : ", ", placed.order.cancel_reason()));
    }
    return absl::OkStatus();
  }

  // The notifications by the API, then every record that should have been seen by now.
  absl::Status AwaitEffects() {
    const Clock::time_point deadline = Clock::now() + absl::ToChronoMicroseconds(options_.timeout);
    auto notifications =
        shop_.AwaitNotifications(report_.registration->user.id(), report_.orders.size() + 1, CallDeadline());
    if (!notifications.ok()) {
      return notifications.status();
    }
    report_.notifications = *std::move(notifications);

    const std::string notified = TypeName<notification::v1::NotificationCreated>();
    const std::string replied(ReplyType());
    absl::Status status = follower_.Await(
        report_.registration->call.trace_id,
        {TypeName<user::v1::RegisterUserRequest>(), TypeName<user::v1::UserRegistered>(), replied, notified}, deadline);
    for (const DemoReport::PlacedOrder& placed : report_.orders) {
      if (!status.ok()) {
        break;
      }
      status = follower_.Await(placed.call.trace_id,
                               {TypeName<order::v1::CreateOrderRequest>(), TypeName<order::v1::OrderCreated>(),
                                TypeName<order::v1::OrderConfirmed>(), replied, notified},
                               deadline);
    }
    return status;
  }

  void CollectHops() {
    const auto collect = [this](CallReport& call) {
      const std::vector<Hop> seen = follower_.Hops(call.trace_id);
      call.hops.insert(call.hops.end(), seen.begin(), seen.end());
    };
    collect(report_.registration->call);
    for (DemoReport::PlacedOrder& placed : report_.orders) {
      collect(placed.call);
    }
  }

  const DemoOptions& options_;
  TopicFollower& follower_;
  ShopClient shop_;
  const Clock::time_point begin_;
  DemoReport report_;
};

absl::StatusOr<std::unique_ptr<TopicFollower>> FollowMesh(const CliConfig& config) {
  const auto schema = EventSchema::Load(config.descriptors);
  if (!schema.ok()) {
    return schema.status();
  }
  const auto admin = bus::KafkaAdmin::Create(config.kafka, "tradewind-demo");
  if (!admin.ok()) {
    return admin.status();
  }
  const auto existing = (*admin)->ListTopics();
  if (!existing.ok()) {
    return existing.status();
  }
  const auto topics = ChooseTopics(config.kafka, **schema, *existing, {});
  if (!topics.ok()) {
    return topics.status();
  }
  return TopicFollower::Start(config.kafka, *topics);
}

}  // namespace

int RunDemo(const DemoOptions& options, const Session& session) {
  const auto follower = FollowMesh(session.config);
  if (!follower.ok()) {
    return Fail(session, follower.status());
  }
  Demo demo(options, session.config.gateway, **follower);
  const absl::Status status = demo.Run();
  if (options.json) {
    PrintReportAsJson(demo.report(), status.ok(), session.out);
  } else {
    PrintReport(demo.report(), status.ok(), session.out, session.color);
  }
  return status.ok() ? kExitOk : Fail(session, status);
}

}  // namespace tradewind::cli
