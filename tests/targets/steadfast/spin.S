/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* int steadfast_spin(uint64_t n): nothing but registers. */
        .set    MARK, 0x5a5a0000

        .macro  general action
        \action rax, 1
        \action rbx, 2
        \action rcx, 3
        \action rdx, 4
        \action rsi, 5
        \action rbp, 6
        \action r8, 7
        \action r9, 8
        \action r10, 9
        \action r11, 10
        \action r12, 11
        \action r13, 12
        \action r14, 13
        \action r15, 14
        .endm

        .macro  load register, number
        movq    $(MARK + \number), %\register
        .endm

        .macro  compare register, number
        cmpq    $(MARK + \number), %\register
        jne     1f
        .endm

        .macro  load_vector number
        movq    $(MARK + 32 + \number), %rax
        movq    %rax, %xmm\number
        .endm

        .macro  compare_vector number
        movq    %xmm\number, %rax
        cmpq    $(MARK + 32 + \number), %rax
        jne     1f
        .endm

        .text
        .globl  steadfast_spin
        .type   steadfast_spin, @function
steadfast_spin:
        .cfi_startproc
        .irp    register, rbx, rbp, r12, r13, r14, r15
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endr
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        load_vector \number
        .endr
        general load
0:      decq    %rdi
        jnz     0b
        general compare
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        compare_vector \number
        .endr
        xorl    %eax, %eax
        jmp     2f
1:      movl    $1, %eax
2:
        .irp    register, r15, r14, r13, r12, rbp, rbx
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endr
        ret
        .cfi_endproc
        .size   steadfast_spin, . - steadfast_spin

        .section .note.GNU-stack, "", @progbits
