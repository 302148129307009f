// The shipping service as a whole: everything that it handles and serves, declared on an App. For its executable, and
// for whoever wants to run it in a process of theirs. Starts nothing.
#pragma once

#include "tradewind/app/app.h"

namespace tradewind::shipping {

// To be called once, before App::Run.
void Declare(App& app);

}  // namespace tradewind::shipping
