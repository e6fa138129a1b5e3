/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: which page is behind which gfn: moving pages, mapping the hypervisor's,
 * unmapping.
 */
#include "call.h"

/* "Done so far" of a continuation must fit into the structures' 16-bit sizes. */
#define MAX_START_EXTENT UINT16_MAX

/* --- Arguments --------------------------------------------------------------------- */

struct compat_add_to_physmap {
    domid_t domid;
    uint16_t size;
    uint32_t space;
    uint32_t idx;
    uint32_t gpfn;
};

struct compat_add_to_physmap_batch {
    domid_t domid;
    uint16_t space;
    uint16_t size;
    uint16_t res0;
    uint32_t idxs;
    uint32_t gpfns;
    uint32_t errs;
};

struct compat_remove_from_physmap {
    domid_t domid;
    uint32_t gpfn;
};

ASSERT_FIELD(xen_add_to_physmap, size, 2, 2);
ASSERT_FIELD(xen_add_to_physmap, space, 4, 4);
ASSERT_FIELD(xen_add_to_physmap, idx, 8, 8);
ASSERT_FIELD(xen_add_to_physmap, gpfn, 16, 8);
_Static_assert(sizeof(struct xen_add_to_physmap) == 24, "size of add_to_physmap");
ASSERT_FIELD(compat_add_to_physmap, space, 4, 4);
ASSERT_FIELD(compat_add_to_physmap, idx, 8, 4);
_Static_assert(sizeof(struct compat_add_to_physmap) == 16, "size of add_to_physmap, 32-bit");
ASSERT_FIELD(xen_add_to_physmap_batch, space, 2, 2);
ASSERT_FIELD(xen_add_to_physmap_batch, size, 4, 2);
ASSERT_FIELD(xen_add_to_physmap_batch, u.res0, 6, 2);
ASSERT_FIELD(xen_add_to_physmap_batch, idxs, 8, 8);
ASSERT_FIELD(xen_add_to_physmap_batch, gpfns, 16, 8);
ASSERT_FIELD(xen_add_to_physmap_batch, errs, 24, 8);
_Static_assert(sizeof(struct xen_add_to_physmap_batch) == 32, "size of add_to_physmap_batch");
ASSERT_FIELD(compat_add_to_physmap_batch, res0, 6, 2);
ASSERT_FIELD(compat_add_to_physmap_batch, idxs, 8, 4);
_Static_assert(sizeof(struct compat_add_to_physmap_batch) == 20,
               "size of add_to_physmap_batch, 32-bit");
ASSERT_FIELD(xen_remove_from_physmap, domid, 0, 2);
ASSERT_FIELD(xen_remove_from_physmap, gpfn, 8, 8);
ASSERT_FIELD(compat_remove_from_physmap, domid, 0, 2);
ASSERT_FIELD(compat_remove_from_physmap, gpfn, 4, 4);

/* Of whoever calls, in the wide layout: 32-bit callers' numbers are not extended. */
static bool copy_add(const struct call *call, struct xen_add_to_physmap *add)
{
    struct compat_add_to_physmap narrow;

    if (!call->caller->compat) {
        return copy_from_guest(call, add, call->arg, sizeof(*add));
    }
    if (!copy_from_guest(call, &narrow, call->arg, sizeof(narrow))) {
        return false;
    }
    *add = (struct xen_add_to_physmap){
        .domid = narrow.domid,
        .size = narrow.size,
        .space = narrow.space,
        .idx = narrow.idx,
        .gpfn = narrow.gpfn,
    };
    return true;
}

/* A batch of whoever calls, lists as addresses. */
struct batch {
    domid_t domid;
    uint16_t space;
    uint16_t size;
    uint16_t res0;
    uint64_t idxs, gpfns, errs;
};

