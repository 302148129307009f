#include "services/cli/session.h"

#include <string>

namespace tradewind::cli {

int Fail(const Session& session, const absl::Status& status, ExitCode code) {
  session.out.flush();
  session.err << "tradewind: " << std::string(status.message()) << std::endl;
  return code;
}

}  // namespace tradewind::cli
