# The exported Python generator targets of ROS's PyPI wheels name the include folders of the machine
# that built them, and CMake refuses targets whose folders do not exist. On an apt ROS every folder
# is there and this changes nothing.
foreach(package action_msgs builtin_interfaces diagnostic_msgs geometry_msgs sensor_msgs
    service_msgs std_msgs trajectory_msgs unique_identifier_msgs)
  find_package(${package} QUIET)
  set(target ${package}::${package}__rosidl_generator_py)
  if(NOT TARGET ${target})
    continue()
  endif()
  get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set(kept)
  foreach(directory IN LISTS directories)
    if(directory MATCHES "\\$<" OR EXISTS "${directory}")
      list(APPEND kept "${directory}")
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
endforeach()
