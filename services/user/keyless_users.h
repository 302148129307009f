// Gives a key to every account that has none: one of a version that did not seal. Without it the gateway would take
// such a user for nobody, who cannot order. Looked for once, when the service starts; whoever registers now has a key
// before the account is there.
#pragma once

#include <memory>
#include <stop_token>
#include <thread>

#include "tradewind/seal/keys.h"
#include "tradewind/store/store.h"

namespace tradewind::user {

// Reads all accounts, page by page, and has a key made for those whose address is not sealed and who have none. Blocks;
// returns how many it asked for. An account with a sealed address is left alone: another key would not open it. Ends
// early where the store cannot be read or `stop` is requested.
size_t GiveKeys(store::Reader& reader, seal::Keys& keys, const std::stop_token& stop);

// Does that on a thread of its own, until it is done or destroyed.
class KeylessUsers {
 public:
  // `reader` outlives it.
  KeylessUsers(store::Reader& reader, std::shared_ptr<seal::Keys> keys);

 private:
  std::jthread thread_;
};

}  // namespace tradewind::user
