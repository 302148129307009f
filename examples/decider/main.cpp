// tradewind-gift_card: issues gift cards and takes payments off them.
#include <memory>

#include "gift_card_decider.h"
#include "gift_card_queries.h"

#include "tradewind/app/app.h"

int main(int argc, char** argv) {
  auto app = tradewind::App("gift_card", argc, argv);
  app.ListenOn("127.0.0.1:27001", "127.0.0.1:27002");
  app.Decide<gift_card::GiftCardDecider>();
  app.Serve<gift_card::v1::GiftCardService>([](const tradewind::App::Ports& ports) {
    return std::make_unique<gift_card::GiftCardQueries>(ports.reader, ports.pool);
  });
  return app.Run();
}
