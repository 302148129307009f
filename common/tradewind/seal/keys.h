// Sealing and opening for a process: it knows every subject's key, since it reads mesh.keys.v1 from its beginning and
// follows it. What a service gets from App::Keys().
//
// A value is sealed with the key of its subject, which is made when the first value is. Erasing a subject destroys the
// key: what was ever sealed with it cannot be read again, in whatever log, store or backup it lies. That is true once
// Kafka has compacted the key's record away (kKeysTopic says when), and for who has the master key not before.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/config/config.h"
#include "tradewind/seal/key_claims.h"
#include "tradewind/seal/key_log.h"
#include "tradewind/seal/key_table.h"
#include "tradewind/seal/key_waiters.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/occasional.h"

namespace google::protobuf {
class Message;
}

namespace tradewind::seal {

// What stands where a value of an erased subject stood.
inline constexpr std::string_view kErased = "[erased]";

struct KeysConfig {
  // See MasterKey::Read.
  std::string key_file;
  // Whether an erasure without a proof counts for nothing. Such are those of a version before proofs, until
  // `tradewind keys sign-erasures` has signed them, and those of whoever can write to the log of keys.
  bool require_signed_erasures = false;
};
// Whether Keys can start with it, as far as the file is concerned; does not block for anything else.
// FailedPrecondition, saying what to do, where not.
absl::Status Check(const KeysConfig& config);
// Binds the fields under "seal".
void Describe(config::Schema& schema, KeysConfig& config);

// Thread-safe. Until it is started everything but the destructor answers FailedPrecondition.
class Keys {
 public:
  // Far more than a key takes from the log to here.
  static constexpr absl::Duration kPatience = absl::Seconds(2);
  // Before a key that was put on the log and has not come back is put there again, if somebody still waits for it.
  static constexpr absl::Duration kAppendAgain = absl::Seconds(1);
  // Of the subjects whose keys have come to stay, so many are remembered; others can be withdrawn for so long: far less
  // than a service remembers the outcome of a request_id.
  static constexpr size_t kMaxWithdrawable = 10'000;
  static constexpr absl::Duration kWithdrawableFor = absl::Minutes(10);
  // A withdrawal that does not get to the log within that is given up, and the key stays: others may have come to rely
  // on it, and be gone again.
  static constexpr absl::Duration kWithdrawWithin = absl::Minutes(1);

  Keys();
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // Reads all keys there are, about a million in a second; blocks for that. Unavailable where Kafka does not answer: to
  // be tried again. FailedPrecondition where the key file is not what it should be, or is not the one that the log was
  // begun with.
  absl::Status Start(const KeysConfig& config, const bus::KafkaConfig& kafka, const std::string& client_id);
  // With a random master key and a log in memory: for tests.
  void StartInMemory();
  // With a log that somebody else makes and that has been read already: for tests.
  using MakeLog = absl::FunctionRef<std::unique_ptr<KeyLog>(KeyLogListener)>;
  absl::Status StartOver(const MasterKey& master, bool require_signed, MakeLog make);

  // `text` with every sealed value in it opened, those of erased subjects replaced by kErased; text without any is
  // returned as it is. A key that was made a moment ago may still be on its way here: blocks for it, `patience` at
  // most, then Unavailable. DataLoss for a value that is not what was sealed.
  absl::StatusOr<std::string> Open(std::string_view text, absl::Duration patience = kPatience) const;
  // The same for the values of one subject; those of others stay as they are. What is shown to somebody is opened so:
  // text may quote what was sealed for another.
  absl::StatusOr<std::string> OpenOf(std::string_view subject, std::string_view text,
                                     absl::Duration patience = kPatience) const;
  // Opens the string fields marked SENSITIVE_SEAL, also in messages inside, as far as they are sealed for the subject
  // of their message: the one in the field that the `subject` of its (tradewind.mesh.v1.message) option names, else
  // that of the message around it, for the outermost `subject`. Blocks and fails as Open does.
  absl::Status OpenFields(google::protobuf::Message& message, std::string_view subject,
                          absl::Duration patience = kPatience) const;
  absl::Status OpenFields(google::protobuf::Message& message, absl::Duration patience = kPatience) const;

  // Deadlines are points in time of clock::SteadyNow.

  // `done` of the next two is called once, here where the answer is known already, else by another thread:
  // FailedPrecondition for a subject that was erased, Unavailable when `deadline` has passed.
  using Done = KeyWaiters::Done;
  // Makes sure that the subject has a key. Where `done` is told OK the caller uses the key from then on, until it says
  // by Keep or Withdraw, once, what became of that.
  void Prepare(std::string_view subject, absl::Time deadline, Done done);
  // Finds out whether the subject has a key: NotFound where it has none as of this call, on the log that all processes
  // share.
  void Require(std::string_view subject, absl::Time deadline, Done done);

