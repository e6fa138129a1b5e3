/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As Windows with the PV drivers does it (win-xenbus).
 *
 * Windows writes zeroes to all its memory before drivers are started.  The driver counts what is
 * in the balloon, not what it owns: static-max less video RAM, less the target.  It makes large
 * calls, which Xen does not finish in one go, and takes what it gets: the rest is tried again in a
 * second.  What it has taken it writes to and reads back.
 *
 * Known to go wrong:
 *  - zeroing memory populates it: a guest with populate-on-demand lives by Xen's taking pages of
 *    zeroes back until the driver starts;
 *  - control/feature-balloon, which says that there is a driver, cannot be written where the
 *    toolstack has not made that node for the guest, as xl does not.
 */
#include "balloon.h"
#include "cpu.h"
#include "pages.h"
#include "xenstore.h"

#define BATCH 8185
#define DELAY SECOND

static unsigned long inflated, wanted;

static void boot(void)
{
    for (unsigned long gfn = 0; gfn < pages_end(); gfn++) {
        if (page_is_free(gfn)) {
            balloon_scrub(gfn);
        }
    }
}

static const char *start(void)
{
    return xenstore_write("control/feature-balloon", "1") ? "cannot write control/feature-balloon"
                                                          : NULL;
}

static void retarget(const struct target *new)
{
    unsigned long most = new->static_max - new->video_ram;

    wanted = most - (new->pages < most ? new->pages : most);
}

static uint64_t inflate(unsigned n)
{
    const unsigned long *gfns = balloon_find_free(&n);
    long rc = n ? balloon_give(gfns, n) : 0;

    inflated += rc > 0 ? rc : 0;
    return rc == n && n ? 0 : DELAY;
}

static void check(unsigned long gfn)
{
    volatile uint8_t *byte = page_address(gfn);

    *byte = gfn;
    if (*byte != (uint8_t)gfn) {
        balloon_panic("a page that was populated does not keep what is written to it", *byte,
                      (uint8_t)gfn);
    }
}

static uint64_t deflate(unsigned n)
{
    const unsigned long *gfns = balloon_find_absent(&n);
    long rc = n ? balloon_take(gfns, n) : 0;

    for (long i = 0; i < rc; i++) {
        check(gfns[i]);
    }
    inflated -= rc > 0 ? rc : 0;
    return rc == n && n ? 0 : DELAY;
}

static uint64_t step(void)
{
    if (inflated == wanted) {
        return ARRIVED;
    }
    return inflated < wanted ? inflate(at_most(BATCH, wanted - inflated))
                             : deflate(at_most(BATCH, inflated - wanted));
}

const struct policy windows_policy = {"windows", boot, start, retarget, step};
