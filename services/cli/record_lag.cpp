#include "services/cli/record_lag.h"

#include <algorithm>
#include <set>

#include "tradewind/bus/partition_reader.h"
#include "tradewind/clock/steady_now.h"

namespace tradewind::cli {
namespace {

constexpr absl::Duration kPollTimeout = absl::Milliseconds(50);

}  // namespace

int64_t RecordsFrom(int64_t next, int64_t end, const LogPiece& piece) {
  const auto first = std::lower_bound(piece.offsets.begin(), piece.offsets.end(), next);
  const int64_t counted = piece.offsets.end() - first;
  return counted + std::max<int64_t>(0, end - std::max(next, piece.to));
}

absl::Status ReadPieces(const bus::KafkaConfig& kafka, std::map<Place, LogPiece>& pieces, absl::Duration patience) {
  const absl::Time deadline = clock::SteadyNow() + patience;
  std::vector<bus::Position> positions;
  std::map<Place, int64_t> open;
  for (auto& [place, piece] : pieces) {
    open.emplace(place, piece.to);
    positions.push_back({place.first, place.second, piece.from});
    piece.to = piece.from;
  }
  if (positions.empty()) {
    return absl::OkStatus();
  }
  const auto reader =
      bus::PartitionReader::Create(kafka, "tradewind-status", positions, bus::Isolation::kCommitted, bus::Ends::kTold);
  if (!reader.ok()) {
    return reader.status();
  }
  while (!open.empty() && clock::SteadyNow() < deadline) {
    const auto record = (*reader)->Poll(kPollTimeout);
    if (!record.ok()) {
      return record.status();
    }
    if (record->has_value()) {
      const Place place{std::string((*record)->topic()), (*record)->partition()};
      const auto wanted = open.find(place);
      if (wanted == open.end()) {
        continue;
      }
      LogPiece& piece = pieces.at(place);
      if ((*record)->offset() < wanted->second) {
        piece.offsets.push_back((*record)->offset());
      }
      piece.to = std::min((*record)->offset() + 1, wanted->second);
      if (piece.to == wanted->second || piece.offsets.size() >= kMaxCounted) {
        open.erase(wanted);
      }
    }
    for (const bus::Position& end : (*reader)->TakeReachedEnds()) {
      const auto wanted = open.find({end.topic, end.partition});
      if (wanted != open.end() && end.offset >= wanted->second) {
        pieces.at(wanted->first).to = wanted->second;
        open.erase(wanted);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace tradewind::cli
