#include "services/user/keyless_users.h"

#include <string>
#include <utility>

#include "services/user/user_decider.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/seal/sealed_text.h"
#include "tradewind/telemetry/logger.h"

namespace tradewind::user {
namespace {

constexpr telemetry::Logger kLog{"user"};

constexpr int64_t kPageSize = 500;
// For a key to get to the log; tried again at the next start.
constexpr absl::Duration kPatience = absl::Seconds(30);

bool NeedsKey(const internal::v1::UserRecord& record) {
  const std::string& id = record.user().id();
  return !id.empty() && !record.user().email().empty() && !seal::IsSealedFor(id, record.user().email());
}

}  // namespace

size_t GiveKeys(store::Reader& reader, seal::Keys& keys, const std::stop_token& stop) {
  size_t count = 0;
  store::ListQuery query{.kind = internal::v1::UserRecord::descriptor()->full_name(), .index = kAllUsers};
  query.limit = kPageSize;
  while (!stop.stop_requested()) {
    const auto page = reader.List(query);
    if (!page.ok()) {
      kLog.Warn("cannot look for accounts without a key; looking again at the next start", {{"error", page.status()}});
      return count;
    }
    for (const store::ListedAggregate& item : *page) {
      internal::v1::UserRecord record;
      if (!record.ParseFromString(item.value) || !NeedsKey(record)) continue;
      ++count;
      const std::string& id = record.user().id();
      keys.Prepare(id, clock::SteadyNow() + kPatience, [&keys, id](const absl::Status& made) {
        if (made.ok()) {
          keys.Keep(id);
        } else {
          kLog.Warn("an account has no key yet; trying again at the next start", {{"error", made}});
        }
      });
    }
    if (static_cast<int64_t>(page->size()) < kPageSize) break;
    query.after = {.order = page->back().order, .key = page->back().key};
  }
  return count;
}

KeylessUsers::KeylessUsers(store::Reader& reader, std::shared_ptr<seal::Keys> keys)
    : thread_([&reader, keys = std::move(keys)](const std::stop_token& stop) {
        if (const size_t count = GiveKeys(reader, *keys, stop); count > 0) {
          kLog.Info("accounts of a version that did not seal have been given keys", {{"accounts", count}});
        }
      }) {}

}  // namespace tradewind::user
