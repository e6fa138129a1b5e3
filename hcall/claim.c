/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: claims, by which the toolstack makes sure of a domain's pages before it builds
 * it.
 */
#include "call.h"

/* N pages in all for d, those it owns included; 0 lets go of what is claimed. */
static int claim(struct hcall_domain *d, uint64_t n)
{
    struct hcall_host *host = d->host;
    pages_t more;

    if (d->dying && !hcall_host_is_old(host)) {
        return -EINVAL;
    }
    if (n == 0) {
        host->claims -= d->claim;
        d->claim = 0;
        return 0;
    }
    if (d->claim > 0 || n <= d->tot_pages || n > d->max_pages) {
        return -EINVAL;
    }
    more = n - d->tot_pages;
    if (host->claims > host->free_pages || more > host->free_pages - host->claims) {
        return -ENOMEM;
    }
    d->claim = more;
    host->claims += more;
    return 0;
}

/* Neither DOMID_SELF nor who is not found is an ESRCH here. */
long xenmem_claim_pages(const struct call *call)
{
    struct xen_memory_reservation r;
    struct hcall_domain *d;
    int rc;

    /* Xen does not translate it for 32-bit callers. */
    if (call->caller->compat) {
        return -ENOSYS;
    }
    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_from_guest(call, &r, call->arg, sizeof(r))) {
        return -EFAULT;
    }
    if (r.extent_start.p || r.extent_order != 0 || r.mem_flags != 0 || r.domid == DOMID_SELF) {
        return -EINVAL;
    }
    d = xenmem_domain(call, r.domid);
    if (!d) {
        return -EINVAL;
    }
    if (!xenmem_is_control(call)) {
        return -EPERM;
    }
    call->host->ops.lock(call->host->world);
    rc = claim(d, r.nr_extents);
    call->host->ops.unlock(call->host->world);
    return rc;
}
