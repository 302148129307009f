// What holds for a whole process of the mesh from the first line of main on.
#pragma once

namespace tradewind {

// Turns off abseil's search for deadlocks in optimised builds. Debian builds abseil without NDEBUG, so that every Mutex
// of the process, gRPC's included, otherwise keeps a graph of lock orders under one global lock. Other builds keep it.
void SetUpProcess();

}  // namespace tradewind
