/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers that the assembler, the linker script and C share.
 */
#ifndef KERNEL_LAYOUT_H
#define KERNEL_LAYOUT_H

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096

/*
 * Where the image starts.  FILLED_PAGES, how many pages from there are never all zero, is each
 * guest's own; boot.S says why that is a constant.
 */
#define IMAGE_START 0x100000

/*
 * Address space whose pages are mapped one by one (buffers.c), a large page of it.  No
 * domain has RAM at that guest-physical address: Xen's builder ends low memory
 * below it.
 */
#define WINDOW_START 0xfd000000

/* Selectors in the GDT. */
#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS 0x1b
#define USER_DS 0x23
#define TSS_SELECTOR 0x28

/* Vectors 0-31 are the CPU's exceptions; this one leads from CPL 3 back to CPL 0. */
#define RETURN_VECTOR 32
/* Upcalls of event channels, for guests that want them. */
#define UPCALL_VECTOR 33

#endif
