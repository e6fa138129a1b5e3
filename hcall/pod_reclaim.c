/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking pages of zeroes back, see pod_reclaim.h.
 */
#include "pod_reclaim.h"
#include "domain.h"

/* The sweep looks at so many gfns before it may end. */
#define SWEEP_LIMIT 1024
/* ... and at so many pages at a time. */
#define SWEEP_STRIDE 16

/* A page that is RAM, used by nobody else, and zero. */
static bool reclaim_page(struct hcall_domain *d, gfn_t gfn)
{
    if (p2m_get(&d->p2m, gfn, NULL) != HCALL_P2M_RAM || hcall_domain_is_held(d, gfn, 1) ||
        !d->ops.is_zero(d->world, gfn, 1) || p2m_set(&d->p2m, gfn, 1, HCALL_P2M_POD) < 0) {
        return false;
    }
    d->pod.single++;
    d->pod.entry_count++;
    d->pod.reclaimed++;
    d->ops.mark_pod(d->world, gfn, 1);
    return true;
}

bool pod_reclaim_superpage(struct hcall_domain *d, gfn_t base)
{
    if (!p2m_is_superpage(&d->p2m, base) || hcall_domain_is_held(d, base, POD_SUPERPAGE_PAGES) ||
        !d->ops.is_zero(d->world, base, POD_SUPERPAGE_PAGES) ||
        p2m_set(&d->p2m, base, POD_SUPERPAGE_PAGES, HCALL_P2M_POD) < 0) {
        return false;
    }
    d->pod.super++;
    d->pod.entry_count += POD_SUPERPAGE_PAGES;
    d->pod.reclaimed += POD_SUPERPAGE_PAGES;
    d->ops.mark_pod(d->world, base, POD_SUPERPAGE_PAGES);
    return true;
}

static void reclaim_populated(struct hcall_domain *d, const struct pod_populated *p)
{
    if (p->order == 0) {
        reclaim_page(d, p->gfn);
    } else if (!pod_reclaim_superpage(d, p->gfn)) {
        for (gfn_t i = 0; i < POD_SUPERPAGE_PAGES; i++) {
            reclaim_page(d, p->gfn + i);
        }
    }
}

void pod_eager_reclaim(struct hcall_domain *d)
{
    unsigned i = 0;

    do {
        struct pod_populated *p = &d->pod.mrp[(d->pod.mrp_next + i) % POD_MRP];

        if (p->gfn != HCALL_NO_GFN) {
            reclaim_populated(d, p);
            p->gfn = HCALL_NO_GFN;
        }
        i++;
    } while (pod_count(&d->pod) == 0 && i < POD_MRP);
}

/* They go down, and memory is read faster upwards. */
static void reclaim_pages(struct hcall_domain *d, const gfn_t *gfns, unsigned nr)
{
    while (nr > 0) {
        reclaim_page(d, gfns[--nr]);
    }
}

/*
 * As Xen does it: gfn 0 is never looked at, nor what lies above the start of the sweep; and
 * where an interrupt waits it gives up once it is past its limit, found or not.
 */
void pod_emergency_sweep(struct hcall_domain *d)
{
    gfn_t start = d->pod.reclaim_single ? d->pod.reclaim_single : d->pod.max_guest;
    gfn_t limit = start > SWEEP_LIMIT ? start - SWEEP_LIMIT : 0;
    gfn_t gfns[SWEEP_STRIDE];
    const pages_t before = d->pod.reclaimed;
    unsigned nr = 0;
    gfn_t i;

    for (i = start; i > 0; i--) {
        enum hcall_p2m_type type = p2m_get(&d->p2m, i, NULL);

        /* To Xen's p2m its own pages are RAM; they are told apart when they are looked at. */
        if (type == HCALL_P2M_RAM || type == HCALL_P2M_SPECIAL) {
            gfns[nr++] = i;
        }
        if (nr == SWEEP_STRIDE) {
            reclaim_pages(d, gfns, nr);
            nr = 0;
        }
        if (i < limit && (pod_count(&d->pod) > 0 || d->ops.preempt(d->world))) {
            break;
        }
    }
    reclaim_pages(d, gfns, nr);
    d->pod.reclaim_single = i > 0 ? i - 1 : 0;
    d->pod.swept += d->pod.reclaimed - before;
}
