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
#include "services/cli/text.h"
#include "services/cli/topic_follower.h"
#include "tradewind/bus/kafka_admin.h"
#include "tradewind/ids/ids.h"
#include "tradewind/inventory/v1/events.pb.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/order/v1/events.pb.h"
#include "tradewind/payment/v1/events.pb.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/shipping/v1/events.pb.h"
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
std::string RandomUuid() { return std::string(ids::ToUuid(telemetry::TraceContext::NewRoot().trace_id, 4).view()); }

// What is for sale, and how much of it is in one order.
struct Ware {
  const char* id;
  const char* name;
  int64_t units;
  int32_t cents;
  int32_t quantity;
};
constexpr Ware kWares[] = {{"compass", "Compass", 24, 50, 1}, {"sail-needle", "Sail needle", 1, 95, 3}};

// `suffix` keeps its id apart from those of other runs.
inventory::v1::CreateProductRequest NewProduct(const Ware& ware, const std::string& suffix, int32_t orders) {
  inventory::v1::CreateProductRequest request;
  request.set_id(fmt::format("{}-{}", ware.id, suffix));
  request.set_name(ware.name);
  request.mutable_unit_price()->set_currency_code("EUR");
  request.mutable_unit_price()->set_units(ware.units);
  request.mutable_unit_price()->set_nanos(ware.cents * 10'000'000);
  request.set_stock(int64_t{ware.quantity} * orders);
  request.set_request_id(RandomUuid());
  return request;
}

// One of each ware, `products` being what came of kWares. Prices are left to the shop.
order::v1::CreateOrderRequest NewOrder(const std::string& user_id,
                                       const std::vector<inventory::v1::Product>& products) {
  order::v1::CreateOrderRequest request;
  request.set_user_id(user_id);
  // The sandbox of the payment service approves it.
  request.set_payment_token("tok_approve");
  request.set_request_id(RandomUuid());
  for (size_t i = 0; i < products.size(); ++i) {
    order::v1::OrderLine* line = request.add_lines();
    line->set_product_id(products[i].id());
    line->set_quantity(kWares[i].quantity);
  }
  return request;
}

// What follows from an order that is delivered, in about this order.
std::vector<std::string> TypesOfADeliveredOrder() {
  return {TypeName<order::v1::CreateOrderRequest>(),
          std::string(ReplyType()),
          TypeName<order::v1::OrderCreated>(),
          TypeName<inventory::v1::StockReserved>(),
          TypeName<order::v1::OrderReserved>(),
          TypeName<payment::v1::OperationRequested>(),
          TypeName<payment::v1::ReportOperationRequest>(),
          TypeName<payment::v1::PaymentAuthorized>(),
          TypeName<order::v1::OrderConfirmed>(),
          TypeName<notification::v1::NotificationCreated>(),
          TypeName<shipping::v1::ShipmentCreated>(),
          TypeName<shipping::v1::UpdateShipmentRequest>(),
          TypeName<shipping::v1::ShipmentDispatched>(),
          TypeName<order::v1::OrderShipped>(),
          TypeName<inventory::v1::StockSold>(),
          TypeName<payment::v1::PaymentCaptured>(),
          TypeName<shipping::v1::ShipmentDelivered>(),
          TypeName<order::v1::OrderDelivered>()};
}

// Why an order is not what was waited for: ", " and what it says of itself.
std::string WhyNot(const order::v1::Order& order) {
  std::string why;
  if (order.reject_reason() != order::v1::REJECT_REASON_UNSPECIFIED) {
    why += ", " + order::v1::RejectReason_Name(order.reject_reason());
  }
  for (const std::string& text : {order.reject_detail(), order.cancel_reason()}) {
    why += text.empty() ? "" : ", " + Printable(text);
  }
  return why;
}

// One run. Every step leaves what it saw in the report, whether or not it succeeds.
class Demo {
 public:
  Demo(const DemoOptions& options, const std::string& gateway, TopicFollower& follower)
      : options_(options), follower_(follower), shop_(rpc::MakeChannel(gateway), gateway), begin_(Clock::now()) {}

