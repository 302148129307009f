#include "services/gateway/catalog.h"

#include <functional>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"

#include "services/gateway/rules_test.pb.h"

namespace tradewind::gateway {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kService = "tradewind.gateway.test.v1.GoodService";

void AddWithImports(const FileDescriptor& file, FileDescriptorSet& set) {
  for (const FileDescriptorProto& present : set.file()) {
    if (present.name() == file.name()) {
      return;
    }
  }
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddWithImports(*file.dependency(i), set);
  }
  file.CopyTo(set.add_file());
}

// The set that protoc would write for rules_test.proto, by way of bytes as it comes from a file.
FileDescriptorSet GoodSet() {
  FileDescriptorSet set;
  AddWithImports(*test::v1::MakeRequest::descriptor()->file(), set);
  FileDescriptorSet read;
  EXPECT_TRUE(read.ParseFromString(set.SerializeAsString()));
  return read;
}

FileDescriptorProto& TestFile(FileDescriptorSet& set) { return *set.mutable_file(set.file_size() - 1); }

DescriptorProto& MessageOf(FileDescriptorSet& set, const std::string& name) {
  for (DescriptorProto& message : *TestFile(set).mutable_message_type()) {
    if (message.name() == name) {
      return message;
    }
  }
  throw std::logic_error(name);
}

mesh::v1::FieldRule& RuleOfField(DescriptorProto& message, const std::string& name) {
  for (FieldDescriptorProto& field : *message.mutable_field()) {
    if (field.name() == name) {
      return *field.mutable_options()->MutableExtension(mesh::v1::field);
    }
  }
  throw std::logic_error(name);
}

std::unique_ptr<Catalog> BuildGood() {
  auto catalog = Catalog::Build(GoodSet(), {{kService, "somewhere:1"}});
  EXPECT_TRUE(catalog.ok()) << catalog.status();
  return catalog.ok() ? *std::move(catalog) : nullptr;
}

// What Build says of a set that `change` has spoilt.
std::string RefusalOf(const std::function<void(FileDescriptorSet&)>& change) {
  FileDescriptorSet set = GoodSet();
  change(set);
  const auto catalog = Catalog::Build(set, {{kService, "somewhere:1"}});
  EXPECT_FALSE(catalog.ok());
  EXPECT_EQ(catalog.status().code(), absl::StatusCode::kFailedPrecondition);
  return std::string(catalog.status().message());
}

TEST(Catalog, ReadsRoutesFromADescriptorSet) {
  const auto catalog = BuildGood();
  ASSERT_NE(catalog, nullptr);
  EXPECT_THAT(catalog->services(), ElementsAre(kService));
  EXPECT_THAT(catalog->CommandTopics(), ElementsAre("test.commands.v1"));
  const Method* watch = catalog->Find("/tradewind.gateway.test.v1.GoodService/Watch");
  ASSERT_NE(watch, nullptr);
  EXPECT_EQ(watch->route, mesh::v1::ROUTE_QUERY);
  EXPECT_TRUE(watch->server_streaming);
  EXPECT_EQ(watch->address, "somewhere:1");
  const Method* check = catalog->Find("/tradewind.gateway.test.v1.GoodService/Check");
  ASSERT_NE(check, nullptr);
  EXPECT_EQ(check->route, mesh::v1::ROUTE_DIRECT);
  EXPECT_EQ(catalog->Find("/tradewind.gateway.test.v1.GoodService/Nope"), nullptr);
}

TEST(Catalog, ReadsTheShapeOfACommand) {
  const auto catalog = BuildGood();
  ASSERT_NE(catalog, nullptr);
  const Method* make = catalog->Find("/tradewind.gateway.test.v1.GoodService/Make");
  ASSERT_NE(make, nullptr);
  EXPECT_EQ(make->route, mesh::v1::ROUTE_COMMAND);
  EXPECT_EQ(make->request_type, "tradewind.gateway.test.v1.MakeRequest");
  EXPECT_EQ(make->response_type, "tradewind.gateway.test.v1.Thing");
  EXPECT_EQ(make->command.topic, "test.commands.v1");
  EXPECT_EQ(make->command.key->name(), "id");
  EXPECT_TRUE(make->command.key_is_generated);
  EXPECT_EQ(make->command.request_id->name(), "request_id");
  ASSERT_EQ(make->command.hashed.size(), 1u);
  EXPECT_EQ(make->command.hashed[0]->name(), "password");
  EXPECT_EQ(make->command.response_id_number, 1);

  const Method* change = catalog->Find("/tradewind.gateway.test.v1.GoodService/Change");
  ASSERT_NE(change, nullptr);
  EXPECT_FALSE(change->command.key_is_generated);
  EXPECT_EQ(change->command.request_id, nullptr);
  EXPECT_EQ(change->command.response_id_number, 0);
}

