// Random histories of two sessions against a plain model in memory: what a commit answers, what is there afterwards,
// what the indexes list. A failure prints the shortest history found and the seed; RC_PARAMS="seed=..." runs it again.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tradewind/store/store_contract.h"

namespace tradewind::store {
namespace {

constexpr int kTasks = 3;
constexpr int kKeys = 5;
const std::array<std::string, 2> kKinds = {"order", "user"};

enum class Action { kTake, kLoad, kCommit, kList, kReopen };

// One step. Numbers are taken modulo whatever they choose from, so that every value is valid and shrinks well.
struct Step {
  Action action = Action::kTake;
  int session = 0;
  int choice = 0;
  // kCommit: keys to write, each with a value or, where negative, removed.
  std::vector<std::pair<int, int>> writes;
  bool flag = false;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  out << "\n  action " << static_cast<int>(step.action) << " session " << step.session << " choice " << step.choice
      << " flag " << step.flag << " writes";
  for (const auto& [key, value] : step.writes) out << " " << key << "=" << value;
  return out;
}

rc::Gen<Step> AnyStep() {
  const auto number = [](int bound) { return rc::gen::inRange(0, bound); };
  // Commits and loads are most of what happens.
  const auto action = rc::gen::weightedElement<Action>(
      {{3, Action::kTake}, {6, Action::kLoad}, {12, Action::kCommit}, {3, Action::kList}, {1, Action::kReopen}});
  const auto write = rc::gen::pair(number(2 * kKeys), rc::gen::inRange(-3, 12));
  return rc::gen::build<Step>(rc::gen::set(&Step::action, action), rc::gen::set(&Step::session, number(2)),
                              rc::gen::set(&Step::choice, number(64)),
                              rc::gen::set(&Step::writes, rc::gen::container<std::vector<std::pair<int, int>>>(write)),
                              rc::gen::set(&Step::flag, rc::gen::arbitrary<bool>()));
}

using Key = std::pair<std::string, std::string>;

Key KeyOf(int number) {
  return {kKinds[static_cast<size_t>(number) % 2], std::string(1, static_cast<char>(number / 2))};
}

std::string ValueOf(int number) { return "value " + std::to_string(number); }

// Where an aggregate with this value stands: a third of the values share a place.
std::vector<IndexEntry> EntriesOf(const std::string& value) {
  const int number = std::stoi(value.substr(6));
  return {{"by_third", std::to_string(number % 3), number / 6}, {"all", "", -number}};
}

struct ModelAggregate {
  uint64_t version = 0;
  std::string value;
};

struct ModelTask {
  uint64_t epoch = 0;
  uint64_t emit_sequence = 0;
  std::string progress;
  std::map<uint64_t, std::string> outbox;
};

struct Model {
  std::map<Key, ModelAggregate> aggregates;
  // The greatest version each key ever had.
  std::map<Key, uint64_t> greatest;
  std::map<int, ModelTask> tasks;
  std::set<std::string> requests;
};

// What one session remembers: as much as a worker would, and as stale.
struct View {
  std::unique_ptr<Session> session;
  std::map<Key, Aggregate> seen;
  std::map<int, TakenTask> held;
};

class History {
 public:
  explicit History(StoreSite& site) : site_(site) { Reopen(); }

  void Run(const Step& step) {
    View& view = views_[static_cast<size_t>(step.session)];
    switch (step.action) {
      case Action::kTake:
        return Take(view, step.choice % kTasks);
      case Action::kLoad:
        return Load(view);
      case Action::kCommit:
        return Commit(view, step);
      case Action::kList:
        return List(step);
      case Action::kReopen:
        return Reopen();
    }
  }

 private:
  static TaskId Id(int task) { return {"group", task}; }

  void Reopen() {
    for (View& view : views_) view = View();
    store_.reset();
    auto store = site_.Open();
    RC_ASSERT(store.ok());
    store_ = *std::move(store);
    for (View& view : views_) view.session = *store_->OpenSession();
  }

