/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accesses that end in a signal, with known values in r12 to r15 and the address in rdi:
 * what a tracer says of registers and callers can be compared.
 */
        .text

        .macro  strike name, instruction:vararg
        .globl  \name
        .type   \name, @function
\name:
        .cfi_startproc
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        movq    $0x1201, %r12
        movq    $0x1302, %r13
        movq    $0x1403, %r14
        movq    $0x1504, %r15
        \instruction
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        ret
        .cfi_endproc
        .size   \name, . - \name
        .endm

        strike  struck_read, movzbl (%rdi), %eax
        strike  struck_write, movb $1, (%rdi)
        strike  struck_call, call *%rdi

/* void struck_push(void *stack): the stack pointer goes there, and one word below it is written. Does not return. */
        .globl  struck_push
        .type   struck_push, @function
struck_push:
        .cfi_startproc
        movq    %rdi, %rsp
        .cfi_undefined rip
        pushq   %rdi
        ud2
        .cfi_endproc
        .size   struck_push, . - struck_push

        .section .note.GNU-stack, "", @progbits
