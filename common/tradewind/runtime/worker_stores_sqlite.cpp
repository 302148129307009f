#include "tradewind/runtime/worker_stores.h"

namespace tradewind::runtime {
namespace {

class SqliteMesh final : public StoreMesh {
 public:
  Mesh& mesh() override { return mesh_; }

 private:
  Mesh mesh_;
};

}  // namespace

std::unique_ptr<StoreMesh> MakeStoreMesh() { return std::make_unique<SqliteMesh>(); }

}  // namespace tradewind::runtime
