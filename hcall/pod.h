/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pod: populate-on-demand.  Gfns of type POD have no page; pages wait in the domain's
 * cache until one is touched.  The domain's total never changes under way.
 *
 * The names are those of Xen's p2m-pod.c, and so is what happens when; machine frames are
 * not modelled, so the cache is two numbers.
 */
#ifndef HCALL_POD_H
#define HCALL_POD_H

#include "hcall.h"

#define POD_SUPERPAGE_ORDER 9
#define POD_SUPERPAGE_PAGES ((pages_t)1 << POD_SUPERPAGE_ORDER)

/* How many populations are remembered, to be looked at again. */
#define POD_MRP 32

/* One of the most recent populations; order 0 or 9, gfn HCALL_NO_GFN: none. */
struct pod_populated {
    gfn_t gfn;
    unsigned order;
};

struct pod {
    pages_t super;        /* superpages in the cache */
    pages_t single;       /* single pages in the cache */
    pages_t entry_count;  /* gfns that are POD */
    gfn_t max_guest;      /* the highest that was ever touched */
    gfn_t reclaim_single; /* where the next sweep begins; 0: at max_guest */
    struct pod_populated mrp[POD_MRP];
    unsigned mrp_next; /* the oldest, which the next population takes the place of */
    pages_t populated, reclaimed, swept; /* see struct hcall_pod_info */
};

/* Nothing in the cache, nothing remembered. */
void pod_init(struct pod *pod);

/* Pages in the cache. */
static inline pages_t pod_count(const struct pod *pod)
{
    return pod->super * POD_SUPERPAGE_PAGES + pod->single;
}

/*
 * pod_mark - the gfns of an extent become POD; with the lock held, in an exclusive section.
 *
 * Returns 0; -ENOTEMPTY the domain has I/O resources; -EBUSY a gfn is neither a hole nor
 * POD; -EINVAL above the p2m; -ENOMEM, and above order 0 the domain is crashed.  Chunks
 * before the one that fails stay marked.
 */
int pod_mark(struct hcall_domain *d, const struct hcall_caller *caller, gfn_t base, unsigned order);

struct ranges;

/*
 * pod_decrease - what decrease_reservation leaves to the PoD layer: POD gfns of the extent
 * become holes, and while there are more of them than cached pages RAM goes into the cache.
 * Gfns whose page the world has to discard are added to ranges.  In an exclusive section.
 *
 * Returns how many gfns became holes, or were reported as such.
 */
pages_t pod_decrease(struct hcall_domain *d, const struct hcall_caller *caller, gfn_t base,
                     unsigned order, struct ranges *ranges);

/*
 * pod_set_target - one step towards a target for tot_pages, of one section at most; with the
 * lock held.
 *
 * Returns 0 when it is reached, or there is nothing to do; -ERESTART there is more to do;
 * -ENOTEMPTY the domain has I/O resources; -ENOMEM the pool is empty.  What was
 * done stays done.
 */
int pod_set_target(struct hcall_domain *d, pages_t target);

/*
 * pod_empty_cache - a step of a dying domain's end: cached pages are the domain's, without a
 * gfn.  Returns true when the cache is empty.
 */
bool pod_empty_cache(struct hcall_domain *d);

#endif
