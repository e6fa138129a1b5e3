/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world: a fake world for a host with two domains, the control domain and domain 5.
 * Guest memory is an array of bytes that both call from, the host's pages are an array of
 * states, and every rule of struct hcall_ops is asserted: who may be called where, with
 * which lock.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "hcall.h"

/* Domain 5's gfns, as far as the world follows them: the first 0x1200, and two more. */
#define WORLD_GFNS (0x1200 + 2)
/* No page can be put at this gfn or above ... */
#define WORLD_BACKABLE 0xc00
/* ... but at a few, which the world keeps in its last slots: where guests have shared_info
 * and their local APIC. */
#define WORLD_SHARED_INFO 0xfe700
#define WORLD_APIC 0xfee00
/* Pages in the host's pool, if world_open() is not told otherwise. */
#define WORLD_POOL 0x100000
#define WORLD_MAX_PAGE 0x123456
#define WORLD_GRANT_FRAMES 4
/* Pages that others use. */
#define WORLD_PINS 8
/* Guest linear memory: so many pages from this address on; nothing else is mapped. */
#define WORLD_BASE 0x100000
#define WORLD_PAGES 12
#define WORLD_PAGE(n) (WORLD_BASE + (uint64_t)(n)*HCALL_PAGE_SIZE)

/* One gfn, as the host sees it. */
struct world_gfn {
    bool backed;
    bool pod;       /* populate-on-demand, so far */
    bool nonzero;   /* somebody wrote to the page */
    unsigned stamp; /* world.now when it last got a fresh page, which may have moved since */
};

/* One page of guest linear memory. */
struct world_page {
    bool unmapped;
    bool read_only;
    bool is_gfn; /* mapped to this gfn, and unreadable when that is not backed */
    gfn_t gfn;
};

struct world {
    struct hcall_host *host;
    struct hcall_domain *control;
    struct hcall_domain *d;

    struct world_gfn gfn[WORLD_GFNS];      /* by world_slot() */
    gfn_t special[1 + WORLD_GRANT_FRAMES]; /* where each was told to appear */
    struct world_page page[WORLD_PAGES];
    uint8_t mem[WORLD_PAGES * HCALL_PAGE_SIZE];
    struct hcall_page *pin[WORLD_PINS];
    unsigned now;

    bool preempt; /* every call that asks whether to yield is told so */

    bool large_extent; /* a section may be one extent of any order, with holes in it */

    bool locked;
    bool exclusive;
    pages_t section_pages; /* touched in this section */
    unsigned section_ranges;

    unsigned sections;
    unsigned discards;
    unsigned backs;
    unsigned zero_checks;
    unsigned crashes;
    unsigned logs;
    char line[3][128]; /* logged last, the latest first */
};

extern const struct hcall_ops world_ops;

/* world_open - all memory mapped, no gfn backed, nothing counted; pool 0: WORLD_POOL. */
void world_open(struct world *w, pages_t max_pages, pages_t pool, uint32_t version);
void world_close(struct world *w);

/* world_slot - where the world keeps a gfn that can be backed, and the other way round. */
unsigned world_slot(gfn_t gfn);
gfn_t world_gfn(unsigned slot);

/* world_put, world_get - a little-endian number of size bytes in guest memory. */
void world_put(struct world *w, uint64_t addr, uint64_t value, size_t size);
uint64_t world_get(const struct world *w, uint64_t addr, size_t size);

/* world_build_ram - build RAM in domain 5 and put its pages there. */
void world_build_ram(struct world *w, gfn_t first, pages_t count);

/* world_check - assert that host, domain and world agree and that no lock is held. */
void world_check(const struct world *w);

#endif
