#include <stdexcept>
#include <string>
#include <utility>

#include "tradewind/runtime/worker_stores.h"
#include "tradewind/store/postgres_site.h"

namespace tradewind::runtime {
namespace {

class PostgresMesh final : public StoreMesh {
 public:
  Mesh& mesh() override { return mesh_; }

 private:
  std::unique_ptr<store::Store> Open() {
    auto store = store::OpenPostgresStore(store::TestServer::Config(), schema_.name());
    if (!store.ok()) throw std::runtime_error(std::string(store.status().message()));
    return *std::move(store);
  }

  store::TemporarySchema schema_;
  Mesh mesh_{Open()};
};

}  // namespace

std::unique_ptr<StoreMesh> MakeStoreMesh() { return std::make_unique<PostgresMesh>(); }

}  // namespace tradewind::runtime
