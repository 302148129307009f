#include "tradewind/seal/keys.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <stdexcept>

#include "absl/time/clock.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/seal/kafka_key_log.h"
#include "tradewind/seal/logger.h"

namespace tradewind::seal {
namespace {

using State = KeyTable::State;

absl::Status IsErased() {
  return absl::FailedPreconditionError("its personal data was erased, and nothing more is kept of it");
}

// Hands every record back at once.
class MemoryKeyLog final : public KeyLog {
 public:
  explicit MemoryKeyLog(Reader reader) : reader_(std::move(reader)) {}
  absl::Status Append(const SubjectTag&, std::string_view name, std::string_view value) override {
    return reader_(name, value);
  }

 private:
  const Reader reader_;
};

absl::StatusOr<MasterKey> ReadMasterKey(const KeysConfig& config) {
  if (config.key_file.empty()) {
    return absl::FailedPreconditionError(
        "seal.key_file is not set: it names the file with the mesh's master key; make one with: head -c 32 "
        "/dev/urandom | base64 > seal.key");
  }
  return MasterKey::Read(config.key_file);
}

DataKey NewKey() {
  DataKey key;
  randombytes_buf(key.data(), key.size());
  return key;
}

uint64_t NewNumber() {
  uint64_t number = 0;
  randombytes_buf(&number, sizeof(number));
  return number;
}

}  // namespace

absl::Status Check(const KeysConfig& config) { return ReadMasterKey(config).status(); }

void Describe(config::Schema& schema, KeysConfig& config) {
  schema.Section("seal", "Personal data on the log.")
      .Field("key_file", &config.key_file,
             "file with the master key, the same for every process of the mesh: base64 of 32 random bytes");
}

Keys::Keys() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialised: no random numbers");
}
Keys::~Keys() = default;

absl::Status Keys::Start(const KeysConfig& config, const bus::KafkaConfig& kafka, const std::string& client_id) {
  absl::StatusOr<MasterKey> master = ReadMasterKey(config);
  if (!master.ok()) return master.status();
  log_.reset();
  table_ = std::make_unique<KeyTable>(*std::move(master));
  auto log = std::make_unique<KafkaKeyLog>(
      kafka, client_id, [this](auto name, auto value) { return OnRecord(name, value); },
      [this] { EndOverdue(absl::Now()); });
  KafkaKeyLog& opened = *log;
  log_ = std::move(log);
  if (absl::Status status = opened.Open(); !status.ok()) return status;
  started_ = true;
  return absl::OkStatus();
}

void Keys::StartInMemory() {
  table_ = std::make_unique<KeyTable>(MasterKey::Random());
  log_ = std::make_unique<MemoryKeyLog>([this](auto name, auto value) { return OnRecord(name, value); });
  started_ = true;
}

absl::Status Keys::CheckStarted() const {
  return started_ ? absl::OkStatus() : absl::FailedPreconditionError("the keys of sealed values are not read yet");
}

// ---- what the log says ----------------------------------------------------------------------------------------------

absl::Status Keys::OnRecord(std::string_view name, std::string_view value) {
  SubjectTag subject;
  bool erased = false;
  bool late = false;
  std::vector<Done> answered;
  {
    const Lock lock(mutex_);
    if (absl::Status taken = table_->Apply(name, value, subject); !taken.ok()) return taken;
    const State state = table_->Find(subject).state;
    erased = state == State::kErased;
    const auto own = made_.find(name);
    // A key that was made while its subject was being erased: who made it takes it back.
    late = erased && own != made_.end();
    if (own != made_.end()) made_.erase(own);
    if (state != State::kUnknown) {
      answered = TakeWaiters([&](const Waiter& waiter) { return waiter.subject == subject; });
    }
  }
  changed_.notify_all();
  if (late) static_cast<void>(log_->Append(subject, name, ""));
  for (Done& done : answered) std::move(done)(erased ? IsErased() : absl::OkStatus());
  return absl::OkStatus();
}

void Keys::EndOverdue(absl::Time now) {
  std::vector<Done> overdue;
  {
    const Lock lock(mutex_);
    overdue = TakeWaiters([&](const Waiter& waiter) { return waiter.deadline <= now; });
  }
  for (Done& done : overdue) std::move(done)(absl::UnavailableError("no key for the subject could be put on the log"));
}

bool Keys::IsAwaited(const SubjectTag& subject) const {
  return std::any_of(waiters_.begin(), waiters_.end(), [&](const Waiter& waiter) { return waiter.subject == subject; });
}

std::vector<Keys::Done> Keys::TakeWaiters(absl::FunctionRef<bool(const Waiter&)> which) {
  const auto taken = std::partition(waiters_.begin(), waiters_.end(), [&](const Waiter& one) { return !which(one); });
  std::vector<Done> dones;
  for (auto waiter = taken; waiter != waiters_.end(); ++waiter) dones.push_back(std::move(waiter->done));
  waiters_.erase(taken, waiters_.end());
  return dones;
}

