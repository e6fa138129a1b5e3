/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Populate-on-demand: the cache, and what moves between it and the p2m.  How pages come
 * back from gfns that were populated is in pod_reclaim.c.
 */
#include <errno.h>
#include <stdio.h>

#include "domain.h"
#include "pod_reclaim.h"
#include "ranges.h"
#include "where.h"

void pod_init(struct pod *pod)
{
    *pod = (struct pod){0};
    for (unsigned i = 0; i < POD_MRP; i++) {
        pod->mrp[i].gfn = HCALL_NO_GFN;
    }
}

/* --- The cache ---------------------------------------------------------------------- */

/* One superpage becomes so many single ones. */
static void break_superpage(struct pod *pod)
{
    pod->super--;
    pod->single += POD_SUPERPAGE_PAGES;
}

/* A page of order 0 or 9; there is one if the cache is not empty, and for order 9 a superpage. */
static bool cache_get(struct pod *pod, unsigned order)
{
    if (order == POD_SUPERPAGE_ORDER) {
        if (pod->super == 0) {
            return false;
        }
        pod->super--;
        return true;
    }
    if (pod->single == 0) {
        if (pod->super == 0) {
            return false;
        }
        break_superpage(pod);
    }
    pod->single--;
    return true;
}

/* 2^order pages; above order 9 there are several superpages in them. */
static void cache_add(struct pod *pod, unsigned order)
{
    if (order >= POD_SUPERPAGE_ORDER) {
        pod->super += (pages_t)1 << (order - POD_SUPERPAGE_ORDER);
    } else {
        pod->single += (pages_t)1 << order;
    }
}

/* One page or superpage towards size, out of the pool; false: the pool has none. */
static bool grow_cache(struct hcall_domain *d, pages_t size)
{
    unsigned order = size - pod_count(&d->pod) >= POD_SUPERPAGE_PAGES ? POD_SUPERPAGE_ORDER : 0;

    if (order && !hcall_host_has(d, POD_SUPERPAGE_PAGES)) {
        order = 0;
    }
    if (!hcall_host_has(d, (pages_t)1 << order)) {
        return false;
    }
    hcall_host_take(d, (pages_t)1 << order);
    cache_add(&d->pod, order);
    return true;
}

/* One page or superpage towards size, back to the pool. */
static void shrink_cache(struct hcall_domain *d, pages_t size)
{
    bool superpage = pod_count(&d->pod) - size > POD_SUPERPAGE_PAGES && d->pod.super > 0;
    unsigned order = superpage ? POD_SUPERPAGE_ORDER : 0;

    cache_get(&d->pod, order);
    hcall_host_give(d, (pages_t)1 << order);
}

static void say_no_page_for_cache(const struct hcall_domain *d, pages_t size)
{
    char line[128];

    snprintf(line, sizeof(line),
             "p2m_pod_set_cache_target: Unable to allocate page for PoD cache "
             "(target=%llu cache=%llu)",
             (unsigned long long)size, (unsigned long long)pod_count(&d->pod));
    d->host->ops.log(d->host->world, line);
}

/* A section's worth of steps towards size; as pod_set_target(). */
static int resize_cache(struct hcall_domain *d, pages_t size)
{
    pages_t start = d->tot_pages, moved;

    do {
        pages_t count = pod_count(&d->pod);

        if (count == size) {
            return 0;
        }
        if (count > size) {
            shrink_cache(d, size);
        } else if (!grow_cache(d, size)) {
            say_no_page_for_cache(d, size);
            return -ENOMEM;
        }
        moved = d->tot_pages > start ? d->tot_pages - start : start - d->tot_pages;
    } while (moved < HCALL_PAGES_PER_SECTION);
    return -ERESTART;
}

/* A cache larger than what can still be asked of it is of no use. */
static void trim_cache(struct hcall_domain *d)
{
    while (d->pod.entry_count < pod_count(&d->pod)) {
        shrink_cache(d, d->pod.entry_count);
    }
}

