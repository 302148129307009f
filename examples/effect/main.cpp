// Writes "<order> <idempotency key> <attempt>" to the file MAILER_LOG for each order that was confirmed: stands for
// whatever sends a mail.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

#include "tradewind/app/app.h"
#include "tradewind/order/v1/events.pb.h"

int main(int argc, char** argv) {
  if (std::getenv("MAILER_LOG") == nullptr) return 2;
  std::ofstream log(std::getenv("MAILER_LOG"), std::ios::app);
  std::mutex mutex;
  auto app = tradewind::App("mailer", argc, argv);
  app.OnEffect<tradewind::order::v1::OrderConfirmed>([&](const auto& event, tradewind::EffectContext& context) {
    // As a mail server would.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::lock_guard lock(mutex);
    log << event.order_id() << ' ' << context.idempotency_key() << ' ' << context.attempt() << std::endl;
    return tradewind::Ack();
  });
  return app.Run();
}
