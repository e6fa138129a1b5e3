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

int xenmem_check_domid(const struct call *call, domid_t domid)
{
    if (domid == DOMID_SELF || domid == call->d->domid) {
        return 0;
    }
    return domid == DOMID_DOM0 ? -EPERM : -ESRCH;
}

bool xenmem_flags_valid(uint32_t mem_flags)
{
    unsigned address_bits = XENMEMF_get_address_bits(mem_flags);
    bool names_node = XENMEMF_get_node(mem_flags) != XENMEMF_get_node(0u);

    if (address_bits != 0 && address_bits <= HCALL_PAGE_SHIFT) {
        return false;
    }
    return (mem_flags & XENMEMF_vnode) || !(names_node && (mem_flags & XENMEMF_exact_node_request));
}

static long (*const handlers[MEMOP_CMD_MASK + 1])(const struct call *call) = {
    [XENMEM_increase_reservation] = xenmem_increase_reservation,
    [XENMEM_decrease_reservation] = xenmem_decrease_reservation,
    [XENMEM_populate_physmap] = xenmem_populate_physmap,
    [XENMEM_exchange] = xenmem_exchange,

    [XENMEM_remove_from_physmap] = xenmem_remove_from_physmap,

    [XENMEM_memory_map] = xenmem_memory_map,
    [XENMEM_set_memory_map] = xenmem_set_memory_map,
    [XENMEM_machine_memory_map] = xenmem_machine_memory_map,

    [XENMEM_maximum_ram_page] = xenmem_maximum_ram_page,
    [XENMEM_current_reservation] = xenmem_current_reservation,
    [XENMEM_maximum_reservation] = xenmem_maximum_reservation,
    [XENMEM_maximum_gpfn] = xenmem_maximum_gpfn,
    [XENMEM_set_pod_target] = xenmem_pod_target,
    [XENMEM_get_pod_target] = xenmem_pod_target,
    [XENMEM_machphys_compat_mfn_list] = xenmem_machphys_compat_mfn_list,
    [XENMEM_get_sharing_freed_pages] = xenmem_sharing_counter,
    [XENMEM_get_sharing_shared_pages] = xenmem_sharing_counter,
    [XENMEM_claim_pages] = xenmem_claim_pages,
    [XENMEM_get_vnumainfo] = xenmem_get_vnumainfo,
    [XENMEM_reserved_device_memory_map] = xenmem_reserved_device_memory_map,
    [XENMEM_acquire_resource] = xenmem_acquire_resource,
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
