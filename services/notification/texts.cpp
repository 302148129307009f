#include "services/notification/texts.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "services/notification/templates.h"
#include "tradewind/money/money.h"

namespace tradewind::notification {
namespace {

using internal::v1::Happening;
using Places = google::protobuf::Map<std::string, std::string>;

// What a person would recognize an order by; ids are long.
std::string ShortId(const std::string& id) { return id.size() <= 8 ? id : id.substr(id.size() - 8); }

void Say(Happening& happening, const std::string& place, std::string value) {
  if (!value.empty()) (*happening.mutable_places())[place] = std::move(value);
}

template <typename Event>
Happening OfOrder(v1::NotificationKind kind, const Event& event) {
  Happening happening;
  happening.set_kind(kind);
  Say(happening, "order", ShortId(event.order_id()));
  return happening;
}

// Appends the value; false where there is nothing to say.
bool AppendPlace(std::string_view place, const Places& places, std::string_view why, std::string& out) {
  if (place == "why") {
    out += why;
    return !why.empty();
  }
  const auto found = places.find(std::string(place));
  if (found == places.end()) return false;
  out += found->second;
  return true;
}

// A template with its places filled in. Places outside brackets that have nothing to say leave a gap.
std::string Fill(std::string_view words, const Places& places, std::string_view why) {
  std::string out;
  size_t bracket_began = 0;
  bool bracket_is_full = true;
  while (!words.empty()) {
    const char c = words.front();
    words.remove_prefix(1);
    if (c == '{') {
      const size_t end = std::min(words.find('}'), words.size());
      bracket_is_full = AppendPlace(words.substr(0, end), places, why, out) && bracket_is_full;
      words.remove_prefix(std::min(end + 1, words.size()));
    } else if (c == '[') {
      bracket_began = out.size();
      bracket_is_full = true;
    } else if (c == ']') {
      if (!bracket_is_full) out.resize(bracket_began);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string_view Why(const Language& language, const std::string& reason) {
  for (const ReasonWords& words : language.reasons) {
    if (order::v1::RejectReason_Name(words.reason) == reason) return words.words;
  }
  return "";
}

}  // namespace

Happening Describe(const user::v1::UserRegistered& event) {
  Happening happening;
  happening.set_kind(v1::NOTIFICATION_KIND_WELCOME);
  if (event.has_register_time()) *happening.mutable_happen_time() = event.register_time();
  Say(happening, "name", event.display_name());
  Say(happening, "email", event.email());
  return happening;
}

Happening Describe(const order::v1::OrderConfirmed& event) {
  Happening happening = OfOrder(v1::NOTIFICATION_KIND_ORDER_CONFIRMED, event);
  if (event.has_confirm_time()) *happening.mutable_happen_time() = event.confirm_time();
  int64_t pieces = 0;
  for (const auto& line : event.lines()) pieces += line.quantity();
  Say(happening, pieces == 1 ? "item" : "items", std::to_string(pieces));
  Say(happening, "total", money::Format(event.total()));
  return happening;
}

Happening Describe(const order::v1::OrderCancelled& event) {
  Happening happening = OfOrder(v1::NOTIFICATION_KIND_ORDER_CANCELLED, event);
  if (event.has_cancel_time()) *happening.mutable_happen_time() = event.cancel_time();
  Say(happening, "reason", event.reason());
  // An order called off before its prices were known has no total.
  if (event.has_total()) Say(happening, "total", money::Format(event.total()));
  return happening;
}

Happening Describe(const order::v1::OrderRejected& event) {
  Happening happening = OfOrder(v1::NOTIFICATION_KIND_ORDER_REJECTED, event);
  if (event.has_reject_time()) *happening.mutable_happen_time() = event.reject_time();
  // A reason of a later version is told without saying why.
  happening.set_reject_reason(order::v1::RejectReason_Name(event.reason()));
  Say(happening, "detail", event.detail());
  return happening;
}

Happening Describe(const order::v1::OrderShipped& event) {
  Happening happening = OfOrder(v1::NOTIFICATION_KIND_ORDER_SHIPPED, event);
  if (event.has_ship_time()) *happening.mutable_happen_time() = event.ship_time();
  Say(happening, "carrier", event.carrier());
  Say(happening, "tracking", event.tracking_number());
  return happening;
}

Happening Describe(const order::v1::OrderDelivered& event) {
  Happening happening = OfOrder(v1::NOTIFICATION_KIND_ORDER_DELIVERED, event);
  if (event.has_deliver_time()) *happening.mutable_happen_time() = event.deliver_time();
  return happening;
}

Happening Describe(const payment::v1::PaymentRefunded& event) {
  Happening happening = OfOrder(v1::NOTIFICATION_KIND_PAYMENT_REFUNDED, event);
  if (event.has_refund_time()) *happening.mutable_happen_time() = event.refund_time();
  Say(happening, "amount", money::Format(event.amount()));
  return happening;
}

Text Render(const Happening& happening, std::string_view locale) {
  const Language& language = LanguageFor(locale);
  const std::string_view why = Why(language, happening.reject_reason());
  for (const Template& words : language.templates) {
    if (words.kind != happening.kind()) continue;
    return {.subject = Fill(words.subject, happening.places(), why), .body = Fill(words.body, happening.places(), why)};
  }
  return {};
}

}  // namespace tradewind::notification
