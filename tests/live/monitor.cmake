# The monitor against the running kernel, with a test in the engine's place.
add_executable(monitor_link ${CMAKE_CURRENT_LIST_DIR}/monitor_link.c)
target_link_libraries(monitor_link PRIVATE monitor tracer link Threads::Threads PkgConfig::CMOCKA)
add_test(NAME live/monitor_link COMMAND monitor_link)
set_tests_properties(live/monitor_link PROPERTIES LABELS live SKIP_RETURN_CODE 77 TIMEOUT 120)

# The same authorization with system calls that fail; LeakSanitizer cannot work under strace, which is a tracer itself.
add_executable(live_denials ${CMAKE_CURRENT_LIST_DIR}/denials.c)
target_link_libraries(live_denials PRIVATE monitor)
add_test(NAME live/denials COMMAND live_denials)
set_tests_properties(live/denials PROPERTIES LABELS live SKIP_RETURN_CODE 77 TIMEOUT 60
        ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0")
