/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: what a guest may ask about its memory, and what it is refused whatever it
 * says.
 */
#include "call.h"

/* In 32 bits these end without padding; the fields are where they are in 64. */
#define COMPAT_POD_TARGET_SIZE 36
#define COMPAT_ACQUIRE_RESOURCE_SIZE 28
#define COMPAT_RESERVED_DEVICE_MEMORY_MAP_SIZE 16

/* The hypervisor's structures end at gfn 2^32 in acquire_resource. */
#define FRAMES_END ((uint64_t)1 << 32)

ASSERT_FIELD(xen_memory_domain, domid, 0, 2);
_Static_assert(sizeof(struct xen_memory_domain) == 2, "size of memory_domain");
ASSERT_FIELD(xen_vnuma_topology_info, pad, 2, 2);
_Static_assert(sizeof(struct xen_vnuma_topology_info) == 40, "size of vnuma_topology_info");
ASSERT_FIELD(xen_reserved_device_memory_map, flags, 0, 4);
ASSERT_FIELD(xen_reserved_device_memory_map, nr_entries, 4, 4);
_Static_assert(sizeof(struct xen_reserved_device_memory_map) == 24, "size of rdm map");
ASSERT_FIELD(xen_mem_acquire_resource, pad, 12, 4);
ASSERT_FIELD(xen_mem_acquire_resource, frame, 16, 8);
_Static_assert(sizeof(struct xen_mem_acquire_resource) == 32, "size of acquire_resource");
ASSERT_FIELD(xen_pod_target, target_pages, 0, 8);
ASSERT_FIELD(xen_pod_target, tot_pages, 8, 8);
ASSERT_FIELD(xen_pod_target, pod_cache_pages, 16, 8);
ASSERT_FIELD(xen_pod_target, pod_entries, 24, 8);
ASSERT_FIELD(xen_pod_target, domid, 32, 2);
_Static_assert(sizeof(struct xen_pod_target) == 40, "size of pod_target");

/* The queries: a number of the domain that the structure names. */
static long query(const struct call *call, uint64_t (*number)(const struct hcall_domain *d))
{
    struct xen_memory_domain arg;
    struct hcall_domain *d;
    long value;
    int rc;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_from_guest(call, &arg, call->arg, sizeof(arg))) {
        return -EFAULT;
    }
    rc = xenmem_find(call, arg.domid, &d);
    if (rc < 0) {
        return rc;
    }
    call->host->ops.lock(call->host->world);
    value = (long)number(d);
    call->host->ops.unlock(call->host->world);
    return value;
}

static gfn_t max_gfn(const struct hcall_domain *d)
{
    return d->max_gfn;
}

/* Xen's p2m remembers the highest gfn it ever mapped; the answer never gets smaller. */
long xenmem_maximum_gpfn(const struct call *call)
{
    return query(call, max_gfn);
}

long xenmem_current_reservation(const struct call *call)
{
    return query(call, hcall_domain_tot_pages);
}

long xenmem_maximum_reservation(const struct call *call)
{
    return query(call, hcall_domain_max_pages);
}

/* Only the control domain may ask: not even about itself may an ordinary one. */
static int find_pod_domain(const struct call *call, struct xen_pod_target *arg,
                           struct hcall_domain **d)
{
    /* Compared as a whole by Xen, this cmd with a start_extent is another operation. */
    if (call->start_extent != 0) {
        return -ENOSYS;
    }
    if (!copy_argument(call, arg, sizeof(*arg), COMPAT_POD_TARGET_SIZE)) {
        return -EFAULT;
    }
    *d = xenmem_domain(call, arg->domid);
    if (!*d) {
        return -ESRCH;
    }
    if ((*d)->domid == HCALL_CONTROL_DOMID) {
        return -EINVAL; /* a PV domain has no PoD */
    }
    return xenmem_is_control(call) ? 0 : -EPERM;
}

/* What both tell about the domain. */
static long tell_pod(const struct call *call, const struct hcall_domain *d)
{
    uint64_t numbers[3]; /* tot_pages, pod_cache_pages, pod_entries */

    call->host->ops.lock(call->host->world);
    numbers[0] = d->tot_pages;
    numbers[1] = pod_count(&d->pod);
    numbers[2] = d->pod.entry_count;
    call->host->ops.unlock(call->host->world);
    return copy_to_guest(call, call->arg + offsetof(struct xen_pod_target, tot_pages), numbers,
                         sizeof(numbers))
               ? 0
               : -EFAULT;
}

long xenmem_get_pod_target(const struct call *call)
{
    struct xen_pod_target arg;
    struct hcall_domain *d;
    int rc = find_pod_domain(call, &arg, &d);

    return rc < 0 ? rc : tell_pod(call, d);
}