bool Keys::Await(absl::Time deadline, absl::FunctionRef<bool()> there) {
  Lock lock(mutex_);
  return changed_.wait_until(lock, absl::ToChronoTime(deadline), there);
}

// ---- opening --------------------------------------------------------------------------------------------------------

KeyTable::Found Keys::FindSoon(const SubjectTag& subject, absl::Duration patience, Lock& lock) const {
  KeyTable::Found found;
  changed_.wait_for(lock, absl::ToChronoMicroseconds(patience), [&] {
    found = table_->Find(subject);
    return found.state != State::kUnknown;
  });
  return found;
}

absl::StatusOr<std::string> Keys::Open(std::string_view text, absl::Duration patience) const {
  std::optional<SealedValue> value = FindSealed(text);
  if (!value.has_value()) return std::string(text);
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  std::string opened;
  size_t done = 0;
  for (; value.has_value(); value = FindSealed(text, done)) {
    opened += text.substr(done, value->begin - done);
    done = value->end;
    Lock lock(mutex_);
    const KeyTable::Found found = FindSoon(value->subject, patience, lock);
    if (found.state == State::kErased) {
      opened += kErased;
      continue;
    }
    if (found.state == State::kUnknown) {
      return absl::UnavailableError("the key of a sealed value is not on mesh.keys.v1, or not read yet");
    }
    const std::optional<std::string> clear = OpenValue(*found.key, *value);
    if (!clear.has_value()) return absl::DataLossError("a sealed value is damaged");
    opened += *clear;
  }
  opened += text.substr(done);
  return opened;
}

// ---- sealing --------------------------------------------------------------------------------------------------------

absl::Status Keys::MakeKey(const SubjectTag& subject) {
  const std::string name = KeyRecordName(subject, NewNumber());
  {
    const Lock lock(mutex_);
    made_.insert(name);
  }
  return log_->Append(subject, name, table_->master().Wrap(NewKey(), subject));
}

void Keys::Prepare(std::string_view subject, absl::Time deadline, Done done) {
  if (absl::Status status = CheckStarted(); !status.ok()) return std::move(done)(status);
  const SubjectTag tag = TagOf(subject);
  State state = State::kUnknown;
  bool first = false;
  {
    const Lock lock(mutex_);
    state = table_->Find(tag).state;
    if (state == State::kUnknown) {
      first = !IsAwaited(tag);
      waiters_.push_back({.subject = tag, .deadline = deadline, .done = std::move(done)});
    }
  }
  if (state != State::kUnknown) return std::move(done)(state == State::kErased ? IsErased() : absl::OkStatus());
  if (!first) return;
  // Where it cannot be handed over, the waiters end when their time has come.
  if (const absl::Status made = MakeKey(tag); !made.ok()) kLog.Warn("cannot put a key on the log", {{"error", made}});
}

absl::StatusOr<std::string> Keys::Seal(std::string_view subject, std::string_view clear) const {
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  const SubjectTag tag = TagOf(subject);
  DataKey key;
  {
    const Lock lock(mutex_);
    const KeyTable::Found found = table_->Find(tag);
    if (found.state == State::kErased) return IsErased();
    if (found.state == State::kUnknown) return absl::NotFoundError("the subject has no key yet");
    key = *found.key;
  }
  return SealText(key, tag, clear);
}

absl::StatusOr<std::string> Keys::Fingerprint(std::string_view text) const {
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  return table_->master().Fingerprint(text);
}

absl::StatusOr<std::string> Keys::DeriveSecret(std::initializer_list<std::string_view> parts) const {
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  return table_->master().DeriveSecret(parts);
}

absl::Status Keys::Erase(std::string_view subject, absl::Time deadline) {
  if (absl::Status status = CheckStarted(); !status.ok()) return status;
  const SubjectTag tag = TagOf(subject);
  const auto erased = [&] { return table_->Find(tag).state == State::kErased; };
  if (!Await(absl::InfinitePast(), erased)) {
    const std::string now = absl::FormatTime(absl::RFC3339_sec, absl::Now(), absl::UTCTimeZone());
    if (absl::Status status = log_->Append(tag, ErasureRecordName(tag), now); !status.ok()) return status;
  }
  // Once the erasure has come back, every key that stands before it has too.
  const auto overdue = [] { return absl::UnavailableError("the erasure could not be put on mesh.keys.v1 in time"); };
  if (!Await(deadline, erased)) return overdue();
  std::vector<std::string> records;
  {
    const Lock lock(mutex_);
    records = table_->KeyRecordsOf(tag);
  }
  for (const std::string& name : records) {
    if (absl::Status status = log_->Append(tag, name, ""); !status.ok()) return status;
  }
  if (!Await(deadline, [&] { return table_->KeyRecordsOf(tag).empty(); })) return overdue();
  return absl::OkStatus();
}

}  // namespace tradewind::seal