static bool copy_batch(const struct call *call, struct batch *b)
{
    struct compat_add_to_physmap_batch narrow;
    struct xen_add_to_physmap_batch wide;

    if (call->caller->compat) {
        if (!copy_from_guest(call, &narrow, call->arg, sizeof(narrow))) {
            return false;
        }
        *b = (struct batch){narrow.domid, narrow.space, narrow.size, narrow.res0,
                            narrow.idxs,  narrow.gpfns, narrow.errs};
        return true;
    }
    if (!copy_from_guest(call, &wide, call->arg, sizeof(wide))) {
        return false;
    }
    *b = (struct batch){
        .domid = wide.domid,
        .space = wide.space,
        .size = wide.size,
        .res0 = wide.u.res0,
        .idxs = (uintptr_t)wide.idxs.p,
        .gpfns = (uintptr_t)wide.gpfns.p,
        .errs = (uintptr_t)wide.errs.p,
    };
    return true;
}

/* Element i of a list of C longs. */
static bool copy_long(const struct call *call, uint64_t list, unsigned i, uint64_t *value)
{
    size_t size = call->caller->compat ? sizeof(uint32_t) : sizeof(uint64_t);

    *value = 0;
    return copy_from_guest(call, value, list + i * size, size);
}

/* --- One page, inside an exclusive section ------------------------------------------- */

/* What is populate-on-demand gets its page before anything else; if there is none it is a hole. */
static void populate(const struct call *call, struct hcall_domain *d, gfn_t gfn)
{
    (void)hcall_domain_touch(d, call->caller, gfn);
}

/* So does a destination, once it is known what goes there: which is in use, so not taken back. */
static int populate_destination(const struct call *call, struct hcall_domain *d, gfn_t from,
                                gfn_t to)
{
    struct hcall_page *source;

    if (p2m_get(&d->p2m, to, NULL) != HCALL_P2M_POD) {
        return 0;
    }
    source = hcall_domain_get_page(d, from);
    if (!source && p2m_get(&d->p2m, from, NULL) == HCALL_P2M_RAM) {
        return -ENOMEM;
    }
    populate(call, d, to);
    if (source) {
        hcall_domain_put_page(d, source);
    }
    return 0;
}

/* Can there be another page at gpfn?  0, or why not; nothing has changed. */
static int check_destination(const struct hcall_domain *d, gfn_t gpfn)
{
    switch (p2m_get(&d->p2m, gpfn, NULL)) {
    case HCALL_P2M_MMIO:
        return -EPERM;
    case HCALL_P2M_GRANT:
    case HCALL_P2M_FOREIGN:
        return -ENXIO;
    default:
        return gpfn < P2M_GFNS ? 0 : -EINVAL;
    }
}

/*
 * What is at gpfn is the domain's no longer, as after a decrease; its leaf has been split.
 * Returns whether the world has a page there, which is to go or to be replaced.
 */
static bool release_destination(struct hcall_domain *d, gfn_t gpfn)
{
    enum hcall_p2m_type type = p2m_get(&d->p2m, gpfn, NULL);

    if (type == HCALL_P2M_RAM) {
        hcall_domain_free_pages(d, gpfn, 1);
    } else {
        hcall_domain_orphan_pages(d, gpfn, 1);
    }
    /* There was no page for it. */
    d->pod.entry_count -= type == HCALL_P2M_POD ? 1 : 0;
    hcall_domain_unmap_specials(d, gpfn, 1);
    return type == HCALL_P2M_RAM || type == HCALL_P2M_OWN_GRANT || type == HCALL_P2M_POD;
}

static int split(struct hcall_domain *d, gfn_t gfn)
{
    return p2m_split(&d->p2m, gfn) < 0 ? -ENOMEM : 0;
}

