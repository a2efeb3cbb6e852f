/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A 32-bit program without a C library: announces its faults, waits, writes to every page of an area that the linker
 * put at a fixed address, waits. With an argument it then writes to a field of a null pointer, and dies of it.
 */
        .set    SYS_exit, 1
        .set    SYS_read, 3
        .set    SYS_write, 4
        .set    SYS_getpid, 20
        .set    AREA_PAGES, 16
        .set    PAGE_BYTES, 4096
        .set    FIELD_OFFSET, 0x18

        .macro  put text, n_bytes
        movl    $SYS_write, %eax
        movl    $1, %ebx
        movl    \text, %ecx
        movl    \n_bytes, %edx
        int     $0x80
        .endm

        .text
        .globl  _start
        .type   _start, @function
_start:
        movl    (%esp), %ebp            /* argc */
        subl    $64, %esp
        put     $expectation, $(expectation_end - expectation)
        movl    $SYS_getpid, %eax
        int     $0x80
        leal    32(%esp), %edi          /* "PID\n", from its end */
        movb    $'\n', (%edi)
        movl    $10, %esi
0:      xorl    %edx, %edx
        divl    %esi
        addb    $'0', %dl
        decl    %edi
        movb    %dl, (%edi)
        testl   %eax, %eax
        jnz     0b
        put     $ready, $(ready_end - ready)
        leal    33(%esp), %edx
        subl    %edi, %edx
        put     %edi, %edx
        call    wait_byte
        call    touch_area
        put     $done, $(done_end - done)
        call    wait_byte
        cmpl    $1, %ebp
        je      1f
        call    touch_null
1:      movl    $SYS_exit, %eax
        xorl    %ebx, %ebx
        int     $0x80
        .size   _start, . - _start

        .type   wait_byte, @function
wait_byte:
        movl    $SYS_read, %eax
        xorl    %ebx, %ebx
        leal    4(%esp), %ecx
        movl    $1, %edx
        int     $0x80
        ret
        .size   wait_byte, . - wait_byte

        .globl  touch_area
        .type   touch_area, @function
touch_area:
        movl    $area, %eax
        movl    $AREA_PAGES, %ecx
0:      movb    $1, (%eax)
        addl    $PAGE_BYTES, %eax
        decl    %ecx
        jnz     0b
        ret
        .size   touch_area, . - touch_area

        .globl  touch_null
        .type   touch_null, @function
touch_null:
        xorl    %eax, %eax
        movl    $0x3201, %esi
        movb    $1, FIELD_OFFSET(%eax)
        ret
        .size   touch_null, . - touch_null

/* In the page of the code, which is there when the program waits. */
expectation:
        .ascii  "{\"addr\":\"0x20000000\",\"n\":16,\"stride\":4096,\"cause\":\"zero-fill\",\"access\":\"write\","
        .ascii  "\"mode\":\"user\",\"outcome\":\"minor\",\"page_size\":4096,\"code\":\"touch_area\"}\n"
expectation_end:
ready:  .ascii  "ready "
ready_end:
done:   .ascii  "done\n"
done_end:

        .section .area, "aw", @nobits
        .balign PAGE_BYTES
area:   .skip   AREA_PAGES * PAGE_BYTES

        .section .note.GNU-stack, "", @progbits