TEST(Catalog, RefusesAServiceThatIsNotInTheSet) {
  const auto catalog = Catalog::Build(GoodSet(), {{"tradewind.no.Such", "x:1"}});
  ASSERT_FALSE(catalog.ok());
  EXPECT_THAT(std::string(catalog.status().message()), HasSubstr("gateway.services names tradewind.no.Such"));
}

TEST(Catalog, RefusesAFileThatIsNoDescriptorSet) {
  const auto missing = Catalog::Load("/nonexistent/descriptors.binpb", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("gateway.descriptors"));
  const auto wrong = Catalog::Load("/proc/self/exe", {});
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("not a descriptor set"));
}

TEST(Catalog, RefusesASetWithoutItsImports) {
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) { set.mutable_file()->DeleteSubrange(0, 1); }),
              HasSubstr("--include_imports"));
}

TEST(Catalog, RefusesAMethodWithoutARoute) {
  EXPECT_THAT(
      RefusalOf([](FileDescriptorSet& set) { TestFile(set).mutable_service(0)->mutable_method(2)->clear_options(); }),
      HasSubstr("GoodService.Watch has no route"));
}

TEST(Catalog, RefusesStreamedRequestsAndStreamedCommands) {
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) {
                TestFile(set).mutable_service(0)->mutable_method(2)->set_client_streaming(true);
              }),
              HasSubstr("GoodService.Watch"));
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) {
                TestFile(set).mutable_service(0)->mutable_method(0)->set_server_streaming(true);
              }),
              HasSubstr("GoodService.Make"));
}

TEST(Catalog, RefusesACommandWithoutTopicOrKey) {
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) { MessageOf(set, "MakeRequest").clear_options(); }),
              HasSubstr("MakeRequest has no (tradewind.mesh.v1.message) option"));
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) {
                MessageOf(set, "MakeRequest").mutable_options()->MutableExtension(mesh::v1::message)->set_key("nope");
              }),
              HasSubstr("the key 'nope'"));
  EXPECT_THAT(
      RefusalOf([](FileDescriptorSet& set) { RuleOfField(MessageOf(set, "ChangeRequest"), "id").set_required(false); }),
      HasSubstr("required or generated"));
}

TEST(Catalog, RefusesARequestIdThatCanBeGuessed) {
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) {
                RuleOfField(MessageOf(set, "MakeRequest"), "request_id").clear_format();
              }),
              HasSubstr("FORMAT_UUID"));
}

TEST(Catalog, RefusesAHashWhereItWouldNotBeMade) {
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) {
                RuleOfField(MessageOf(set, "GetRequest"), "id").set_sensitive(mesh::v1::SENSITIVE_HASH);
              }),
              HasSubstr("GetRequest.id: SENSITIVE_HASH"));
}

TEST(Catalog, KnowsWhatIsSealedAndWhatMayHaveToBeOpened) {
  const auto catalog = BuildGood();
  EXPECT_TRUE(catalog->NeedsKeys());
  const Method& seal = *catalog->Find("/tradewind.gateway.test.v1.GoodService/Seal");
  EXPECT_EQ(seal.command.subject->name(), "id");
  EXPECT_TRUE(seal.command.subject_is_created);
  EXPECT_EQ(seal.command.subject_kind, "test");
  const CommandShape& order = catalog->Find("/tradewind.gateway.test.v1.GoodService/Order")->command;
  EXPECT_EQ(order.subject->name(), "user_id");
  EXPECT_FALSE(order.subject_is_created);
  EXPECT_EQ(order.subject_kind, "user");
  EXPECT_TRUE(order.needs_keys());
  ASSERT_EQ(seal.command.sealed.size(), 2);
  EXPECT_EQ(seal.command.sealed[0]->name(), "email");
  ASSERT_EQ(seal.command.fingerprints.size(), 1);
  EXPECT_EQ(seal.command.fingerprints[0].of->name(), "email");
  ASSERT_EQ(seal.command.secrets.size(), 1);
  EXPECT_NE(seal.sealed_response, nullptr);
  EXPECT_EQ(catalog->Find("/tradewind.gateway.test.v1.GoodService/Make")->sealed_response, nullptr);
}

