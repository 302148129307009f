# What `cmake --install` makes beside the libraries and executables, which say so themselves: headers, protos,
# descriptors, and the package that find_package(Tradewind) finds. The same package lies in the build tree too, so that a
# service can be tried against a tree that was built and not installed. Included last, once every target is there.
include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/common/tradewind" DESTINATION include
  FILES_MATCHING PATTERN "*.h" PATTERN internal EXCLUDE)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/proto/tradewind" "${PROJECT_SOURCE_DIR}/third_party/googleapis/google"
  DESTINATION share/tradewind/proto FILES_MATCHING PATTERN "*.proto")
install(FILES "${TRADEWIND_SHARE_DIR}/descriptors.binpb" DESTINATION share/tradewind)

set(package lib/cmake/Tradewind)
set(functions "${PROJECT_SOURCE_DIR}/cmake/TradewindTargets.cmake" "${PROJECT_SOURCE_DIR}/cmake/TradewindService.cmake")

# Makes TradewindConfig.cmake in `folder`, which will lie as `package` under the prefix `prefix`.
function(tradewind_package_config folder prefix protos proto_root)
  set(TRADEWIND_PACKAGE_PROTOS "${protos}")
  set(TRADEWIND_PACKAGE_PROTO_ROOT "${proto_root}")
  configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/TradewindConfig.cmake.in" "${folder}/TradewindConfig.cmake"
    INSTALL_DESTINATION ${package} INSTALL_PREFIX "${prefix}"
    PATH_VARS TRADEWIND_PACKAGE_PROTOS TRADEWIND_PACKAGE_PROTO_ROOT NO_CHECK_REQUIRED_COMPONENTS_MACRO)
  write_basic_package_version_file("${folder}/TradewindConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
endfunction()

tradewind_package_config("${CMAKE_BINARY_DIR}/install/package" "${CMAKE_INSTALL_PREFIX}"
  share/tradewind/proto share/tradewind/proto)
install(FILES "${CMAKE_BINARY_DIR}/install/package/TradewindConfig.cmake"
              "${CMAKE_BINARY_DIR}/install/package/TradewindConfigVersion.cmake" ${functions}
        DESTINATION ${package})
install(EXPORT TradewindExports NAMESPACE tradewind:: DESTINATION ${package})

# In the build tree the protos lie where they lie in the source tree.
tradewind_package_config("${CMAKE_BINARY_DIR}/${package}" "${CMAKE_BINARY_DIR}"
  "${PROJECT_SOURCE_DIR}/proto;${PROJECT_SOURCE_DIR}/third_party/googleapis" "${PROJECT_SOURCE_DIR}/proto")
file(COPY ${functions} DESTINATION "${CMAKE_BINARY_DIR}/${package}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${functions})
export(EXPORT TradewindExports NAMESPACE tradewind:: FILE "${CMAKE_BINARY_DIR}/${package}/TradewindExports.cmake")

# Everything that is installed: `ninja -C build sdk`.
get_property(installed GLOBAL PROPERTY TRADEWIND_INSTALLED)
add_custom_target(sdk DEPENDS ${installed} tradewind_descriptors)
