/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world: a fake world for a domain.  Guest memory is an array of bytes, the
 * host's pages are an array of states, and every rule of struct hcall_ops is
 * asserted: who may be called where, with which lock.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "hcall.h"

#define WORLD_GFNS 0x1000
/* No page can be put at this gfn or above. */
#define WORLD_BACKABLE 0xc00
/* Guest linear memory: so many pages from this address on; nothing else is mapped. */
#define WORLD_BASE 0x100000
#define WORLD_PAGES 12
#define WORLD_PAGE(n) (WORLD_BASE + (uint64_t)(n)*HCALL_PAGE_SIZE)

/* One gfn, as the host sees it. */
struct world_gfn {
    bool backed;
    unsigned stamp; /* world.now when it last got a fresh page */
};

/* One page of guest linear memory. */
struct world_page {
    bool unmapped;
    bool read_only;
    bool is_gfn; /* mapped to this gfn, and unreadable when that is not backed */
    gfn_t gfn;
};

struct world {
    struct world_gfn gfn[WORLD_GFNS];
    struct world_page page[WORLD_PAGES];
    uint8_t mem[WORLD_PAGES * HCALL_PAGE_SIZE];
    unsigned now;

    bool locked;
    bool exclusive;
    gfn_t section_end;     /* end of the range settled last in this section */
    pages_t section_pages; /* settled in this section */

    unsigned sections;
    unsigned discards;
    unsigned backs;
    unsigned logs;
    char line[128]; /* logged last */
};

extern const struct hcall_ops world_ops;

/* world_init - all memory mapped, no gfn backed, nothing counted. */
void world_init(struct world *w);

/* world_put, world_get - a little-endian number of size bytes in guest memory. */
void world_put(struct world *w, uint64_t addr, uint64_t value, size_t size);
uint64_t world_get(const struct world *w, uint64_t addr, size_t size);

/* world_build_ram - build RAM in the domain and put its pages there. */
void world_build_ram(struct world *w, struct hcall_domain *d, gfn_t first, pages_t count);

/* world_check - assert that domain and host agree and that no lock is held. */
void world_check(const struct world *w, const struct hcall_domain *d);

#endif
