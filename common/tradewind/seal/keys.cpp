#include "tradewind/seal/keys.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tradewind/bus/envelope.h"
#include "tradewind/clock/steady_now.h"
#include "tradewind/seal/kafka_key_log.h"
#include "tradewind/seal/logger.h"

namespace tradewind::seal {
namespace {

using State = KeyTable::State;

absl::Status IsErased() {
  return absl::FailedPreconditionError("its personal data was erased, and nothing more is kept of it");
}

// How often keys on their way are looked at.
constexpr absl::Duration kLookInterval = absl::Milliseconds(250);
// The longest pause before a key is put on the log again.
constexpr absl::Duration kMaxPause = absl::Seconds(10);
// Before one that nobody needs any more is taken for lost: far longer than a record may be on its way.
constexpr absl::Duration kForgetLost = absl::Minutes(1);
// Stands for a deadline that never comes.
constexpr absl::Duration kLongestWait = absl::Hours(24 * 365);
// Between two rounds of putting back what was taken away: processes that disagree must not keep each other busy.
constexpr absl::Duration kRestoreInterval = absl::Seconds(1);
// A record that was taken away is an alarm for this long: who looks now and then is to see it.
constexpr absl::Duration kAlarmLasts = absl::Minutes(10);

// Hands every record back at once.
class MemoryKeyLog final : public KeyLog {
 public:
  explicit MemoryKeyLog(KeyLogListener listener) : listener_(std::move(listener)) {}
  absl::Status Append(const SubjectTag&, std::string_view name, std::string_view value) override {
    return listener_.on_record(name, value);
  }
  End AskForEnd(const SubjectTag&) override { return {}; }
  bool HasRead(const End&) const override { return true; }
  int32_t Partitions() const override { return 1; }
  void PinPartitions(int32_t) override {}