/* A page of the hypervisor's goes to gpfn, from wherever it is. */
static int map_special(const struct call *call, struct hcall_domain *d, struct special *special,
                       gfn_t gpfn)
{
    int rc = check_destination(d, gpfn);

    if (rc == 0) {
        rc = populate_destination(call, d, special->gfn, gpfn);
    }
    if (rc == 0 && special->gfn == gpfn) {
        /* The world may have unmapped it by itself, as a soft reset does. */
        hcall_domain_place_special(special, gpfn);
        return 0;
    }
    if (rc == 0) {
        rc = split(d, gpfn);
    }
    if (rc < 0) {
        return rc;
    }
    if (release_destination(d, gpfn)) {
        d->ops.discard(d->world, gpfn, 1);
    }
    if (special->gfn != HCALL_NO_GFN) {
        /* It has a leaf of its own, so this cannot fail. */
        p2m_set(&d->p2m, special->gfn, 1, HCALL_P2M_HOLE);
    }
    p2m_set(&d->p2m, gpfn, 1, HCALL_P2M_SPECIAL);
    hcall_domain_place_special(special, gpfn);
    hcall_domain_mapped(d, gpfn, 1);
    return 0;
}

static int map_shared_info(const struct call *call, struct hcall_domain *d, uint64_t idx,
                           gfn_t gpfn)
{
    return idx != 0 ? -EINVAL : map_special(call, d, &d->special[HCALL_SPECIAL_SHARED_INFO], gpfn);
}

/* The table grows to have the frame.  Version 2 and its status frames are not modelled. */
static int map_grant_frame(const struct call *call, struct hcall_domain *d, uint64_t idx,
                           gfn_t gpfn)
{
    struct special *frame;

    if (idx >= d->nr_special - HCALL_SPECIAL_GRANT_FRAME) {
        return -EINVAL;
    }
    if (idx >= d->nr_grant_frames) {
        d->nr_grant_frames = (unsigned)idx + 1;
    }
    frame = &d->special[HCALL_SPECIAL_GRANT_FRAME + idx];
    return frame->released ? -EBUSY : map_special(call, d, frame, gpfn);
}

static int move_ram(const struct call *call, struct hcall_domain *d, gfn_t from, gfn_t to)
{
    int rc = check_destination(d, to);

    if (rc == 0) {
        rc = populate_destination(call, d, from, to);
    }
    if (rc < 0 || from == to) {
        return rc;
    }
    if (!d->ops.backable(d->world, to, 1)) {
        rc = -ENOMEM;
    }
    if (rc == 0) {
        rc = split(d, from);
    }
    if (rc == 0) {
        rc = split(d, to);
    }
    if (rc < 0) {
        return rc;
    }
    release_destination(d, to);
    p2m_set(&d->p2m, from, 1, HCALL_P2M_HOLE);
    p2m_set(&d->p2m, to, 1, HCALL_P2M_RAM);
    hcall_domain_page_moved(d, from, to);
    d->ops.move(d->world, from, to);
    hcall_domain_mapped(d, to, 1);
    return 0;
}

/* A page the domain has moves; the hypervisor's, too, until it has been decreased. */
static int move_gfn(const struct call *call, struct hcall_domain *d, gfn_t from, gfn_t to)
{
    struct special *special;

    switch (p2m_get(&d->p2m, from, NULL)) {
    case HCALL_P2M_RAM:
        return move_ram(call, d, from, to);
    case HCALL_P2M_SPECIAL:
        special = hcall_domain_special_at(d, from);
        return special->released ? -EINVAL : map_special(call, d, special, to);
    default:
        return hcall_host_is_old(d->host) ? -EINVAL : -EACCES;
    }
}

static int add_page(const struct call *call, struct hcall_domain *d, unsigned space, uint64_t idx,
                    gfn_t gpfn)
{
    switch (space) {
    case XENMAPSPACE_shared_info:
        return map_shared_info(call, d, idx, gpfn);
    case XENMAPSPACE_grant_table:
        return map_grant_frame(call, d, idx, gpfn);
    case XENMAPSPACE_gmfn:
    case XENMAPSPACE_gmfn_range:
        populate(call, d, idx);
        return move_gfn(call, d, idx, gpfn);
    default:
        return -EINVAL;
    }
}

