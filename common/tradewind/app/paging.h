// Pages of a List method (AIP-158): page sizes, page tokens, and the one way from a store's index to a page of answers.
// Used by the query services.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "grpcpp/support/status.h"

#include "tradewind/store/store.h"

namespace tradewind {

inline constexpr int64_t kDefaultPageSize = 50;
inline constexpr int64_t kMaximumPageSize = 1000;

// How many items a page holds: 0 means the default, more than the maximum means the maximum. Nothing where the size is
// negative.
std::optional<int64_t> PageSize(int32_t requested);

// A token names the last entry of a page and carries a checksum over the query it belongs to (all of it but the limit:
// pages of one listing may differ in size). It is opaque, not secret: it holds nothing that the page did not show.
std::string MakePageToken(const store::ListQuery& query, const store::ListQuery::After& last);
// Nothing where the token is damaged or belongs to another query.
std::optional<store::ListQuery::After> ReadPageToken(const store::ListQuery& query, std::string_view token);

// Lists one page of `query` (whose limit and place to start are taken from the request). `add` is given the stored
// bytes of each aggregate, in order, and returns false, having added nothing, where they do not parse: the page goes on
// without it, as NoteUnreadable has it. `next_page_token` is left empty on the last page. Blocks for a read of the
// store.
//
// Errors: INVALID_ARGUMENT naming page_size or page_token; those of rpc::FromStoreError.
grpc::Status ListPage(store::Reader& reader, store::ListQuery query, int32_t page_size, std::string_view page_token,
                      absl::FunctionRef<bool(const std::string& value)> add, std::string* next_page_token);

// The `add` of a listing whose answer has what is stored as it is.
template <typename Message>
bool AddParsed(const std::string& bytes, google::protobuf::RepeatedPtrField<Message>& answer) {
  if (answer.Add()->ParseFromString(bytes)) return true;
  answer.RemoveLast();
  return false;
}

// The stored bytes of one aggregate. Blocks for a read of the store. `resource` is its name for people: "order".
//
// Errors: NOT_FOUND with reason <RESOURCE>_NOT_FOUND; those of rpc::FromStoreError.
grpc::Status GetStored(store::Reader& reader, std::string_view kind, std::string_view resource, std::string_view id,
                       std::string* value);

// Counts an aggregate whose bytes do not parse (tradewind_unreadable_aggregates_total), and names it in the log, once a
// minute at most. Thread-safe.
void NoteUnreadable(std::string_view kind, std::string_view key);

// The same, and INTERNAL for a call that is about this aggregate alone.
grpc::Status UnreadableAggregate(std::string_view kind, std::string_view key);

}  // namespace tradewind
