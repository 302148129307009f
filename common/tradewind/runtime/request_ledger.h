// The answers to requests that carried a request_id, as far as one batch needs them: those the store remembers, and
// those the batch itself gives.
//
// A repeat is recognised by (caller, method, request_id) and answered with the first answer; another body under the
// same id is an error. A command without a request_id is recognised by its ce_source and ce_id, which a copy of its
// record has too; another body under the same ones is another command, and its repeats are recognised by that body.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/bus/envelope.h"
#include "tradewind/bus/record.h"
#include "tradewind/store/store.h"

namespace tradewind::mesh::v1 {
class Reply;
}

namespace tradewind::runtime {

// Not thread-safe; lives for one attempt at a batch. The records outlive it.
class RequestLedger {
 public:
  // `group` outlives the ledger.
  explicit RequestLedger(std::string_view group) : group_(group) {}

  // Remembers that the request may be a repeat; Load asks the store about all of them in one query. Here and below,
  // `is_command` tells that the record comes from a topic of commands.
  void Want(const bus::Envelope& envelope, const bus::Record& record, bool is_command);
  absl::Status Load(store::Session& session);

  // Fills `reply` (all but its correlation id) when this request was answered before, in an earlier batch or in this
  // one. False for a new request, and for an event without a request_id.
  bool Answer(const bus::Envelope& envelope, const bus::Record& record, bool is_command, mesh::v1::Reply& reply) const;

  // Remembers the answer to a new request, which the task of `partition` gave. No effect for an event without a
  // request_id.
  void Remember(const bus::Envelope& envelope, const bus::Record& record, bool is_command, int32_t partition,
                const mesh::v1::Reply& reply);

  // The same for events from outside the mesh, which have no place in a chain: one is known by its source and id.
  void WantEvent(const bus::Envelope& envelope);
  // False for an event that was taken before, in an earlier batch or in this one; else remembers it for the task of
  // `partition`.
  bool TakeEvent(const bus::Envelope& envelope, int32_t partition);

  // What has to be written. Views into the ledger and into the records.
  std::vector<store::RequestWrite> Writes() const;

 private:
  struct Answered {
    std::string hash;
    std::string reply;
  };
  struct KeyHash {
    size_t operator()(const store::RequestKey& key) const;
  };
  // Nothing where the record has no answer to be remembered.
  static std::optional<store::RequestKey> KeyOf(const bus::Envelope& envelope, bool is_command);
  void WantKey(const store::RequestKey& key);

  std::string_view group_;
  // Keys point into the records, and into `event_ids_`. Nothing: asked for, and new.
  std::unordered_map<store::RequestKey, std::optional<Answered>, KeyHash> known_;
  std::vector<store::RequestKey> wanted_;
  // What keys of events, and of commands without a request_id, point into.
  std::deque<std::string> event_ids_;
  struct Remembered {
    store::RequestKey key;
    int32_t partition;
    const Answered* answered;
  };
  std::vector<Remembered> remembered_;
};

}  // namespace tradewind::runtime
