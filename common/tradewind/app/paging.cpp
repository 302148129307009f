#include "tradewind/app/paging.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"

#include "tradewind/app/logger.h"
#include "tradewind/errors/printable.h"
#include "tradewind/errors/problem.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/telemetry/metrics.h"
#include "tradewind/telemetry/occasional.h"

namespace tradewind {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr size_t kShownKey = 200;

// Big-endian, the same on every machine that may be asked for the next page.
void AppendNumber(uint64_t number, std::string& bytes) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>((number >> shift) & 0xff));
}

uint64_t ReadNumber(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = 0; i < kNumberBytes; ++i) number = (number << 8) | static_cast<unsigned char>(bytes[i]);
  return number;
}

// FNV-1a 64. Tells an honest mistake, not a forgery: whoever makes up a token reads the same index elsewhere.
uint64_t Checksum(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  return hash;
}

// Each text with its length, so that no two queries spell the same bytes.
uint64_t ChecksumOf(const store::ListQuery& query, std::string_view order_and_key) {
  std::string bytes;
  for (const std::string_view text : {query.kind, query.index, query.value, order_and_key}) {
    AppendNumber(text.size(), bytes);
    bytes.append(text);
  }
  bytes.push_back(query.descending ? 'd' : 'a');
  return Checksum(bytes);
}

grpc::Status InvalidField(std::string field, std::string description) {
  return rpc::ToGrpcStatus(errors::InvalidFields({{std::move(field), std::move(description)}}));
}

}  // namespace

std::optional<int64_t> PageSize(int32_t requested) {
  if (requested < 0) return std::nullopt;
  if (requested == 0) return kDefaultPageSize;
  return std::min<int64_t>(requested, kMaximumPageSize);
}

std::string MakePageToken(const store::ListQuery& query, const store::ListQuery::After& last) {
  std::string bytes;
  AppendNumber(static_cast<uint64_t>(last.order), bytes);
  bytes.append(last.key);
  AppendNumber(ChecksumOf(query, bytes), bytes);
  return absl::WebSafeBase64Escape(bytes);
}

std::optional<store::ListQuery::After> ReadPageToken(const store::ListQuery& query, std::string_view token) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &bytes)) return std::nullopt;
  if (bytes.size() < 2 * kNumberBytes) return std::nullopt;
  const std::string_view order_and_key(bytes.data(), bytes.size() - kNumberBytes);
  if (ReadNumber(std::string_view(bytes).substr(order_and_key.size())) != ChecksumOf(query, order_and_key)) {
    return std::nullopt;
  }
  return store::ListQuery::After{.order = static_cast<int64_t>(ReadNumber(order_and_key)),
                                 .key = std::string(order_and_key.substr(kNumberBytes))};
}

grpc::Status ListPage(store::Reader& reader, store::ListQuery query, int32_t page_size, std::string_view page_token,
                      absl::FunctionRef<bool(const std::string& value)> add, std::string* next_page_token) {
  const std::optional<int64_t> size = PageSize(page_size);
  if (!size.has_value()) return InvalidField("page_size", "must not be negative; 0 means 50");
  query.after.reset();
  if (!page_token.empty()) {
    query.after = ReadPageToken(query, page_token);
    if (!query.after.has_value()) {
      return InvalidField("page_token",
                          "is damaged or belongs to a request with other filters; start again without a token");
    }
  }
  // One more than the page holds tells whether there is another page.
  query.limit = *size + 1;
  auto listed = reader.List(query);
  if (!listed.ok()) return rpc::FromStoreError(listed.status());

  const size_t shown = std::min(listed->size(), static_cast<size_t>(*size));
  for (size_t i = 0; i < shown; ++i) {
    if (!add((*listed)[i].value)) NoteUnreadable(query.kind, (*listed)[i].key);
  }
  if (listed->size() > shown) {
    store::ListedAggregate& last = (*listed)[shown - 1];
    *next_page_token = MakePageToken(query, {.order = last.order, .key = std::move(last.key)});
  }
  return grpc::Status::OK;
}

grpc::Status GetStored(store::Reader& reader, std::string_view kind, std::string_view resource, std::string_view id,
                       std::string* value) {
  auto found = reader.Get(kind, id);
  if (!found.ok()) return rpc::FromStoreError(found.status());
  if (!found->has_value()) return rpc::ToGrpcStatus(errors::NotFound(resource, id));
  *value = std::move((*found)->value);
  return grpc::Status::OK;
}

void NoteUnreadable(std::string_view kind, std::string_view key) {
  static telemetry::Occasional occasional;
  telemetry::NewCounter("tradewind_unreadable_aggregates_total",
                        "How often a query has met an aggregate in the store that does not parse.",
                        {{"kind", std::string(kind)}})
      .Add();
  if (const uint64_t times = occasional.Count(absl::Now()); times > 0) {
    kLog.Error("queries met aggregates that do not parse, and lists go without them; restore the store from a backup",
               {{"kind", kind}, {"key", errors::Printable(key, kShownKey)}, {"times", times}});
  }
}

grpc::Status UnreadableAggregate(std::string_view kind, std::string_view key) {
  NoteUnreadable(kind, key);
  return rpc::FromStoreError(absl::DataLossError(
      fmt::format("the stored {} under key '{}' does not parse", kind, errors::Printable(key, kShownKey))));
}

}  // namespace tradewind