TEST(Catalog, RefusesSealedFieldsOfNobodyAndWhereTheyWouldStayClear) {
  const auto of_rule = [](FileDescriptorSet& set) -> mesh::v1::MessageRule& {
    return *MessageOf(set, "SealedRequest").mutable_options()->MutableExtension(mesh::v1::message);
  };
  EXPECT_THAT(RefusalOf([&](auto& set) { of_rule(set).clear_subject(); }),
              HasSubstr("SealedRequest has SENSITIVE_SEAL"));
  EXPECT_THAT(RefusalOf([&](auto& set) { of_rule(set).set_subject("nobody"); }), HasSubstr("'nobody'"));
  EXPECT_THAT(RefusalOf([&](auto& set) { of_rule(set).set_subject("email"); }), HasSubstr("required or generated"));
  EXPECT_THAT(RefusalOf([](auto& set) {
                RuleOfField(MessageOf(set, "GetRequest"), "id").set_sensitive(mesh::v1::SENSITIVE_SEAL);
              }),
              HasSubstr("GetRequest.id: SENSITIVE_SEAL"));
  EXPECT_THAT(RefusalOf([](auto& set) {
                RuleOfField(MessageOf(set, "SealedRequest"), "email_fingerprint").set_fingerprint_of("mail");
              }),
              HasSubstr("'mail'"));
  EXPECT_THAT(RefusalOf([](auto& set) { RuleOfField(MessageOf(set, "GetRequest"), "id").set_generated_secret(true); }),
              HasSubstr("GetRequest.id: fingerprint_of or generated_secret"));
}

TEST(Catalog, RefusesGeneratedFieldsThatAreNotTheKey) {
  EXPECT_THAT(
      RefusalOf([](FileDescriptorSet& set) { RuleOfField(MessageOf(set, "MakeRequest"), "name").set_generated(true); }),
      HasSubstr("MakeRequest.name: generated"));
  EXPECT_THAT(
      RefusalOf([](FileDescriptorSet& set) { RuleOfField(MessageOf(set, "GetRequest"), "id").set_generated(true); }),
      HasSubstr("GetRequest.id: generated"));
  EXPECT_THAT(RefusalOf([](FileDescriptorSet& set) {
                RuleOfField(MessageOf(set, "MakeRequest"), "name").set_generated_unless_given(true);
              }),
              HasSubstr("MakeRequest.name: generated"));
}

TEST(Catalog, FillsInAKeyThatAClientMayChoose) {
  FileDescriptorSet set = GoodSet();
  mesh::v1::FieldRule& rule = RuleOfField(MessageOf(set, "MakeRequest"), "id");
  rule.set_generated(false);
  rule.set_generated_unless_given(true);
  const auto catalog = Catalog::Build(set, {{kService, "somewhere:1"}});
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_TRUE((*catalog)->Find("/tradewind.gateway.test.v1.GoodService/Make")->command.key_is_generated);
}

TEST(Catalog, RefusesRulesThatMeanNothingForTheirField) {
  const auto with_rule = [](const std::function<void(mesh::v1::FieldRule&)>& set_rule) {
    return RefusalOf([&](FileDescriptorSet& set) { set_rule(RuleOfField(MessageOf(set, "MakeRequest"), "name")); });
  };
  EXPECT_THAT(with_rule([](mesh::v1::FieldRule& rule) { rule.set_minimum(1); }),
              HasSubstr("MakeRequest.name: minimum"));
  EXPECT_THAT(with_rule([](mesh::v1::FieldRule& rule) { rule.set_max_items(1); }), HasSubstr("max_items"));
  EXPECT_THAT(with_rule([](mesh::v1::FieldRule& rule) {
                rule.set_min_length(5);
                rule.set_max_length(4);
              }),
              HasSubstr("min_length is greater"));
}

}  // namespace
}  // namespace tradewind::gateway
