/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As FreeBSD does it (sys/dev/xen/balloon/balloon.c there).
 *
 * It takes all up to the end of its RAM for what it owns, and the target as it is.  It never goes
 * below a part of what it booted with.  A populate_physmap that does less than it was asked is
 * taken back whole, and the pages it could have had are the limit until there is a new target.
 *
 * Known to go wrong:
 *  - with RAM above 4 GiB the end of it counts the hole below, and too much is given back;
 *  - both times it gives pages back it insists on the exact number, and dies of another.
 */
#include "balloon.h"
#include "pages.h"

#define BATCH PAGEFUL
#define DELAY SECOND
#define MIB_PAGES 256ul

static unsigned long current, target, limit, minimum;

/* The less there is the larger a part of it. */
static unsigned long minimum_of(unsigned long pages)
{
    if (pages < 128 * MIB_PAGES) {
        return 8 * MIB_PAGES + pages / 2;
    }
    if (pages < 512 * MIB_PAGES) {
        return 40 * MIB_PAGES + pages / 4;
    }
    if (pages < 2048 * MIB_PAGES) {
        return 104 * MIB_PAGES + pages / 8;
    }
    return 296 * MIB_PAGES + pages / 32;
}

static void retarget(const struct target *new)
{
    if (!current) {
        current = pages_end();
        minimum = minimum_of(current);
    }
    target = new->pages > minimum ? new->pages : minimum;
    limit = ~0ul;
}

static void give_exactly(const unsigned long gfns[], unsigned n)
{
    long rc = balloon_give(gfns, n);

    if (rc != n) {
        balloon_panic("decrease_reservation", rc, n);
    }
}

static uint64_t grow(unsigned n)
{
    const unsigned long *gfns = balloon_find_absent(&n);
    long rc = n ? balloon_take(gfns, n) : 0;

    if (n == 0) {
        return DELAY;
    }
    if (rc != n) {
        if (rc > 0) {
            give_exactly(gfns, rc);
        }
        if (rc >= 0) {
            limit = current + rc;
        }
        return DELAY;
    }
    current += n;
    return 0;
}

static uint64_t shrink(unsigned n)
{
    const unsigned long *gfns = balloon_find_free(&n);

    if (n == 0) {
        return DELAY;
    }
    for (unsigned i = 0; i < n; i++) {
        balloon_scrub(gfns[i]);
    }
    give_exactly(gfns, n);
    current -= n;
    return 0;
}

static uint64_t step(void)
{
    unsigned long goal = target < limit ? target : limit;

    /* Nor above what it has given back. */
    if (goal > current + pages_absent()) {
        goal = current + pages_absent();
    }
    if (current == goal) {
        return ARRIVED;
    }
    return current < goal ? grow(at_most(BATCH, goal - current))
                          : shrink(at_most(BATCH, current - goal));
}

const struct policy freebsd_policy = {"freebsd", .retarget = retarget, .step = step};
