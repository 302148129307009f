#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "tradewind/config/nearest.h"
#include "tradewind/config/schema_fields.h"
#include "tradewind/net/host_port.h"

namespace tradewind::config {
namespace {

template <net::Use use>
absl::Status CheckListener(const std::string& address) {
  return address.empty() ? absl::OkStatus() : net::CheckHostPort(address, use);
}

absl::Status CheckTarget(const std::string& target) {
  for (const std::string_view scheme : {"dns:", "ipv4:", "ipv6:", "unix:", "xds:"}) {
    if (target.starts_with(scheme)) return absl::OkStatus();
  }
  return target.empty() ? absl::OkStatus() : net::CheckHostPort(target, net::Use::kReach);
}

absl::Status CheckTargets(const TextMap& targets) {
  for (const auto& [name, target] : targets) {
    if (absl::Status checked = CheckTarget(target); !checked.ok()) {
      return absl::InvalidArgumentError(fmt::format("gives for '{}' what {}", name, std::string(checked.message())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBrokers(const std::string& brokers) {
  std::string_view rest = brokers;
  while (!rest.empty()) {
    std::string_view broker = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), broker.size() + 1));
    const std::size_t protocol = broker.find("://");
    if (protocol != std::string_view::npos) broker.remove_prefix(protocol + 3);
    while (broker.starts_with(' ')) broker.remove_prefix(1);
    while (broker.ends_with(' ')) broker.remove_suffix(1);
    // An IPv6 address has colons without a port as well.
    const bool has_port = broker.rfind(':') != std::string_view::npos && !broker.ends_with("]");
    const std::string full = has_port ? std::string(broker) : fmt::format("{}:9092", broker);
    if (absl::Status checked = net::CheckHostPort(full, net::Use::kReach); !checked.ok()) {
      return absl::InvalidArgumentError(fmt::format("names a broker that {}", std::string(checked.message())));
    }
  }
  return absl::OkStatus();
}

std::string Join(std::string_view prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : fmt::format("{}.{}", prefix, name);
}

// Words of lower-case letters, digits and underscores, joined by dots.
bool IsPath(std::string_view path) {
  char before = '.';
  for (char c : path) {
    bool starts_word = before == '.';
    if (c == '.' ? starts_word : !((c >= 'a' && c <= 'z') || (!starts_word && (c == '_' || (c >= '0' && c <= '9'))))) {
      return false;
    }
    before = c;
  }
  return before != '.';
}

}  // namespace

std::string FieldBase::variable() const {
  std::string name = "TRADEWIND_";
  for (char c : path_) name += c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  return name;
}

FieldBase* SchemaFields::Find(std::string_view path) const {
  auto found = std::find_if(fields.begin(), fields.end(), [path](const auto& field) { return field->path() == path; });
  return found == fields.end() ? nullptr : found->get();
}

bool SchemaFields::IsSection(std::string_view path) const {
  std::string prefix = std::string(path) + ".";
  return std::any_of(fields.begin(), fields.end(),
                     [&prefix](const auto& field) { return field->path().starts_with(prefix); });
}

std::vector<std::string> SchemaFields::Names() const {
  std::vector<std::string> names;
  for (const auto& field : fields) names.push_back(field->path());
  for (const SectionInfo& section : sections) {
    if (!section.name.empty()) names.push_back(section.name);
  }
  return names;
}

absl::Status SchemaFields::Validate() const {
  std::set<std::string> variables = {"TRADEWIND_CONFIG"};
  for (const auto& field : fields) {
    if (!IsPath(field->path())) {
      return absl::InternalError(
          fmt::format("setting '{}' is badly named: use lower-case words, digits and underscores", field->path()));
    }
    if (IsSection(field->path())) {
      return absl::InternalError(fmt::format("setting '{}' is described as a section as well", field->path()));
    }
    if (!variables.insert(field->variable()).second) {
      return absl::InternalError(
          fmt::format("setting '{}' is described twice, or shares {} with another", field->path(), field->variable()));
    }
  }
  return absl::OkStatus();
}

absl::Status Refuse(const FieldBase& field, std::string_view where, const absl::Status& problem) {
  return absl::InvalidArgumentError(
      fmt::format("setting '{}' {} {}", field.path(), where, std::string(problem.message())));
}

std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates) {
  auto nearest = NearestSetting(name, candidates);
  return nearest ? fmt::format("; did you mean '{}'?", *nearest) : "";
}

absl::Status SchemaFields::CheckListeners() const {
  std::vector<std::pair<const FieldBase*, net::HostPort>> seen;
  for (const auto& field : fields) {
    const auto place = net::ParseHostPort(field->listening_address());
    if (!place.has_value()) continue;
    for (const auto& [other, taken] : seen) {
      if (!net::Collide(taken, *place)) continue;
      return absl::InvalidArgumentError(fmt::format(
          "setting '{}' is '{}', and setting '{}' is '{}': one process cannot listen there twice; give one of "
          "them another port",
          field->path(), field->listening_address(), other->path(), other->listening_address()));
    }
    seen.emplace_back(field.get(), *place);
  }
  return absl::OkStatus();
}

Schema::Schema() : fields_(std::make_unique<SchemaFields>()) {}

Schema::~Schema() = default;

SchemaSection Schema::Section(std::string_view name, std::string_view help) {
  auto same = [name](const SectionInfo& section) { return section.name == name; };
  if (std::none_of(fields_->sections.begin(), fields_->sections.end(), same)) {
    fields_->sections.push_back({std::string(name), std::string(help)});
  }
  return SchemaSection(this, std::string(name));
}

void Schema::Check(std::function<absl::Status()> check) { fields_->checks.push_back(std::move(check)); }

SchemaSection::SchemaSection(Schema* schema, std::string prefix) : schema_(schema), prefix_(std::move(prefix)) {}

template <typename T>
FieldHandle<T> SchemaSection::Field(std::string_view name, T* target, std::string_view help) {
  auto field = std::make_unique<TypedField<T>>(Join(prefix_, name), std::string(help), target);
  FieldHandle<T> handle(field.get());
  schema_->fields_->fields.push_back(std::move(field));
  return handle;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::Min(T minimum) requires Ordered<T> {
  static_cast<TypedField<T>*>(field_)->set_minimum(std::move(minimum));
  return *this;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::Max(T maximum) requires Ordered<T> {
  static_cast<TypedField<T>*>(field_)->set_maximum(std::move(maximum));
  return *this;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::OneOf(std::vector<std::string> values) requires Listable<T> {
  static_cast<TypedField<T>*>(field_)->set_one_of(std::move(values));
  return *this;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::NotEmpty() requires MayBeEmpty<T> {
  static_cast<TypedField<T>*>(field_)->set_not_empty();
  return *this;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::ListensOn(net::Use use) requires std::same_as<T, std::string> {
  // clang 14 instantiates members of the explicit instantiations below whose constraints do not hold.
  if constexpr (std::is_same_v<T, std::string>) {
    auto* const field = static_cast<TypedField<T>*>(field_);
    field->set_listens();
    field->set_check(use == net::Use::kListenOnIpv4 ? &CheckListener<net::Use::kListenOnIpv4>
                                                    : &CheckListener<net::Use::kListen>);
  }
  return *this;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::Reaches() requires Addressable<T> {
  if constexpr (std::is_same_v<T, TextMap>) {
    static_cast<TypedField<T>*>(field_)->set_check(&CheckTargets);
  } else if constexpr (std::is_same_v<T, std::string>) {
    static_cast<TypedField<T>*>(field_)->set_check(&CheckTarget);
  }
  return *this;
}

template <typename T>
FieldHandle<T>& FieldHandle<T>::ReachesBrokers() requires std::same_as<T, std::string> {
  if constexpr (std::is_same_v<T, std::string>) static_cast<TypedField<T>*>(field_)->set_check(&CheckBrokers);
  return *this;
}

template FieldHandle<bool> SchemaSection::Field(std::string_view, bool*, std::string_view);
template FieldHandle<int32_t> SchemaSection::Field(std::string_view, int32_t*, std::string_view);
template FieldHandle<int64_t> SchemaSection::Field(std::string_view, int64_t*, std::string_view);
template FieldHandle<double> SchemaSection::Field(std::string_view, double*, std::string_view);
template FieldHandle<std::string> SchemaSection::Field(std::string_view, std::string*, std::string_view);
template FieldHandle<absl::Duration> SchemaSection::Field(std::string_view, absl::Duration*, std::string_view);
template FieldHandle<ByteSize> SchemaSection::Field(std::string_view, ByteSize*, std::string_view);
template FieldHandle<Secret> SchemaSection::Field(std::string_view, Secret*, std::string_view);
template FieldHandle<TextList> SchemaSection::Field(std::string_view, TextList*, std::string_view);
template FieldHandle<TextMap> SchemaSection::Field(std::string_view, TextMap*, std::string_view);

template class FieldHandle<bool>;
template class FieldHandle<int32_t>;
template class FieldHandle<int64_t>;
template class FieldHandle<double>;
template class FieldHandle<std::string>;
template class FieldHandle<absl::Duration>;
template class FieldHandle<ByteSize>;
template class FieldHandle<Secret>;
template class FieldHandle<TextList>;
template class FieldHandle<TextMap>;

}  // namespace tradewind::config
