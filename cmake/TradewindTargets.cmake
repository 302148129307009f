# One function per kind of target. Everything a target needs is said here or on the target, nothing globally. Used in the
# tree and, installed, by services outside of it: what a service's author calls is in TradewindService.cmake.

find_program(TRADEWIND_CCACHE ccache)
find_program(TRADEWIND_MOLD mold)

set(TRADEWIND_BIN_DIR "${CMAKE_BINARY_DIR}/bin")
set(TRADEWIND_PROTO_DIR "${CMAKE_BINARY_DIR}/proto")
set(TRADEWIND_SHARE_DIR "${CMAKE_BINARY_DIR}/share/tradewind")

# Outside the tree TradewindConfig.cmake has said where the protos lie. In it, a service may be a project of its own
# below this one, so the tree is where this file is, not PROJECT_SOURCE_DIR.
if(NOT DEFINED TRADEWIND_PROTO_IMPORTS)
  get_filename_component(TRADEWIND_TREE "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
  set(TRADEWIND_PROTO_IMPORTS "${TRADEWIND_TREE}/proto" "${TRADEWIND_TREE}/third_party/googleapis"
      "${TRADEWIND_TREE}/third_party/grpc" "${TRADEWIND_TREE}")
  set(TRADEWIND_PROTOS "${TRADEWIND_TREE}/proto")
endif()

# ccache refuses precompiled headers until it is told that their macros and times are taken care of. In depend mode it takes
# the list of headers from the compiler, which saves a run of the preprocessor for each source that is not in the cache.
set(TRADEWIND_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1
    "${TRADEWIND_CCACHE}")

# Language, warnings, sanitizers and build accelerators, the same for every target of ours.
function(_tradewind_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  if(TRADEWIND_TREE)
    target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${TRADEWIND_TREE}/common>"
                                                "$<BUILD_INTERFACE:${TRADEWIND_TREE}>" "$<INSTALL_INTERFACE:include>")
  endif()
  if(TRADEWIND_CCACHE)
    set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER "${TRADEWIND_LAUNCHER}")
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

# Lets the sources of `target` take the headers of the libraries that most of them include from a precompiled file, `kind` of
# TradewindPrecompiled.cmake. Nothing happens where that file was not included: outside the tree, and with TRADEWIND_PCH off.
function(_tradewind_precompiled target kind)
  if(TARGET tradewind_precompiled_${kind})
    _tradewind_precompiled_flags(${target})
    target_precompile_headers(${target} REUSE_FROM tradewind_precompiled_${kind})
  endif()
endfunction()

