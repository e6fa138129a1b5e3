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
ASSERT_FIELD(xen_pod_target, domid, 32, 2);
_Static_assert(sizeof(struct xen_pod_target) == 40, "size of pod_target");

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
    rc = xenmem_check_domid(call, arg.domid);
    if (rc < 0) {
        return rc;
    }
    d->ops.lock(d->world);
    value = (long)*number;
    d->ops.unlock(d->world);
    return value;
}

/* Xen's p2m remembers the highest gfn it ever mapped; the answer never gets smaller. */
long xenmem_maximum_gpfn(const struct call *call)
{
    return query(call, &call->d->max_gfn);
}

/* Only the control domain may ask: not even about itself may an ordinary one. */
long xenmem_pod_target(const struct call *call)
{
    struct xen_pod_target arg;
    int rc;

    /* Compared as a whole by Xen, this cmd with a start_extent is another operation. */
    if (call->start_extent != 0) {
        return -ENOSYS;
    }
    if (!copy_from_guest(call, &arg, call->arg,
                         call->caller->compat ? COMPAT_POD_TARGET_SIZE : sizeof(arg))) {
        return -EFAULT;
    }
    if (arg.domid == DOMID_DOM0) {
        return -EINVAL; /* a PV domain has no PoD */
    }
    rc = xenmem_check_domid(call, arg.domid);
    return rc < 0 ? rc : -EPERM;
}

long xenmem_current_reservation(const struct call *call)
{
    return query(call, &call->d->tot_pages);
}

long xenmem_maximum_reservation(const struct call *call)
{
    return query(call, &call->d->max_pages);
}

/* Whoever asks: the argument is not looked at. */
long xenmem_maximum_ram_page(const struct call *call)
{
    return call->start_extent != 0 ? -EINVAL : (long)call->d->ops.max_page;
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

long xenmem_claim_pages(const struct call *call)
{
    struct xen_memory_reservation r;

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
    if (r.extent_start.p || r.extent_order != 0 || r.mem_flags != 0) {
        return -EINVAL;
    }
    /* DOMID_SELF names nobody here, and who is not found is no ESRCH. */
    return r.domid == DOMID_DOM0 || r.domid == call->d->domid ? -EPERM : -EINVAL;
}

long xenmem_get_vnumainfo(const struct call *call)
{
    struct xen_vnuma_topology_info info;
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
    rc = xenmem_check_domid(call, info.domid);
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
    struct xen_mem_acquire_resource r;
    bool old = call->d->version <= HCALL_VERSION_4_17;
    int rc;

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
    /* Only another domain's can be acquired. */
    rc = xenmem_check_domid(call, r.domid);
    return rc < 0 ? rc : -EPERM;
}
