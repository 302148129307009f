// Stands between a client and a server on this machine, for tests that need a network to fail at a chosen moment.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <thread>
#include <vector>

namespace tradewind::store {

class TcpProxy {
 public:
  explicit TcpProxy(int server_port) : server_port_(server_port), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && listen(listener_, 8) == 0 &&
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      port_ = ntohs(address.sin_port);
    }
    thread_ = std::thread(&TcpProxy::Run, this);
  }
  ~TcpProxy() {
    done_ = true;
    thread_.join();
    close(listener_);
  }
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }
  // What the server says next does not arrive; with the first of it the connection ends.
  void LoseNextAnswer() { lose_answer_ = true; }
  // Nothing arrives any more, either way, and nobody is told.
  void SwallowAll(bool swallow) { swallow_ = swallow; }

 private:
  struct Pair {
    int client;
    int server;
  };

  static sockaddr_in Loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void Run() {
    std::list<Pair> pairs;
    while (!done_) {
      std::vector<pollfd> descriptors{{listener_, POLLIN, 0}};
      if (!swallow_) {
        for (const Pair& pair : pairs) {
          descriptors.push_back({pair.client, POLLIN, 0});
          descriptors.push_back({pair.server, POLLIN, 0});
        }
      }
      constexpr int kLookAgainMs = 5;
      poll(descriptors.data(), descriptors.size(), kLookAgainMs);
      if (!swallow_) {
        for (auto pair = pairs.begin(); pair != pairs.end();) pair = Move(*pair) ? std::next(pair) : End(pairs, pair);
      }
      if ((descriptors[0].revents & POLLIN) != 0) Accept(pairs);
    }
    while (!pairs.empty()) End(pairs, pairs.begin());
  }

  void Accept(std::list<Pair>& pairs) const {
    const int client = accept(listener_, nullptr, nullptr);
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(server_port_);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      pairs.push_back({client, server});
      return;
    }
    close(client);
    close(server);
  }

  // False once the connection has ended.
  bool Move(const Pair& pair) {
    if (!MoveOneWay(pair.client, pair.server)) return false;
    if (lose_answer_ && HasInput(pair.server)) {
      lose_answer_ = false;
      return false;
    }
    return MoveOneWay(pair.server, pair.client);
  }

  static bool HasInput(int from) {
    pollfd descriptor{from, POLLIN, 0};
    return poll(&descriptor, 1, 0) > 0;
  }

  static bool MoveOneWay(int from, int to) {
    if (!HasInput(from)) return true;
    std::array<char, 65536> bytes;
    const ssize_t count = recv(from, bytes.data(), bytes.size(), 0);
    return count > 0 && send(to, bytes.data(), static_cast<size_t>(count), MSG_NOSIGNAL) == count;
  }

  static std::list<Pair>::iterator End(std::list<Pair>& pairs, std::list<Pair>::iterator pair) {
    close(pair->client);
    close(pair->server);
    return pairs.erase(pair);
  }

  const int server_port_;
  const int listener_;
  int port_ = 0;
  std::atomic<bool> done_ = false;
  std::atomic<bool> lose_answer_ = false;
  std::atomic<bool> swallow_ = false;
  std::thread thread_;
};

}  // namespace tradewind::store
