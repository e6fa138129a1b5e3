/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct xen_memory_reservation of whoever calls: the argument of the operations on
 * extents, and twice in that of exchange.
 */
#ifndef HCALL_RESERVATION_H
#define HCALL_RESERVATION_H

#include "call.h"

/* Its size in 32 bits. */
#define COMPAT_MEMORY_RESERVATION_SIZE 20

struct reservation {
    uint64_t extent_start;
    uint64_t nr_extents;
    unsigned extent_order;
    uint32_t mem_flags;
    domid_t domid;
};

/* Read the one at this address; false: it cannot be read. */
bool xenmem_copy_reservation(const struct call *call, uint64_t addr, struct reservation *r);

/*
 * Read nr elements of its list, from this index on, HCALL_PAGES_PER_SECTION at most;
 * returns how many could be read.
 */
size_t xenmem_copy_frames(const struct call *call, const struct reservation *r, uint64_t index,
                          gfn_t *frames, size_t nr);

#endif