  void Take(View& view, int number) {
    ModelTask& task = model_.tasks[number];
    const auto taken = view.session->TakeTask(Id(number), 0);
    RC_ASSERT(taken.ok());
    RC_ASSERT(taken->epoch > task.epoch);
    RC_ASSERT(taken->emit_sequence == task.emit_sequence);
    RC_ASSERT(taken->progress == task.progress);
    std::map<uint64_t, std::string> outbox;
    for (const OutboxRow& row : taken->outbox) outbox[row.sequence] = row.batch;
    RC_ASSERT(outbox == task.outbox);
    task.epoch = taken->epoch;
    view.held[number] = *taken;
  }

  void Load(View& view) {
    std::vector<Key> keys;
    for (int number = 0; number < 2 * kKeys; ++number) keys.push_back(KeyOf(number));
    std::vector<AggregateKey> wanted;
    for (const Key& key : keys) wanted.push_back({key.first, key.second});
    const auto loaded = view.session->LoadAggregates(wanted);
    RC_ASSERT(loaded.ok());
    for (size_t i = 0; i < keys.size(); ++i) {
      const ModelAggregate& expected = model_.aggregates[keys[i]];
      RC_ASSERT((*loaded)[i].version == expected.version);
      RC_ASSERT((*loaded)[i].value == expected.value);
      const auto read = store_->reader().Get(keys[i].first, keys[i].second);
      RC_ASSERT(read.ok());
      RC_ASSERT(read->has_value() == (expected.version != 0));
      view.seen[keys[i]] = (*loaded)[i];
    }
  }

  void Commit(View& view, const Step& step) {
    // Kept alive for the views in the batch.
    std::map<Key, std::optional<std::string>> writes;
    for (const auto& [number, value] : step.writes) {
      writes[KeyOf(number)] = value < 0 ? std::nullopt : std::optional(ValueOf(value));
    }
    const std::string outbox = step.flag ? "events " + std::to_string(step.choice) : "";
    const std::string progress = "progress " + std::to_string(step.choice);
    const std::string request = std::to_string(step.choice);
    Batch batch;
    const int number = step.choice % kTasks;
    if (view.held.contains(number)) {
      batch.tasks.push_back(MakeTaskCommit(Id(number), view.held[number]));
      TaskCommit& task = batch.tasks.back();
      task.new_emit_sequence += static_cast<uint64_t>(step.choice % 2);
      task.progress = progress;
      task.outbox = outbox;
      task.outbox_acknowledged = step.choice % 4 == 0 ? task.expected_emit_sequence : 0;
    }
    for (const auto& [key, value] : writes) {
      const Aggregate& seen = view.seen[key];
      batch.aggregates.push_back(MakeWrite(key.first, key.second, seen.version, value));
      if (seen.version != 0) batch.aggregates.back().index_removed = EntriesOf(seen.value);
      if (value.has_value()) batch.aggregates.back().index_added = EntriesOf(*value);
    }
    if (step.choice % 5 == 0) batch.requests.push_back({{"caller", "method", request}, "hash", "reply"});
    const auto result = view.session->Commit(batch);
    RC_ASSERT(result.ok());
    Check(view, batch, *result, writes);
  }

  // What the commit had to answer, and what it had to leave behind.
  void Check(View& view, const Batch& batch, const CommitResult& result,
             const std::map<Key, std::optional<std::string>>& writes) {
    for (const TaskCommit& commit : batch.tasks) {
      const ModelTask& task = model_.tasks[commit.task.partition];
      if (task.epoch == commit.expected_epoch && task.emit_sequence == commit.expected_emit_sequence) continue;
      RC_ASSERT(result.kind == CommitResult::Kind::kFenced);
      RC_ASSERT(result.fenced_tasks == std::vector<size_t>{0});
      view.held.erase(commit.task.partition);
      return;
    }
    std::vector<size_t> conflicts;
    for (size_t i = 0; i < batch.aggregates.size(); ++i) {
      const Key key{batch.aggregates[i].kind, batch.aggregates[i].key};
      if (model_.aggregates[key].version != batch.aggregates[i].expected_version) conflicts.push_back(i);
    }
    std::vector<size_t> request_conflicts;
    if (!batch.requests.empty() && model_.requests.contains(std::string(batch.requests[0].key.request_id))) {
      request_conflicts.push_back(0);
    }
    RC_ASSERT(result.conflicting_aggregates == conflicts);
    RC_ASSERT(result.conflicting_requests == request_conflicts);
    if (!conflicts.empty() || !request_conflicts.empty()) {
      RC_ASSERT(result.kind == CommitResult::Kind::kConflict);
      return;
    }
    RC_ASSERT(result.kind == CommitResult::Kind::kCommitted);
    Apply(view, batch, result, writes);
  }

