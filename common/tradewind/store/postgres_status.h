// Reads what PostgreSQL says of an error, once for the whole folder: its SQLSTATE becomes the code that store.h
// promises.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace tradewind::store {

// The status for an error of class and number `sqlstate`; an empty one stands for a connection that broke. The
// sqlstate stays with the status, see SqlStateOf.
absl::Status PostgresStatus(std::string_view sqlstate, std::string_view where, std::string_view detail);

// The SQLSTATE that a status came from; empty where it came from none.
std::string SqlStateOf(const absl::Status& status);

// Whether the transaction certainly left nothing behind and may succeed when it is just run again.
bool IsWorthRepeating(const absl::Status& status);

// Whether the server refused the whole connection, so that the next call needs another: it shuts down, or it has become
// a standby that cannot be written.
bool EndsConnection(const absl::Status& status);

// The SQLSTATE in what libpq tells, at its most verbose, of a connection it could not make; empty where the server
// was not reached.
std::string SqlStateOfConnect(std::string_view message);

// libpq's message as one line, without the lines meant for developers of PostgreSQL.
std::string OneLine(std::string_view message);

}  // namespace tradewind::store
