#include "tradewind/runtime/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

#include "tradewind/runtime/message_rule.h"

namespace tradewind::runtime {
namespace {

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

std::string Group::TopicOf(const google::protobuf::Descriptor* type) {
  auto route = RouteOf(type);
  if (route.ok()) return route->topic;
  status_.Update(route.status());
  return "";
}

void Group::AddHandler(const Handler& handler) {
  const std::string& type = handler.prototype->GetDescriptor()->full_name();
  const bool is_effect = handler.effect != nullptr;
  if (!handlers_.empty() && is_effect != runs_effects_) {
    status_.Update(absl::InvalidArgumentError(
        fmt::format("group '{}' has effects and other handlers; give the effects a group of their own", name_)));
  }
  runs_effects_ = is_effect;
  if (!handlers_.try_emplace(type, handler).second) {
    status_.Update(
        absl::InvalidArgumentError(fmt::format("group '{}' has two handlers for {}; keep one", name_, type)));
  }
}

std::string Group::AddInput(Handler handler) {
  auto route = RouteOf(handler.prototype->GetDescriptor());
  if (!route.ok()) {
    status_.Update(route.status());
    return "";
  }
  handler.key = route->key;
  AddHandler(handler);
  AddOnce(input_topics_, route->topic);
  AddOnce(input_types_, handler.prototype->GetDescriptor()->full_name());
  if (lead_topic_.empty()) lead_topic_ = route->topic;
  return route->topic;
}

void Group::Add(const Handler& handler) { AddInput(handler); }

void Group::AddCommand(Handler handler) {
  handler.is_command = true;
  AddOnce(command_topics_, AddInput(std::move(handler)));
}

void Group::AddEffect(const Handler& handler) { AddInput(handler); }

void Group::Rekey(std::string_view type, std::function<std::string(const google::protobuf::Message&)> key) {
  Handler* handler = FindToChange(type);
  if (handler == nullptr) {
    status_.Update(absl::InvalidArgumentError(fmt::format("group '{}' has no handler for {} to rekey", name_, type)));
    return;
  }
  handler->rekey = std::move(key);
  AddOnce(input_topics_, RekeyedTopic());
  AddOnce(output_topics_, RekeyedTopic());
}

void Group::AddTimer(const Handler& handler) { AddHandler(handler); }

void Group::AddOutput(const google::protobuf::Descriptor* event) {
  AddOnce(output_topics_, TopicOf(event));
  AddOnce(output_types_, event->full_name());
}

bool Group::is_command_topic(std::string_view topic) const {
  return std::find(command_topics_.begin(), command_topics_.end(), topic) != command_topics_.end();
}

const Handler* Group::Find(std::string_view type) const {
  const auto found = handlers_.find(type);
  return found == handlers_.end() ? nullptr : &found->second;
}

Handler* Group::FindToChange(std::string_view type) {
  const auto found = handlers_.find(type);
  return found == handlers_.end() ? nullptr : &found->second;
}

const Indexer* Group::FindIndexer(std::string_view kind) const {
  const auto found = indexers_.find(kind);
  return found == indexers_.end() ? nullptr : &found->second;
}

}  // namespace tradewind::runtime
