/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that does one thing and is gone: writes to each page of brief_bss. With STATIC it is all there is, without
 * it the C library starts it as main().
 */
        .text
        .globl  brief_touch
        .type   brief_touch, @function
brief_touch:
        movb    $1, (%rdi)
        ret
        .size   brief_touch, . - brief_touch

#ifdef STATIC
        .globl  _start
        .type   _start, @function
_start:
        call    touch_all
        movl    $231, %eax /* SYS_exit_group */
        xorl    %edi, %edi
        syscall
        .size   _start, . - _start
#else
        .globl  main
        .type   main, @function
main:
        call    touch_all
        xorl    %eax, %eax
        ret
        .size   main, . - main
#endif

        .type   touch_all, @function
touch_all:
        leaq    brief_bss(%rip), %rdi
        movl    $4, %ecx
1:      call    brief_touch
        addq    $4096, %rdi
        decl    %ecx
        jnz     1b
        ret
        .size   touch_all, . - touch_all

        .bss
        .balign 4096
        .globl  brief_bss
        .type   brief_bss, @object
brief_bss:
        .zero   4 * 4096
        .size   brief_bss, . - brief_bss

        .section .note.GNU-stack, "", @progbits