int pod_set_target(struct hcall_domain *d, pages_t target)
{
    pages_t populated = d->tot_pages - pod_count(&d->pod);
    pages_t size;

    /* PoD is over; or so is the domain; or it is ballooning that is to make it smaller. */
    if ((populated > 0 && d->pod.entry_count == 0) || d->dying || target < d->tot_pages) {
        return 0;
    }
    size = target - populated;
    if (populated > 0 && size > d->pod.entry_count) {
        size = d->pod.entry_count;
    }
    return d->io ? -ENOTEMPTY : resize_cache(d, size);
}

int hcall_domain_set_pod_target(struct hcall_domain *d, pages_t target)
{
    int rc = target > d->max_pages ? -EINVAL : -ERESTART;

    while (rc == -ERESTART) {
        rc = pod_set_target(d, target);
    }
    return rc;
}

bool pod_empty_cache(struct hcall_domain *d)
{
    pages_t step = d->pod.super > 0                          ? POD_SUPERPAGE_PAGES
                   : d->pod.single < HCALL_PAGES_PER_SECTION ? d->pod.single
                                                             : HCALL_PAGES_PER_SECTION;

    if (d->pod.super > 0) {
        d->pod.super--;
    } else {
        d->pod.single -= step;
    }
    d->orphans += step;
    return pod_count(&d->pod) == 0;
}

/* --- Marking ------------------------------------------------------------------------- */

static int mark_chunk(struct hcall_domain *d, const struct hcall_caller *caller, gfn_t base,
                      unsigned order)
{
    pages_t count = (pages_t)1 << order;
    pages_t already = p2m_count(&d->p2m, base, count, HCALL_P2M_POD);
    char line[96];
    int rc;

    if (already + p2m_count(&d->p2m, base, count, HCALL_P2M_HOLE) != count) {
        return -EBUSY;
    }
    /* Even where it is POD already its leaf is as small as the chunk. */
    if (base >= P2M_GFNS) {
        rc = -EINVAL;
    } else if (order < POD_SUPERPAGE_ORDER) {
        rc = p2m_split(&d->p2m, base);
    } else {
        rc = order < HCALL_MAX_ORDER ? p2m_split_huge(&d->p2m, base) : 0;
    }
    if (rc == 0) {
        rc = p2m_set(&d->p2m, base, count, HCALL_P2M_POD);
    }
    if (rc < 0 && order > 0) {
        snprintf(line, sizeof(line), "d%u: marking GFN %#llx (order %u) as PoD failed: %d",
                 d->domid, (unsigned long long)base, order, rc);
        d->host->ops.log(d->host->world, line);
        hcall_domain_crash(d, caller, HERE("hcall/pod.c"));
    }
    if (rc < 0) {
        return rc;
    }
    d->pod.entry_count += count - already;
    hcall_domain_mapped(d, base, count);
    d->ops.mark_pod(d->world, base, count);
    return 0;
}

/* Xen goes through an extent in chunks that are aligned; all of them have this order. */
static unsigned chunk_order(gfn_t base, unsigned order)
{
    while (base % ((gfn_t)1 << order) != 0) {
        order--;
    }
    return order;
}

int pod_mark(struct hcall_domain *d, const struct hcall_caller *caller, gfn_t base, unsigned order)
{
    const unsigned chunk = chunk_order(base, order);
    const pages_t step = (pages_t)1 << chunk, size = (pages_t)1 << order;
    int rc = d->io ? -ENOTEMPTY : 0;

    for (pages_t i = 0; i < size && rc == 0; i += step) {
        rc = mark_chunk(d, caller, base + i, chunk);
    }
    return rc;
}

/* --- Demand --------------------------------------------------------------------------- */

static int out_of_memory(struct hcall_domain *d, const struct hcall_caller *culprit)
{
    char line[128];

    snprintf(line, sizeof(line),
             "p2m_pod_demand_populate: Dom%u out of PoD memory! (tot=%llu ents=%llu dom%u)",
             d->domid, (unsigned long long)d->tot_pages, (unsigned long long)d->pod.entry_count,
             culprit->domain->domid);
    d->host->ops.log(d->host->world, line);
    hcall_domain_crash(d, culprit, HERE("hcall/pod.c"));
    return -ENOMEM;
}