static int add_one(const struct call *call, struct hcall_domain *d, unsigned space, uint64_t idx,
                   gfn_t gpfn)
{
    int rc;

    d->ops.begin_exclusive(d->world);
    rc = add_page(call, d, space, idx, gpfn);
    hcall_domain_end_exclusive(d);
    return rc;
}

/* --- add_to_physmap ------------------------------------------------------------------ */

/* A page touched at either end counts. */
#define MOVES_PER_SECTION (HCALL_PAGES_PER_SECTION / 2)

/* The range from the element on that is next; stops at the first that fails. */
static int move_section(const struct call *call, struct hcall_domain *d,
                        const struct xen_add_to_physmap *add, bool down, uint64_t done,
                        uint64_t end)
{
    int rc = 0;

    d->ops.begin_exclusive(d->world);
    while (done < end && rc == 0) {
        uint64_t i = down ? add->size - 1 - done : done;

        rc = add_page(call, d, XENMAPSPACE_gmfn_range, add->idx + i, add->gpfn + i);
        done++;
    }
    hcall_domain_end_exclusive(d);
    return rc;
}

/* A 32-bit caller's number has been made wide, so it does not. */
static bool wraps(uint64_t base, uint64_t size)
{
    return base + size < base;
}

static long add_range(const struct call *call, struct hcall_domain *d,
                      const struct xen_add_to_physmap *add)
{
    uint64_t done = call->start_extent;
    bool down;

    if (add->size < done) {
        return -EILSEQ;
    }
    if (wraps(add->idx, add->size) || wraps(add->gpfn, add->size)) {
        return -EOVERFLOW;
    }
    /* So that no page is overwritten before it has moved; up to 4.17 it was. */
    down =
        !hcall_host_is_old(call->host) && add->gpfn > add->idx && add->gpfn - add->idx < add->size;
    while (done < add->size) {
        uint64_t left = add->size - done;
        uint64_t end = done + (left < MOVES_PER_SECTION ? left : MOVES_PER_SECTION);
        int rc;

        if (done > call->start_extent && xenmem_preempted(call, done)) {
            return -ERESTART;
        }
        rc = move_section(call, d, add, down, done, end);
        if (rc < 0) {
            return rc;
        }
        done = end;
    }
    return 0;
}

long xenmem_add_to_physmap(const struct call *call)
{
    struct xen_add_to_physmap add;
    struct hcall_domain *d;
    int rc;

    if (call->start_extent > MAX_START_EXTENT) {
        return -EDOM;
    }
    if (!copy_add(call, &add)) {
        return -EFAULT;
    }
    if (add.space == XENMAPSPACE_gmfn_foreign) {
        return -ENOSYS;
    }
    rc = xenmem_find_translated(call, add.domid, &d);
    if (rc == -ESRCH || rc == -EACCES) {
        return rc;
    }
    if (add.space == XENMAPSPACE_dev_mmio) {
        return -EACCES;
    }
    if (rc < 0) {
        return rc;
    }
    if (add.gpfn == HCALL_NO_GFN) {
        return -EINVAL;
    }
    return add.space == XENMAPSPACE_gmfn_range ? add_range(call, d, &add)
                                               : add_one(call, d, add.space, add.idx, add.gpfn);
}

static int check_batch(const struct call *call, const struct batch *b, struct hcall_domain **d)
{
    int rc;

    if (b->space == XENMAPSPACE_gmfn_range) {
        return -EOPNOTSUPP;
    }
    rc = xenmem_find_translated(call, b->domid, d);
    if (rc == -ESRCH || rc == -EACCES) {
        return rc;
    }
    if (b->space == XENMAPSPACE_dev_mmio) {
        return -EACCES;
    }
    if (rc < 0) {
        return rc;
    }
    return b->size <= call->start_extent && (b->size != 0 || call->start_extent != 0) ? -EILSEQ : 0;
}

