/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: the operations on lists of extents, by which a guest gives pages and takes
 * them.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "ranges.h"

/* Any start_extent must fit above the operation in 32 bits. */
#define MAX_NR_EXTENTS (UINT32_MAX >> 6)
/* What an ordinary domain, one without hardware of its own, may ask for at once. */
#define MAX_EXTENT_ORDER 9

/* The part of mem_flags that says how wide a frame's address may be. */
#define ADDRESS_BITS XENMEMF_address_bits(0xffu)

_Static_assert(HCALL_PAGES_PER_SECTION >= 1u << MAX_EXTENT_ORDER,
               "the largest extent must fit into one section");

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
_Static_assert(sizeof(struct compat_memory_reservation) == 20,
               "size of memory_reservation, 32-bit");

/* The structure of the operations on extents, whoever calls. */
struct reservation {
    uint64_t extent_start;
    uint64_t nr_extents;
    unsigned extent_order;
    uint32_t mem_flags;
    domid_t domid;
};

/* What sets one operation on extents apart from the others. */
struct extent_op {
    /*
     * Do one extent and add to ranges the gfns that changed, even if it fails.
     * Runs inside an exclusive section.
     */
    bool (*extent)(const struct call *call, const struct reservation *r, gfn_t base,
                   struct ranges *ranges);
    /* From struct hcall_ops: make the host's pages follow. */
    void (*settle)(void *world, gfn_t first, pages_t count);
    /* Is the list an input?  Is it an output? */
    bool reads_list, writes_list;
};

