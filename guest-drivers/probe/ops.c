/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypercalls that the word call knows by name, and their structures' fields.
 *
 * Offsets and sizes are the compiler's, from Xen's headers.  Built for 32 bits they
 * are those of Xen's compat layouts, so this table is all there is to both.
 */
#include "ops.h"

#define __XEN_TOOLS__ 1 /* claim_pages and what follows it in memory.h */
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>

#define FIELD(type, member, name, preset)                                                          \
    {                                                                                              \
        name, offsetof(struct type, member), sizeof(((struct type *)0)->member), preset            \
    }
#define PLAIN(type, member) FIELD(type, member, #member, PRESET_ZERO)
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, 0, PRESET_ZERO                                                                    \
    }

#define RESERVATION_FIELDS(type, path, prefix, list, count)                                        \
    FIELD(type, path extent_start, prefix "list", list),                                           \
        FIELD(type, path nr_extents, prefix "nr", count),                                          \
        FIELD(type, path extent_order, prefix "order", PRESET_ZERO),                               \
        FIELD(type, path mem_flags, prefix "flags", PRESET_ZERO),                                  \
        FIELD(type, path domid, prefix "domid", PRESET_SELF)

static const struct field reservation[] = {
    RESERVATION_FIELDS(xen_memory_reservation, , "", PRESET_LIST, PRESET_COUNT),
    END,
};

static const struct field exchange[] = {
    RESERVATION_FIELDS(xen_memory_exchange, in., "in.", PRESET_LIST, PRESET_COUNT),
    RESERVATION_FIELDS(xen_memory_exchange, out., "out.", PRESET_LIST2, PRESET_COUNT2),
    PLAIN(xen_memory_exchange, nr_exchanged),
    END,
};

static const struct field domain[] = {
    FIELD(xen_memory_domain, domid, "domid", PRESET_SELF),
    END,
};

static const struct field machphys[] = {
    PLAIN(xen_machphys_mfn_list, max_extents),
    FIELD(xen_machphys_mfn_list, extent_start, "list", PRESET_LIST),
    FIELD(xen_machphys_mfn_list, nr_extents, "nr", PRESET_ZERO),
    END,
};

static const struct field add[] = {
    FIELD(xen_add_to_physmap, domid, "domid", PRESET_SELF),
    PLAIN(xen_add_to_physmap, size),
    PLAIN(xen_add_to_physmap, space),
    PLAIN(xen_add_to_physmap, idx),
    PLAIN(xen_add_to_physmap, gpfn),
    END,
};

static const struct field add_batch[] = {
    FIELD(xen_add_to_physmap_batch, domid, "domid", PRESET_SELF),
    PLAIN(xen_add_to_physmap_batch, space),
    FIELD(xen_add_to_physmap_batch, size, "size", PRESET_COUNT),
    FIELD(xen_add_to_physmap_batch, u, "foreign", PRESET_ZERO),
    FIELD(xen_add_to_physmap_batch, idxs, "idxs", PRESET_LIST),
    FIELD(xen_add_to_physmap_batch, gpfns, "gpfns", PRESET_LIST2),
    FIELD(xen_add_to_physmap_batch, errs, "errs", PRESET_LIST3),
    END,
};

static const struct field remove_one[] = {
    FIELD(xen_remove_from_physmap, domid, "domid", PRESET_SELF),
    PLAIN(xen_remove_from_physmap, gpfn),
    END,
};

static const struct field map[] = {
    FIELD(xen_memory_map, nr_entries, "nr", PRESET_ZERO),
    FIELD(xen_memory_map, buffer, "buffer", PRESET_LIST3),
    END,
};

static const struct field foreign_map[] = {
    FIELD(xen_foreign_memory_map, domid, "domid", PRESET_SELF),
    FIELD(xen_foreign_memory_map, map.nr_entries, "nr", PRESET_ZERO),
    FIELD(xen_foreign_memory_map, map.buffer, "buffer", PRESET_LIST3),
    END,
};

static const struct field pod[] = {
    FIELD(xen_pod_target, target_pages, "target", PRESET_ZERO),
    FIELD(xen_pod_target, tot_pages, "tot", PRESET_ZERO),
    FIELD(xen_pod_target, pod_cache_pages, "cache", PRESET_ZERO),
    FIELD(xen_pod_target, pod_entries, "entries", PRESET_ZERO),
    FIELD(xen_pod_target, domid, "domid", PRESET_SELF),
    END,
};

static const struct field reserved_map[] = {
    PLAIN(xen_reserved_device_memory_map, flags),
    FIELD(xen_reserved_device_memory_map, nr_entries, "nr", PRESET_ZERO),
    FIELD(xen_reserved_device_memory_map, buffer, "buffer", PRESET_LIST3),
    END,
};

static const struct field resource[] = {
    FIELD(xen_mem_acquire_resource, domid, "domid", PRESET_SELF),
    PLAIN(xen_mem_acquire_resource, type),
    PLAIN(xen_mem_acquire_resource, id),
    FIELD(xen_mem_acquire_resource, nr_frames, "nr", PRESET_ZERO),
    PLAIN(xen_mem_acquire_resource, pad),
    PLAIN(xen_mem_acquire_resource, frame),
    FIELD(xen_mem_acquire_resource, frame_list, "list", PRESET_LIST),
    END,
};

