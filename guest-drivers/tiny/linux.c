/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As Linux does it, since 4.18 (drivers/xen/balloon.c and xen-balloon.c there).
 *
 * It takes the RAM it saw at boot for what it owns.  The first target is put right by static-max,
 * which counts what the kernel does not see (page 0, the firmware's area below 1 MiB, video RAM);
 * the difference holds for all targets.  It is what makes the number of pages given back at boot
 * the one that populate-on-demand needs.
 *
 * Known to go wrong:
 *  - in 4.13 and 4.14 the difference was taken from the first target, so nothing was given back at
 *    boot, and guests with populate-on-demand ran out of it;
 *  - before 4.13 there was no difference, and a PVH guest gave back too little;
 *  - a decrease_reservation that does less than it was asked kills the kernel;
 *  - after some failures in a row it gives up, until the target changes;
 *  - scrubbing touches each page right before it is given back, and so populates it.
 */
#include "balloon.h"
#include "pages.h"

#define BATCH PAGEFUL
#define LAST_DELAY (32 * SECOND)
#define MAX_TRIES 4
/* RAM that Linux does not count: page 0, and 640 KiB to 1 MiB. */
#define NOT_SEEN (1 + 96)

static long current, target, difference;
static uint64_t delay;
static unsigned tries;

static void retarget(const struct target *new)
{
    if (!current) {
        current = pages_seen() - NOT_SEEN;
        difference = new->static_max ? (long)new->static_max - current : 0;
    }
    target = (long)new->pages - difference;
}

static uint64_t next(void)
{
    delay = SECOND;
    tries = 1;
    return 0;
}

static uint64_t again(void)
{
    if (++tries > MAX_TRIES) {
        next();
        return ARRIVED;
    }
    delay = delay * 2 < LAST_DELAY ? delay * 2 : LAST_DELAY;
    return delay;
}

static uint64_t deflate(unsigned n)
{
    const unsigned long *gfns = balloon_find_absent(&n);
    long rc;

    /* Without memory hotplug it does not grow above what it saw at boot. */
    if (n == 0) {
        return ARRIVED;
    }
    rc = balloon_take(gfns, n);
    if (rc <= 0) {
        return again();
    }
    current += rc;
    return next();
}

static uint64_t inflate(unsigned n)
{
    const unsigned long *gfns = balloon_find_free(&n);
    long rc;

    if (n == 0) {
        return again();
    }
    for (unsigned i = 0; i < n; i++) {
        balloon_scrub(gfns[i]);
    }
    rc = balloon_give(gfns, n);
    if (rc != n) {
        balloon_panic("kernel BUG at drivers/xen/balloon.c: decrease_reservation", rc, n);
    }
    current -= n;
    return next();
}

static uint64_t step(void)
{
    long credit = target - current;

    if (credit == 0) {
        next();
        return ARRIVED;
    }
    return credit > 0 ? deflate(at_most(BATCH, credit)) : inflate(at_most(BATCH, -credit));
}

const struct policy linux_policy = {"linux", .retarget = retarget, .step = step};
