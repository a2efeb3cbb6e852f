/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions that a compiler would not write: their unwind data is the point. Each notes its caller through chain_slot
 * (notes.h) before anything else.
 */
        .text

        .macro  function name
        .globl  \name
        .type   \name, @function
\name:
        .cfi_startproc
        .endm

        .macro  finish name
        .cfi_endproc
        .size   \name, . - \name
        .endm

        .macro  note_caller
        movq    chain_slot(%rip), %rax
        movq    (%rsp), %r11
        movq    %r11, (%rax)
        .endm

/* No frame pointer: rbp is used for something else, and restored by the unwind data only. */
function via_pushes
        note_caller
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        subq    $208, %rsp
        .cfi_adjust_cfa_offset 208
        movq    $0x5a5a5a5a, %rbp
        call    *%rsi
        addq    $208, %rsp
        .cfi_adjust_cfa_offset -208
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        ret
finish via_pushes

/* CFA = *(rsp + 24) + 8: DW_CFA_def_cfa_expression of DW_OP_breg7 24, DW_OP_deref, DW_OP_plus_uconst 8. */
function via_expression
        note_caller
        movq    %rsp, %rax
        subq    $200, %rsp
        andq    $-64, %rsp
        movq    %rax, 24(%rsp)
        .cfi_escape 0x0f, 5, 0x77, 24, 0x06, 0x23, 8
        call    *%rsi
        movq    24(%rsp), %rsp
        .cfi_def_cfa rsp, 8
        ret
finish via_expression

/* Is not on the stack of what it jumps to. Nobody notes it. */
function via_tail_call
        jmp     *%rsi
finish via_tail_call

/*
 * The call is the last instruction: it returns to the first one of another function, whose unwind data is another, and
 * wrong until the stack pointer has been moved.
 */
function ends_with_call
        note_caller
        subq    $24, %rsp
        .cfi_adjust_cfa_offset 24
        call    *%rsi
finish ends_with_call
function behind_the_call
        addq    $24, %rsp
        ret
finish behind_the_call

function via_plt
        note_caller
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    lfind@PLT
.Lplt_return:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
finish via_plt

/*
 * via_lazy(function, room): calls it with so many bytes of stack left, the return address's 8 included, above a page
 * that is not there any more. The stack stays the same one, so that the callers are in the copied bytes.
 */
function via_lazy
        note_caller
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        movq    %rsp, %rbp
        .cfi_def_cfa_register rbp
        movq    %rdi, %r8
        leaq    -1024(%rsp), %rdi
        andq    $-4096, %rdi
        leaq    (%rdi,%rsi), %r9
        subq    $4096, %rdi
        movq    $4096, %rsi
        movl    $4, %edx /* MADV_DONTNEED */
        movl    $28, %eax /* madvise(2) */
        syscall
        leaq    4096 - 8(%rdi), %rax
        movq    %rax, lazy_fault(%rip)
        movq    %r9, %rsp
        call    *%r8
.Llazy_return:
        movq    %rbp, %rsp
        popq    %rbp
        .cfi_def_cfa rsp, 8
        .cfi_restore rbp
        ret
finish via_lazy

function push_twice
        pushq   $0
        .cfi_adjust_cfa_offset 8
        pushq   $0
        .cfi_adjust_cfa_offset 8
        addq    $16, %rsp
        .cfi_adjust_cfa_offset -16
        ret
finish push_twice

function via_vdso
        note_caller
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    clock_gettime@PLT
.Lvdso_return:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
finish via_vdso

/* read(2) */
function read_here
        note_caller
        xorl    %eax, %eax
        syscall
.Lread_return:
        ret
finish read_here

/*
 * tgkill(2) to this thread. The signal interrupts the first instruction of another function: an unwinder that looks one
 * byte before it finds unwind data that says something else, on purpose.
 */
function raise_here
        note_caller
        subq    $24, %rsp
        .cfi_adjust_cfa_offset 24
        movl    $234, %eax
        .cfi_adjust_cfa_offset 32
        syscall
finish raise_here
function interrupted
        .cfi_adjust_cfa_offset 24
        addq    $24, %rsp
        .cfi_adjust_cfa_offset -24
        ret
finish interrupted

/*
 * choose(page, path, levels): calls itself levels times, from one of two places, as the bits of path say, outermost
 * first. The smallest frames there are: a return address each.
 */
function choose
        subq    $1, %rdx
        js      2f
        shrq    $1, %rsi
        jc      1f
        call    choose
.Lchoose_left:
        ret
1:      call    choose
.Lchoose_right:
        ret
2:
.Lchoose_touch:
        movb    $1, (%rdi)
        ret
finish choose

/*
 * To be copied to where no file is: no unwind data, frame pointers. jit_outer(page, slot of jit_outer, slot of
 * jit_inner); they lie apart by as much as here.
 */
        .globl  jit_start, jit_outer, jit_inner, jit_touch, jit_end
jit_start:
jit_outer:
        movq    (%rsp), %rax
        movq    %rax, (%rsi)
        pushq   %rbp
        movq    %rsp, %rbp
        subq    $48, %rsp
        call    jit_inner
        leave
        ret
        .p2align 4
jit_inner:
        movq    (%rsp), %rax
        movq    %rax, (%rdx)
        pushq   %rbp
        movq    %rsp, %rbp
jit_touch:
        movb    $1, (%rdi)
        popq    %rbp
        ret
jit_end:

/* Where they return to, as pointers: symbols within a function would be taken for functions themselves. */
        .macro  pointer name
        .globl  \name
        .type   \name, @object
        .size   \name, 8
\name:
        .quad   .L\name
        .endm

#ifndef CHAINS_STATIC
/* Entries of the procedure linkage table that nobody else calls through. */
        .macro  entry name
        .globl  \name\()_entry
        .type   \name\()_entry, @function
\name\()_entry:
        leaq    \name@PLT(%rip), %rax
        ret
        .size   \name\()_entry, . - \name\()_entry
        .endm

        entry   getppid
        entry   getpgrp
#endif

        .section .data.rel.ro, "aw", @progbits
        .balign 8
        pointer plt_return
        pointer lazy_return
        pointer vdso_return
        pointer read_return
        pointer choose_left
        pointer choose_right
        pointer choose_touch

        .bss
        .balign 8
        .globl  lazy_fault
        .type   lazy_fault, @object
        .size   lazy_fault, 8
lazy_fault:
        .zero   8

        .section .note.GNU-stack, "", @progbits
