/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's memory: which of the pages that it saw at the start it still owns, and which of
 * those are in use.
 */
#ifndef TINY_PAGES_H
#define TINY_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "layout.h"

/* Learn of the memory by the memory map; nothing is touched. */
void pages_start(const struct hvm_start_info *info);

/* Pages of RAM in the memory map; and from gfn 0 to the end of the last. */
unsigned long pages_seen(void);
unsigned long pages_end(void);

/* Pages that it owns, and those that it has given back. */
unsigned long pages_owned(void);
unsigned long pages_absent(void);

bool page_is_free(unsigned long gfn);

/* A free page, which is in use from now on; 0: there is none. */
unsigned long page_alloc(void);
void page_free(unsigned long gfn);

/*
 * For balloon drivers: up to n pages that are free and may be given back, or that are absent and
 * may be taken again, into gfns.  Returns how many there are.
 */
unsigned pages_find_free(unsigned long gfns[], unsigned n);
unsigned pages_find_absent(unsigned long gfns[], unsigned n);

/* The first n of them have been given back; have been taken again. */
void pages_gave(const unsigned long gfns[], unsigned n);
void pages_took(const unsigned long gfns[], unsigned n);

#endif
