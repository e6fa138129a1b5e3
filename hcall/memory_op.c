/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: the operations a guest calls on its own memory.
 *
 * Each operation is one handler in the table at the end, in four steps: copy
 * the structure, check every field, act, write the result.  Layouts and numbers
 * are Xen's public headers'; those of 32-bit callers ("compat") are spelled out
 * here, as the headers only know the layout they are compiled for.
 */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "domain.h"
#include "ranges.h"

/* Last, as they use stdint's types without asking for them. */
#include <xen/xen.h>
#include <xen/memory.h>

/* Part of the ABI, though the public headers leave it out: guests see it when they are preempted.
 */
#define MEMOP_EXTENT_SHIFT 6
#define MEMOP_CMD_MASK ((1u << MEMOP_EXTENT_SHIFT) - 1)

/* Any start_extent must fit above the operation in 32 bits. */
#define MAX_NR_EXTENTS (UINT32_MAX >> MEMOP_EXTENT_SHIFT)
/* What an ordinary domain, one without hardware of its own, may ask for at once. */
#define MAX_EXTENT_ORDER 9
#define DOMID_DOM0 0

_Static_assert(HCALL_PAGES_PER_SECTION >= 1u << MAX_EXTENT_ORDER,
               "the largest extent must fit into one section");

struct compat_memory_reservation {
    uint32_t extent_start;
    uint32_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags;
    domid_t domid;
};

struct compat_memory_map {
    uint32_t nr_entries;
    uint32_t buffer;
};

/* A memory map entry as the guest gets it. */
struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

/* In 32 bits it ends without padding; the fields are where they are in 64. */
#define COMPAT_POD_TARGET_SIZE 36

#define ASSERT_FIELD(type, field, offset, size)                                                    \
    _Static_assert(offsetof(struct type, field) == (offset) &&                                     \
                       sizeof(((struct type *)NULL)->field) == (size),                             \
                   #type "." #field " is not where the guest puts it")

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
ASSERT_FIELD(xen_memory_domain, domid, 0, 2);
_Static_assert(sizeof(struct xen_memory_domain) == 2, "size of memory_domain");
ASSERT_FIELD(xen_pod_target, domid, 32, 2);
_Static_assert(sizeof(struct xen_pod_target) == 40, "size of pod_target");
ASSERT_FIELD(xen_memory_map, nr_entries, 0, 4);
ASSERT_FIELD(xen_memory_map, buffer, 8, 8);
_Static_assert(sizeof(struct xen_memory_map) == 16, "size of memory_map");
ASSERT_FIELD(compat_memory_map, nr_entries, 0, 4);
ASSERT_FIELD(compat_memory_map, buffer, 4, 4);
_Static_assert(sizeof(struct compat_memory_map) == 8, "size of memory_map, 32-bit");
ASSERT_FIELD(e820_entry, type, 16, 4);
_Static_assert(sizeof(struct e820_entry) == 20, "size of an e820 entry");

/* One memory_op under way. */
struct call {
    struct hcall_domain *d;
    const struct hcall_caller *caller;
    uint64_t start_extent;
    uint64_t arg;
};

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
    /* Is the list also an output? */
    bool writes_list;
};

static bool copy_from_guest(const struct call *call, void *dst, uint64_t addr, size_t len)
{
    return call->d->ops.copy_from_guest(call->d->world, dst, addr, len) == len;
}

static bool copy_to_guest(const struct call *call, uint64_t addr, const void *src, size_t len)
{
    return call->d->ops.copy_to_guest(call->d->world, addr, src, len) == len;
}

/* May the caller change or ask about this domain? */
static int check_domid(const struct call *call, domid_t domid)
{
    if (domid == DOMID_SELF || domid == call->d->domid) {
        return 0;
    }
    return domid == DOMID_DOM0 ? -EPERM : -ESRCH;
}

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

/*
 * An address width that cannot hold a page, and insisting on a node, which only
 * privileged domains may do.  Everything else is accepted and has no effect: frames
 * and nodes are not modelled.
 */
static bool mem_flags_valid(uint32_t mem_flags)
{
    unsigned address_bits = XENMEMF_get_address_bits(mem_flags);
    bool names_node = XENMEMF_get_node(mem_flags) != XENMEMF_get_node(0u);

    if (address_bits != 0 && address_bits <= HCALL_PAGE_SHIFT) {
        return false;
    }
    return (mem_flags & XENMEMF_vnode) || !(names_node && (mem_flags & XENMEMF_exact_node_request));
}

static bool reservation_valid(const struct call *call, const struct reservation *r)
{
    return r->nr_extents <= MAX_NR_EXTENTS && call->start_extent < r->nr_extents &&
           mem_flags_valid(r->mem_flags) && check_domid(call, r->domid) == 0 &&
           r->extent_order <= MAX_EXTENT_ORDER;
}