 private:
  const KeyLogListener listener_;
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
  auto section = schema.Section("seal", "Personal data on the log.");
  section.Field("key_file", &config.key_file,
                "file with the master key, the same for every process of the mesh: base64 of 32 random bytes");
  section.Field(
      "require_signed_erasures", &config.require_signed_erasures,
      "take no erasure without a proof: for a mesh whose erasures were signed (tradewind keys sign-erasures)");
}

Keys::Keys()
    : restored_(telemetry::NewCounter("tradewind_keys_restored_total",
                                      "Records that somebody took away from mesh.keys.v1 and that were put back.")),
      taken_away_(
          telemetry::NewAge("tradewind_keys_taken_away_seconds",
                            "Since somebody began to take records away from mesh.keys.v1; 0 once nobody has for "
                            "ten minutes.")) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialised: no random numbers");
}
Keys::~Keys() = default;

absl::Status Keys::Start(const KeysConfig& config, const bus::KafkaConfig& kafka, const std::string& client_id) {
  absl::StatusOr<MasterKey> master = ReadMasterKey(config);
  if (!master.ok()) return master.status();
  log_.reset();
  owed_.clear();
  table_ = std::make_unique<KeyTable>(*master, config.require_signed_erasures);
  auto log = std::make_unique<KafkaKeyLog>(kafka, client_id, Listener());
  KafkaKeyLog& opened = *log;
  log_ = std::move(log);
  if (absl::Status status = opened.Open(); !status.ok()) return status;
  return Begin();
}

void Keys::StartInMemory() {
  const absl::Status started = StartOver(MasterKey::Random(), false, [](KeyLogListener listener) {
    return std::make_unique<MemoryKeyLog>(std::move(listener));
  });
  if (!started.ok()) throw std::logic_error(std::string(started.message()));
}

absl::Status Keys::StartOver(const MasterKey& master, bool require_signed, MakeLog make) {
  table_ = std::make_unique<KeyTable>(master, require_signed);
  log_ = make(Listener());
  return Begin();
}

KeyLogListener Keys::Listener() {
  return {.on_record = [this](auto name, auto value) { return OnRecord(name, value); },
          .on_tick = [this] { OnTick(clock::SteadyNow()); },
          .on_lost = [this] { OnLost(); }};
}

absl::Status Keys::Begin() {
  absl::Status fits;
  std::vector<ToAppend> records;
  {
    const Lock lock(mutex_);
    fits = table_->CheckMaster();
    if (fits.ok()) AddMissing(records);
    started_ = fits.ok();
  }
  if (!fits.ok()) {
    log_.reset();
    return fits;
  }
  AppendAll(records);
  OnTick(clock::SteadyNow());
  has_begun_ = true;
  return absl::OkStatus();
}

void Keys::AddMissing(std::vector<ToAppend>& out) {
  const auto add = [&](const std::string& name, const std::string& value) {
    owed_[name] = {.subject = kCheckSubject, .value = value};
    out.push_back({.subject = kCheckSubject, .name = name, .value = value});
  };
  const MasterKey& master = table_->master();
  if (!table_->HasCheck()) add(KeyRecordName(kCheckSubject, NewNumber()), master.Wrap(kCheckKey, kCheckSubject));
  if (!table_->partitions().has_value()) {
    add(std::string(kPartitionsRecordName), PartitionsRecord(master, log_->Partitions()));
  }
  PinPartitions();
}

void Keys::PinPartitions() {
  if (const std::optional<int32_t> partitions = table_->partitions()) log_->PinPartitions(*partitions);
}

absl::Status Keys::CheckStarted() const {
  return started_ ? absl::OkStatus() : absl::FailedPreconditionError("the keys of sealed values are not read yet");
}

// ---- what the log says ----------------------------------------------------------------------------------------------

absl::Status Keys::OnRecord(std::string_view name, std::string_view value) {
  SubjectTag subject;
  bool erased = false;
  absl::Status taken;
  std::vector<Done> answered;
  std::vector<ToAppend> records;
  {
    const Lock lock(mutex_);
    taken = table_->Apply(name, value, subject);
    if (started_) {
      PinPartitions();
      AddLost(clock::SteadyNow(), records);
    }
    if (taken.ok()) {
      const State state = table_->Find(subject).state;
      erased = state == State::kErased;
      TakeOwn(subject, std::string(name), !value.empty(), erased, records);
      if (state != State::kUnknown) {
        if (!erased) claims_.Add(subject, waiters_.NewOf(subject));
        answered = waiters_.TakeOf(subject);
      } else if (started_ && claims_.Has(subject)) {
        // Who made the key took it back, and here it is needed.
        if (auto next = NextKey(subject, clock::SteadyNow())) records.push_back(*std::move(next));
      }
    }
  }
  changed_.notify_all();
  AppendAll(records);
  for (Done& done : answered) std::move(done)(erased ? IsErased() : absl::OkStatus());
  return taken;
}

void Keys::TakeOwn(const SubjectTag& subject, const std::string& name, bool has_value, bool erased,
                   std::vector<ToAppend>& out) {
  if (const auto own = owed_.find(name); own != owed_.end() && own->second.value.empty() != has_value) {
    if (own->second.is_withdrawal && has_value) {
      own->second = {.subject = subject, .value = ""};
    } else {
      owed_.erase(own);
    }
  }
  const auto making = making_.find(subject);
  if (making == making_.end() || making->second.name != name || !has_value) return;
  making_.erase(making);
  if (erased) {
    // A key that was made while its subject was being erased: who made it takes it back.
    owed_[name] = {.subject = subject, .value = ""};
    out.push_back({.subject = subject, .name = name, .value = ""});
  } else if (const std::optional<RecordName> parsed = ParseRecordName(name)) {
    if (IsNeeded(subject)) {
      claims_.NoteOwn(subject, *parsed->number, clock::SteadyNow());
    } else {
      // Whoever waited for it has been told that it did not come.
      TakeBack(subject, *parsed->number, out);
    }
  }
}

void Keys::OnTick(absl::Time now) {
  std::vector<Done> overdue;
  std::vector<Done> keyless;
  std::vector<ToAppend> records;
  {
    const Lock lock(mutex_);
    overdue = waiters_.TakeOverdue(now);
    keyless = waiters_.TakeEnded([this](const KeyLog::End& end) { return log_->HasRead(end); });
    if (started_) AddLost(now, records);
    if (now - looked_at_making_ >= kLookInterval) {
      looked_at_making_ = now;
      std::vector<SubjectTag> subjects;
      for (const auto& [subject, making] : making_) subjects.push_back(subject);
      for (const SubjectTag& subject : subjects) {
        if (auto next = NextKey(subject, now)) records.push_back(*std::move(next));
      }
    }
  }
  AppendAll(records);
  for (Done& done : overdue) std::move(done)(absl::UnavailableError("mesh.keys.v1 did not answer in time"));
  for (Done& done : keyless) std::move(done)(absl::NotFoundError("it has no key on mesh.keys.v1"));
}

void Keys::OnLost() {
  std::vector<ToAppend> records;
  {
    const Lock lock(mutex_);
    for (auto& [subject, making] : making_) {
      if (!IsNeeded(subject)) continue;
      making.sent = clock::SteadyNow();
      records.push_back({.subject = subject, .name = making.name, .value = making.value});
    }
    std::erase_if(owed_, [](const auto& it) {
      return it.second.is_withdrawal && clock::SteadyNow() - it.second.since > kWithdrawWithin;
    });
    for (const auto& [name, owed] : owed_) {
      records.push_back({.subject = owed.subject, .name = name, .value = owed.value});
      if (owed.is_withdrawal) records.push_back({.subject = owed.subject, .name = name, .value = ""});
    }
  }
  AppendAll(records);
}

void Keys::AppendAll(const std::vector<ToAppend>& records) {
  for (const ToAppend& record : records) {
    const absl::Status appended = log_->Append(record.subject, record.name, record.value);
    if (!appended.ok()) kLog.Warn("cannot put a record on the log of keys", {{"error", appended}});
  }
}

void Keys::AddLost(absl::Time now, std::vector<ToAppend>& out) {
  if (now - restored_at_ >= kAlarmLasts) taken_away_.End();
  if (!table_->HasLost() || now - restored_at_ < kRestoreInterval) return;
  restored_at_ = now;
  for (KeyTable::Lost& lost : table_->TakeLost()) {
    restored_.Add();
    // What is found when it starts was taken away at any time before.
    if (has_begun_) taken_away_.Begin();
    if (const uint64_t times = tell_of_restored_.Count(now); times > 0) {
      kLog.Error(
          "somebody took a record away from the log of keys without an erasure; it is put back. See who can "
          "write to mesh.keys.v1",
          {{"key", lost.name}, {"since the last such line", times}});
    }
    owed_[lost.name] = {.subject = lost.subject, .value = lost.value};
    out.push_back({.subject = lost.subject, .name = std::move(lost.name), .value = std::move(lost.value)});
  }
}

bool Keys::Await(absl::Time deadline, absl::FunctionRef<bool()> there) {
  Lock lock(mutex_);
  const absl::Duration left = std::clamp(deadline - clock::SteadyNow(), absl::ZeroDuration(), kLongestWait);
  return changed_.wait_for(lock, absl::ToChronoMicroseconds(left), there);
}

// ---- sealing --------------------------------------------------------------------------------------------------------

std::optional<Keys::ToAppend> Keys::NextKey(const SubjectTag& subject, absl::Time now) {
  const bool is_needed = IsNeeded(subject);
  const auto [making, is_new] = making_.try_emplace(subject);
  Making& key = making->second;
  if (is_new) {
    const DataKey* const before = table_->WithdrawnFrom(subject);
    key.name = KeyRecordName(subject, NewNumber());
    key.value = table_->master().Wrap(before != nullptr ? *before : NewKey(), subject);
  } else if (now - key.sent < key.pause) {
    return std::nullopt;
  } else if (!is_needed) {
    // Should it come after all it is taken back.
    if (now - key.sent > kForgetLost) making_.erase(making);
    return std::nullopt;
  } else {
    key.pause = std::min(key.pause * 2, kMaxPause);
  }
  key.sent = now;
  return ToAppend{.subject = subject, .name = key.name, .value = key.value};
}

void Keys::Prepare(std::string_view subject, absl::Time deadline, Done done) {
  if (absl::Status status = CheckStarted(); !status.ok()) return std::move(done)(status);
  const SubjectTag tag = TagOf(subject);
  State state = State::kUnknown;
  Done answered;
  std::vector<ToAppend> records;
  {
    const Lock lock(mutex_);
    state = table_->Find(tag).state;
    if (state == State::kKnown) claims_.Add(tag, 1);
    if (state == State::kUnknown) {
      waiters_.AddForNew(tag, deadline, std::move(done));
      if (auto next = NextKey(tag, clock::SteadyNow())) records.push_back(*std::move(next));
    } else {
      answered = std::move(done);
    }
  }
  if (answered) return std::move(answered)(state == State::kErased ? IsErased() : absl::OkStatus());
  // Where it cannot be handed over it is tried again, and the waiters end when their time has come.
  AppendAll(records);
}

void Keys::Require(std::string_view subject, absl::Time deadline, Done done) {
  if (absl::Status status = CheckStarted(); !status.ok()) return std::move(done)(status);
  const SubjectTag tag = TagOf(subject);
  State state = State::kUnknown;
  Done answered;
  bool is_read = false;
  {
    const Lock lock(mutex_);
    state = table_->Find(tag).state;
    if (state == State::kUnknown) {
      const KeyLog::End end = log_->AskForEnd(tag);
      waiters_.AddForKnown(tag, deadline, end, std::move(done));
      is_read = log_->HasRead(end);
    } else {
      answered = std::move(done);
    }
  }
  if (answered) return std::move(answered)(state == State::kErased ? IsErased() : absl::OkStatus());
  if (is_read) OnTick(clock::SteadyNow());
}

void Keys::Keep(std::string_view subject) {
  const Lock lock(mutex_);
  claims_.Keep(TagOf(subject));
}

void Keys::Withdraw(std::string_view subject) {
  if (!started_) return;
  const SubjectTag tag = TagOf(subject);
  std::vector<ToAppend> records;
  {
    const Lock lock(mutex_);
    if (const auto own = claims_.Withdraw(tag, clock::SteadyNow())) TakeBack(tag, *own, records);
  }
  AppendAll(records);
}

void Keys::TakeBack(const SubjectTag& subject, uint64_t number, std::vector<ToAppend>& out) {
  const std::string name = KeyRecordName(subject, number);
  const std::string withdrawal = WithdrawalOf(table_->master(), subject, number);
  owed_[name] = {.subject = subject, .value = withdrawal, .is_withdrawal = true, .since = clock::SteadyNow()};
  out.push_back({.subject = subject, .name = name, .value = withdrawal});
  out.push_back({.subject = subject, .name = name, .value = ""});
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

}  // namespace tradewind::seal
