/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the handlers of memory_op share: the call under way, copies from and to its
 * guest, who may ask about whom.  Layouts and numbers are Xen's public headers'; those of
 * 32-bit callers ("compat") are spelled out, as the headers only know the layout they
 * are compiled for.
 */
#ifndef HCALL_CALL_H
#define HCALL_CALL_H

#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
/* For the operations that are meant for toolstacks, and may be tried by anyone. */
#define __XEN_TOOLS__
#include <errno.h>
#include <stddef.h>

#include "domain.h"

/* Last, as they use stdint's types without asking for them. */
#include <xen/xen.h>
#include <xen/memory.h>

#define DOMID_DOM0 0

#define ASSERT_FIELD(type, field, offset, size)                                                    \
    _Static_assert(offsetof(struct type, field) == (offset) &&                                     \
                       sizeof(((struct type *)NULL)->field) == (size),                             \
                   #type "." #field " is not where the guest puts it")

/* One memory_op under way. */
struct call {
    struct hcall_domain *d;
    const struct hcall_caller *caller;
    uint64_t start_extent;
    uint64_t arg;
};

static inline bool copy_from_guest(const struct call *call, void *dst, uint64_t addr, size_t len)
{
    return call->d->ops.copy_from_guest(call->d->world, dst, addr, len) == len;
}

static inline bool copy_to_guest(const struct call *call, uint64_t addr, const void *src,
                                 size_t len)
{
    return call->d->ops.copy_to_guest(call->d->world, addr, src, len) == len;
}

/* The structure of an operation, of either size: the layouts begin alike. */
static inline bool copy_argument(const struct call *call, void *dst, size_t wide, size_t narrow)
{
    return copy_from_guest(call, dst, call->arg, call->caller->compat ? narrow : wide);
}

/* May the caller change or ask about this domain?  -ESRCH: there is none; -EPERM. */
int xenmem_check_domid(const struct call *call, domid_t domid);

/*
 * An address width that cannot hold a page, and insisting on a node, which only
 * privileged domains may do.  Everything else is accepted and has no effect: frames
 * and nodes are not modelled.
 */
bool xenmem_flags_valid(uint32_t mem_flags);

/* reservation.c */
long xenmem_increase_reservation(const struct call *call);
long xenmem_decrease_reservation(const struct call *call);
long xenmem_populate_physmap(const struct call *call);
long xenmem_exchange(const struct call *call);

/* physmap.c */
long xenmem_remove_from_physmap(const struct call *call);

/* map.c */
long xenmem_memory_map(const struct call *call);
long xenmem_set_memory_map(const struct call *call);
long xenmem_machine_memory_map(const struct call *call);

/* query.c */
long xenmem_maximum_ram_page(const struct call *call);
long xenmem_current_reservation(const struct call *call);
long xenmem_maximum_reservation(const struct call *call);
long xenmem_maximum_gpfn(const struct call *call);
long xenmem_pod_target(const struct call *call);
long xenmem_machphys_compat_mfn_list(const struct call *call);
long xenmem_sharing_counter(const struct call *call);
long xenmem_claim_pages(const struct call *call);
long xenmem_get_vnumainfo(const struct call *call);
long xenmem_reserved_device_memory_map(const struct call *call);
long xenmem_acquire_resource(const struct call *call);

#endif