static void remember(struct pod *pod, gfn_t gfn, unsigned order)
{
    pod->mrp[pod->mrp_next] = (struct pod_populated){.gfn = gfn, .order = order};
    pod->mrp_next = (pod->mrp_next + 1) % POD_MRP;
}

/* A page has been taken from the cache for this block. */
static int map_from_cache(struct hcall_domain *d, gfn_t base, unsigned order)
{
    pages_t count = (pages_t)1 << order;
    unsigned leaf = order == POD_SUPERPAGE_ORDER ? HCALL_P2M_RAM | P2M_IN_PLACE : HCALL_P2M_RAM;
    int rc = p2m_set(&d->p2m, base, count, leaf);

    if (rc < 0) {
        cache_add(&d->pod, order);
        return rc;
    }
    d->pod.entry_count -= count;
    d->pod.populated += count;
    d->ops.back_zeroed(d->world, base, count);
    remember(&d->pod, base, order);
    return 0;
}

static int demand_populate(struct hcall_domain *d, const struct hcall_caller *culprit, gfn_t gfn,
                           unsigned order, bool reclaim)
{
    for (;;) {
        if (reclaim && hcall_domain_touch_reclaims(d)) {
            pod_eager_reclaim(d);
            if (pod_count(&d->pod) == 0) {
                pod_emergency_sweep(d);
            }
        }
        if (pod_count(&d->pod) == 0) {
            return reclaim ? out_of_memory(d, culprit) : -EAGAIN;
        }
        if (gfn > d->pod.max_guest) {
            d->pod.max_guest = gfn;
        }
        if (cache_get(&d->pod, order)) {
            return map_from_cache(d, gfn >> order << order, order);
        }
        /* No superpage: the block is populated page by page from now on. */
        if (p2m_split(&d->p2m, gfn) < 0) {
            return -ENOMEM;
        }
        order = 0;
    }
}

bool hcall_domain_touch_reclaims(const struct hcall_domain *d)
{
    return d->pod.entry_count > pod_count(&d->pod);
}

static int touch(struct hcall_domain *d, const struct hcall_caller *culprit, gfn_t gfn,
                 bool reclaim)
{
    unsigned order;

    if (p2m_get(&d->p2m, gfn, &order) != HCALL_P2M_POD) {
        return 0;
    }
    if (d->dying) {
        return -EINVAL;
    }
    /* A leaf of 1 GiB is populated 2 MiB at a time. */
    if (order > POD_SUPERPAGE_ORDER && p2m_split_huge(&d->p2m, gfn) < 0) {
        return -ENOMEM;
    }
    return demand_populate(d, culprit, gfn, order > 0 ? POD_SUPERPAGE_ORDER : 0, reclaim);
}

int hcall_domain_touch(struct hcall_domain *d, const struct hcall_caller *culprit, gfn_t gfn)
{
    return touch(d, culprit, gfn, true);
}

int hcall_domain_touch_cached(struct hcall_domain *d, const struct hcall_caller *culprit, gfn_t gfn)
{
    return touch(d, culprit, gfn, false);
}

/* --- Decrease -------------------------------------------------------------------------- */

/* A piece of RAM, of one leaf, goes into the cache: whoever else uses its pages. */
static bool steal(struct hcall_domain *d, gfn_t base, unsigned order, struct ranges *ranges)
{
    pages_t count = (pages_t)1 << order;

    if (p2m_set(&d->p2m, base, count, HCALL_P2M_HOLE) < 0) {
        return false;
    }
    hcall_domain_orphan_pages(d, base, count);
    cache_add(&d->pod, order);
    hcall_domain_discard_later(d, ranges, base, count);
    return true;
}

static bool punch(struct hcall_domain *d, gfn_t base, pages_t count, struct ranges *ranges)
{
    if (p2m_set(&d->p2m, base, count, HCALL_P2M_HOLE) < 0) {
        return false;
    }
    d->pod.entry_count -= count;
    hcall_domain_discard_later(d, ranges, base, count);
    return true;
}

/* What a chunk is made of. */
struct content {
    pages_t pod, ram;
    bool stealing; /* there are more POD gfns than cached pages, as of the last RAM stolen */
};

