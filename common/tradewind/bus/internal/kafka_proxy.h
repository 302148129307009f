// Stands between clients and a broker and understands as much of the Kafka protocol as it takes to answer a Produce
// request in the broker's place. Test code only.
//
// The broker advertises the proxy's address, so that clients find nothing else: it listens on 127.0.0.1 and advertises
// 127.0.0.2, where the proxy listens on the same port.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace tradewind::bus {

// Error codes of the protocol (https://kafka.apache.org/protocol#protocol_error_codes).
inline constexpr int16_t kNotLeaderOrFollower = 6;
inline constexpr int16_t kNotEnoughReplicas = 19;

class KafkaProxy {
 public:
  // Listens at once; throws when it cannot.
  explicit KafkaProxy(int port);
  // Ends all connections.
  ~KafkaProxy();
  KafkaProxy(const KafkaProxy&) = delete;
  KafkaProxy& operator=(const KafkaProxy&) = delete;

  // Any thread. The next `count` Produce requests do not reach the broker and are answered with `error`.
  void RefuseProduce(int count, int16_t error);
  // The next `count` Produce requests reach the broker; their answers are lost, and the connection with them.
  void LoseProduceAnswers(int count) { lose_answers_ = count; }
  // Produce requests so far that were refused or lost their answer.
  int interfered() const { return interfered_; }

 private:
  void Run();
  void Serve(int client);

  const int port_;
  int listener_ = -1;
  std::atomic<bool> over_{false};
  std::atomic<int> refuse_{0};
  std::atomic<int16_t> error_{0};
  std::atomic<int> lose_answers_{0};
  std::atomic<int> interfered_{0};
  std::atomic<int> connections_{0};
  std::thread acceptor_;
};

}  // namespace tradewind::bus
