// One message at a time through bare librdkafka: produce, consume, produce, consume. What one call in flight cannot
// beat, whatever stands around Kafka. Prints one line of JSON.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"

#include "tests/bench/baseline/kafka.h"
#include "tests/bench/latencies.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string prefix = "round-trip.";
  double warm_up_s = 1;
  double seconds = 3;
  size_t bytes = 200;
  ProducerSettings producer;
};

void Produce(const Client& producer, const Topic& topic, const void* value, size_t size) {
  if (rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY, const_cast<void*>(value), size, nullptr, 0, nullptr) != 0) {
    Die(rd_kafka_err2str(rd_kafka_last_error()));
  }
  rd_kafka_poll(producer.get(), 0);
}

// Sends back what arrives on "there", until told to stop.
void Echo(const Options& options, const std::atomic<bool>& stop, std::atomic<bool>& ready) {
  const Client producer = NewProducer(options.producer, nullptr, nullptr);
  const Topic back = OpenTopic(producer, options.prefix + "back");
  const Client reader = NewTailReader(options.producer.brokers, options.prefix + "there", 0);
  ready = true;
  while (!stop) {
    const Message message(rd_kafka_consumer_poll(reader.get(), 100));
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) Produce(producer, back, message->payload, message->len);
  }
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Produce, consume, produce, consume: one message at a time.");
  app.add_option("--prefix", options.prefix);
  app.add_option("--warm-up", options.warm_up_s);
  app.add_option("--seconds", options.seconds);
  app.add_option("--bytes", options.bytes);
  app.add_option("--brokers", options.producer.brokers);
  app.add_option("--linger-ms", options.producer.linger_ms);
  app.add_option("--in-flight", options.producer.in_flight);
  CLI11_PARSE(app, argc, argv);

  const Client producer = NewProducer(options.producer, nullptr, nullptr);
  EnsureTopic(producer, options.prefix + "there", 1);
  EnsureTopic(producer, options.prefix + "back", 1);
  const Topic there = OpenTopic(producer, options.prefix + "there");
  const Client reader = NewTailReader(options.producer.brokers, options.prefix + "back", 0);
  std::atomic<bool> stop = false;
  std::atomic<bool> ready = false;
  std::thread echo([&] { Echo(options, stop, ready); });
  while (!ready) std::this_thread::yield();

  const std::string payload(options.bytes, 'x');
  Latencies latencies;
  const Clock::time_point begin = Clock::now();
  const auto measured_from = begin + std::chrono::duration<double>(options.warm_up_s);
  const auto end = measured_from + std::chrono::duration<double>(options.seconds);
  for (Clock::time_point sent = begin; sent < end; sent = Clock::now()) {
    Produce(producer, there, payload.data(), payload.size());
    Message message;
    while (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      message.reset(rd_kafka_consumer_poll(reader.get(), 1000));
      if (Clock::now() > end + std::chrono::seconds(10)) Die("no answer for 10 s");
    }
    if (sent >= measured_from) {
      latencies.Add(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - sent).count());
    }
  }
  stop = true;
  echo.join();

  nlohmann::json result{{"calls", latencies.size()}, {"rate", static_cast<double>(latencies.size()) / options.seconds}};
  latencies.Report(result);
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
