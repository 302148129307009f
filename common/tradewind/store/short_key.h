// The form under which the stores find things by a key that somebody else has chosen. Both stores look up aggregates,
// index entries, requests, timers and records set aside by it, because PostgreSQL's B-tree refuses rows above 2,704
// bytes and Kafka takes keys of a megabyte.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tradewind::store {

// A key of up to this many bytes is its own short form.
inline constexpr size_t kMaxPlainKeyBytes = 1024;

// Returns the short form of `key`: the key itself where it is short, else its first kMaxPlainKeyBytes bytes followed by
// the SHA-256 of all of it. So a shortened key is longer than any plain one and meets none of them, and short forms
// sort as their keys do, except among keys that begin with the same kMaxPlainKeyBytes bytes. Stores on disk depend on
// the form: it never changes.
std::string ShortKey(std::string_view key);
// The same without a copy of a key that is short already; `buffer` holds any other.
std::string_view ShortKey(std::string_view key, std::string& buffer);

// The id under which a request is kept whose method shares a number with others (kOtherMethods): that of another method
// is another.
std::string IdWithMethod(std::string_view method, std::string_view request_id);

}  // namespace tradewind::store
