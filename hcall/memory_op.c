/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: its operations, each a handler in one table.  A handler works in four steps:
 * copy the structure, check every field, act, write the result.
 */
#include <limits.h>

#include "call.h"

/* Part of the ABI, though the public headers leave it out: guests see it when they are preempted.
 */
#define MEMOP_EXTENT_SHIFT 6
#define MEMOP_CMD_MASK ((1u << MEMOP_EXTENT_SHIFT) - 1)

/* As many as Xen is built for. */
#define MAX_NODES 64

#define VERSION_4_2 0x40002

#define ORDINARY_MAX_ORDER 9
#define IO_MAX_ORDER 12

struct hcall_domain *xenmem_domain(const struct call *call, domid_t domid)
{
    struct hcall_domain *d;

    if (domid == DOMID_SELF || domid == call->caller->domain->domid) {
        return call->caller->domain;
    }
    call->host->ops.lock(call->host->world);
    d = hcall_host_find(call->host, domid);
    call->host->ops.unlock(call->host->world);
    return d;
}

bool xenmem_is_control(const struct call *call)
{
    return call->caller->domain->domid == HCALL_CONTROL_DOMID;
}

bool xenmem_may(const struct call *call, const struct hcall_domain *d)
{
    return d == call->caller->domain || xenmem_is_control(call);
}

int xenmem_find(const struct call *call, domid_t domid, struct hcall_domain **d)
{
    *d = xenmem_domain(call, domid);
    if (!*d) {
        return -ESRCH;
    }
    return xenmem_may(call, *d) ? 0 : -EPERM;
}

int xenmem_find_translated(const struct call *call, domid_t domid, struct hcall_domain **d)
{
    int rc = xenmem_find(call, domid, d);

    return *d && (*d)->domid == HCALL_CONTROL_DOMID ? -EACCES : rc;
}

bool xenmem_preempted(const struct call *call, uint64_t from)
{
    const struct hcall_domain *d = call->caller->domain;

    if (!d->ops.preempt(d->world)) {
        return false;
    }
    *call->done = from;
    return true;
}

unsigned xenmem_max_order(const struct call *call)
{
    const bool io = call->caller->domain->io;

    /* Up to 4.2 nobody with I/O resources had a limit, and the control domain has them. */
    if (xenmem_is_control(call) || (io && call->host->version <= VERSION_4_2)) {
        return HCALL_MAX_ORDER;
    }
    return io ? IO_MAX_ORDER : ORDINARY_MAX_ORDER;
}

bool xenmem_flags_valid(const struct call *call, uint32_t mem_flags)
{
    unsigned address_bits = XENMEMF_get_address_bits(mem_flags);
    bool names_node = XENMEMF_get_node(mem_flags) != XENMEMF_get_node(0u);

    if (address_bits != 0 && address_bits <= HCALL_PAGE_SHIFT) {
        return false;
    }
    if ((mem_flags & XENMEMF_vnode) || !names_node) {
        return true;
    }
    if (xenmem_is_control(call)) {
        return XENMEMF_get_node(mem_flags) < MAX_NODES;
    }
    return !(mem_flags & XENMEMF_exact_node_request);
}

static long (*const handlers[MEMOP_CMD_MASK + 1])(const struct call *call) = {
    [XENMEM_increase_reservation] = xenmem_increase_reservation,
    [XENMEM_decrease_reservation] = xenmem_decrease_reservation,
    [XENMEM_populate_physmap] = xenmem_populate_physmap,
    [XENMEM_exchange] = xenmem_exchange,

    [XENMEM_add_to_physmap] = xenmem_add_to_physmap,
    [XENMEM_add_to_physmap_batch] = xenmem_add_to_physmap_batch,
    [XENMEM_remove_from_physmap] = xenmem_remove_from_physmap,

    [XENMEM_memory_map] = xenmem_memory_map,
    [XENMEM_set_memory_map] = xenmem_set_memory_map,
    [XENMEM_machine_memory_map] = xenmem_machine_memory_map,

    [XENMEM_maximum_ram_page] = xenmem_maximum_ram_page,
    [XENMEM_current_reservation] = xenmem_current_reservation,
    [XENMEM_maximum_reservation] = xenmem_maximum_reservation,
    [XENMEM_maximum_gpfn] = xenmem_maximum_gpfn,
    [XENMEM_set_pod_target] = xenmem_set_pod_target,
    [XENMEM_get_pod_target] = xenmem_get_pod_target,
    [XENMEM_access_op] = xenmem_access_op,
    [XENMEM_machphys_mfn_list] = xenmem_machphys_mfn_list,
    [XENMEM_machphys_compat_mfn_list] = xenmem_machphys_compat_mfn_list,
    [XENMEM_get_sharing_freed_pages] = xenmem_sharing_counter,
    [XENMEM_get_sharing_shared_pages] = xenmem_sharing_counter,
    [XENMEM_claim_pages] = xenmem_claim_pages,
    [XENMEM_get_vnumainfo] = xenmem_get_vnumainfo,
    [XENMEM_reserved_device_memory_map] = xenmem_reserved_device_memory_map,
    [XENMEM_acquire_resource] = xenmem_acquire_resource,
};

long hcall_memory_op(const struct hcall_caller *caller, uint64_t *cmd, uint64_t arg)
{
    /* The registers of a 32-bit caller end there. */
    uint64_t mask = caller->compat ? UINT32_MAX : UINT64_MAX;
    unsigned op = *cmd & MEMOP_CMD_MASK;
    uint64_t done = 0;
    const struct call call = {
        .caller = caller,
        .host = caller->domain->host,
        .start_extent = (*cmd & mask) >> MEMOP_EXTENT_SHIFT,
        .arg = arg & mask,
        .done = &done,
    };
    long rc;

    if (!handlers[op]) {
        return -ENOSYS;
    }
    rc = handlers[op](&call);
    if (rc == -ERESTART) {
        *cmd = op | done << MEMOP_EXTENT_SHIFT;
    }
    return caller->compat && rc > INT_MAX ? INT_MAX : rc;
}