/* Leaf by leaf, as long as there is anything to do. */
static pages_t decrease_leaves(struct hcall_domain *d, gfn_t base, unsigned order, struct content c,
                               struct ranges *ranges)
{
    pages_t size = (pages_t)1 << order, handled = 0;

    for (pages_t i = 0, n; i < size && (c.pod > 0 || (c.stealing && c.ram > 0)); i += n) {
        unsigned leaf;
        enum hcall_p2m_type type = p2m_get(&d->p2m, base + i, &leaf);

        leaf = leaf < order ? leaf : order;
        n = (pages_t)1 << leaf;
        if (type == HCALL_P2M_POD) {
            if (!punch(d, base + i, n, ranges)) {
                break;
            }
            c.pod -= n;
            handled += n;
        } else if (type == HCALL_P2M_RAM && c.stealing) {
            if (!steal(d, base + i, leaf, ranges)) {
                break;
            }
            c.ram -= n;
            c.stealing = hcall_domain_touch_reclaims(d);
            handled += n;
        }
    }
    return handled;
}

static pages_t decrease_chunk(struct hcall_domain *d, const struct hcall_caller *caller, gfn_t base,
                              unsigned order, struct ranges *ranges)
{
    const pages_t size = (pages_t)1 << order;
    struct content c = {
        .pod = p2m_count(&d->p2m, base, size, HCALL_P2M_POD),
        .ram = p2m_count(&d->p2m, base, size, HCALL_P2M_RAM),
        .stealing = hcall_domain_touch_reclaims(d),
    };
    pages_t handled = size;

    if (d->pod.entry_count == 0 || (c.pod == 0 && !c.stealing)) {
        return 0;
    }
    if (c.stealing && order < POD_SUPERPAGE_ORDER && c.ram == size &&
        pod_reclaim_superpage(d, base - base % POD_SUPERPAGE_PAGES)) {
        c.pod = size;
        c.ram = 0;
    }
    if (c.pod != size) {
        handled = decrease_leaves(d, base, order, c, ranges);
    } else if (!punch(d, base, size, ranges)) {
        if (order > 0) {
            hcall_domain_crash(d, caller, HERE("hcall/pod.c"));
        }
        handled = 0;
    }
    trim_cache(d);
    return handled;
}

pages_t pod_decrease(struct hcall_domain *d, const struct hcall_caller *caller, gfn_t base,
                     unsigned order, struct ranges *ranges)
{
    const unsigned chunk = chunk_order(base, order);
    const pages_t step = (pages_t)1 << chunk, size = (pages_t)1 << order;
    pages_t handled = 0;

    if (d->dying || d->pod.entry_count == 0) {
        return 0;
    }
    for (pages_t i = 0; i < size; i += step) {
        handled += decrease_chunk(d, caller, base + i, chunk, ranges);
    }
    return handled;
}

/* --- What others see --------------------------------------------------------------------- */

pages_t hcall_domain_pod_cache(const struct hcall_domain *d)
{
    return pod_count(&d->pod);
}

pages_t hcall_domain_pod_entries(const struct hcall_domain *d)
{
    return d->pod.entry_count;
}

void hcall_domain_pod_info(const struct hcall_domain *d, struct hcall_pod_info *info)
{
    *info = (struct hcall_pod_info){
        .entries = d->pod.entry_count,
        .cache_superpage = d->pod.super * POD_SUPERPAGE_PAGES,
        .cache_single = d->pod.single,
        .populated = d->pod.populated,
        .reclaimed = d->pod.reclaimed,
        .swept = d->pod.swept,
    };
}

void hcall_domain_dump(const struct hcall_domain *d)
{
    char line[96];

    snprintf(line, sizeof(line), "    nr_pages=%llu max_pages=%llu",
             (unsigned long long)d->tot_pages, (unsigned long long)d->max_pages);
    d->host->ops.log(d->host->world, line);
    snprintf(line, sizeof(line), "    PoD entries=%llu cachesize=%llu",
             (unsigned long long)d->pod.entry_count, (unsigned long long)pod_count(&d->pod));
    d->host->ops.log(d->host->world, line);
}