/* 0: its result is in errs.  Foreign pages are for toolstacks that are translated themselves. */
static int add_element(const struct call *call, struct hcall_domain *d, const struct batch *b,
                       unsigned i)
{
    uint64_t idx, gpfn;
    int32_t err;

    if (!copy_long(call, b->idxs, i, &idx) || !copy_long(call, b->gpfns, i, &gpfn)) {
        return -EFAULT;
    }
    if (gpfn == HCALL_NO_GFN) {
        return -EINVAL;
    }
    err = b->space == XENMAPSPACE_gmfn_foreign ? -EPERM : add_one(call, d, b->space, idx, gpfn);
    return copy_to_guest(call, b->errs + i * sizeof(err), &err, sizeof(err)) ? 0 : -EFAULT;
}

long xenmem_add_to_physmap_batch(const struct call *call)
{
    struct hcall_domain *d;
    struct batch b;
    int rc;

    if (call->start_extent > MAX_START_EXTENT) {
        return -EDOM;
    }
    if (!copy_batch(call, &b)) {
        return -EFAULT;
    }
    rc = check_batch(call, &b, &d);
    for (unsigned i = (unsigned)call->start_extent; i < b.size && rc == 0; i++) {
        if (i > call->start_extent && xenmem_preempted(call, i)) {
            return -ERESTART;
        }
        rc = add_element(call, d, &b, i);
    }
    return rc;
}

/* --- remove_from_physmap --------------------------------------------------------------- */

static bool copy_remove(const struct call *call, domid_t *domid, gfn_t *gfn)
{
    struct compat_remove_from_physmap narrow;
    struct xen_remove_from_physmap wide;

    if (call->caller->compat) {
        if (!copy_from_guest(call, &narrow, call->arg, sizeof(narrow))) {
            return false;
        }
        *domid = narrow.domid;
        *gfn = narrow.gpfn;
    } else {
        if (!copy_from_guest(call, &wide, call->arg, sizeof(wide))) {
            return false;
        }
        *domid = wide.domid;
        *gfn = wide.gpfn;
    }
    return true;
}

/* Does the type have a page behind it that can be looked up, and so be unmapped? */
static bool can_be_removed(struct hcall_domain *d, gfn_t gfn, enum hcall_p2m_type type)
{
    switch (type) {
    case HCALL_P2M_RAM:
    case HCALL_P2M_OWN_GRANT:
    case HCALL_P2M_FOREIGN:
        return true;
    case HCALL_P2M_SPECIAL:
        return !hcall_domain_special_at(d, gfn)->released;
    default:
        return false;
    }
}

/* The page stays the domain's, though no gfn leads to it any more. */
static int unmap(const struct call *call, struct hcall_domain *d, gfn_t gfn)
{
    enum hcall_p2m_type type;

    populate(call, d, gfn);
    type = p2m_get(&d->p2m, gfn, NULL);
    if (!can_be_removed(d, gfn, type)) {
        return -ENOENT;
    }
    if (p2m_set(&d->p2m, gfn, 1, HCALL_P2M_HOLE) < 0) {
        return -ENOMEM;
    }
    hcall_domain_unmap_specials(d, gfn, 1);
    hcall_domain_orphan_pages(d, gfn, 1);
    d->orphans += type == HCALL_P2M_RAM ? 1 : 0;
    if (type == HCALL_P2M_RAM || type == HCALL_P2M_OWN_GRANT) {
        d->ops.discard(d->world, gfn, 1);
    }
    return 0;
}

long xenmem_remove_from_physmap(const struct call *call)
{
    struct hcall_domain *d;
    domid_t domid;
    gfn_t gfn;
    int rc;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_remove(call, &domid, &gfn)) {
        return -EFAULT;
    }
    rc = xenmem_find_translated(call, domid, &d);
    if (rc < 0) {
        return rc;
    }
    d->ops.begin_exclusive(d->world);
    rc = unmap(call, d, gfn);
    hcall_domain_end_exclusive(d);
    return rc;
}
