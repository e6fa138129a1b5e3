/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: the operations on lists of extents, by which a guest gives pages and takes
 * them.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ranges.h"
#include "reservation.h"
#include "where.h"

/* Any start_extent must fit above the operation in 32 bits. */
#define MAX_NR_EXTENTS (UINT32_MAX >> 6)

struct compat_memory_reservation {
    uint32_t extent_start;
    uint32_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags;
    domid_t domid;
};

ASSERT_FIELD(xen_memory_reservation, extent_start, 0, 8);
ASSERT_FIELD(xen_memory_reservation, nr_extents, 8, 8);
ASSERT_FIELD(xen_memory_reservation, extent_order, 16, 4);
ASSERT_FIELD(xen_memory_reservation, mem_flags, 20, 4);
ASSERT_FIELD(xen_memory_reservation, domid, 24, 2);
_Static_assert(sizeof(struct xen_memory_reservation) == 32, "size of memory_reservation");
ASSERT_FIELD(compat_memory_reservation, extent_start, 0, 4);
ASSERT_FIELD(compat_memory_reservation, nr_extents, 4, 4);
ASSERT_FIELD(compat_memory_reservation, extent_order, 8, 4);
ASSERT_FIELD(compat_memory_reservation, mem_flags, 12, 4);
ASSERT_FIELD(compat_memory_reservation, domid, 16, 2);
_Static_assert(sizeof(struct compat_memory_reservation) == COMPAT_MEMORY_RESERVATION_SIZE,
               "size of memory_reservation, 32-bit");

/* What sets one operation on extents apart from the others. */
struct extent_op {
    /*
     * Do one extent and add to ranges the gfns that changed, even if it fails.
     * Runs inside an exclusive section.
     */
    bool (*extent)(const struct call *call, struct hcall_domain *d, const struct reservation *r,
                   gfn_t base, struct ranges *ranges);
    /* Make the host's pages behind the ranges follow. */
    void (*settle)(const struct hcall_domain *d, gfn_t first, pages_t count);
    /* Is the list an input?  Is it an output? */
    bool reads_list, writes_list;
};

bool xenmem_copy_reservation(const struct call *call, uint64_t addr, struct reservation *r)
{
    struct compat_memory_reservation narrow;
    struct xen_memory_reservation wide;

    if (call->caller->compat) {
        if (!copy_from_guest(call, &narrow, addr, sizeof(narrow))) {
            return false;
        }
        *r = (struct reservation){
            .extent_start = narrow.extent_start,
            .nr_extents = narrow.nr_extents,
            .extent_order = narrow.extent_order,
            .mem_flags = narrow.mem_flags,
            .domid = narrow.domid,
        };
    } else {
        if (!copy_from_guest(call, &wide, addr, sizeof(wide))) {
            return false;
        }
        *r = (struct reservation){
            .extent_start = (uintptr_t)wide.extent_start.p,
            .nr_extents = wide.nr_extents,
            .extent_order = wide.extent_order,
            .mem_flags = wide.mem_flags,
            .domid = wide.domid,
        };
    }
    return true;
}

static bool reservation_valid(const struct call *call, const struct reservation *r,
                              unsigned max_order, struct hcall_domain **d)
{
    return r->nr_extents <= MAX_NR_EXTENTS && call->start_extent < r->nr_extents &&
           xenmem_flags_valid(call, r->mem_flags) && xenmem_find(call, r->domid, d) == 0 &&
           /* The control domain's own frames are not modelled. */
           (*d)->domid != HCALL_CONTROL_DOMID && r->extent_order <= max_order;
}

size_t xenmem_copy_frames(const struct call *call, const struct reservation *r, uint64_t index,
                          gfn_t *frames, size_t nr)
{
    const struct hcall_domain *caller = call->caller->domain;
    uint32_t narrow[HCALL_PAGES_PER_SECTION];
    uint64_t from;

    if (!call->caller->compat) {
        from = r->extent_start + index * sizeof(frames[0]);
        return caller->ops.copy_from_guest(caller->world, frames, from, nr * sizeof(frames[0])) /
               sizeof(frames[0]);
    }
    from = r->extent_start + index * sizeof(narrow[0]);
    nr = caller->ops.copy_from_guest(caller->world, narrow, from, nr * sizeof(narrow[0])) /
         sizeof(narrow[0]);
    for (size_t i = 0; i < nr; i++) {
        frames[i] = narrow[i];
    }
    return nr;
}

