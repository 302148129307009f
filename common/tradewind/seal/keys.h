// Sealing and opening for a process: it knows every subject's key, since it reads mesh.keys.v1 from its beginning and
// follows it. What a service gets from App::Keys().
//
// A value is sealed with the key of its subject, which is made when the first value is. Erasing a subject destroys the
// key: what was ever sealed with it cannot be read again, in whatever log, store or backup it lies. That is true once
// Kafka has compacted the key's record away (kKeysTopic says when), and for who has the master key not before.
#pragma once

#include <atomic>
#include <condition_variable>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tradewind/bus/kafka_config.h"
#include "tradewind/config/config.h"
#include "tradewind/seal/key_log.h"
#include "tradewind/seal/key_table.h"

namespace google::protobuf {
class Message;
}

namespace tradewind::seal {

// What stands where a value of an erased subject stood.
inline constexpr std::string_view kErased = "[erased]";

struct KeysConfig {
  // See MasterKey::Read.
  std::string key_file;
};
// Whether Keys can start with it, as far as the file is concerned; does not block for anything else.
// FailedPrecondition, saying what to do, where not.
absl::Status Check(const KeysConfig& config);
// Binds the field under "seal".
void Describe(config::Schema& schema, KeysConfig& config);

// Thread-safe. Until it is started everything but the destructor answers FailedPrecondition.
class Keys {
 public:
  // Far more than a key takes from the log to here.
  static constexpr absl::Duration kPatience = absl::Seconds(2);

  Keys();
  ~Keys();
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // Reads all keys there are, about a million in a second; blocks for that. Unavailable where Kafka does not answer: to
  // be tried again. FailedPrecondition where the key file is not what it should be.
  absl::Status Start(const KeysConfig& config, const bus::KafkaConfig& kafka, const std::string& client_id);
  // With a random master key and a log in memory: for tests.
  void StartInMemory();

  // `text` with every sealed value in it opened, those of erased subjects replaced by kErased; text without any is
  // returned as it is. A key that was made a moment ago may still be on its way here: blocks for it, `patience` at
  // most, then Unavailable. DataLoss for a value that is not what was sealed.
  absl::StatusOr<std::string> Open(std::string_view text, absl::Duration patience = kPatience) const;
  // Opens every string field marked SENSITIVE_SEAL, also in messages inside. Blocks and fails as Open does.
  absl::Status OpenFields(google::protobuf::Message& message, absl::Duration patience = kPatience) const;

  // Makes sure that the subject has a key; `done` is called once, here where it is known to have one already, else by
  // another thread: OK, FailedPrecondition for a subject that was erased, Unavailable when `deadline` has passed.
  using Done = absl::AnyInvocable<void(absl::Status)>;
  void Prepare(std::string_view subject, absl::Time deadline, Done done);
  // Does not block. NotFound for a subject without a key: Prepare it. FailedPrecondition for one that was erased.
  absl::StatusOr<std::string> Seal(std::string_view subject, std::string_view clear) const;

  // As of MasterKey.
  absl::StatusOr<std::string> Fingerprint(std::string_view text) const;
  absl::StatusOr<std::string> DeriveSecret(std::initializer_list<std::string_view> parts) const;

  // Destroys the subject's key: returns OK once that is on the log and its record marked for removal. To be repeated
  // where it fails: Unavailable when `deadline` has passed. A subject without a key is erased too: it gets none.
  absl::Status Erase(std::string_view subject, absl::Time deadline);

 private:
  struct Waiter {
    SubjectTag subject;
    absl::Time deadline;
    Done done;
  };
  using Lock = std::unique_lock<std::mutex>;

  absl::Status OnRecord(std::string_view name, std::string_view value);
  void EndOverdue(absl::Time now);
  absl::Status CheckStarted() const;
  // Waits for a key that may be on its way.
  KeyTable::Found FindSoon(const SubjectTag& subject, absl::Duration patience, Lock& lock) const;
  bool IsAwaited(const SubjectTag& subject) const;
  std::vector<Done> TakeWaiters(absl::FunctionRef<bool(const Waiter&)> which);
  // Appends a key of the subject.
  absl::Status MakeKey(const SubjectTag& subject);
  // Blocks until what is on the log makes `there` true; false where the deadline was earlier.
  bool Await(absl::Time deadline, absl::FunctionRef<bool()> there);

  std::atomic<bool> started_ = false;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::unique_ptr<KeyTable> table_;
  std::vector<Waiter> waiters_;
  // Records that this process appended keys in and has not read back.
  std::set<std::string, std::less<>> made_;
  // Set before `started_`, and never called with the mutex held: it calls back. Last, since it has a thread.
  std::unique_ptr<KeyLog> log_;
};

}  // namespace tradewind::seal
