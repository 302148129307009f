#include "tradewind/app/watcher_table.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/runtime/message_rule.h"
#include "tradewind/runtime/record_check.h"

namespace tradewind {

// One watcher and what it has seen.
class WatcherTable::Entry {
 public:
  explicit Entry(EventFeed::Watcher watcher) : watcher_(std::move(watcher)) {}

  void Show(const bus::Envelope& envelope, const bus::Record& record) {
    const std::lock_guard lock(running_);
    if (watcher_ == nullptr || IsRepeat(envelope)) return;
    watcher_(envelope, record);
  }

  // Waits for a running watcher.
  void Close() {
    const std::lock_guard lock(running_);
    watcher_ = nullptr;
  }

 private:
  // Events of one source rise by their sequence; all events of a key lie in one partition.
  bool IsRepeat(const bus::Envelope& envelope) {
    if (!envelope.sequence.has_value()) return false;
    for (auto& [source, last] : seen_) {
      if (source != envelope.source) continue;
      if (*envelope.sequence <= last) return true;
      last = *envelope.sequence;
      return false;
    }
    seen_.emplace_back(envelope.source, *envelope.sequence);
    return false;
  }

  // Held over the watcher on purpose: that is how Close waits it out. Nobody but Close can be waiting for it.
  std::mutex running_;
  EventFeed::Watcher watcher_;
  // A key's events come from the task that owns it: rarely more than one source.
  absl::InlinedVector<std::pair<std::string, bus::Sequence>, 1> seen_;
};

// Shared with the subscriptions, which may outlive the table.
class WatcherTable::Keys {
 public:
  using Entries = absl::InlinedVector<std::shared_ptr<Entry>, 4>;

  void Add(const std::string& key, std::shared_ptr<Entry> entry) {
    const std::lock_guard lock(mutex_);
    entries_[key].push_back(std::move(entry));
    ++size_;
  }

  void Remove(const std::string& key, const Entry* entry) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    Entries& watching = found->second;
    watching.erase(
        std::find_if(watching.begin(), watching.end(), [&](const auto& other) { return other.get() == entry; }));
    if (watching.empty()) entries_.erase(found);
    --size_;
  }

  Entries Find(std::string_view key) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    return found == entries_.end() ? Entries() : found->second;
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };

  // Between the threads that open and close streams and the one that reads the topic; held for a look-up only.
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entries, Hash, std::equal_to<>> entries_;
  size_t size_ = 0;
};

class WatcherTable::Registration final : public EventFeed::Subscription {
 public:
  Registration(std::shared_ptr<Keys> keys, std::string key, std::shared_ptr<Entry> entry)
      : keys_(std::move(keys)), key_(std::move(key)), entry_(std::move(entry)) {}

  ~Registration() override {
    keys_->Remove(key_, entry_.get());
    entry_->Close();
  }

 private:
  std::shared_ptr<Keys> keys_;
  std::string key_;
  std::shared_ptr<Entry> entry_;
};

namespace {

// As a task checks it. OK for a type that this process does not know, of which no watcher can make anything.
absl::Status CheckMessage(const bus::Record& record, const bus::Envelope& envelope) {
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(envelope.type));
  if (type == nullptr) return absl::OkStatus();
  const auto route = runtime::RouteOf(type);
  if (!route.ok()) return absl::OkStatus();
  const runtime::Handler handler{.prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(type),
                                 .key = route->key};
  return runtime::ReadMessage(record, envelope, handler, runtime::KeyRule::kOfOptions).status();
}

}  // namespace

WatcherTable::WatcherTable(std::string mesh, bool accept_unmarked)
    : keys_(std::make_shared<Keys>()), mesh_(std::move(mesh)), accept_unmarked_(accept_unmarked) {}
WatcherTable::~WatcherTable() = default;

std::unique_ptr<EventFeed::Subscription> WatcherTable::Watch(std::string key, EventFeed::Watcher watcher) {
  auto entry = std::make_shared<Entry>(std::move(watcher));
  keys_->Add(key, entry);
  return std::make_unique<Registration>(keys_, std::move(key), std::move(entry));
}

void WatcherTable::Dispatch(const bus::Record& record) {
  if (!record.damage().empty()) return skipped_.Add(record, absl::InvalidArgumentError(std::string(record.damage())));
  const Keys::Entries watching = keys_->Find(record.key());
  if (watching.empty()) return;
  const auto envelope = bus::ParseEnvelope(record);
  if (!envelope.ok()) return skipped_.Add(record, envelope.status());
  if (absl::Status sender = runtime::CheckSender(*envelope, mesh_, accept_unmarked_); !sender.ok()) {
    return skipped_.Add(record, sender);
  }
  if (!record.has_value()) return skipped_.Add(record, absl::InvalidArgumentError("it has no value"));
  if (absl::Status message = CheckMessage(record, *envelope); !message.ok()) return skipped_.Add(record, message);
  for (const auto& entry : watching) entry->Show(*envelope, record);
}

size_t WatcherTable::size() const { return keys_->size(); }

}  // namespace tradewind
