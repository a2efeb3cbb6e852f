/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The accesses themselves, in assembly: one known instruction in a function of a known name, which no compiler
 * inlines, clones, or gives a second memory access.
 */
        .text

        .globl  touch_read
        .type   touch_read, @function
touch_read:
        .cfi_startproc
        movzbl  (%rdi), %eax
        ret
        .cfi_endproc
        .size   touch_read, . - touch_read

        .globl  touch_write
        .type   touch_write, @function
touch_write:
        .cfi_startproc
        movb    $1, (%rdi)
        ret
        .cfi_endproc
        .size   touch_write, . - touch_write

        .globl  touch_call
        .type   touch_call, @function
touch_call:
        .cfi_startproc
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    *%rdi
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   touch_call, . - touch_call

/* long touch_syscall(long number, long a, long b, long c) */
        .globl  touch_syscall
        .type   touch_syscall, @function
touch_syscall:
        .cfi_startproc
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        syscall
        ret
        .cfi_endproc
        .size   touch_syscall, . - touch_syscall

        .section .note.GNU-stack, "", @progbits
