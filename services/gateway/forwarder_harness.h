// Calls through a gateway service to a toy owner on loopback, over real gRPC; the log is a sink that takes nothing. For
// the tests of what happens at the front door.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"

#include "services/gateway/forwarder.h"
#include "services/gateway/gateway_service.h"
#include "services/gateway/rules_test.grpc.pb.h"
#include "tradewind/rpc/channel.h"
#include "tradewind/rpc/errors.h"
#include "tradewind/rpc/server.h"
#include "tradewind/rpc/work_pool.h"

namespace tradewind::gateway {

using test::v1::GetRequest;
using test::v1::GoodService;
using test::v1::Thing;

inline constexpr absl::Duration kPatience = absl::Seconds(30);
inline constexpr int kLongStream = 200;

class NoSink final : public bus::EventSink {
 public:
  absl::Status Produce(const bus::OutgoingRecord& record, uint64_t) override {
    absl::MutexLock lock(&mutex_);
    offered_.emplace_back(record.value);
    if (takes) return absl::OkStatus();
    return absl::ResourceExhaustedError("takes nothing");
  }
  int Poll(absl::Duration timeout, absl::FunctionRef<void(const bus::Delivery&)>) override {
    stop_.WaitForNotificationWithTimeout(timeout);
    return 0;
  }
  absl::Status Reset() override { return absl::OkStatus(); }

  // Returns the values of all records it was given. Any thread may call it while calls are under way.
  std::vector<std::string> offered() const {
    absl::MutexLock lock(&mutex_);
    return offered_;
  }
  // Set before the first call: it takes every record, and reports no delivery.
  bool takes = false;

 private:
  absl::Notification stop_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> offered_ ABSL_GUARDED_BY(mutex_);
};

// Answers by what it is asked for.
class Owner final : public GoodService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const GetRequest* request,
                                  Thing* response) override {
    auto* reactor = context->DefaultReactor();
    asked.push_back(request->SerializeAsString());
    const auto trace = context->client_metadata().find("traceparent");
    response->set_id(request->id());
    response->set_name(
        trace != context->client_metadata().end() ? std::string(trace->second.data(), trace->second.size()) : "");
    if (request->id() == "missing") {
      context->AddTrailingMetadata("x-said", "beside");
      reactor->Finish(missing);
    } else {
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }

  grpc::ServerWriteReactor<Thing>* Watch(grpc::CallbackServerContext*, const GetRequest* request) override {
    asked.push_back(request->SerializeAsString());
    return new Stream(*this, request->id());
  }

  const grpc::Status missing = rpc::ToGrpcStatus(errors::NotFound("thing", "missing"));
  absl::Notification cancelled;
  // The requests it got. Tests look once their call has ended.
  std::vector<std::string> asked;

 private:
  // "endless" writes one thing and then waits; others write kLongStream things and end.
  class Stream final : public grpc::ServerWriteReactor<Thing> {
   public:
    Stream(Owner& owner, std::string id) : owner_(owner), endless_(id == "endless") { Next(); }
    void OnWriteDone(bool ok) override {
      if (!ok) {
        Finish(grpc::Status::CANCELLED);
        return;
      }
      if (!endless_) {
        Next();
      }
    }
    void OnCancel() override {
      owner_.cancelled.Notify();
      if (endless_) {
        Finish(grpc::Status::CANCELLED);
      }
    }
    void OnDone() override { delete this; }

   private:
    void Next() {
      if (sent_ == kLongStream) {
        Finish(rpc::ToGrpcStatus(errors::NotFound("thing", "after all")));
        return;
      }
      thing_.set_id(std::to_string(sent_++));
      StartWrite(&thing_);
    }
    Owner& owner_;
    const bool endless_;
    int sent_ = 0;
    Thing thing_;
  };
};

inline google::protobuf::FileDescriptorSet TestSet() {
  google::protobuf::FileDescriptorSet set;
  const std::function<void(const google::protobuf::FileDescriptor&)> add =
      [&](const google::protobuf::FileDescriptor& file) {
        for (const auto& present : set.file()) {
          if (present.name() == file.name()) {
            return;
          }
        }
        for (int i = 0; i < file.dependency_count(); ++i) {
          add(*file.dependency(i));
        }
        file.CopyTo(set.add_file());
      };
  add(*Thing::descriptor()->file());
  return set;
}

class ForwarderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto owner = rpc::Server::Start({.address = "127.0.0.1:0"}, {.services = {&owner_}});
    ASSERT_TRUE(owner.ok()) << owner.status();
    owner_server_ = *std::move(owner);
    auto catalog = Catalog::Build(TestSet(), {{"tradewind.gateway.test.v1.GoodService", AddressOf(*owner_server_)}});
    ASSERT_TRUE(catalog.ok()) << catalog.status();
    catalog_ = *std::move(catalog);
    forwarder_ = std::make_unique<Forwarder>(*catalog_, absl::Seconds(20));
    service_ = std::make_unique<GatewayService>(*catalog_, *forwarder_, authenticator_);
    auto front = rpc::Server::Start({.address = "127.0.0.1:0"}, {.generic = service_.get(), .pool = &catalog_->pool()});
    ASSERT_TRUE(front.ok()) << front.status();
    front_ = *std::move(front);
    stub_ = GoodService::NewStub(rpc::MakeChannel(AddressOf(*front_)));
    context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kPatience));
  }

  static std::string AddressOf(const rpc::Server& server) { return "127.0.0.1:" + std::to_string(server.port()); }

  void Open() {
    auto sink = std::make_unique<NoSink>();
    sink_ = sink.get();
    link_.OpenOver(std::move(sink), {{"test.commands.v1", 3}});
    service_->Open(commands_);
  }

  static GetRequest Ask(const std::string& id) {
    GetRequest request;
    request.set_id(id);
    return request;
  }

  Owner owner_;
  std::unique_ptr<rpc::Server> owner_server_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Forwarder> forwarder_;
  seal::Keys keys_;
  UndecidedKeys undecided_keys_{keys_};
  commands::CommandLink link_{{.client_id = "test", .source = "/test", .max_pending = 4},
                              {},
                              telemetry::NewGauge("test_pending", "For tests."),
                              &undecided_keys_};
  NoSink* sink_ = nullptr;
  rpc::WorkPool hashers_{{.name = "test", .threads = 1, .max_waiting = 2}};
  CommandPath commands_{.timeout = absl::Seconds(10),
                        .max_timeout = absl::Seconds(10),
                        .key_timeout = absl::Seconds(10),
                        .link = link_,
                        .hashers = hashers_,
                        .keys = keys_,
                        .undecided_keys = undecided_keys_};
  Authenticator authenticator_{""};
  std::unique_ptr<GatewayService> service_;
  std::unique_ptr<rpc::Server> front_;
  std::unique_ptr<GoodService::Stub> stub_;
  grpc::ClientContext context_;
};

inline std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (details.ParseFromString(status.error_details()) && details.details_size() > 0) {
    details.details(0).UnpackTo(&info);
  }
  return info.reason();
}

}  // namespace tradewind::gateway