/* Read nr elements of the list, from this index on; returns how many could be read. */
static size_t copy_frames(const struct call *call, const struct reservation *r, uint64_t index,
                          gfn_t *frames, size_t nr)
{
    const struct hcall_ops *ops = &call->d->ops;
    void *world = call->d->world;
    uint32_t narrow[HCALL_PAGES_PER_SECTION];
    uint64_t from;

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
        size_t nr = copy_frames(call, &r, index, frames, want);

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

static long decrease_reservation(const struct call *call)
{
    const struct extent_op op = {
        .extent = decrease_extent,
        .settle = call->d->ops.discard,
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

static long populate_physmap(const struct call *call)
{
    const struct extent_op op = {
        .extent = populate_extent,
        .settle = call->d->ops.back,
        .writes_list = true,
    };

    return do_reservation(call, &op);
}

/* The queries: a number of the domain that the structure names. */
static long query(const struct call *call, const uint64_t *number)
{
    const struct hcall_domain *d = call->d;
    struct xen_memory_domain arg;
    long value;
    int rc;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_from_guest(call, &arg, call->arg, sizeof(arg))) {
        return -EFAULT;
    }
    rc = check_domid(call, arg.domid);
    if (rc < 0) {
        return rc;
    }
    d->ops.lock(d->world);
    value = (long)*number;
    d->ops.unlock(d->world);
    return value;
}

/* Xen's p2m remembers the highest gfn it ever mapped; the answer never gets smaller. */
static long maximum_gpfn(const struct call *call)
{
    return query(call, &call->d->max_gfn);
}

/* Only the control domain may ask: not even about itself may an ordinary one. */
static long pod_target(const struct call *call)
{
    struct xen_pod_target arg;
    int rc;

    if (!copy_from_guest(call, &arg, call->arg,
                         call->caller->compat ? COMPAT_POD_TARGET_SIZE : sizeof(arg))) {
        return -EFAULT;
    }
    rc = check_domid(call, arg.domid);
    return rc < 0 ? rc : -EPERM;
}

static long current_reservation(const struct call *call)
{
    return query(call, &call->d->tot_pages);
}

static long maximum_reservation(const struct call *call)
{
    return query(call, &call->d->max_pages);
}

static bool copy_memory_map(const struct call *call, uint32_t *nr_entries, uint64_t *buffer)
{
    struct compat_memory_map narrow;
    struct xen_memory_map wide;

    if (call->caller->compat) {
        if (!copy_from_guest(call, &narrow, call->arg, sizeof(narrow))) {
            return false;
        }
        *nr_entries = narrow.nr_entries;
        *buffer = narrow.buffer;
    } else {
        if (!copy_from_guest(call, &wide, call->arg, sizeof(wide))) {
            return false;
        }
        *nr_entries = wide.nr_entries;
        *buffer = (uintptr_t)wide.buffer.p;
    }
    return true;
}

static long memory_map(const struct call *call)
{
    struct hcall_domain *d = call->d;
    struct e820_entry entries[HCALL_MAX_MAP_ENTRIES];
    uint32_t nr_entries;
    uint64_t buffer;
    unsigned nr_map;

    /* Compared as a whole by Xen, this cmd with a start_extent is another operation. */
    if (call->start_extent != 0) {
        return -ENOSYS;
    }
    if (!copy_memory_map(call, &nr_entries, &buffer)) {
        return -EFAULT;
    }

    d->ops.lock(d->world);
    nr_map = d->nr_map;
    for (unsigned i = 0; i < nr_map; i++) {
        entries[i] = (struct e820_entry){d->map[i].addr, d->map[i].size, d->map[i].type};
    }
    d->ops.unlock(d->world);
    if (nr_map == 0) {
        return -ENOSYS;
    }

    /* The count comes first in both layouts. */
    nr_entries = nr_entries < nr_map ? nr_entries : nr_map;
    if (!copy_to_guest(call, buffer, entries, nr_entries * sizeof(entries[0])) ||
        !copy_to_guest(call, call->arg, &nr_entries, sizeof(nr_entries))) {
        return -EFAULT;
    }
    return 0;
}

static long (*const handlers[MEMOP_CMD_MASK + 1])(const struct call *call) = {
    [XENMEM_decrease_reservation] = decrease_reservation,
    [XENMEM_current_reservation] = current_reservation,
    [XENMEM_maximum_reservation] = maximum_reservation,
    [XENMEM_populate_physmap] = populate_physmap,
    [XENMEM_memory_map] = memory_map,
    [XENMEM_maximum_gpfn] = maximum_gpfn,
    [XENMEM_set_pod_target] = pod_target,
    [XENMEM_get_pod_target] = pod_target,
};

long hcall_memory_op(struct hcall_domain *d, const struct hcall_caller *caller, uint64_t cmd,
                     uint64_t arg)
{
    /* The registers of a 32-bit caller end there. */
    uint64_t mask = caller->compat ? UINT32_MAX : UINT64_MAX;
    const struct call call = {
        .d = d,
        .caller = caller,
        .start_extent = (cmd & mask) >> MEMOP_EXTENT_SHIFT,
        .arg = arg & mask,
    };
    long rc;

    if (!handlers[cmd & MEMOP_CMD_MASK]) {
        return -ENOSYS;
    }
    rc = handlers[cmd & MEMOP_CMD_MASK](&call);
    return caller->compat && rc > INT_MAX ? INT_MAX : rc;
}
