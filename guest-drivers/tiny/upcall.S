/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an event interrupts.  It comes in only behind the STI of sleep_unless(), which keeps
 * nothing in registers that a function may change but what C says so.
 */
    .text
    .globl upcall_entry
upcall_entry:
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    cld
    call upcall
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    iretq

    .section .note.GNU-stack, "", @progbits
