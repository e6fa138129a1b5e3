/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the first instruction to main().
 *
 * A PVH domain starts where the ELF note XEN_ELFNOTE_PHYS32_ENTRY says: in 32-bit
 * protected mode, flat segments, paging off, interrupts off, the address of a
 * struct hvm_start_info in %ebx.  Nothing ran before (no firmware), so the first
 * touch of every page of the domain is ours to make, or not to make.  That is what
 * this guest is for: a gfn that is populate-on-demand becomes a page when it is
 * touched, and the counters that the guest's words bring about must be those of
 * the words alone.  Hence
 *
 *  - image, stacks and page tables lie in one run of pages below 2 MiB, in the
 *    2 MiB block that the domain builder populates anyway when it loads them;
 *  - the page tables are data, filled in by the assembler and the linker.  They
 *    map all memory in large pages (2 MiB, above 4 GiB 1 GiB), which touches none of
 *    it.  Accessed and dirty bits are set from the start;
 *  - under memory pressure Xen takes pages back that hold nothing but zeroes, and how
 *    many it finds in the first 2 MiB must not depend on the compiler.  So the image
 *    has a fixed number of pages that are never all zero, and behind them buffers
 *    that are until a word uses them.
 *
 * Everything is accessible at CPL 3 too, where calls with "cpl=3" are made from.
 *
 * The 32-bit build has the two-level tables of a 386, with 4 MiB pages.  What makes
 * a compat guest is 32-bit mode, not the tables; and Xen 4.17 under QEMU's emulated
 * SVM does not get beyond the first CPUID of a guest with PAE tables.
 */
#include <xen/elfnote.h>
#include "layout.h"

#define PTE_TABLE 0x27 /* present, writable, user, accessed */
#define PTE_LEAF 0x67  /* ... and dirty */
#define PTE_LARGE 0xe7 /* ... and not a table */

#ifdef __x86_64__
#define ENTRY .quad
#define LARGE_SHIFT 21
#define CR4_PAGING 0x20 /* PAE */
#else
#define ENTRY .long
#define LARGE_SHIFT 22
#define CR4_PAGING 0x10 /* PSE */
#endif

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long _start, 0

    .section .start, "ax", @progbits
    .code32
    .globl _start
_start:
    cld
    mov $buffers_start, %edi
    mov $filled_end, %ecx
    sub %edi, %ecx
    shr $2, %ecx
    mov $0xcccccccc, %eax
    rep stosl

    lgdt gdt_pointer
    mov %cr4, %eax
    or $CR4_PAGING, %eax
    mov %eax, %cr4
    mov $top_table, %eax
    mov %eax, %cr3
#ifdef __x86_64__
    mov $0xc0000080, %ecx /* EFER */
    rdmsr
    or $0x100, %eax /* LME */
    wrmsr
#endif
    mov %cr0, %eax
    or $0x80010000, %eax /* PG, WP: a read-only page is one for CPL 0 too */
    mov %eax, %cr0
    ljmp $KERNEL_CS, $1f

    /* The data segments are CPL 3's: a return to CPL 3 would clear others. */
#ifdef __x86_64__
    .code64
#endif
1:  mov $USER_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov $KERNEL_DS, %eax
    mov %eax, %ss
    mov $kernel_stack + 2 * PAGE_SIZE, %esp
#ifdef __x86_64__
    mov %ebx, %edi
#else
    sub $12, %esp
    push %ebx
#endif
    call main
    ud2 /* main() does not return */

    .section .tables, "aw", @progbits
#ifdef __x86_64__
    .balign PAGE_SIZE
top_table:
    .quad pdpt + PTE_TABLE
    .fill 511, 8, 0

    .balign PAGE_SIZE
pdpt:
    .irp i, 0, 1, 2, 3
    .quad directory + \i * PAGE_SIZE + PTE_TABLE
    .endr
    .set i, 4
    .rept 508
    .quad i << 30 | PTE_LARGE
    .set i, i + 1
    .endr
#endif

    /* Below 4 GiB: one entry for each large page. */
    .balign PAGE_SIZE
#ifndef __x86_64__
top_table:
#endif
directory:
    ENTRY pt_low + PTE_TABLE
    .set i, 1
    .rept (4 << 30 >> LARGE_SHIFT) - 1
    .if i == WINDOW_START >> LARGE_SHIFT
    ENTRY window + PTE_TABLE
    .else
    ENTRY i << LARGE_SHIFT | PTE_LARGE
    .endif
    .set i, i + 1
    .endr

    .balign PAGE_SIZE
    .globl pt_low
pt_low:
    .set i, 0
    .rept 1 << (LARGE_SHIFT - PAGE_SHIFT)
    ENTRY i << PAGE_SHIFT | PTE_LEAF
    .set i, i + 1
    .endr

    .balign PAGE_SIZE
    .globl window
window:
    .fill PAGE_SIZE

    .data
    .balign 8
    .globl gdt
gdt:
    .quad 0
#ifdef __x86_64__
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00affb000000ffff
#else
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cffb000000ffff
#endif
    .quad 0x00cff3000000ffff
    .quad 0, 0 /* the TSS (cpu.c) */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

    .section .note.GNU-stack, "", @progbits
