// The sockets of the mailbox: listens, and serves each connection on a thread of its own.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "services/mailbox/mail_folder.h"

namespace tradewind::mailbox {

class MailServer {
 public:
  static constexpr int kMostConnections = 64;
  // A client that says nothing for so long is hung up on.
  static constexpr absl::Duration kPatience = absl::Seconds(60);

  // `address` is host:port, the host an IPv4 address. FailedPrecondition, naming the setting, where it cannot be
  // listened on. `folder` outlives the server.
  static absl::StatusOr<std::unique_ptr<MailServer>> Listen(const std::string& address, MailFolder& folder);
  ~MailServer();

  // Serves until `stop_fd` can be read. Then the conversations that are under way are cut and it returns.
  void Run(int stop_fd);

 private:
  MailServer(int socket, MailFolder& folder) : socket_(socket), folder_(folder) {}
  void Serve(int connection, int stop_fd);

  const int socket_;
  MailFolder& folder_;
  std::atomic<int> connections_ = 0;
};

// Whether a mailbox greets at `address`. Blocks for two seconds at most.
absl::Status CheckGreeting(const std::string& address);

}  // namespace tradewind::mailbox