/*
 * A translated domain is not told its frames, so the list stays as it is.  Only
 * Xen's translation for 32-bit callers writes it, with the values it had, and
 * counts what it could not write as not done.
 */
static size_t write_frames(const struct call *call, const struct reservation *r, uint64_t index,
                           const gfn_t *frames, size_t nr)
{
    const struct hcall_domain *caller = call->caller->domain;
    uint32_t narrow[HCALL_PAGES_PER_SECTION];
    uint64_t to = r->extent_start + index * sizeof(narrow[0]);

    if (!call->caller->compat) {
        return nr;
    }
    for (size_t i = 0; i < nr; i++) {
        narrow[i] = (uint32_t)frames[i];
    }
    return caller->ops.copy_to_guest(caller->world, to, narrow, nr * sizeof(narrow[0])) /
           sizeof(narrow[0]);
}

/* One exclusive section; returns how many of the extents were done. */
static size_t do_section(const struct call *call, struct hcall_domain *d,
                         const struct extent_op *op, const struct reservation *r,
                         const gfn_t *frames, size_t nr)
{
    struct ranges ranges;
    size_t done = 0;

    ranges.nr = 0;
    d->ops.begin_exclusive(d->world);
    while (done < nr && op->extent(call, d, r, frames[done], &ranges)) {
        done++;
    }
    /*
     * All extents of a call do the same to a gfn, and doing it twice (populate
     * on populate) leaves what once would: so the order may be lost.
     */
    ranges_merge(&ranges);
    for (unsigned i = 0; i < ranges.nr; i++) {
        op->settle(d, ranges.range[i].first, ranges.range[i].count);
    }
    hcall_domain_end_exclusive(d);
    return done;
}

/*
 * The frames are read a section's worth ahead, because reading guest memory may
 * walk page tables or fault, which must not happen while the vCPUs are stopped.
 */
static size_t do_part(const struct call *call, struct hcall_domain *d, const struct extent_op *op,
                      const struct reservation *r, uint64_t index, size_t want)
{
    gfn_t frames[HCALL_PAGES_PER_SECTION];
    size_t nr = want;

    if (op->reads_list) {
        nr = xenmem_copy_frames(call, r, index, frames, want);
    } else {
        memset(frames, 0, want * sizeof(frames[0]));
    }
    if (nr > 0) {
        nr = do_section(call, d, op, r, frames, nr);
    }
    if (nr > 0 && op->writes_list) {
        nr = write_frames(call, r, index, frames, nr);
    }
    return nr;
}

static long do_reservation(const struct call *call, const struct extent_op *op,
                           const struct reservation *r, unsigned max_order)
{
    uint64_t index = call->start_extent;
    struct hcall_domain *d;
    uint64_t most;

    if (!reservation_valid(call, r, max_order, &d)) {
        return (long)index;
    }
    most = HCALL_PAGES_PER_SECTION >> r->extent_order;
    most = most > 0 ? most : 1;
    while (index < r->nr_extents) {
        uint64_t left = r->nr_extents - index;
        size_t want = left < most ? left : most;
        size_t done;

        if (index > call->start_extent && xenmem_preempted(call, index)) {
            return -ERESTART;
        }
        done = do_part(call, d, op, r, index, want);
        index += done;
        if (done < want) {
            break;
        }
    }
    return (long)index;
}

static void discard(const struct hcall_domain *d, gfn_t first, pages_t count)
{
    d->ops.discard(d->world, first, count);
}

static void back(const struct hcall_domain *d, gfn_t first, pages_t count)
{
    d->ops.back(d->world, first, count);
}

/* --- decrease --------------------------------------------------------------------- */

/* The page stays mapped nowhere; that it does so for good takes the reference it had. */
static bool decrease_special(struct hcall_domain *d, gfn_t gfn)
{
    struct special *special = hcall_domain_special_at(d, gfn);

    if (special->released || p2m_set(&d->p2m, gfn, 1, HCALL_P2M_HOLE) < 0) {
        return false;
    }
    special->released = true;
    hcall_domain_place_special(special, HCALL_NO_GFN);
    return true;
}

/* A run of gfns of one type; returns how many became holes: all, or it stops there. */
static pages_t decrease_run(struct hcall_domain *d, gfn_t base, pages_t run,
                            enum hcall_p2m_type type, struct ranges *ranges)
{
    switch (type) {
    case HCALL_P2M_RAM:
    case HCALL_P2M_OWN_GRANT:
        if (p2m_set(&d->p2m, base, run, HCALL_P2M_HOLE) < 0) {
            return 0;
        }
        /* What a grant holds on to is the domain's for ever. */
        if (type == HCALL_P2M_RAM) {
            hcall_domain_free_pages(d, base, run);
        } else {
            hcall_domain_orphan_pages(d, base, run);
        }
        hcall_domain_discard_later(d, ranges, base, run);
        return run;
    case HCALL_P2M_SPECIAL:
        return decrease_special(d, base) ? 1 : 0;
    default:
        return 0;
    }
}