  absl::Status Run() {
    absl::Status status = FillTheShelf();
    if (status.ok()) {
      status = Register();
    }
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
  // An order under way. All that happens to it is one trace, the carrier's calls included.
  struct Passage {
    DemoReport::PlacedOrder& placed;
    telemetry::TraceContext trace;
    Clock::time_point start;
    ShopClient::Deadline deadline;

    void Note(std::string what) const { placed.call.hops.push_back({.ms = MsSince(start), .what = std::move(what)}); }
  };

  // Makes the follower expect the call and notes its begin.
  Clock::time_point Begin(CallReport& call, const telemetry::TraceContext& trace, std::string what) {
    const Clock::time_point start = Clock::now();
    call.trace_id = trace.trace_id_hex();
    call.hops.push_back({.ms = 0, .what = std::move(what)});
    follower_.Expect(call.trace_id, start);
    return start;
  }

  std::chrono::microseconds Timeout() const { return absl::ToChronoMicroseconds(options_.timeout); }
  ShopClient::Deadline CallDeadline() const { return std::chrono::system_clock::now() + Timeout(); }

  absl::Status FillTheShelf() {
    const std::string suffix = telemetry::TraceContext::NewRoot().trace_id_hex().substr(0, 8);
    for (const Ware& ware : kWares) {
      auto product = shop_.CreateProduct(NewProduct(ware, suffix, options_.orders), telemetry::TraceContext::NewRoot(),
                                         CallDeadline());
      if (!product.ok()) {
        return product.status();
      }
      report_.products.push_back(*std::move(product));
    }
    return absl::OkStatus();
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
    const telemetry::TraceContext trace = telemetry::TraceContext::NewRoot();
    const order::v1::CreateOrderRequest request = NewOrder(report_.registration->user.id(), report_.products);
    const ShopClient::Deadline deadline = CallDeadline();
    const Clock::time_point start = Begin(placed.call, trace, "call CreateOrder");
    const Passage passage{placed, trace, start, deadline};
    auto order = shop_.CreateOrder(request, trace, deadline);
    if (!order.ok()) {
      return order.status();
    }
    placed.call.answer_ms = MsSince(start);
    placed.order = *std::move(order);
    placed.call.hops.push_back(
        {.ms = *placed.call.answer_ms, .what = "answer: the order, " + StateName(placed.order.state())});
    if (absl::Status status = AwaitState(passage, order::v1::ORDER_STATE_CONFIRMED); !status.ok()) {
      return status;
    }
    placed.confirmed_ms = MsSince(start);
    return Deliver(passage);
  }

  // Brings the order to `state` as far as waiting does.
  absl::Status AwaitState(const Passage& passage, order::v1::OrderState state) {
    order::v1::Order& order = passage.placed.order;
    auto reached = shop_.AwaitState(order.id(), state, passage.deadline);
    if (!reached.ok()) {
      return reached.status();
    }
    order = *std::move(reached);
    passage.Note("watch: " + StateName(order.state()));
    if (order.state() != state) {
      return absl::FailedPreconditionError(fmt::format("order {} is not {}: it is {}{}", order.id(), StateName(state),
                                                       StateName(order.state()), WhyNot(order)));
    }
    return absl::OkStatus();
  }

  // The carrier's part. The shipment is there once its event is on Kafka, since that follows its commit.
  absl::Status Deliver(const Passage& passage) {
    absl::Status status = follower_.Await(passage.placed.call.trace_id, {TypeName<shipping::v1::ShipmentCreated>()},
                                          passage.start + Timeout());
    if (status.ok()) {
      status = TellShipment(passage, shipping::v1::SHIPMENT_STATE_IN_TRANSIT);
    }
    if (status.ok()) {
      status = AwaitState(passage, order::v1::ORDER_STATE_SHIPPED);
    }
    if (status.ok()) {
      status = TellShipment(passage, shipping::v1::SHIPMENT_STATE_DELIVERED);
    }
    return status.ok() ? AwaitState(passage, order::v1::ORDER_STATE_DELIVERED) : status;
  }

  absl::Status TellShipment(const Passage& passage, shipping::v1::ShipmentState state) {
    shipping::v1::UpdateShipmentRequest request;
    request.set_id(passage.placed.order.id());
    request.set_state(state);
    request.set_carrier("Demo Carrier");
    request.set_tracking_number(fmt::format("DEMO-{}", passage.placed.call.trace_id.substr(0, 12)));
    request.set_request_id(RandomUuid());
    passage.Note("call UpdateShipment, " + StateName(state));
    const auto shipment = shop_.UpdateShipment(request, passage.trace.NewChild(), passage.deadline);
    if (shipment.ok()) {
      passage.Note("answer: the shipment, " + StateName(shipment->state()));
    }
    return shipment.status();
  }

  // The notifications by the API, then every record that should have been seen by now.
  absl::Status AwaitEffects() {
    const Clock::time_point deadline = Clock::now() + Timeout();
    // A welcome; and of each order that it is confirmed, shipped and delivered.
    auto notifications =
        shop_.AwaitNotifications(report_.registration->user.id(), 1 + 3 * report_.orders.size(), CallDeadline());
    if (!notifications.ok()) {
      return notifications.status();
    }
    report_.notifications = *std::move(notifications);

    absl::Status status =
        follower_.Await(report_.registration->call.trace_id,
                        {TypeName<user::v1::RegisterUserRequest>(), TypeName<user::v1::UserRegistered>(),
                         std::string(ReplyType()), TypeName<notification::v1::NotificationCreated>()},
                        deadline);
    for (const DemoReport::PlacedOrder& placed : report_.orders) {
      if (!status.ok()) {
        break;
      }
      status = follower_.Await(placed.call.trace_id, TypesOfADeliveredOrder(), deadline);
    }
    return status;
  }

  void CollectHops() {
    const auto collect = [this](CallReport& call) {
      const std::vector<Hop> seen = follower_.Hops(call.trace_id);
      call.hops.insert(call.hops.end(), seen.begin(), seen.end());
    };
    if (report_.registration.has_value()) {
      collect(report_.registration->call);
    }
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
