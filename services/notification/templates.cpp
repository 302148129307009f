#include "services/notification/templates.h"

#include <algorithm>
#include <string>

namespace tradewind::notification {
namespace {

// An amount of items is {items}; {item} is there instead where it is one.
Language English() {
  return {
      .tag = "en",
      .templates = {{v1::NOTIFICATION_KIND_WELCOME, "Welcome, {name}", "Your account for {email} is ready."},
                    {v1::NOTIFICATION_KIND_ORDER_CONFIRMED, "Your order is confirmed",
                     "Order {order}: [{item} item][{items} items], {total} in total."},
                    {v1::NOTIFICATION_KIND_ORDER_CANCELLED, "Your order is cancelled",
                     "Order {order}[ over {total}] was cancelled.[ Reason: {reason}]"},
                    {v1::NOTIFICATION_KIND_ORDER_REJECTED, "Your order could not be accepted",
                     "Order {order} was not accepted[: {why}].[ Details: {detail}]"},
                    {v1::NOTIFICATION_KIND_ORDER_SHIPPED, "Your order is on its way",
                     "Order {order} was shipped[ with {carrier}].[ Tracking number: {tracking}]"},
                    {v1::NOTIFICATION_KIND_ORDER_DELIVERED, "Your order has arrived", "Order {order} was delivered."},
                    {v1::NOTIFICATION_KIND_PAYMENT_REFUNDED, "Your payment was refunded",
                     "Order {order}: {amount} was given back."}},
      .reasons = {{order::v1::REJECT_REASON_UNKNOWN_PRODUCT, "it names a product that we do not have"},
                  {order::v1::REJECT_REASON_OUT_OF_STOCK, "there is not enough in stock"},
                  {order::v1::REJECT_REASON_PRICE_CHANGED, "a price has changed"},
                  {order::v1::REJECT_REASON_NO_TOTAL, "its prices do not add up to one amount"},
                  {order::v1::REJECT_REASON_PAYMENT_DECLINED, "the payment was declined"},
                  {order::v1::REJECT_REASON_TIMEOUT, "it could not be arranged in time"}}};
}

Language Chinese() {
  return {.tag = "zh",
          .templates = {{v1::NOTIFICATION_KIND_WELCOME, "欢迎您，{name}", "您的账户 {email} 已开通。"},
                        {v1::NOTIFICATION_KIND_ORDER_CONFIRMED, "您的订单已确认",
                         "订单 {order}：共 [{item}][{items}] 件商品，合计 {total}。"},
                        {v1::NOTIFICATION_KIND_ORDER_CANCELLED, "您的订单已取消",
                         "订单 {order}[（金额 {total}）]已取消。[原因：{reason}]"},
                        {v1::NOTIFICATION_KIND_ORDER_REJECTED, "您的订单未能受理",
                         "订单 {order} 未能受理[：{why}]。[详情：{detail}]"},
                        {v1::NOTIFICATION_KIND_ORDER_SHIPPED, "您的订单已发货",
                         "订单 {order} 已[由 {carrier} ]发出。[运单号：{tracking}]"},
                        {v1::NOTIFICATION_KIND_ORDER_DELIVERED, "您的订单已送达", "订单 {order} 已送达。"},
                        {v1::NOTIFICATION_KIND_PAYMENT_REFUNDED, "您的款项已退还", "订单 {order}：已退还 {amount}。"}},
          .reasons = {{order::v1::REJECT_REASON_UNKNOWN_PRODUCT, "其中有我们没有的商品"},
                      {order::v1::REJECT_REASON_OUT_OF_STOCK, "库存不足"},
                      {order::v1::REJECT_REASON_PRICE_CHANGED, "价格已变动"},
                      {order::v1::REJECT_REASON_NO_TOTAL, "各项价格无法合计为一个金额"},
                      {order::v1::REJECT_REASON_PAYMENT_DECLINED, "付款被拒绝"},
                      {order::v1::REJECT_REASON_TIMEOUT, "未能及时安排"}}};
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// Whether `tag` is all of `locale` or its first subtags.
bool Begins(std::string_view locale, std::string_view tag) {
  return locale.substr(0, tag.size()) == tag && (locale.size() == tag.size() || locale[tag.size()] == '-');
}

}  // namespace

const std::vector<Language>& Languages() {
  static const auto* const languages = new std::vector<Language>{English(), Chinese()};
  return *languages;
}

const Language& LanguageFor(std::string_view locale) {
  const std::string wanted = LowerCase(locale);
  const Language* best = nullptr;
  for (const Language& language : Languages()) {
    if (Begins(wanted, language.tag) && (best == nullptr || language.tag.size() > best->tag.size())) best = &language;
  }
  return best == nullptr ? Languages().front() : *best;
}

}  // namespace tradewind::notification