/*
 * Gfn by gfn as far as the outcome goes: what lies before a hole is gone although
 * the extent fails.  Runs of RAM go at once, so that superpage leaves stay whole.
 *
 * What the PoD layer has handled has become holes, and each of those stands for a gfn that is
 * done: wherever it is, and whichever gfns that leaves unvisited.
 */
static bool decrease_extent(const struct call *call, struct hcall_domain *d,
                            const struct reservation *r, gfn_t base, struct ranges *ranges)
{
    const pages_t size = (pages_t)1 << r->extent_order;
    pages_t pod_done = pod_decrease(d, call->caller, base, r->extent_order, ranges);
    pages_t done;

    for (pages_t i = 0; i + pod_done < size; i += done) {
        enum hcall_p2m_type type;
        /* A dying domain's leaves cannot be split, so each gfn is on its own. */
        pages_t run = p2m_run(&d->p2m, base + i, d->dying ? 1 : size - pod_done - i, &type);

        if (type == HCALL_P2M_HOLE) {
            done = run < pod_done ? run : pod_done;
            pod_done -= done;
        } else {
            done = decrease_run(d, base + i, run, type, ranges);
        }
        if (done == 0) {
            return false;
        }
    }
    return true;
}

long xenmem_decrease_reservation(const struct call *call)
{
    static const struct extent_op op = {
        .extent = decrease_extent,
        .settle = discard,
        .reads_list = true,
    };
    struct reservation r;

    if (!xenmem_copy_reservation(call, call->arg, &r)) {
        return (long)call->start_extent;
    }
    return do_reservation(call, &op, &r, xenmem_max_order(call));
}

/* --- populate ---------------------------------------------------------------------- */

/* Would max_pages allow this many more pages?  If not, say so in Xen's words. */
static bool within_max_pages(const struct call *call, const struct hcall_domain *d, pages_t count)
{
    bool over_already = d->tot_pages > d->max_pages;
    char line[96];

    if (!over_already && count <= d->max_pages - d->tot_pages) {
        return true;
    }
    snprintf(line, sizeof(line), "d%uv%u %s for d%u: %llu > %llu", call->caller->domain->domid,
             call->caller->vcpu, over_already ? "Inconsistent allocation" : "Over-allocation",
             d->domid, (unsigned long long)(d->tot_pages + (over_already ? 0 : count)),
             (unsigned long long)d->max_pages);
    call->host->ops.log(call->host->world, line);
    return false;
}

/* Xen looks for pages first, and only then whether the domain may have them. */
static bool may_allocate(const struct call *call, const struct hcall_domain *d, pages_t count)
{
    return hcall_host_has(d, count) && !d->dying && within_max_pages(call, d, count);
}

/* Does nothing stand in the way of RAM there?  If something does the domain is crashed. */
static bool may_replace(const struct call *call, struct hcall_domain *d, gfn_t base, pages_t count)
{
    /* Numbers of Xen's, for its log: types, and unrestricted access. */
    static const uint8_t xen_type[HCALL_P2M_TYPES] = {
        [HCALL_P2M_OWN_GRANT] = 7,
        [HCALL_P2M_GRANT] = 7,
        [HCALL_P2M_FOREIGN] = 14,
        [HCALL_P2M_MMIO] = 5,
    };
    const unsigned xen_rwx = 7;
    enum hcall_p2m_type type;
    char line[128];

    while (count > 0) {
        pages_t run = p2m_run(&d->p2m, base, count, &type);

        if (xen_type[type] != 0) {
            snprintf(line, sizeof(line),
                     "d%u: GFN %#llx (%#llx,%u,%u) -> (%#llx,%u,%u) not permitted", d->domid,
                     (unsigned long long)base, (unsigned long long)base, xen_type[type], xen_rwx,
                     (unsigned long long)base, 0, xen_rwx);
            call->host->ops.log(call->host->world, line);
            hcall_domain_crash(d, call->caller, HERE("hcall/reservation.c"));
            return false;
        }
        base += run;
        count -= run;
    }
    return true;
}

/* Pages that have been allocated and could not be mapped stay the domain's, as in Xen. */
static bool leak(struct hcall_domain *d, pages_t count)
{
    hcall_host_take(d, count);
    d->orphans += count;
    return false;
}

