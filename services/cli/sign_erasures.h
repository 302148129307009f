// `tradewind keys sign-erasures`: signs the erasures on the log of keys that an earlier version wrote without a proof,
// so that no other has to be taken any more.
#pragma once

#include "services/cli/session.h"

namespace tradewind::cli {

struct SignErasuresOptions {
  // Do it; without, only say what would be done.
  bool yes = false;
};

// Reads mesh.keys.v1 whole with the master key of seal.key_file, and says how many erasures there are to sign before it
// signs any. Exit code 1 where there are some and it was not told to sign them. Blocks until they are on the log.
int RunSignErasures(const SignErasuresOptions& options, const Session& session);

}  // namespace tradewind::cli
