#include "tradewind/runtime/request_ledger.h"

#include <sodium.h>

#include <functional>

#include "google/rpc/status.pb.h"

#include "tradewind/errors/problem.h"
#include "tradewind/mesh/v1/envelope.pb.h"
#include "tradewind/mesh/v1/state.pb.h"

namespace tradewind::runtime {
namespace {

constexpr size_t kHashBytes = 16;

// BLAKE2b-128 over key and value: what makes a repeat a repeat.
std::string HashOf(const bus::Record& record) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, kHashBytes);
  for (const std::string_view part : {record.key(), record.value()}) {
    const uint64_t size = part.size();
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(&size), sizeof(size));
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  }
  std::string hash(kHashBytes, '\0');
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(hash.data()), kHashBytes);
  return hash;
}

std::string ToStored(const mesh::v1::Reply& reply) {
  mesh::v1::StoredReply stored;
  if (reply.has_error()) {
    reply.error().SerializeToString(stored.mutable_error());
  } else {
    stored.set_type(reply.resource().type_url());
    stored.set_resource(reply.resource().value());
  }
  return stored.SerializeAsString();
}

void FromStored(const std::string& bytes, mesh::v1::Reply& reply) {
  mesh::v1::StoredReply stored;
  stored.ParseFromString(bytes);
  if (!stored.error().empty()) {
    reply.mutable_error()->ParseFromString(stored.error());
  } else {
    reply.mutable_resource()->set_type_url(stored.type());
    reply.mutable_resource()->set_value(stored.resource());
  }
}

// Stand for a method in the keys of events, and in those of commands without a request_id.
constexpr std::string_view kInbox = "inbox";
constexpr std::string_view kEventId = "ce_id";

std::string EventId(const bus::Envelope& envelope) {
  std::string id(envelope.source);
  return id.append(1, '\0').append(envelope.id);
}

// Of a command without a request_id whose ce_id another command had before it.
std::string IdWithContent(const bus::Envelope& envelope, const bus::Record& record) {
  return std::string(envelope.id).append(1, '\0').append(HashOf(record));
}

}  // namespace

size_t RequestLedger::KeyHash::operator()(const store::RequestKey& key) const {
  const std::hash<std::string_view> hash;
  return (hash(key.request_id) * 31 + hash(key.caller)) * 31 + hash(key.method);
}

void RequestLedger::WantKey(const store::RequestKey& key) {
  if (known_.try_emplace(key).second) wanted_.push_back(key);
}

std::optional<store::RequestKey> RequestLedger::KeyOf(const bus::Envelope& envelope, bool is_command) {
  if (!envelope.request_id.empty()) return store::RequestKey{envelope.caller, envelope.method, envelope.request_id};
  // A command of one of our own tasks has its place in a chain, which tells its repeats.
  if (!is_command || envelope.sequence.has_value()) return std::nullopt;
  return store::RequestKey{envelope.source, kEventId, envelope.id};
}

void RequestLedger::Want(const bus::Envelope& envelope, const bus::Record& record, bool is_command) {
  const auto key = KeyOf(envelope, is_command);
  if (!key.has_value()) return;
  WantKey(*key);
  if (!envelope.request_id.empty()) return;
  event_ids_.push_back(IdWithContent(envelope, record));
  WantKey({envelope.source, kEventId, event_ids_.back()});
}

void RequestLedger::WantEvent(const bus::Envelope& envelope) {
  event_ids_.push_back(EventId(envelope));
  WantKey({group_, kInbox, event_ids_.back()});
}

bool RequestLedger::TakeEvent(const bus::Envelope& envelope, int32_t partition) {
  event_ids_.push_back(EventId(envelope));
  const store::RequestKey key{group_, kInbox, event_ids_.back()};
  std::optional<Answered>& slot = known_[key];
  if (slot.has_value()) return false;
  slot.emplace();
  remembered_.push_back({key, partition, &*slot});
  return true;
}

absl::Status RequestLedger::Load(store::Session& session) {
  if (wanted_.empty()) return absl::OkStatus();
  auto rows = session.LoadRequests(wanted_);
  if (!rows.ok()) return rows.status();
  for (size_t i = 0; i < rows->size(); ++i) {
    if (auto& row = (*rows)[i]; row.has_value()) {
      known_[wanted_[i]] = Answered{std::move(row->hash), std::move(row->reply)};
    }
  }
  wanted_.clear();
  return absl::OkStatus();
}

bool RequestLedger::Answer(const bus::Envelope& envelope, const bus::Record& record, bool is_command,
                           mesh::v1::Reply& reply) const {
  const auto key = KeyOf(envelope, is_command);
  if (!key.has_value()) return false;
  const auto found = known_.find(*key);
  if (found == known_.end() || !found->second.has_value()) return false;
  if (found->second->hash == HashOf(record)) {
    FromStored(found->second->reply, reply);
    return true;
  }
  if (envelope.request_id.empty()) {
    const std::string id = IdWithContent(envelope, record);
    const auto other = known_.find({envelope.source, kEventId, id});
    if (other == known_.end() || !other->second.has_value()) return false;
    FromStored(other->second->reply, reply);
    return true;
  }
  *reply.mutable_error() = errors::ToRpcStatus(
      {.code = absl::StatusCode::kInvalidArgument,
       .reason = "REQUEST_ID_REUSED",
       .message = "this request_id was used before with another request; use a new one for a new request",
       .metadata = {{"request_id", std::string(envelope.request_id)}, {"method", std::string(envelope.method)}}});
  return true;
}

void RequestLedger::Remember(const bus::Envelope& envelope, const bus::Record& record, bool is_command,
                             int32_t partition, const mesh::v1::Reply& reply) {
  auto key = KeyOf(envelope, is_command);
  if (!key.has_value()) return;
  std::optional<Answered>* slot = &known_[*key];
  if (slot->has_value()) {
    // Another request under the same request_id has been answered with an error, and the first one's answer stays.
    if (!envelope.request_id.empty()) return;
    event_ids_.push_back(IdWithContent(envelope, record));
    key->request_id = event_ids_.back();
    slot = &known_[*key];
    if (slot->has_value()) return;
  }
  slot->emplace(Answered{HashOf(record), ToStored(reply)});
  remembered_.push_back({*key, partition, &**slot});
}

std::vector<store::RequestWrite> RequestLedger::Writes() const {
  std::vector<store::RequestWrite> writes;
  writes.reserve(remembered_.size());
  for (const Remembered& request : remembered_) {
    writes.push_back({.key = request.key,
                      .hash = request.answered->hash,
                      .reply = request.answered->reply,
                      .group = group_,
                      .partition = request.partition});
  }
  return writes;
}

}  // namespace tradewind::runtime
