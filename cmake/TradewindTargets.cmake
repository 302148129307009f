# One function per kind of target. Everything a target needs is said here or on the target, nothing globally.

find_program(TRADEWIND_CCACHE ccache)
find_program(TRADEWIND_MOLD mold)

set(TRADEWIND_BIN_DIR "${CMAKE_BINARY_DIR}/bin")
set(TRADEWIND_PROTO_DIR "${CMAKE_BINARY_DIR}/proto")

# Language, warnings, sanitizers and build accelerators, the same for every target of ours.
function(_tradewind_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/common" "${PROJECT_SOURCE_DIR}")
  if(TRADEWIND_CCACHE)
    set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER "${TRADEWIND_CCACHE}")
  endif()
  if(TRADEWIND_MOLD)
    target_link_options(${target} PRIVATE -fuse-ld=mold)
  endif()
  if(TRADEWIND_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${TRADEWIND_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${TRADEWIND_SANITIZE})
  endif()
endfunction()

function(_tradewind_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms about std::string at -O3 (GCC bug 105329).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(TRADEWIND_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# tradewind_library(<name> SOURCES ... [DEPENDS ...] [PRIVATE_DEPENDS ...]): a module, linked as tradewind::<name>.
function(tradewind_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(target tradewind_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(tradewind::${name} ALIAS ${target})
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  _tradewind_defaults(${target})
  _tradewind_warnings(${target})
endfunction()

# tradewind_executable(<name> SOURCES ... [DEPENDS ...]): build/bin/<name>.
function(tradewind_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${TRADEWIND_BIN_DIR}")
  _tradewind_defaults(${name})
  _tradewind_warnings(${name})
endfunction()

# tradewind_test(<name> KIND unit|component|integration SOURCES ... [DEPENDS ...] [TIMEOUT seconds] [POSTGRES]): a
# GoogleTest program run by ctest under the label KIND. Integration tests find a broker in TRADEWIND_TEST_KAFKA. With
# POSTGRES the program has a server to itself while it runs: its folder is in TRADEWIND_TEST_POSTGRES, and the script to
# stop and start it in TRADEWIND_TEST_POSTGRES_SERVER.
function(tradewind_test name)
  cmake_parse_arguments(arg "POSTGRES" "KIND;TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(NOT TRADEWIND_TESTS)
    return()
  endif()
  if(NOT arg_KIND MATCHES "^(unit|component|integration)$")
    message(FATAL_ERROR "tradewind_test(${name}): KIND is '${arg_KIND}', not unit, component or integration")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gmock GTest::gtest_main)
  _tradewind_defaults(${name})
  _tradewind_warnings(${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_KIND} TIMEOUT ${arg_TIMEOUT})
  if(arg_KIND STREQUAL "integration")
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED kafka
                         ENVIRONMENT "TRADEWIND_TEST_KAFKA=127.0.0.1:${TRADEWIND_TEST_KAFKA_PORT}")
  endif()
  if(arg_POSTGRES)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED postgres RESOURCE_LOCK postgres)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
      "TRADEWIND_TEST_POSTGRES=${CMAKE_BINARY_DIR}/test-postgres"
      "TRADEWIND_TEST_POSTGRES_SERVER=${PROJECT_SOURCE_DIR}/deploy/postgres/server")
  endif()
endfunction()

# tradewind_benchmark(<name> SOURCES ... [DEPENDS ...]): a program in build/bench/ that `tests/run bench` starts.
function(tradewind_benchmark name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT TRADEWIND_BENCHMARKS)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
  _tradewind_defaults(${name})
  _tradewind_warnings(${name})
endfunction()

# tradewind_proto_library(<name> ROOT <dir> PROTOS ... [DEPENDS ...] [GRPC]): messages, linked as
# tradewind::proto_<name>, and with GRPC also the stubs, linked as tradewind::grpc_<name>. Paths are relative to ROOT.
function(tradewind_proto_library name)
  cmake_parse_arguments(arg "GRPC" "ROOT" "PROTOS;DEPENDS" ${ARGN})
  set(imports "-I${PROJECT_SOURCE_DIR}/proto" "-I${PROJECT_SOURCE_DIR}/third_party/googleapis"
              "-I${PROJECT_SOURCE_DIR}/third_party/grpc" "-I${PROJECT_SOURCE_DIR}")
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    set(outputs "${TRADEWIND_PROTO_DIR}/${stem}.pb.cc" "${TRADEWIND_PROTO_DIR}/${stem}.pb.h")
    list(APPEND sources "${TRADEWIND_PROTO_DIR}/${stem}.pb.cc")
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${CMAKE_COMMAND} -E make_directory "${TRADEWIND_PROTO_DIR}"
      COMMAND protobuf::protoc ${imports} "--cpp_out=${TRADEWIND_PROTO_DIR}" "${arg_ROOT}/${proto}"
      DEPENDS "${arg_ROOT}/${proto}"
      COMMENT "protoc ${proto}" VERBATIM)
    if(arg_GRPC AND TRADEWIND_GRPC)
      list(APPEND grpc_sources "${TRADEWIND_PROTO_DIR}/${stem}.grpc.pb.cc")
      add_custom_command(
        OUTPUT "${TRADEWIND_PROTO_DIR}/${stem}.grpc.pb.cc" "${TRADEWIND_PROTO_DIR}/${stem}.grpc.pb.h"
        COMMAND ${CMAKE_COMMAND} -E make_directory "${TRADEWIND_PROTO_DIR}"
        COMMAND protobuf::protoc ${imports} "--grpc_out=${TRADEWIND_PROTO_DIR}"
                "--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>" "${arg_ROOT}/${proto}"
        DEPENDS "${arg_ROOT}/${proto}"
        COMMENT "protoc --grpc_out ${proto}" VERBATIM)
    endif()
  endforeach()

  set(target tradewind_proto_${name})
  add_library(${target} STATIC ${sources})
  add_library(tradewind::proto_${name} ALIAS ${target})
  target_include_directories(${target} SYSTEM PUBLIC "${TRADEWIND_PROTO_DIR}")
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} protobuf::libprotobuf)
  _tradewind_defaults(${target})
  if(grpc_sources)
    set(grpc_target tradewind_grpc_${name})
    add_library(${grpc_target} STATIC ${grpc_sources})
    add_library(tradewind::grpc_${name} ALIAS ${grpc_target})
    target_link_libraries(${grpc_target} PUBLIC ${target} gRPC::grpc++)
    _tradewind_defaults(${grpc_target})
  endif()
endfunction()
