/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As Solaris and illumos do it (uts/common/xen/os/balloon.c there).
 *
 * A thread waits for targets.  What the domain booted with is the most that it can ever have: a
 * target above that is cut down to it, with a warning.  Below it goes both ways.
 *
 * The original is a part of Solaris's kernel for PV domains, which is not what runs here: there it
 * names machine frames, and grows by increase_reservation.  Solaris's drivers for HVM domains have
 * no balloon at all.  What is kept is the policy.  A domain with populate-on-demand, which PV does
 * not know, has booted with its first target, and gives back what it sees beyond that.
 *
 * Known to go wrong:
 *  - maxmem above memory, which other guests grow into, is of no use to it;
 *  - a decrease_reservation that does less than it was asked is a panic.
 */
#include "balloon.h"
#include "pages.h"
#include "print.h"

#define BATCH PAGEFUL
#define DELAY SECOND

static unsigned long current, target, original;

static void retarget(const struct target *new)
{
    if (!original) {
        current = pages_end();
        original = new->pages + new->video_ram;
    }
    target = new->pages + new->video_ram;
    if (target > original) {
        print("WARNING: New balloon target (0x%lx pages) is larger than original memory size "
              "(0x%lx pages). Ballooning beyond original memory size is not allowed.\n",
              target, original);
        target = original;
    }
}

static uint64_t grow(unsigned n)
{
    const unsigned long *gfns = balloon_find_absent(&n);
    long rc = n ? balloon_take(gfns, n) : 0;

    if (rc <= 0) {
        return DELAY;
    }
    current += rc;
    return 0;
}

static uint64_t shrink(unsigned n)
{
    const unsigned long *gfns = balloon_find_free(&n);
    long rc;

    if (n == 0) {
        return DELAY;
    }
    rc = balloon_give(gfns, n);
    if (rc != n) {
        balloon_panic("balloon_free_pages: decrease_reservation", rc, n);
    }
    current -= n;
    return 0;
}

static uint64_t step(void)
{
    if (current == target) {
        return ARRIVED;
    }
    return current < target ? grow(at_most(BATCH, target - current))
                            : shrink(at_most(BATCH, current - target));
}

const struct policy solaris_policy = {"solaris", .retarget = retarget, .step = step};
