// For tests of the worker that run over each kind of store: a mesh over the one that the test program was made for.
#pragma once

#include <memory>

#include "tradewind/runtime/worker_harness.h"

namespace tradewind::runtime {

// Keeps busy every connection that a store has for queries, until it goes.
class HeldReaders {
 public:
  virtual ~HeldReaders() = default;
  // Whether each is held now.
  virtual bool all_held() const = 0;
};

class StoreMesh {
 public:
  virtual ~StoreMesh() = default;
  virtual Mesh& mesh() = 0;
  // To be called before anything was read by store().reader(). Returns once all are held, or after ten seconds.
  virtual std::unique_ptr<HeldReaders> HoldReaders() = 0;
};

std::unique_ptr<StoreMesh> MakeStoreMesh();

}  // namespace tradewind::runtime
