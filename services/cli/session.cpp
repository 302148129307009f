#include "services/cli/session.h"

#include <string_view>

#include "services/cli/text.h"

namespace tradewind::cli {

int Fail(const Session& session, const absl::Status& status, ExitCode code) {
  session.out.flush();
  // Whatever it echoes, of a record or of what a service says, neither steers the terminal nor hides a line.
  std::string_view rest(status.message().data(), status.message().size());
  session.err << "tradewind: ";
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    session.err << Printable(rest.substr(0, end)) << '\n';
    rest.remove_prefix(end + 1);
  }
  session.err << Printable(rest) << std::endl;
  return code;
}

}  // namespace tradewind::cli
