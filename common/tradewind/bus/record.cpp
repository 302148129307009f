#include "tradewind/bus/record.h"

#include <utility>

namespace tradewind::bus {
namespace {

constexpr uint64_t kFnvOffsetBasis = 14695981039346656037ULL;
constexpr uint64_t kFnvPrime = 1099511628211ULL;

uint64_t Fnv1a(uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= kFnvPrime;
  }
  return hash;
}

}  // namespace

Record Record::FromContent(RecordContent content) {
  auto* kept = new RecordContent(std::move(content));
  Owner owner(kept, [](void* memory) { delete static_cast<RecordContent*>(memory); });
  Headers headers;
  headers.reserve(kept->headers.size());
  for (const auto& [name, value] : kept->headers) {
    headers.push_back({name, value});
  }
  return Record(std::move(owner), kept->topic, kept->partition, kept->offset, kept->timestamp_ms, kept->key,
                kept->has_value ? std::string_view(kept->value) : std::string_view(), std::move(headers), kept->damage);
}

Record Record::Unreadable(std::string topic, int32_t partition, int64_t offset, std::string damage) {
  return FromContent({.topic = std::move(topic),
                      .partition = partition,
                      .offset = offset,
                      .has_value = false,
                      .damage = std::move(damage)});
}

std::string_view Record::header(std::string_view name) const {
  for (auto header = headers_.rbegin(); header != headers_.rend(); ++header) {
    if (header->name == name) {
      return header->value;
    }
  }
  return {};
}

int64_t SizeOf(const Record& record) {
  size_t size = record.key().size() + record.value().size();
  for (const HeaderView& header : record.headers()) {
    size += header.name.size() + header.value.size();
  }
  return static_cast<int64_t>(size);
}

uint64_t Fingerprint(const Record& record) {
  // Byte by byte, so that the number is the same on every machine: it is kept in stores.
  char timestamp[8];
  for (int i = 0; i < 8; ++i) {
    timestamp[i] = static_cast<char>(static_cast<uint64_t>(record.timestamp_ms()) >> (8 * i));
  }
  uint64_t hash = Fnv1a(kFnvOffsetBasis, std::string_view(timestamp, sizeof(timestamp)));
  hash = Fnv1a(hash, record.key());
  return Fnv1a(hash, record.value());
}

}  // namespace tradewind::bus
