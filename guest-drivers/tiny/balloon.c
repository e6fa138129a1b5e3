/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all balloon drivers do alike.
 */
#include "balloon.h"
#include "cpu.h"
#include "hypercall.h"
#include "pages.h"
#include "print.h"
#include "text.h"

#include <xen/memory.h>
#include <xen/sched.h>

static unsigned long frames[BATCH_MAX] IDLE_BUFFER;

static long reservation(unsigned cmd, const unsigned long gfns[], unsigned n)
{
    struct xen_memory_reservation reservation = {.nr_extents = n, .domid = DOMID_SELF};

    set_xen_guest_handle(reservation.extent_start, (xen_pfn_t *)gfns);
    return memory_op(cmd, &reservation);
}

long balloon_give(const unsigned long gfns[], unsigned n)
{
    long rc = reservation(XENMEM_decrease_reservation, gfns, n);

    pages_gave(gfns, rc > 0 ? rc : 0);
    return rc;
}

long balloon_take(const unsigned long gfns[], unsigned n)
{
    long rc = reservation(XENMEM_populate_physmap, gfns, n);

    pages_took(gfns, rc > 0 ? rc : 0);
    return rc;
}

const unsigned long *balloon_find_free(unsigned *n)
{
    *n = pages_find_free(frames, *n);
    return frames;
}

const unsigned long *balloon_find_absent(unsigned *n)
{
    *n = pages_find_absent(frames, *n);
    return frames;
}

void balloon_scrub(unsigned long gfn)
{
    memset(page_address(gfn), 0, PAGE_SIZE);
}

void balloon_panic(const char *why, long got, long wanted)
{
    print("panic: %s: %ld, not %ld\n", why, got, wanted);
    end(SHUTDOWN_crash);
}