# Compiles the sources of a test of this tree without optimization, which halves the time that they take. What they test is
# optimized as ever. Outside the tree CMAKE_BUILD_TYPE alone decides.
function(_tradewind_unoptimized target)
  if(TRADEWIND_TREE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

function(_tradewind_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False alarms about std::string at -O3 (GCC bugs 105329 and 105651); those about bounds come where the headers are
    # precompiled. AddressSanitizer shows what the warnings would.
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  if(TRADEWIND_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# Puts a library into the package that `cmake --install` makes, where the folder's CMakeLists.txt, or one above it, sets
# TRADEWIND_INSTALL_LIBRARIES. `exported`: what follows tradewind:: in its name.
function(_tradewind_install_library target exported)
  if(TRADEWIND_INSTALL_LIBRARIES)
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${exported})
    install(TARGETS ${target} EXPORT TradewindExports ARCHIVE DESTINATION lib)
    set_property(GLOBAL APPEND PROPERTY TRADEWIND_INSTALLED ${target})
  endif()
endfunction()

# tradewind_library(<name> SOURCES ... [DEPENDS ...] [PRIVATE_DEPENDS ...] [TESTS_ONLY]): a module, linked as
# tradewind::<name>. TESTS_ONLY: for the tests of this tree, never installed.
function(tradewind_library name)
  cmake_parse_arguments(arg "TESTS_ONLY" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(target tradewind_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(tradewind::${name} ALIAS ${target})
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_PRIVATE_DEPENDS})
  _tradewind_defaults(${target})
  _tradewind_warnings(${target})
  _tradewind_precompiled(${target} library)
  if(NOT arg_TESTS_ONLY)
    _tradewind_install_library(${target} ${name})
  endif()
endfunction()

# tradewind_executable(<name> SOURCES ... [DEPENDS ...]): build/bin/<name>. Installed where TRADEWIND_INSTALL_EXECUTABLES
# is set.
function(tradewind_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${TRADEWIND_BIN_DIR}")
  _tradewind_defaults(${name})
  _tradewind_warnings(${name})
  _tradewind_precompiled(${name} library)
  if(TRADEWIND_INSTALL_EXECUTABLES)
    install(TARGETS ${name} RUNTIME DESTINATION bin)
    set_property(GLOBAL APPEND PROPERTY TRADEWIND_INSTALLED ${name})
  endif()
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
  _tradewind_unoptimized(${name})
  _tradewind_precompiled(${name} test)
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
      "TRADEWIND_TEST_POSTGRES_SERVER=${TRADEWIND_TREE}/deploy/postgres/server")
  endif()
endfunction()

# tradewind_test_objects(<name> SOURCES ... [DEPENDS ...]): tests that several programs have, compiled once. A program gets them
# by naming <name> among its DEPENDS; nothing is lost on the way, as tests would be from a library.
function(tradewind_test_objects name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT TRADEWIND_TESTS)
    return()
  endif()
  add_library(${name} OBJECT ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS} GTest::gmock GTest::gtest)
  _tradewind_defaults(${name})
  _tradewind_warnings(${name})
  _tradewind_unoptimized(${name})
  _tradewind_precompiled(${name} test)
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
  _tradewind_precompiled(${name} library)
endfunction()

# tradewind_proto_library(<name> ROOT <dir> PROTOS ... [DEPENDS ...] [GRPC | GRPC_PROTOS ...]): messages, linked as
# tradewind::proto_<name>, and with GRPC also the stubs, linked as tradewind::grpc_<name>; GRPC_PROTOS are those of the
# protos to make stubs of. Paths are relative to ROOT.
function(tradewind_proto_library name)
  cmake_parse_arguments(arg "GRPC" "ROOT" "PROTOS;GRPC_PROTOS;DEPENDS" ${ARGN})
  if(arg_GRPC)
    set(arg_GRPC_PROTOS ${arg_PROTOS})
  endif()
  set(roots ${TRADEWIND_PROTO_IMPORTS})
  if(NOT arg_ROOT IN_LIST roots)
    # First, since protoc names a file by the first of the roots that it lies below.
    list(PREPEND roots "${arg_ROOT}")
  endif()
  list(TRANSFORM roots PREPEND "-I" OUTPUT_VARIABLE imports)
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
    get_filename_component(folder "${proto}" DIRECTORY)
    set(outputs "${TRADEWIND_PROTO_DIR}/${stem}.pb.cc" "${TRADEWIND_PROTO_DIR}/${stem}.pb.h")
    list(APPEND sources "${TRADEWIND_PROTO_DIR}/${stem}.pb.cc")
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${CMAKE_COMMAND} -E make_directory "${TRADEWIND_PROTO_DIR}"
      COMMAND protobuf::protoc ${imports} "--cpp_out=${TRADEWIND_PROTO_DIR}" "${arg_ROOT}/${proto}"
      DEPENDS "${arg_ROOT}/${proto}"
      COMMENT "protoc ${proto}" VERBATIM)
    _tradewind_install_header("${stem}.pb.h" "${folder}")
    if(proto IN_LIST arg_GRPC_PROTOS AND TRADEWIND_GRPC)
      list(APPEND grpc_sources "${TRADEWIND_PROTO_DIR}/${stem}.grpc.pb.cc")
      add_custom_command(
        OUTPUT "${TRADEWIND_PROTO_DIR}/${stem}.grpc.pb.cc" "${TRADEWIND_PROTO_DIR}/${stem}.grpc.pb.h"
        COMMAND ${CMAKE_COMMAND} -E make_directory "${TRADEWIND_PROTO_DIR}"
        COMMAND protobuf::protoc ${imports} "--grpc_out=${TRADEWIND_PROTO_DIR}"
                "--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>" "${arg_ROOT}/${proto}"
        DEPENDS "${arg_ROOT}/${proto}"
        COMMENT "protoc --grpc_out ${proto}" VERBATIM)
      _tradewind_install_header("${stem}.grpc.pb.h" "${folder}")
    endif()
  endforeach()

  set(target tradewind_proto_${name})
  add_library(${target} STATIC ${sources})
  add_library(tradewind::proto_${name} ALIAS ${target})
  target_include_directories(${target} SYSTEM PUBLIC "$<BUILD_INTERFACE:${TRADEWIND_PROTO_DIR}>"
                                                     "$<INSTALL_INTERFACE:include/tradewind-protos>")
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} protobuf::libprotobuf)
  _tradewind_defaults(${target})
  _tradewind_precompiled(${target} library)
  _tradewind_install_library(${target} proto_${name})
  if(grpc_sources)
    set(grpc_target tradewind_grpc_${name})
    add_library(${grpc_target} STATIC ${grpc_sources})
    add_library(tradewind::grpc_${name} ALIAS ${grpc_target})
    target_link_libraries(${grpc_target} PUBLIC ${target} gRPC::grpc++)
    _tradewind_defaults(${grpc_target})
    _tradewind_precompiled(${grpc_target} library)
    _tradewind_install_library(${grpc_target} grpc_${name})
  endif()
endfunction()

# A generated header goes with its library, in a folder of its own: it may belong to somebody else's protos.
function(_tradewind_install_header header folder)
  if(TRADEWIND_INSTALL_LIBRARIES)
    install(FILES "${TRADEWIND_PROTO_DIR}/${header}" DESTINATION "include/tradewind-protos/${folder}")
  endif()
endfunction()
