#include "tradewind/app/timestamp.h"

#include "google/protobuf/util/time_util.h"

namespace tradewind {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

google::protobuf::Timestamp Now(const runtime::Context& context) { return ToTimestamp(context.now()); }

}  // namespace tradewind