  void Apply(View& view, const Batch& batch, const CommitResult& result,
             const std::map<Key, std::optional<std::string>>& writes) {
    for (const TaskCommit& commit : batch.tasks) {
      ModelTask& task = model_.tasks[commit.task.partition];
      task.emit_sequence = commit.new_emit_sequence;
      task.progress = commit.progress;
      task.outbox.erase(task.outbox.begin(), task.outbox.upper_bound(commit.outbox_acknowledged));
      if (!commit.outbox.empty()) task.outbox[commit.new_emit_sequence] = commit.outbox;
      view.held[commit.task.partition].emit_sequence = commit.new_emit_sequence;
    }
    RC_ASSERT(result.versions.size() == writes.size());
    size_t i = 0;
    for (const auto& [key, value] : writes) {
      const uint64_t version = result.versions[i++];
      if (!value.has_value()) {
        RC_ASSERT(version == 0u);
      } else {
        RC_ASSERT(version > model_.greatest[key]);
      }
      model_.greatest[key] = std::max(model_.greatest[key], version);
      model_.aggregates[key] = {version, value.value_or("")};
      view.seen[key] = {version, value.value_or("")};
    }
    for (const RequestWrite& request : batch.requests) model_.requests.emplace(request.key.request_id);
  }

  void List(const Step& step) {
    const std::string& kind = kKinds[static_cast<size_t>(step.choice) % 2];
    const bool all = step.choice % 3 == 0;
    const std::string value = all ? "" : std::to_string(step.choice % 3);
    ListQuery query{.kind = kind, .index = all ? "all" : "by_third", .value = value, .descending = step.flag};
    query.limit = 1 + step.choice % 4;
    std::vector<std::pair<int64_t, std::string>> expected;
    for (const auto& [key, aggregate] : model_.aggregates) {
      if (key.first != kind || aggregate.version == 0) continue;
      for (const IndexEntry& entry : EntriesOf(aggregate.value)) {
        if (entry.index == query.index && entry.value == value) expected.emplace_back(entry.order, key.second);
      }
    }
    std::sort(expected.begin(), expected.end());
    if (query.descending) std::reverse(expected.begin(), expected.end());

    std::vector<std::pair<int64_t, std::string>> listed;
    while (true) {
      const auto page = store_->reader().List(query);
      RC_ASSERT(page.ok());
      RC_ASSERT(page->size() <= static_cast<size_t>(query.limit));
      if (page->empty()) break;
      for (const ListedAggregate& row : *page) {
        RC_ASSERT(row.value == (model_.aggregates[{kind, row.key}].value));
        listed.emplace_back(row.order, row.key);
      }
      query.after = ListQuery::After{page->back().order, page->back().key};
    }
    RC_ASSERT(listed == expected);
  }

  StoreSite& site_;
  Model model_;
  std::unique_ptr<Store> store_;
  std::array<View, 2> views_;
};

TEST_P(StoreContract, BehavesLikeAModelInMemory) {
  EXPECT_TRUE(rc::check([] {
    const auto steps = *rc::gen::container<std::vector<Step>>(AnyStep());
    const std::unique_ptr<StoreSite> site = StoreContract::GetParam()();
    History history(*site);
    for (const Step& step : steps) history.Run(step);
    // Whatever happened, all that is there afterwards is what the model has.
    history.Run({.action = Action::kLoad});
    for (int choice = 0; choice < 12; ++choice) history.Run({.action = Action::kList, .choice = choice});
    for (int task = 0; task < kTasks; ++task) history.Run({.action = Action::kTake, .choice = task});
  }));
}

}  // namespace
}  // namespace tradewind::store
