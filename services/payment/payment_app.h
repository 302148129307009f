// The payment service as a whole: what it handles, what it keeps and what it serves. For main and for tests of several
// services together.
#pragma once

namespace tradewind {
class App;
}

namespace tradewind::payment {

void Declare(App& app);

}  // namespace tradewind::payment