long xenmem_set_pod_target(const struct call *call)
{
    struct xen_pod_target arg;
    struct hcall_domain *d;
    int rc = find_pod_domain(call, &arg, &d);

    if (rc < 0) {
        return rc;
    }
    if (arg.target_pages > hcall_domain_max_pages(d)) {
        return -EINVAL;
    }
    for (;;) {
        call->host->ops.lock(call->host->world);
        rc = pod_set_target(d, arg.target_pages);
        call->host->ops.unlock(call->host->world);
        if (rc != -ERESTART) {
            break;
        }
        /* It is made again as it is: how far it came is in the cache. */
        if (xenmem_preempted(call, 0)) {
            return -ERESTART;
        }
    }
    return rc < 0 ? rc : tell_pod(call, d);
}

/* Whoever asks: the argument is not looked at. */
long xenmem_maximum_ram_page(const struct call *call)
{
    return call->start_extent != 0 ? -EINVAL : (long)call->host->max_page;
}

/* Of machine frames, which are not modelled; 32-bit callers get that answer from another place. */
long xenmem_machphys_mfn_list(const struct call *call)
{
    return call->start_extent == 0 && call->caller->compat ? -EOPNOTSUPP : -ENOSYS;
}

/* It is about 32-bit PV domains, which there are none of. */
long xenmem_machphys_compat_mfn_list(const struct call *call)
{
    return call->start_extent != 0 ? -ENOSYS : -EOPNOTSUPP;
}

/* No page is shared. */
long xenmem_sharing_counter(const struct call *call)
{
    return call->start_extent != 0 ? -ENOSYS : 0;
}

/* --- What an ordinary domain is refused, when it gets that far ------------------------- */

/* Not built into Xen unless asked for; what it checks first it checks all the same. */
long xenmem_access_op(const struct call *call)
{
    struct xen_mem_access_op arg;
    struct hcall_domain *d;

    if (!copy_from_guest(call, &arg, call->arg, sizeof(arg))) {
        return -EFAULT;
    }
    d = xenmem_domain(call, arg.domid);
    if (!d) {
        return -ESRCH;
    }
    if (d == call->caller->domain) {
        return -EPERM;
    }
    if (d->dying || d->domid == HCALL_CONTROL_DOMID) {
        return -EINVAL;
    }
    return xenmem_is_control(call) ? -EOPNOTSUPP : -EPERM;
}

long xenmem_get_vnumainfo(const struct call *call)
{
    struct xen_vnuma_topology_info info;
    struct hcall_domain *d;
    int rc;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_from_guest(call, &info, call->arg, sizeof(info))) {
        return -EFAULT;
    }
    if (info.pad != 0) {
        return -EINVAL;
    }
    rc = xenmem_find(call, info.domid, &d);
    return rc < 0 ? rc : -EOPNOTSUPP; /* there is no virtual NUMA */
}

/* There is no IOMMU, so no device has memory reserved. */
long xenmem_reserved_device_memory_map(const struct call *call)
{
    struct xen_reserved_device_memory_map map;
    const uint32_t none = 0;

    if (call->start_extent != 0) {
        return -EINVAL;
    }
    if (!copy_argument(call, &map, sizeof(map), COMPAT_RESERVED_DEVICE_MEMORY_MAP_SIZE)) {
        return -EFAULT;
    }
    if (map.flags & ~XENMEM_RDM_ALL) {
        return -EINVAL;
    }
    return copy_to_guest(call,
                         call->arg + offsetof(struct xen_reserved_device_memory_map, nr_entries),
                         &none, sizeof(none))
               ? 0
               : -EFAULT;
}

long xenmem_acquire_resource(const struct call *call)
{
    /* The control domain is not translated. */
    bool old = hcall_host_is_old(call->host) && !xenmem_is_control(call);
    struct xen_mem_acquire_resource r;
    struct hcall_domain *d;

    /* 4.17 refuses every translated caller at once, but for what translating it needs. */
    if (old && !call->caller->compat) {
        return -EACCES;
    }
    if (!copy_argument(call, &r, sizeof(r), COMPAT_ACQUIRE_RESOURCE_SIZE)) {
        return -EFAULT;
    }
    if (old) {
        return -EACCES;
    }
    if (r.pad != 0 || r.frame >= FRAMES_END || r.frame + r.nr_frames >= FRAMES_END) {
        return -EINVAL;
    }
    d = xenmem_domain(call, r.domid);
    if (!d) {
        return -ESRCH;
    }
    /* Only another domain's can be acquired, and then it is frames that one gets. */
    return d != call->caller->domain && xenmem_is_control(call) ? -EOPNOTSUPP : -EPERM;
}