/*
 * Frames of a large extent are aligned; where its gfns are not they take entries of 4 KiB.
 * Fails before anything has changed.
 */
static int set_fresh(struct hcall_domain *d, gfn_t base, pages_t count)
{
    const pages_t block = POD_SUPERPAGE_PAGES;

    if (count < block) {
        return p2m_set(&d->p2m, base, count, HCALL_P2M_RAM);
    }
    if (base % block == 0) {
        return p2m_set(&d->p2m, base, count, HCALL_P2M_RAM | P2M_IN_PLACE);
    }
    for (pages_t i = 0; i < count; i += block / 2) {
        if (p2m_split(&d->p2m, base + i) < 0) {
            return -ENOMEM;
        }
    }
    if (p2m_split(&d->p2m, base + count - 1) < 0) {
        return -ENOMEM;
    }
    /* Less than a block at a time, into the tables that are there now. */
    for (pages_t i = 0; i < count; i += block / 2) {
        (void)p2m_set(&d->p2m, base + i, count - i < block / 2 ? count - i : block / 2,
                      HCALL_P2M_RAM);
    }
    return 0;
}

/* A gfn that is not backable is this library's own limit, and costs nothing. */
static bool map_fresh(const struct call *call, struct hcall_domain *d, gfn_t base, pages_t count)
{
    pages_t replaced, pod;

    if (base >= P2M_GFNS || count > P2M_GFNS - base || !may_replace(call, d, base, count)) {
        return leak(d, count);
    }
    if (!d->ops.backable(d->world, base, count)) {
        return false;
    }
    replaced = p2m_count(&d->p2m, base, count, HCALL_P2M_RAM);
    pod = p2m_count(&d->p2m, base, count, HCALL_P2M_POD);
    if (set_fresh(d, base, count) < 0) {
        return leak(d, count);
    }
    hcall_host_take(d, count);
    /* The page that was there stays the domain's, though no gfn leads to it. */
    d->orphans += replaced;
    hcall_domain_orphan_pages(d, base, count);
    d->pod.entry_count -= pod;
    return true;
}

static bool populate_extent(const struct call *call, struct hcall_domain *d,
                            const struct reservation *r, gfn_t base, struct ranges *ranges)
{
    pages_t count = (pages_t)1 << r->extent_order;

    /* A domain cannot mark its own gfns populate-on-demand. */
    if (r->mem_flags & XENMEMF_populate_on_demand) {
        return d != call->caller->domain && pod_mark(d, call->caller, base, r->extent_order) == 0;
    }
    if (!may_allocate(call, d, count) || !map_fresh(call, d, base, count)) {
        return false;
    }
    hcall_domain_unmap_specials(d, base, count);
    hcall_domain_mapped(d, base, count);
    ranges_add(ranges, base, count);
    return true;
}

long xenmem_populate_physmap(const struct call *call)
{
    static const struct extent_op op = {
        .extent = populate_extent,
        .settle = back,
        .reads_list = true,
        .writes_list = true,
    };
    struct reservation r;

    if (!xenmem_copy_reservation(call, call->arg, &r)) {
        return (long)call->start_extent;
    }
    return do_reservation(call, &op, &r,
                          r.mem_flags & XENMEMF_populate_on_demand ? HCALL_MAX_ORDER
                                                                   : xenmem_max_order(call));
}

/* --- increase ---------------------------------------------------------------------- */

/* Pages that no gfn leads to. */
static bool increase_extent(const struct call *call, struct hcall_domain *d,
                            const struct reservation *r, gfn_t base, struct ranges *ranges)
{
    pages_t count = (pages_t)1 << r->extent_order;

    (void)base;
    (void)ranges;
    if (!may_allocate(call, d, count)) {
        return false;
    }
    hcall_host_take(d, count);
    d->orphans += count;
    return true;
}

/*
 * A translated domain gets nothing mapped, and its list is not looked at: only Xen's
 * translation for 32-bit callers writes what it has left over from elsewhere, if there
 * is a list, and counts as not done what it could not write.
 */
long xenmem_increase_reservation(const struct call *call)
{
    struct extent_op op = {
        .extent = increase_extent,
        .settle = back,
    };
    struct reservation r;

    if (!xenmem_copy_reservation(call, call->arg, &r)) {
        return (long)call->start_extent;
    }
    op.writes_list = r.extent_start != 0;
    return do_reservation(call, &op, &r, xenmem_max_order(call));
}
