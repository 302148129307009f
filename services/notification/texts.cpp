#include "services/notification/texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace tradewind::notification {
namespace {

// ISO 4217: currencies whose minor unit is not a hundredth.
constexpr std::array<std::string_view, 16> kWithoutDecimals = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
                                                               "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"};
constexpr std::array<std::string_view, 7> kWithThreeDecimals = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};

size_t UsualDecimals(std::string_view currency) {
  const auto is_one_of = [&](const auto& list) { return std::find(list.begin(), list.end(), currency) != list.end(); };
  if (is_one_of(kWithoutDecimals)) return 0;
  return is_one_of(kWithThreeDecimals) ? 3 : 2;
}

// What a person would recognize an order by; ids are long.
std::string ShortId(const std::string& id) { return id.size() <= 8 ? id : id.substr(id.size() - 8); }

}  // namespace

Text WelcomeText(const user::v1::UserRegistered& event) {
  return {.subject = fmt::format("Welcome, {}", event.display_name()),
          .body = fmt::format("Your account for {} is ready.", event.email())};
}

Text ConfirmedText(const order::v1::OrderConfirmed& event) {
  int64_t pieces = 0;
  for (const auto& line : event.lines()) pieces += line.quantity();
  return {.subject = "Your order is confirmed",
          .body = fmt::format("Order {}: {} {}, {} in total.", ShortId(event.order_id()), pieces,
                              pieces == 1 ? "item" : "items", FormatMoney(event.total()))};
}

Text CancelledText(const order::v1::OrderCancelled& event) {
  const std::string reason = event.reason().empty() ? "" : fmt::format(" Reason: {}", event.reason());
  return {.subject = "Your order is cancelled",
          .body = fmt::format("Order {} over {} was cancelled.{}", ShortId(event.order_id()),
                              FormatMoney(event.total()), reason)};
}

std::string FormatMoney(const google::type::Money& money) {
  const bool negative = money.units() < 0 || money.nanos() < 0;
  std::string decimals = fmt::format("{:09}", std::abs(int64_t{money.nanos()}));
  const size_t usual = UsualDecimals(money.currency_code());
  while (decimals.size() > usual && decimals.back() == '0') decimals.pop_back();
  // Unsigned, so that the least of all amounts has an absolute value too.
  const uint64_t units =
      money.units() < 0 ? 0 - static_cast<uint64_t>(money.units()) : static_cast<uint64_t>(money.units());
  return fmt::format("{}{}{}{} {}", negative ? "-" : "", units, decimals.empty() ? "" : ".", decimals,
                     money.currency_code());
}

}  // namespace tradewind::notification
