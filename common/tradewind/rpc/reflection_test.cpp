#include "tradewind/rpc/reflection.h"

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"

#include "tradewind/order/v1/order.pb.h"

namespace tradewind::rpc {
namespace {

using google::protobuf::DescriptorPool;

// A pool with one message and one extension that nothing generated knows.
void BuildOwnFile(DescriptorPool& pool) {
  google::protobuf::FileDescriptorProto descriptor;
  google::protobuf::DescriptorProto::descriptor()->file()->CopyTo(&descriptor);
  ASSERT_NE(pool.BuildFile(descriptor), nullptr);

  google::protobuf::FileDescriptorProto file;
  file.set_name("own/thing.proto");
  file.set_package("own");
  file.add_dependency(descriptor.name());
  file.add_message_type()->set_name("Thing");
  auto* extension = file.add_extension();
  extension->set_name("mark");
  extension->set_number(54321);
  extension->set_type(google::protobuf::FieldDescriptorProto::TYPE_STRING);
  extension->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
  extension->set_extendee(".google.protobuf.MessageOptions");
  ASSERT_NE(pool.BuildFile(file), nullptr);
}

TEST(ReflectionIndex, FindsFilesOfAGivenPool) {
  DescriptorPool pool;
  BuildOwnFile(pool);
  const ReflectionIndex index(&pool, {"own.Service"});
  EXPECT_THAT(index.services(), testing::ElementsAre("own.Service"));
  ASSERT_TRUE(index.File("own/thing.proto").ok());
  ASSERT_TRUE(index.FileOfSymbol("own.Thing").ok());
  EXPECT_EQ((*index.FileOfSymbol("own.Thing"))->pool(), &pool);
  ASSERT_TRUE(index.FileOfExtension("google.protobuf.MessageOptions", 54321).ok());
  EXPECT_EQ((*index.FileOfExtension("google.protobuf.MessageOptions", 54321))->name(), "own/thing.proto");
  ASSERT_TRUE(index.ExtensionNumbers("google.protobuf.MessageOptions").ok());
  EXPECT_THAT(*index.ExtensionNumbers("google.protobuf.MessageOptions"), testing::Contains(54321));
}

TEST(ReflectionIndex, FallsBackToWhatIsCompiledIn) {
  // The symbol is looked for after its file was linked, which naming the type ensures.
  const std::string order = order::v1::Order::descriptor()->full_name();
  DescriptorPool pool;
  BuildOwnFile(pool);
  const ReflectionIndex index(&pool, {});
  ASSERT_TRUE(index.FileOfSymbol(order).ok());
  EXPECT_EQ((*index.FileOfSymbol(order))->name(), "tradewind/order/v1/order.proto");
}

TEST(ReflectionIndex, NamesWhatItDoesNotKnow) {
  DescriptorPool pool;
  const ReflectionIndex index(&pool, {});
  EXPECT_EQ(index.File("no.proto").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(index.FileOfSymbol("no.Such").status().message(), "no symbol no.Such");
  EXPECT_EQ(index.FileOfExtension("google.protobuf.Any", 7).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(index.ExtensionNumbers("no.Such").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tradewind::rpc
