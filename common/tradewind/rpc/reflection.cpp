#include "tradewind/rpc/reflection.h"

#include <fmt/format.h>

#include <unordered_set>

#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/support/server_callback.h"

namespace tradewind::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

// The two versions of the protocol differ in their package alone.
struct V1 {
  using Service = grpc::reflection::v1::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  using Service = grpc::reflection::v1alpha::ServerReflection::CallbackService;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

// One stream of questions, answered one by one.
template <typename Version>
class ReflectionStream final : public grpc::ServerBidiReactor<typename Version::Request, typename Version::Response> {
 public:
  using Request = typename Version::Request;
  using Response = typename Version::Response;

  explicit ReflectionStream(const ReflectionIndex& index) : index_(index) { this->StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      this->Finish(grpc::Status::OK);
      return;
    }
    response_.Clear();
    Answer();
    response_.set_valid_host(request_.host());
    *response_.mutable_original_request() = request_;
    this->StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      this->Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client went away"));
      return;
    }
    this->StartRead(&request_);
  }

  void OnDone() override { delete this; }

 private:
  void Answer() {
    switch (request_.message_request_case()) {
      case Request::kFileByFilename:
        return AnswerFile(index_.File(request_.file_by_filename()));
      case Request::kFileContainingSymbol:
        return AnswerFile(index_.FileOfSymbol(request_.file_containing_symbol()));
      case Request::kFileContainingExtension:
        return AnswerFile(index_.FileOfExtension(request_.file_containing_extension().containing_type(),
                                                 request_.file_containing_extension().extension_number()));
      case Request::kAllExtensionNumbersOfType:
        return AnswerExtensionNumbers(request_.all_extension_numbers_of_type());
      case Request::kListServices:
        for (const std::string& name : index_.services()) {
          response_.mutable_list_services_response()->add_service()->set_name(name);
        }
        response_.mutable_list_services_response();
        return;
      case Request::MESSAGE_REQUEST_NOT_SET:
        return AnswerError(absl::InvalidArgumentError("the request asks for nothing"));
    }
    AnswerError(absl::UnimplementedError("the request asks for something unknown"));
  }

  void AnswerFile(absl::StatusOr<const FileDescriptor*> file) {
    if (!file.ok()) {
      return AnswerError(file.status());
    }
    // The file asked for is sent each time it is asked for; an import once a stream.
    sent_.erase(*file);
    AddFile(**file, *response_.mutable_file_descriptor_response());
  }

  template <typename FileResponse>
  void AddFile(const FileDescriptor& file, FileResponse& response) {
    if (!sent_.insert(&file).second) {
      return;
    }
    google::protobuf::FileDescriptorProto proto;
    file.CopyTo(&proto);
    proto.SerializeToString(response.add_file_descriptor_proto());
    for (int i = 0; i < file.dependency_count(); ++i) {
      AddFile(*file.dependency(i), response);
    }
  }

  void AnswerExtensionNumbers(const std::string& type) {
    const absl::StatusOr<std::vector<int>> numbers = index_.ExtensionNumbers(type);
    if (!numbers.ok()) {
      return AnswerError(numbers.status());
    }
    auto* response = response_.mutable_all_extension_numbers_response();
    response->set_base_type_name(type);
    response->mutable_extension_number()->Assign(numbers->begin(), numbers->end());
  }

  void AnswerError(const absl::Status& status) {
    auto* error = response_.mutable_error_response();
    error->set_error_code(static_cast<int>(status.code()));
    error->set_error_message(std::string(status.message()));
  }

  const ReflectionIndex& index_;
  Request request_;
  Response response_;
  std::unordered_set<const FileDescriptor*> sent_;
};

template <typename Version>
class ReflectionService final : public Version::Service {
 public:
  explicit ReflectionService(const ReflectionIndex& index) : index_(index) {}

  grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>* ServerReflectionInfo(
      grpc::CallbackServerContext* /*context*/) override {
    return new ReflectionStream<Version>(index_);
  }

 private:
  const ReflectionIndex& index_;
};

}  // namespace

ReflectionIndex::ReflectionIndex(const DescriptorPool* pool, std::vector<std::string> services)
    : services_(std::move(services)) {
  pools_.push_back(pool);
  if (pool != DescriptorPool::generated_pool()) {
    pools_.push_back(DescriptorPool::generated_pool());
  }
}

absl::StatusOr<const FileDescriptor*> ReflectionIndex::File(const std::string& name) const {
  for (const DescriptorPool* pool : pools_) {
    if (const FileDescriptor* file = pool->FindFileByName(name)) {
      return file;
    }
  }
  return absl::NotFoundError(fmt::format("no file {}", name));
}

absl::StatusOr<const FileDescriptor*> ReflectionIndex::FileOfSymbol(const std::string& symbol) const {
  for (const DescriptorPool* pool : pools_) {
    if (const FileDescriptor* file = pool->FindFileContainingSymbol(symbol)) {
      return file;
    }
  }
  return absl::NotFoundError(fmt::format("no symbol {}", symbol));
}

absl::StatusOr<const FileDescriptor*> ReflectionIndex::FileOfExtension(const std::string& type, int number) const {
  for (const DescriptorPool* pool : pools_) {
    if (const google::protobuf::Descriptor* message = pool->FindMessageTypeByName(type)) {
      if (const google::protobuf::FieldDescriptor* extension = pool->FindExtensionByNumber(message, number)) {
        return extension->file();
      }
    }
  }
  return absl::NotFoundError(fmt::format("no extension {} of {}", number, type));
}

absl::StatusOr<std::vector<int>> ReflectionIndex::ExtensionNumbers(const std::string& type) const {
  for (const DescriptorPool* pool : pools_) {
    if (const google::protobuf::Descriptor* message = pool->FindMessageTypeByName(type)) {
      std::vector<const google::protobuf::FieldDescriptor*> extensions;
      pool->FindAllExtensions(message, &extensions);
      std::vector<int> numbers;
      numbers.reserve(extensions.size());
      for (const google::protobuf::FieldDescriptor* extension : extensions) {
        numbers.push_back(extension->number());
      }
      return numbers;
    }
  }
  return absl::NotFoundError(fmt::format("no message type {}", type));
}

std::vector<std::unique_ptr<grpc::Service>> MakeReflectionServices(const ReflectionIndex& index) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<ReflectionService<V1Alpha>>(index));
  services.push_back(std::make_unique<ReflectionService<V1>>(index));
  return services;
}

}  // namespace tradewind::rpc
