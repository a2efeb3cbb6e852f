/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A function alone in its page of .text, so that the page can be dropped and comes back only for it. */
        .text
        .balign 4096
        .globl  lonely_function
        .type   lonely_function, @function
lonely_function:
        .cfi_startproc
        ret
        .cfi_endproc
        .size   lonely_function, . - lonely_function
        .balign 4096

        .section .note.GNU-stack, "", @progbits