  // For who was given a key by Prepare: nothing that was sealed with it is or comes on any log. Once all who use the
  // key have said so, it is taken back if this process made it, and nothing of it stays on the log. Does not block.
  // Prepare makes the same key again as long as it is remembered.
  void Withdraw(std::string_view subject);
  // For who was given a key by Prepare: the key is there to stay, or nobody can tell. Where another process takes back
  // what it made of it, this one puts it on the log again.
  void Keep(std::string_view subject);

  // Does not block. NotFound for a subject without a key: Prepare it. FailedPrecondition for one that was erased.
  absl::StatusOr<std::string> Seal(std::string_view subject, std::string_view clear) const;

  // As of MasterKey.
  absl::StatusOr<std::string> Fingerprint(std::string_view text) const;
  absl::StatusOr<std::string> DeriveSecret(std::initializer_list<std::string_view> parts) const;

  // Destroys the subject's key: returns OK once that is on the log and its record marked for removal. To be repeated
  // where it fails: Unavailable when `deadline` has passed. A subject without a key is erased too: it gets none.
  absl::Status Erase(std::string_view subject, absl::Time deadline);

  // How many erasures on the log have no proof; and signs them all, as Erase does for one.
  size_t CountUnsignedErasures() const;
  absl::Status SignErasures(absl::Time deadline);

 private:
  using Lock = std::unique_lock<std::mutex>;
  // A key that is on its way to the log and back.
  struct Making {
    std::string name;
    std::string value;
    absl::Time sent;
    absl::Duration pause = kAppendAgain;
  };
  // What else is on its way: to be put there again where it is lost.
  struct Owed {
    SubjectTag subject{};
    std::string value;
    // To be removed right behind it.
    bool is_withdrawal = false;
    // When it was to be there.
    absl::Time since;
  };
  struct ToAppend {
    SubjectTag subject{};
    std::string name;
    std::string value;
  };

  KeyLogListener Listener();
  // Once the log has been read.
  absl::Status Begin();
  absl::Status OnRecord(std::string_view name, std::string_view value);
  // Of a record that may be one of this process's own, come back. With the mutex held.
  void TakeOwn(const SubjectTag& subject, const std::string& name, bool has_value, bool erased,
               std::vector<ToAppend>& out);
  void OnTick(absl::Time now);
  void OnLost();
  // What every log of keys has, where this one does not have it yet. With the mutex held.
  void AddMissing(std::vector<ToAppend>& out);
  // Spreads subjects as the log says. With the mutex held.
  void PinPartitions();
  absl::Status CheckStarted() const;
  // Waits for a key that may be on its way.
  KeyTable::State FindSoon(const SubjectTag& subject, absl::Duration patience, Lock& lock) const;
  absl::StatusOr<std::string> OpenWhere(absl::FunctionRef<bool(const SubjectTag&)> mine, std::string_view text,
                                        absl::Duration patience) const;
  absl::StatusOr<std::string> OpenOne(const SealedValue& value, absl::Duration patience) const;
  // The key to put on the log for a subject somebody waits for, where that is due. With the mutex held.
  std::optional<ToAppend> NextKey(const SubjectTag& subject, absl::Time now);
  void TakeBack(const SubjectTag& subject, uint64_t number, std::vector<ToAppend>& out);
  // What was taken away from the log, and is to be there. With the mutex held.
  void AddLost(absl::Time now, std::vector<ToAppend>& out);
  // Whether somebody needs a key of the subject that this process makes. With the mutex held.
  bool IsNeeded(const SubjectTag& subject) const { return waiters_.NewOf(subject) > 0 || claims_.Has(subject); }
  void AppendAll(const std::vector<ToAppend>& records);
  absl::Status PutErasure(const SubjectTag& subject);
  // Blocks until what is on the log makes `there` true; false where the deadline was earlier.
  bool Await(absl::Time deadline, absl::FunctionRef<bool()> there);

  std::atomic<bool> started_ = false;
  // What was missing when it started has been put back.
  std::atomic<bool> has_begun_ = false;
  telemetry::Counter restored_;
  telemetry::Age taken_away_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::unique_ptr<KeyTable> table_;
  KeyWaiters waiters_;
  std::map<SubjectTag, Making> making_;
  absl::Time looked_at_making_;
  // By the record's name.
  std::map<std::string, Owed, std::less<>> owed_;
  absl::Time restored_at_ = absl::InfinitePast();
  telemetry::Occasional tell_of_restored_;
  KeyClaims claims_{kMaxWithdrawable, kWithdrawableFor};
  // Set before `started_`, and never called with the mutex held but for questions: it calls back. Last, since it has a
  // thread.
  std::unique_ptr<KeyLog> log_;
};

}  // namespace tradewind::seal
