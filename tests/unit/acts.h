/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acts: what is done to a domain with populate-on-demand, in the fake world of world.h:
 * the fixtures tests begin with, made by real calls of the control domain, touches of the
 * guest and of the control domain, and short forms of the calls.
 */
#ifndef TESTS_ACTS_H
#define TESTS_ACTS_H

#include "call.h"

/* All of them are domain 5, max_pages 4096. */
enum fixture {
    NEW,   /* no memory at all */
    FA,    /* 0x000-0x3ff RAM in 4 KiB leaves, 0x800 a mapped grant, an APIC page; no PoD */
    FB,    /* target 1024, 0x000-0x7ff POD in 2 MiB leaves */
    FB300, /* the same with target 300, so that the cache has single pages only */
    FB1,   /* FB with 0x000-0x1ff written to */
    FB2,   /* FB with 0x010 and 0x200 written to */
    FB3,   /* FB with 0x000-0x3ff written to: the cache is empty and nothing is zero */
    FC,    /* target 64, 0x1000-0x10ff POD in 4 KiB leaves */
    FC64,  /* FC with 0x1000-0x103f written to: the cache is empty and nothing is zero */
};

enum by { GUEST, CONTROL };

/* act_open - world_open() and a fixture, made by a 64-bit or 32-bit control domain. */
void act_open(struct world *w, enum fixture fixture, bool compat, pages_t pool, uint32_t version);

/*
 * act_read - whoever it is touches a gfn, as hcall.h wants it: with the lock, and in an
 * exclusive section if pages may be taken back.
 */
int act_read(struct world *w, enum by by, gfn_t gfn);
/* act_write - the same, and then something is written. */
int act_write(struct world *w, enum by by, gfn_t gfn);
/* act_write_all - a guest's writes to [first, first + count), which succeed. */
void act_write_all(struct world *w, gfn_t first, pages_t count);
/* act_zero - the guest clears a page. */
void act_zero(struct world *w, gfn_t gfn);
/* act_map_grant - a backend's grant is mapped at a gfn. */
int act_map_grant(struct world *w, gfn_t gfn);

/* act_call - a memory_op by one of the two, its structure is in place. */
long act_call(struct world *w, enum by by, bool compat, uint64_t cmd);
/* act_extents - decrease, populate or increase of domain 5. */
long act_extents(struct world *w, enum by by, bool compat, unsigned cmd, unsigned order,
                 uint32_t flags, const gfn_t *gfns, unsigned nr);
/* act_extent - the same of one extent, by a 64-bit caller. */
long act_extent(struct world *w, enum by by, unsigned cmd, unsigned order, gfn_t gfn);
/* act_mark - the control domain marks an extent populate-on-demand. */
long act_mark(struct world *w, unsigned order, gfn_t gfn);
/* act_target - set_pod_target by the control domain, or get_pod_target, which ignores it. */
long act_target(struct world *w, unsigned cmd, pages_t target);
long act_add(struct world *w, enum by by, bool compat, unsigned space, uint64_t idx, gfn_t gpfn);
long act_remove(struct world *w, enum by by, bool compat, gfn_t gfn);
/* act_query - current_reservation, maximum_reservation or maximum_gpfn by the control domain. */
long act_query(struct world *w, unsigned cmd);

void act_die(struct world *w);
/*
 * act_teardown - one step of a dying domain's end.  The p2m goes in the first, and the
 * world's pages with it.
 */
bool act_teardown(struct world *w);

/* act_check - the three counters are these, and all is in order; what is for messages. */
void act_check(const struct world *w, const char *what, pages_t tot, pages_t count,
               pages_t entries);

#endif