static bool copy_reservation(const struct call *call, struct reservation *r)
{
    struct compat_memory_reservation narrow;
    struct xen_memory_reservation wide;

    if (call->caller->compat) {
        if (!copy_from_guest(call, &narrow, call->arg, sizeof(narrow))) {
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
        if (!copy_from_guest(call, &wide, call->arg, sizeof(wide))) {
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

static bool reservation_valid(const struct call *call, const struct reservation *r)
{
    return r->nr_extents <= MAX_NR_EXTENTS && call->start_extent < r->nr_extents &&
           xenmem_flags_valid(r->mem_flags) && xenmem_check_domid(call, r->domid) == 0 &&
           r->extent_order <= MAX_EXTENT_ORDER;
}

/* Read nr elements of the list, from this index on; returns how many could be read. */
static size_t copy_frames(const struct call *call, const struct extent_op *op,
                          const struct reservation *r, uint64_t index, gfn_t *frames, size_t nr)
{
    const struct hcall_ops *ops = &call->d->ops;
    void *world = call->d->world;
    uint32_t narrow[HCALL_PAGES_PER_SECTION];
    uint64_t from;

    if (!op->reads_list) {
        memset(frames, 0, nr * sizeof(frames[0]));
        return nr;
    }
    if (!call->caller->compat) {
        from = r->extent_start + index * sizeof(frames[0]);
        return ops->copy_from_guest(world, frames, from, nr * sizeof(frames[0])) /
               sizeof(frames[0]);
    }
    from = r->extent_start + index * sizeof(narrow[0]);
    nr = ops->copy_from_guest(world, narrow, from, nr * sizeof(narrow[0])) / sizeof(narrow[0]);
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
    const struct hcall_ops *ops = &call->d->ops;
    uint32_t narrow[HCALL_PAGES_PER_SECTION];
    uint64_t to = r->extent_start + index * sizeof(narrow[0]);

    if (!call->caller->compat) {
        return nr;
    }
    for (size_t i = 0; i < nr; i++) {
        narrow[i] = (uint32_t)frames[i];
    }
    return ops->copy_to_guest(call->d->world, to, narrow, nr * sizeof(narrow[0])) /
           sizeof(narrow[0]);
}

/* One exclusive section; returns how many of the extents were done. */
static size_t do_section(const struct call *call, const struct extent_op *op,
                         const struct reservation *r, const gfn_t *frames, size_t nr)
{
    const struct hcall_ops *ops = &call->d->ops;
    void *world = call->d->world;
    struct ranges ranges;
    size_t done = 0;

    ranges.nr = 0;
    ops->begin_exclusive(world);
    while (done < nr && op->extent(call, r, frames[done], &ranges)) {
        done++;
    }
    /*
     * All extents of a call do the same to a gfn, and doing it twice (populate
     * on populate) leaves what once would: so the order may be lost.
     */
    ranges_merge(&ranges);
    for (unsigned i = 0; i < ranges.nr; i++) {
        op->settle(world, ranges.range[i].first, ranges.range[i].count);
    }
    ops->end_exclusive(world);
    return done;
}

/*
 * The frames are read a section's worth ahead, because reading guest memory may
 * walk page tables or fault, which must not happen while the vCPUs are stopped.
 */
static long do_reservation(const struct call *call, const struct extent_op *op)
{
    gfn_t frames[HCALL_PAGES_PER_SECTION];
    uint64_t index = call->start_extent;
    struct reservation r;

    if (!copy_reservation(call, &r) || !reservation_valid(call, &r)) {
        return (long)call->start_extent;
    }
    while (index < r.nr_extents) {
        uint64_t left = r.nr_extents - index;
        size_t most = HCALL_PAGES_PER_SECTION >> r.extent_order;
        size_t want = left < most ? left : most;
        size_t nr = copy_frames(call, op, &r, index, frames, want);

        if (nr > 0) {
            nr = do_section(call, op, &r, frames, nr);
        }
        if (nr > 0 && op->writes_list) {
            nr = write_frames(call, &r, index, frames, nr);
        }
        index += nr;
        if (nr < want) {
            break;
        }
    }
    return (long)index;
}

/*
 * Gfn by gfn as far as the outcome goes: what lies before a hole is gone although
 * the extent fails.  Runs of RAM go at once, so that superpage leaves stay whole.
 */
static bool decrease_extent(const struct call *call, const struct reservation *r, gfn_t base,
                            struct ranges *ranges)
{
    struct hcall_domain *d = call->d;
    pages_t left = (pages_t)1 << r->extent_order;

    while (left > 0) {
        enum hcall_p2m_type type;
        pages_t run = p2m_run(&d->p2m, base, left, &type);

        if (type != HCALL_P2M_RAM || p2m_set(&d->p2m, base, run, HCALL_P2M_HOLE) < 0) {
            return false;
        }
        d->tot_pages -= run;
        ranges_add(ranges, base, run);
        base += run;
        left -= run;
    }
    return true;
}

long xenmem_decrease_reservation(const struct call *call)
{
    const struct extent_op op = {
        .extent = decrease_extent,
        .settle = call->d->ops.discard,
        .reads_list = true,
    };

    return do_reservation(call, &op);
}

/* Would max_pages allow this many more pages?  If not, say so in Xen's words. */
static bool may_allocate(const struct call *call, pages_t count)
{
    const struct hcall_domain *d = call->d;
    bool over_already = d->tot_pages > d->max_pages;
    char line[96];

    if (!over_already && count <= d->max_pages - d->tot_pages) {
        return true;
    }
    snprintf(line, sizeof(line), "d%uv%u %s for d%u: %llu > %llu", call->caller->domid,
             call->caller->vcpu, over_already ? "Inconsistent allocation" : "Over-allocation",
             d->domid, (unsigned long long)(d->tot_pages + (over_already ? 0 : count)),
             (unsigned long long)d->max_pages);
    d->ops.log(d->world, line);
    return false;
}

static bool backable(const struct hcall_domain *d, gfn_t base, pages_t count)
{
    for (pages_t i = 0; i < count; i++) {
        if (!d->ops.backable(d->world, base + i)) {
            return false;
        }
    }
    return true;
}

/*
 * All or nothing.  A gfn that cannot be backed stops the call and costs nothing;
 * on Xen a gfn outside the p2m's reach stops it too, but leaks the pages.
 */
static bool populate_extent(const struct call *call, const struct reservation *r, gfn_t base,
                            struct ranges *ranges)
{
    struct hcall_domain *d = call->d;
    pages_t count = (pages_t)1 << r->extent_order;
    pages_t replaced = p2m_count(&d->p2m, base, count, HCALL_P2M_RAM);

    /* A domain cannot mark its own gfns populate-on-demand. */
    if (r->mem_flags & XENMEMF_populate_on_demand) {
        return false;
    }
    if (!may_allocate(call, count) || !backable(d, base, count) ||
        p2m_set(&d->p2m, base, count, HCALL_P2M_RAM) < 0) {
        return false;
    }
    /* The page that was there stays the domain's, though no gfn leads to it. */
    d->orphans += replaced;
    d->tot_pages += count;
    hcall_domain_mapped(d, base, count);
    ranges_add(ranges, base, count);
    return true;
}

long xenmem_populate_physmap(const struct call *call)
{
    const struct extent_op op = {
        .extent = populate_extent,
        .settle = call->d->ops.back,
        .reads_list = true,
        .writes_list = true,
    };

    return do_reservation(call, &op);
}

/* Pages that no gfn leads to. */
static bool increase_extent(const struct call *call, const struct reservation *r, gfn_t base,
                            struct ranges *ranges)
{
    struct hcall_domain *d = call->d;
    pages_t count = (pages_t)1 << r->extent_order;

    (void)base;
    (void)ranges;
    if (!may_allocate(call, count)) {
        return false;
    }
    d->tot_pages += count;
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
        .settle = call->d->ops.back,
    };
    struct reservation r;

    op.writes_list = copy_reservation(call, &r) && r.extent_start != 0;
    return do_reservation(call, &op);
}

/* --- exchange ---------------------------------------------------------------------- */

struct compat_memory_exchange {
    struct compat_memory_reservation in, out;
    uint32_t nr_exchanged;
};

ASSERT_FIELD(xen_memory_exchange, in, 0, 32);
ASSERT_FIELD(xen_memory_exchange, out, 32, 32);
ASSERT_FIELD(xen_memory_exchange, nr_exchanged, 64, 8);
ASSERT_FIELD(compat_memory_exchange, in, 0, 20);
ASSERT_FIELD(compat_memory_exchange, out, 20, 20);
ASSERT_FIELD(compat_memory_exchange, nr_exchanged, 40, 4);

struct exchange {
    struct reservation in, out;
    uint64_t nr_exchanged;
};

static bool copy_exchange(const struct call *call, struct exchange *x)
{
    size_t size = call->caller->compat ? sizeof(struct compat_memory_reservation)
                                       : sizeof(struct xen_memory_reservation);
    struct call in = *call, out = *call;
    uint32_t narrow;

    out.arg += size;
    if (!copy_reservation(&in, &x->in) || !copy_reservation(&out, &x->out)) {
        return false;
    }
    if (!call->caller->compat) {
        return copy_from_guest(call, &x->nr_exchanged, call->arg + 2 * size, 8);
    }
    if (!copy_from_guest(call, &narrow, call->arg + 2 * size, 4)) {
        return false;
    }
    x->nr_exchanged = narrow;
    return true;
}

/* As many pages in as out, in numbers that do not wrap. */
static bool totals_match(const struct exchange *x)
{
    uint64_t in = x->in.nr_extents << x->in.extent_order;
    uint64_t out = x->out.nr_extents << x->out.extent_order;

    return in >> x->in.extent_order == x->in.nr_extents &&
           out >> x->out.extent_order == x->out.nr_extents && in == out;
}

static bool copy_first(const struct call *call, const struct reservation *r, uint64_t index,
                       gfn_t *gfn)
{
    const struct extent_op op = {.reads_list = true};

    return copy_frames(call, &op, r, index, gfn, 1) == 1;
}

/* The first page is as far as it gets: frames of a translated domain are not exchanged. */
static int first_page(const struct call *call, const struct exchange *x)
{
    struct hcall_domain *d = call->d;
    enum hcall_p2m_type type;
    gfn_t gfn;

    if (!copy_first(call, &x->in, x->nr_exchanged, &gfn)) {
        return -EFAULT;
    }
    d->ops.lock(d->world);
    type = p2m_get(&d->p2m, gfn, NULL);
    d->ops.unlock(d->world);
    return type == HCALL_P2M_HOLE ? -EINVAL : -EOPNOTSUPP;
}

/* Xen translates a 32-bit caller's lists, both of them, before it looks at anything else. */
static int check_translation(const struct call *call, const struct exchange *x)
{
    gfn_t gfn;

    if (x->in.extent_order >= 32 || x->out.extent_order >= 32) {
        return -EPERM;
    }
    if (!totals_match(x)) {
        return -EINVAL;
    }
    if (x->nr_exchanged < x->in.nr_extents && (!copy_first(call, &x->in, x->nr_exchanged, &gfn) ||
                                               !copy_first(call, &x->out, x->nr_exchanged, &gfn))) {
        return -EFAULT;
    }
    return 0;
}

static int do_exchange(const struct call *call, const struct exchange *x)
{
    int rc = call->caller->compat ? check_translation(call, x) : 0;

    if (rc < 0) {
        return rc;
    }
    if (x->in.extent_order > MAX_EXTENT_ORDER || x->out.extent_order > MAX_EXTENT_ORDER) {
        return -EPERM;
    }
    if (x->nr_exchanged > x->in.nr_extents || x->in.domid != x->out.domid || !totals_match(x)) {
        return -EINVAL;
    }
    if (x->nr_exchanged == x->in.nr_extents) {
        return 0;
    }
    /* Of the flags only the node that is to give the pages is looked at. */
    if (!xenmem_flags_valid(x->out.mem_flags & ~ADDRESS_BITS)) {
        return -EINVAL;
    }
    rc = xenmem_check_domid(call, x->in.domid);
    return rc < 0 ? rc : first_page(call, x);
}

long xenmem_exchange(const struct call *call)
{
    struct exchange x;
    int rc;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_exchange(call, &x)) {
        return -EFAULT;
    }
    rc = do_exchange(call, &x);
    /* How far it came, which is no further than it was; for 32-bit callers only if it is. */
    if (rc < 0 && !call->caller->compat &&
        !copy_to_guest(call, call->arg + offsetof(struct xen_memory_exchange, nr_exchanged),
                       &x.nr_exchanged, sizeof(x.nr_exchanged))) {
        return -EFAULT;
    }
    return rc;
}
