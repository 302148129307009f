# What a service's author calls, the same inside the tree and, by find_package(Tradewind), outside of it.

# tradewind_service(<name> [MAIN <file>] [SOURCES ...] [TESTS ...] [EVENTS ...] [PROTOS ...] [LIBRARIES ...])
#
#   tradewind_service(wishlist SOURCES wishlist_decider.cpp TESTS wishlist_decider_test.cpp
#                     EVENTS order user PROTOS wishlist/v1/wishlist.proto)
#
# bin/tradewind-<name> of MAIN (main.cpp) and SOURCES, and <name>_test of SOURCES and TESTS, run by ctest.
#   EVENTS     the domains of Tradewind whose messages it reads or writes: order, inventory, payment, ...
#   PROTOS     its own, relative to proto/ beside the CMakeLists.txt. Stubs are made of those with a gRPC service. With
#              PROTOS there is a share/tradewind/<name>.binpb: all of Tradewind's messages and these, for the gateway
#              and the tools.
#   LIBRARIES  what else it links
function(tradewind_service name)
  cmake_parse_arguments(arg "" "MAIN" "SOURCES;TESTS;EVENTS;PROTOS;LIBRARIES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tradewind_service(${name}): '${arg_UNPARSED_ARGUMENTS}' comes before any of MAIN, SOURCES, "
                        "TESTS, EVENTS, PROTOS and LIBRARIES")
  endif()
  if(NOT arg_MAIN)
    set(arg_MAIN main.cpp)
  endif()
  set(parts tradewind::app ${arg_LIBRARIES})
  foreach(domain IN LISTS arg_EVENTS)
    if(NOT TARGET tradewind::proto_${domain})
      message(FATAL_ERROR "tradewind_service(${name}): EVENTS names '${domain}', which is no domain of Tradewind")
    endif()
    list(APPEND parts tradewind::proto_${domain})
  endforeach()
  if(arg_PROTOS)
    _tradewind_service_protos(${name} ${arg_PROTOS})
    list(APPEND parts tradewind::proto_${name})
    if(TARGET tradewind::grpc_${name})
      list(APPEND parts tradewind::grpc_${name})
    endif()
  endif()

  set(logic ${parts})
  if(arg_SOURCES)
    tradewind_library(${name}_service SOURCES ${arg_SOURCES} DEPENDS ${parts})
    set(logic tradewind::${name}_service)
  endif()
  tradewind_executable(tradewind-${name} SOURCES ${arg_MAIN} DEPENDS ${logic})
  if(TARGET ${name}_descriptors)
    add_dependencies(tradewind-${name} ${name}_descriptors)
  endif()
  if(arg_TESTS AND TRADEWIND_TESTS)
    find_package(GTest REQUIRED)
    tradewind_test(${name}_test KIND unit SOURCES ${arg_TESTS} DEPENDS ${logic} tradewind::testing tradewind::app_testing)
  endif()
endfunction()

# Messages, stubs and descriptor set of a service's own protos.
function(_tradewind_service_protos name)
  set(root "${CMAKE_CURRENT_SOURCE_DIR}/proto")
  set(with_service)
  foreach(proto IN LISTS ARGN)
    file(STRINGS "${root}/${proto}" services REGEX "^service ")
    if(services)
      list(APPEND with_service "${proto}")
    endif()
    # A service that is added to the file later brings its stubs.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${root}/${proto}")
  endforeach()
  tradewind_proto_library(${name} ROOT "${root}" PROTOS ${ARGN} GRPC_PROTOS ${with_service}
    DEPENDS tradewind::proto_mesh)

  set(set "${TRADEWIND_SHARE_DIR}/${name}.binpb")
  list(TRANSFORM TRADEWIND_PROTO_IMPORTS PREPEND "-I" OUTPUT_VARIABLE imports)
  file(GLOB_RECURSE all RELATIVE "${TRADEWIND_PROTOS}" CONFIGURE_DEPENDS "${TRADEWIND_PROTOS}/tradewind/*.proto")
  list(TRANSFORM all PREPEND "${TRADEWIND_PROTOS}/" OUTPUT_VARIABLE all_files)
  list(TRANSFORM ARGN PREPEND "${root}/" OUTPUT_VARIABLE own_files)
  add_custom_command(
    OUTPUT "${set}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${TRADEWIND_SHARE_DIR}"
    COMMAND protobuf::protoc ${imports} "-I${root}" --include_imports "--descriptor_set_out=${set}" ${all} ${ARGN}
    DEPENDS ${all_files} ${own_files}
    COMMENT "protoc ${name}.binpb" VERBATIM)
  add_custom_target(${name}_descriptors ALL DEPENDS "${set}")
endfunction()
