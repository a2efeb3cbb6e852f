# The monitor against the running kernel, with a test in the engine's place.
add_library(monitor_support STATIC ${CMAKE_CURRENT_LIST_DIR}/monitor_support.c ${CMAKE_CURRENT_LIST_DIR}/monitor_targets.c)
target_link_libraries(monitor_support PUBLIC monitor tracer link Threads::Threads PkgConfig::CMOCKA)
foreach(part link files service hold exec follow stacks)
        add_executable(monitor_${part} ${CMAKE_CURRENT_LIST_DIR}/monitor_${part}.c)
        target_link_libraries(monitor_${part} PRIVATE monitor_support)
        add_test(NAME live/monitor_${part} COMMAND monitor_${part})
        set_tests_properties(live/monitor_${part} PROPERTIES LABELS live SKIP_RETURN_CODE 77 TIMEOUT 480)
endforeach()
target_link_libraries(monitor_stacks PRIVATE decode)

# Both ways to walk a stack, on the stacks of whatever programs are there.
add_executable(live_oracle ${CMAKE_CURRENT_LIST_DIR}/oracle.c ${CMAKE_CURRENT_LIST_DIR}/oracle_programs.c
        ${CMAKE_CURRENT_LIST_DIR}/oracle_images.c)
target_link_libraries(live_oracle PRIVATE monitor_support decode model)
add_test(NAME live/oracle COMMAND live_oracle)
set_tests_properties(live/oracle PROPERTIES LABELS live SKIP_RETURN_CODE 77 TIMEOUT 300 PROCESSORS 2)

# The same authorization with system calls that fail; LeakSanitizer cannot work under strace, which is a tracer itself.
add_executable(live_denials ${CMAKE_CURRENT_LIST_DIR}/denials.c)
target_link_libraries(live_denials PRIVATE monitor)
add_test(NAME live/denials COMMAND live_denials)
set_tests_properties(live/denials PROPERTIES LABELS live SKIP_RETURN_CODE 77 TIMEOUT 240
        ENVIRONMENT "ASAN_OPTIONS=detect_leaks=0")
