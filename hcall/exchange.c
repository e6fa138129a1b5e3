/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: exchange, which comes to nothing for a domain that is translated; but how it
 * fails tells a guest what it did wrong.
 */
#include "reservation.h"

/* The part of mem_flags that says how wide a frame's address may be. */
#define ADDRESS_BITS XENMEMF_address_bits(0xffu)

/* Where nr_exchanged is in 32 bits: behind two reservations. */
#define COMPAT_NR_EXCHANGED (2 * COMPAT_MEMORY_RESERVATION_SIZE)

ASSERT_FIELD(xen_memory_exchange, in, 0, 32);
ASSERT_FIELD(xen_memory_exchange, out, 32, 32);
ASSERT_FIELD(xen_memory_exchange, nr_exchanged, 64, 8);

struct exchange {
    struct reservation in, out;
    uint64_t nr_exchanged;
    gfn_t first; /* of those left to exchange */
};

static bool copy_exchange(const struct call *call, struct exchange *x)
{
    const bool compat = call->caller->compat;
    size_t out =
        compat ? COMPAT_MEMORY_RESERVATION_SIZE : offsetof(struct xen_memory_exchange, out);
    size_t nr = compat ? COMPAT_NR_EXCHANGED : offsetof(struct xen_memory_exchange, nr_exchanged);

    /* Little-endian, so the narrow number is the lower half of a wide one. */
    x->nr_exchanged = 0;
    return xenmem_copy_reservation(call, call->arg, &x->in) &&
           xenmem_copy_reservation(call, call->arg + out, &x->out) &&
           copy_from_guest(call, &x->nr_exchanged, call->arg + nr, compat ? 4 : 8);
}

/* As many pages in as out, in numbers that do not wrap. */
static bool totals_match(const struct call *call, const struct exchange *x)
{
    uint64_t most = call->caller->compat ? UINT32_MAX : UINT64_MAX;

    return x->in.nr_extents <= most >> x->in.extent_order &&
           x->out.nr_extents <= most >> x->out.extent_order &&
           x->in.nr_extents << x->in.extent_order == x->out.nr_extents << x->out.extent_order;
}

static bool copy_first(const struct call *call, const struct reservation *r, uint64_t index,
                       gfn_t *gfn)
{
    return xenmem_copy_frames(call, r, index, gfn, 1) == 1;
}

/* The first page is as far as it gets: frames of a translated domain are not exchanged. */
static int first_page(const struct call *call, struct hcall_domain *d, struct exchange *x)
{
    enum hcall_p2m_type type;

    /* That of a 32-bit caller has been read, and is not read twice. */
    if (!call->caller->compat && !copy_first(call, &x->in, x->nr_exchanged, &x->first)) {
        return -EFAULT;
    }
    /* The control domain's frames are not modelled. */
    if (d->domid == HCALL_CONTROL_DOMID) {
        return -EINVAL;
    }
    d->ops.begin_exclusive(d->world);
    (void)hcall_domain_touch(d, call->caller, x->first);
    type = p2m_get(&d->p2m, x->first, NULL);
    hcall_domain_end_exclusive(d);
    return type == HCALL_P2M_RAM ? -EOPNOTSUPP : -EINVAL;
}

/* Xen translates a 32-bit caller's lists, both of them, before it looks at anything else. */
static int check_translation(const struct call *call, struct exchange *x)
{
    gfn_t out;

    if (x->in.extent_order >= 32 || x->out.extent_order >= 32) {
        return -EPERM;
    }
    if (!totals_match(call, x)) {
        return -EINVAL;
    }
    if (x->nr_exchanged < x->in.nr_extents &&
        (!copy_first(call, &x->in, x->nr_exchanged, &x->first) ||
         !copy_first(call, &x->out, x->nr_exchanged, &out))) {
        return -EFAULT;
    }
    return 0;
}

static int do_exchange(const struct call *call, struct exchange *x)
{
    const unsigned max_order = xenmem_max_order(call);
    struct hcall_domain *d;
    int rc = call->caller->compat ? check_translation(call, x) : 0;

    if (rc < 0) {
        return rc;
    }
    if (x->in.extent_order > max_order || x->out.extent_order > max_order) {
        return -EPERM;
    }
    if (x->nr_exchanged > x->in.nr_extents || x->in.domid != x->out.domid ||
        !totals_match(call, x)) {
        return -EINVAL;
    }
    if (x->nr_exchanged == x->in.nr_extents) {
        return 0;
    }
    /* Of the flags only the node that is to give the pages is looked at. */
    if (!xenmem_flags_valid(call, x->out.mem_flags & ~ADDRESS_BITS)) {
        return -EINVAL;
    }
    rc = xenmem_find(call, x->in.domid, &d);
    return rc < 0 ? rc : first_page(call, d, x);
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
