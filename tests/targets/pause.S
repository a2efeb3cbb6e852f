/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The smallest program there is: pause(2) and nothing else. Attached while it waits it faults not once; started by
 * faultline its only fault in user mode is the one that fetches this very instruction.
 */
        .text
        .globl  _start
        .type   _start, @function
_start:
        movl    $34, %eax /* SYS_pause */
        syscall
        jmp     _start
        .size   _start, . - _start

        .section .note.GNU-stack, "", @progbits
