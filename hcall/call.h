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

#define ASSERT_FIELD(type, field, offset, size)                                                    \
    _Static_assert(offsetof(struct type, field) == (offset) &&                                     \
                       sizeof(((struct type *)NULL)->field) == (size),                             \
                   #type "." #field " is not where the guest puts it")

/* One memory_op under way. */
struct call {
    const struct hcall_caller *caller;
    struct hcall_host *host;
    uint64_t start_extent;
    uint64_t arg;
    uint64_t *done; /* when it returns -ERESTART: the start_extent to go on from */
};

static inline bool copy_from_guest(const struct call *call, void *dst, uint64_t addr, size_t len)
{
    const struct hcall_domain *d = call->caller->domain;

    return d->ops.copy_from_guest(d->world, dst, addr, len) == len;
}

static inline bool copy_to_guest(const struct call *call, uint64_t addr, const void *src,
                                 size_t len)
{
    const struct hcall_domain *d = call->caller->domain;

    return d->ops.copy_to_guest(d->world, addr, src, len) == len;
}

/* The structure of an operation, of either size: the layouts begin alike. */
static inline bool copy_argument(const struct call *call, void *dst, size_t wide, size_t narrow)
{
    return copy_from_guest(call, dst, call->arg, call->caller->compat ? narrow : wide);
}

/* The domain of this id, DOMID_SELF included; NULL: there is none. */
struct hcall_domain *xenmem_domain(const struct call *call, domid_t domid);

bool xenmem_is_control(const struct call *call);

/* May the caller change or ask about this domain: itself, or any for the control domain? */
bool xenmem_may(const struct call *call, const struct hcall_domain *d);

/* Both: 0 and the domain; -ESRCH there is none, -EPERM. */
int xenmem_find(const struct call *call, domid_t domid, struct hcall_domain **d);

/* The same for what a PV domain does not have: -EACCES when it is one. */
int xenmem_find_translated(const struct call *call, domid_t domid, struct hcall_domain **d);

/* Is the call to let an interrupt in?  If so it goes on from there and returns -ERESTART. */
bool xenmem_preempted(const struct call *call, uint64_t from);

/* The largest order of an extent that the caller may ask for. */
unsigned xenmem_max_order(const struct call *call);

/*
 * Not: an address width that cannot hold a page, and insisting on a node, which only
 * the control domain may do.  Everything else is accepted and has no effect: frames
 * and nodes are not modelled.
 */
bool xenmem_flags_valid(const struct call *call, uint32_t mem_flags);

/* reservation.c */
long xenmem_increase_reservation(const struct call *call);
long xenmem_decrease_reservation(const struct call *call);
long xenmem_populate_physmap(const struct call *call);

/* exchange.c */
long xenmem_exchange(const struct call *call);

/* physmap.c */
long xenmem_add_to_physmap(const struct call *call);
long xenmem_add_to_physmap_batch(const struct call *call);
long xenmem_remove_from_physmap(const struct call *call);

/* map.c */
long xenmem_memory_map(const struct call *call);
long xenmem_set_memory_map(const struct call *call);
long xenmem_machine_memory_map(const struct call *call);

/* claim.c */
long xenmem_claim_pages(const struct call *call);

/* query.c */
long xenmem_maximum_ram_page(const struct call *call);
long xenmem_current_reservation(const struct call *call);
long xenmem_maximum_reservation(const struct call *call);
long xenmem_maximum_gpfn(const struct call *call);
long xenmem_set_pod_target(const struct call *call);
long xenmem_get_pod_target(const struct call *call);
long xenmem_machphys_mfn_list(const struct call *call);
long xenmem_machphys_compat_mfn_list(const struct call *call);
long xenmem_sharing_counter(const struct call *call);
long xenmem_access_op(const struct call *call);
long xenmem_get_vnumainfo(const struct call *call);
long xenmem_reserved_device_memory_map(const struct call *call);
long xenmem_acquire_resource(const struct call *call);

#endif