static const struct field vnuma[] = {
    FIELD(xen_vnuma_topology_info, domid, "domid", PRESET_SELF),
    PLAIN(xen_vnuma_topology_info, pad),
    PLAIN(xen_vnuma_topology_info, nr_vnodes),
    PLAIN(xen_vnuma_topology_info, nr_vcpus),
    PLAIN(xen_vnuma_topology_info, nr_vmemranges),
    FIELD(xen_vnuma_topology_info, vdistance, "vdistance", PRESET_LIST),
    FIELD(xen_vnuma_topology_info, vcpu_to_vnode, "vcpu_to_vnode", PRESET_LIST2),
    FIELD(xen_vnuma_topology_info, vmemrange, "vmemrange", PRESET_LIST3),
    END,
};

static const struct field mem_type[] = {
    FIELD(xen_hvm_get_mem_type, domid, "domid", PRESET_SELF),
    FIELD(xen_hvm_get_mem_type, mem_type, "type", PRESET_ZERO),
    FIELD(xen_hvm_get_mem_type, pfn, "gfn", PRESET_ZERO),
    END,
};

static const struct field param[] = {
    FIELD(xen_hvm_param, domid, "domid", PRESET_SELF),
    PLAIN(xen_hvm_param, index),
    PLAIN(xen_hvm_param, value),
    END,
};

static const struct field map_grant[] = {
    PLAIN(gnttab_map_grant_ref, host_addr),
    PLAIN(gnttab_map_grant_ref, flags),
    PLAIN(gnttab_map_grant_ref, ref),
    FIELD(gnttab_map_grant_ref, dom, "domid", PRESET_SELF),
    PLAIN(gnttab_map_grant_ref, status),
    PLAIN(gnttab_map_grant_ref, handle),
    END,
};

static const struct field unmap_grant[] = {
    PLAIN(gnttab_unmap_grant_ref, host_addr),
    PLAIN(gnttab_unmap_grant_ref, handle),
    PLAIN(gnttab_unmap_grant_ref, status),
    END,
};

static const struct field none[] = {END};

#define MEMORY(name, type, fields)                                                                 \
    {                                                                                              \
#name, __HYPERVISOR_memory_op, XENMEM_##name, 0, sizeof(struct type), fields               \
    }
#define HVM(name, type, fields)                                                                    \
    {                                                                                              \
#name, __HYPERVISOR_hvm_op, HVMOP_##name, 0, sizeof(struct type), fields                   \
    }
#define GRANT(name, type, fields)                                                                  \
    {                                                                                              \
#name, __HYPERVISOR_grant_table_op, GNTTABOP_##name, 1, sizeof(struct type), fields        \
    }

const struct op ops[] = {
    MEMORY(increase_reservation, xen_memory_reservation, reservation),
    MEMORY(decrease_reservation, xen_memory_reservation, reservation),
    MEMORY(populate_physmap, xen_memory_reservation, reservation),
    MEMORY(claim_pages, xen_memory_reservation, reservation),
    MEMORY(exchange, xen_memory_exchange, exchange),
    MEMORY(current_reservation, xen_memory_domain, domain),
    MEMORY(maximum_reservation, xen_memory_domain, domain),
    MEMORY(maximum_gpfn, xen_memory_domain, domain),
    MEMORY(maximum_ram_page, xen_memory_domain, none),
    MEMORY(machphys_mfn_list, xen_machphys_mfn_list, machphys),
    MEMORY(machphys_compat_mfn_list, xen_machphys_mfn_list, machphys),
    MEMORY(add_to_physmap, xen_add_to_physmap, add),
    MEMORY(add_to_physmap_batch, xen_add_to_physmap_batch, add_batch),
    MEMORY(remove_from_physmap, xen_remove_from_physmap, remove_one),
    MEMORY(memory_map, xen_memory_map, map),
    MEMORY(machine_memory_map, xen_memory_map, map),
    MEMORY(set_memory_map, xen_foreign_memory_map, foreign_map),
    MEMORY(set_pod_target, xen_pod_target, pod),
    MEMORY(get_pod_target, xen_pod_target, pod),
    MEMORY(reserved_device_memory_map, xen_reserved_device_memory_map, reserved_map),
    MEMORY(acquire_resource, xen_mem_acquire_resource, resource),
    MEMORY(get_vnumainfo, xen_vnuma_topology_info, vnuma),
    HVM(get_mem_type, xen_hvm_get_mem_type, mem_type),
    HVM(get_param, xen_hvm_param, param),
    HVM(set_param, xen_hvm_param, param),
    GRANT(map_grant_ref, gnttab_map_grant_ref, map_grant),
    GRANT(unmap_grant_ref, gnttab_unmap_grant_ref, unmap_grant),
    {NULL, 0, 0, 0, 0, none},
};

/* All zero, and longer than any structure. */
const struct op numbered_op = {NULL, __HYPERVISOR_memory_op, 0, 0, OP_MAX_SIZE, none};
