/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: single gfns of a domain's physical address space.
 */
#include "call.h"

struct compat_remove_from_physmap {
    domid_t domid;
    uint32_t gpfn;
};

ASSERT_FIELD(xen_remove_from_physmap, domid, 0, 2);
ASSERT_FIELD(xen_remove_from_physmap, gpfn, 8, 8);
ASSERT_FIELD(compat_remove_from_physmap, domid, 0, 2);
ASSERT_FIELD(compat_remove_from_physmap, gpfn, 4, 4);

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

/* The page stays the domain's, though no gfn leads to it any more. */
static int unmap(const struct call *call, gfn_t gfn)
{
    struct hcall_domain *d = call->d;
    int rc = -ENOENT;

    d->ops.begin_exclusive(d->world);
    if (p2m_get(&d->p2m, gfn, NULL) == HCALL_P2M_RAM) {
        rc = p2m_set(&d->p2m, gfn, 1, HCALL_P2M_HOLE);
        if (rc == 0) {
            d->orphans++;
            d->ops.discard(d->world, gfn, 1);
        }
    }
    d->ops.end_exclusive(d->world);
    return rc;
}

long xenmem_remove_from_physmap(const struct call *call)
{
    domid_t domid;
    gfn_t gfn;
    int rc;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_remove(call, &domid, &gfn)) {
        return -EFAULT;
    }
    if (domid == DOMID_DOM0) {
        return -EACCES; /* a PV domain's memory is not translated */
    }
    rc = xenmem_check_domid(call, domid);
    return rc < 0 ? rc : unmap(call, gfn);
}
