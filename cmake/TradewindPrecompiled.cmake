# Headers of the libraries that most sources include, compiled once for all targets of this tree: about a third of a source's
# time. Headers of ours are not among them, so that a change to one compiles only what includes it. A source still
# includes what it uses itself: `tests/lint includes` and `tests/run separate` compile without these files.

# What a precompiled header and whoever uses it must agree on; the compiler refuses it otherwise.
function(_tradewind_precompiled_flags target)
  target_compile_options(${target} PRIVATE -pthread)
  target_compile_definitions(${target} PRIVATE "$<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The contents of a precompiled header are memory to the garbage collector too, which would begin at once.
    target_compile_options(${target} PRIVATE "SHELL:--param ggc-min-heapsize=524288")
  endif()
endfunction()

# A target that exists for its precompiled header; its one source is empty.
function(_tradewind_precompiled_header kind)
  cmake_parse_arguments(arg "" "" "HEADERS;DEPENDS" ${ARGN})
  set(target tradewind_precompiled_${kind})
  set(source "${CMAKE_BINARY_DIR}/precompiled/${kind}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "")
  add_library(${target} OBJECT "${source}")
  target_link_libraries(${target} PRIVATE ${arg_DEPENDS})
  _tradewind_defaults(${target})
  if(kind STREQUAL "test")
    _tradewind_unoptimized(${target})
  endif()
  _tradewind_precompiled_flags(${target})
  target_precompile_headers(${target} PRIVATE ${arg_HEADERS})
endfunction()

block()
set(headers
  <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <deque> <filesystem> <fstream> <functional> <map>
  <memory> <mutex> <optional> <set> <sstream> <string> <string_view> <thread> <unordered_map> <utility> <vector>
  <absl/status/statusor.h> <absl/time/clock.h> <absl/time/time.h> <absl/types/span.h> <fmt/format.h>
  <google/protobuf/descriptor.h> <google/protobuf/message.h> <google/protobuf/util/time_util.h>)
set(libraries absl::status absl::statusor absl::time absl::span fmt::fmt protobuf::libprotobuf)
_tradewind_precompiled_header(library HEADERS ${headers} DEPENDS ${libraries})
if(TRADEWIND_TESTS)
  _tradewind_precompiled_header(test HEADERS ${headers} <gtest/gtest.h> <gmock/gmock.h>
    DEPENDS ${libraries} GTest::gmock GTest::gtest)
endif()
endblock()
