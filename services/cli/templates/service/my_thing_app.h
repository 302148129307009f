// The service as a whole: what it handles and what it serves. For main, and for tests of several services together.
#pragma once

namespace tradewind {
class App;
}

namespace my_thing {

void Declare(tradewind::App& app);

}  // namespace my_thing
