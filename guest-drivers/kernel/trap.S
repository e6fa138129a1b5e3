/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways between privilege levels, and the two instructions that call Xen.
 *
 * An exception here is a fault of this guest (or of what is tested); trap() says
 * which and ends the domain, so nothing is saved.  The CPU pushes an error code
 * for some vectors; the others push a 0 in its place.
 */
#include "layout.h"

    .text
    .balign 16
    .globl trap_entries
trap_entries: /* 16 bytes each; cpu.c counts on it */
    .set vector, 0
    .rept 32
    .balign 16
    .if (0x60227d00 >> vector) & 1 == 0 /* set for vectors 8, 10-14, 17, 21, 29, 30 */
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
#ifdef __x86_64__
    mov %rsp, %rdi
    and $-16, %rsp
#else
    mov %esp, %eax
    and $-16, %esp
    sub $12, %esp
    push %eax
#endif
    call trap
    ud2 /* trap() does not return */

/*
 * long call_at_cpl3(long (*function)(void *), void *data)
 *
 * Runs function(data) at CPL 3, on a stack of its own, and returns what it
 * returns.  IRET leads down; the way back up is the interrupt RETURN_VECTOR, which
 * forgets the frame that it pushed and goes on with the stack kept here.
 */
    .globl call_at_cpl3
    .globl return_entry
#ifdef __x86_64__
call_at_cpl3:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, kept_stack
    mov %rdi, %rax
    mov %rsi, %rdi
    push $USER_DS
    push $user_stack + PAGE_SIZE
    pushf
    push $USER_CS
    push $1f
    iretq
1:  call *%rax
    int $RETURN_VECTOR

return_entry:
    mov $KERNEL_DS, %ecx
    mov %ecx, %ss
    mov kept_stack, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
#else
call_at_cpl3:
    mov 4(%esp), %eax
    mov 8(%esp), %ecx
    push %ebx
    push %ebp
    push %esi
    push %edi
    mov %esp, kept_stack
    push $USER_DS
    push $user_stack + PAGE_SIZE
    pushf
    push $USER_CS
    push $1f
    iret
1:  sub $12, %esp
    push %ecx
    call *%eax
    int $RETURN_VECTOR

return_entry:
    mov kept_stack, %esp
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    ret
#endif

    .globl vmcall_entry
vmcall_entry:
    vmcall
    ret

    .globl vmmcall_entry
vmmcall_entry:
    vmmcall
    ret

    .bss
    .balign 8
kept_stack:
    .quad 0

    .section .note.GNU-stack, "", @progbits
