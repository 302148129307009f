// Posts what a WebhookRequested asks for and reports what came of it. An effect: at least once, in order for each
// endpoint, with the same webhook-id in every attempt.
#pragma once

#include <memory>

#include "services/notification/http_poster.h"
#include "services/notification/store_view.h"
#include "tradewind/app/app.h"
#include "tradewind/notification/v1/events.pb.h"
#include "tradewind/seal/keys.h"

namespace tradewind::notification {

// For App::OnEffect. Thread-safe.
class WebhookEffect {
 public:
  WebhookEffect(std::shared_ptr<const StoreView> store, std::shared_ptr<const seal::Keys> keys,
                std::shared_ptr<HttpPoster> poster)
      : store_(std::move(store)), keys_(std::move(keys)), poster_(std::move(poster)) {}

  // Emits ReportDeliveryRequest: delivered by any 2xx, gone by 410, refused where the endpoint is deleted, disabled or
  // at an address that must not be called, and where body or secret is damaged. Every other answer, and none, is a
  // Retry, and so is a key that is not there yet. Does nothing where what came of it is known already.
  Outcome operator()(const v1::WebhookRequested& requested, EffectContext& context) const;

 private:
  std::shared_ptr<const StoreView> store_;
  std::shared_ptr<const seal::Keys> keys_;
  std::shared_ptr<HttpPoster> poster_;
};

}  // namespace tradewind::notification
