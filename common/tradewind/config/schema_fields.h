// What a Schema holds, for the sources that fill it. Private to this folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "tradewind/config/config.h"
#include "tradewind/config/field.h"

namespace tradewind::config {

struct SectionInfo {
  std::string name;
  std::string help;
};

struct SchemaFields {
  // In the order they were described, which --help and --print-config keep.
  std::vector<SectionInfo> sections;
  std::vector<std::unique_ptr<FieldBase>> fields;
  // Of several fields together.
  std::vector<std::function<absl::Status()>> checks;

  FieldBase* Find(std::string_view path) const;
  // Whether some field lies under `path`.
  bool IsSection(std::string_view path) const;
  // Dotted names of all fields, and of their sections.
  std::vector<std::string> Names() const;
  // Internal where two fields cannot be told apart, or one cannot be named in the environment.
  absl::Status Validate() const;
  // InvalidArgument, naming both, where two fields make the process listen at the same address.
  absl::Status CheckListeners() const;
};

// "setting 'x' <where> <problem>": the one line about a value that was refused.
absl::Status Refuse(const FieldBase& field, std::string_view where, const absl::Status& problem);
// "; did you mean 'x'?", or nothing.
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tradewind::config
