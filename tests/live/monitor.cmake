# The monitor against the running kernel, with a test in the engine's place.
add_executable(monitor_link ${CMAKE_CURRENT_LIST_DIR}/monitor_link.c)
target_link_libraries(monitor_link PRIVATE monitor tracer link Threads::Threads PkgConfig::CMOCKA)
add_test(NAME live/monitor_link COMMAND monitor_link)
set_tests_properties(live/monitor_link PROPERTIES LABELS live SKIP_RETURN_CODE 77 TIMEOUT 120)
