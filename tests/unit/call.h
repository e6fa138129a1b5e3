/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * call: make a memory_op as a 64-bit or a 32-bit guest does, from layouts
 * written down here a second time: the library is not asked for them.
 */
#ifndef TESTS_CALL_H
#define TESTS_CALL_H

#include "ops.h"
#include "world.h"

#define START(extent) ((uint64_t)(extent) << 6)

#define SELF 0x7ff0
#define FLAG_NODE(n) (((n) + 1u) << 8)
#define FLAG_POD (1u << 16)
#define FLAG_EXACT_NODE (1u << 17)
#define FLAG_VNODE (1u << 18)

/* Where the operation's structure lies, and where lists usually start. */
#define ARG WORLD_PAGE(0)
#define LIST WORLD_PAGE(2)
/* The page that is unmapped when a list is to fault. */
#define FAULT_PAGE 8

/* What a caller puts into a memory_reservation. */
struct reservation_args {
    uint64_t list;
    uint64_t nr;
    unsigned order;
    uint32_t flags;
    uint16_t domid;
};

/* Size of a list's element. */
size_t call_frame_size(bool compat);

/* An address where the list's element n is the first in the page that faults. */
uint64_t call_list_fault_at(bool compat, uint64_t n);

void call_put_reservation(struct world *w, bool compat, const struct reservation_args *args);
/* The structure of add_to_physmap; all ones are all ones in either width. */
void call_put_physmap(struct world *w, bool compat, uint16_t domid, unsigned space, uint64_t idx,
                      gfn_t gpfn, unsigned size);
void call_put_frame(struct world *w, bool compat, uint64_t list, uint64_t index, gfn_t gfn);

/*
 * A touch by this domain: in an exclusive section if it could take pages away, else with the
 * lock alone.
 */
int call_touch(struct world *w, struct hcall_domain *caller, gfn_t gfn);

/*
 * The call itself, by vCPU 3 of this domain.  If it is preempted it is made again, as the
 * guest's vCPU does, until it has an end.
 */
long call_memory_op(struct hcall_domain *caller, bool compat, uint64_t cmd, uint64_t arg);

#endif
