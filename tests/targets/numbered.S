/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A large symbol table: numbered_0 to numbered_19999, each a write to the byte in %rdi, and a table of where they are. */
        .altmacro

        .macro  function number
        .globl  numbered_\number
        .type   numbered_\number, @function
numbered_\number:
        movb    $1, (%rdi)
        ret
        .size   numbered_\number, . - numbered_\number
        .endm

        .macro  entry number
        .quad   numbered_\number
        .endm

        .text
        .set    i, 0
        .rept   20000
        function %i
        .set    i, i + 1
        .endr

        .section .data.rel.ro, "aw", @progbits
        .balign 8
        .globl  numbered_functions
        .type   numbered_functions, @object
numbered_functions:
        .set    i, 0
        .rept   20000
        entry   %i
        .set    i, i + 1
        .endr
        .size   numbered_functions, . - numbered_functions

        .section .note.GNU-stack, "", @progbits
