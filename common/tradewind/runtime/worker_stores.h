// For tests of the worker that run over each kind of store: a mesh over the one that the test program was made for.
#pragma once

#include <memory>

#include "tradewind/runtime/worker_harness.h"

namespace tradewind::runtime {

class StoreMesh {
 public:
  virtual ~StoreMesh() = default;
  virtual Mesh& mesh() = 0;
};

std::unique_ptr<StoreMesh> MakeStoreMesh();

}  // namespace tradewind::runtime
