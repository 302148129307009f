// What each kind of notification says in each language. A language is one table; texts.h fills the tables in.
//
// In a subject or a body {place} stands for a value of the happening, and [...] for words that are left out where one
// of the places within has nothing to say: "Order {order}[ over {total}] was cancelled." Brackets do not nest. A value
// is put in as it is and never read for places of its own.
#pragma once

#include <string_view>
#include <vector>

#include "tradewind/notification/v1/notification.pb.h"
#include "tradewind/order/v1/order.pb.h"

namespace tradewind::notification {

struct Template {
  v1::NotificationKind kind;
  std::string_view subject;
  std::string_view body;
};

// The value of the place {why}. For a reason that is not in the table the place has nothing to say.
struct ReasonWords {
  order::v1::RejectReason reason;
  std::string_view words;
};

struct Language {
  // The beginning of the BCP 47 tags that it is for, in lower case: "zh" is for zh, zh-CN and zh-Hant-TW.
  std::string_view tag;
  std::vector<Template> templates;
  std::vector<ReasonWords> reasons;
};

// The first is for everyone whose language is not here. Adding a language is adding a table, and a line here.
const std::vector<Language>& Languages();

// The one for a BCP 47 tag, in whichever case: the longest that it begins with.
const Language& LanguageFor(std::string_view locale);

}  // namespace tradewind::notification
