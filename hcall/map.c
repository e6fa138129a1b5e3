/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: the memory map, as the toolstack set it or the guest sets it for itself.
 */
#include <stdlib.h>

#include "call.h"

struct compat_memory_map {
    uint32_t nr_entries;
    uint32_t buffer;
};

/* A memory map entry as the guest gets it. */
struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

/* Where the map is in a 32-bit foreign_memory_map: behind the domid. */
#define COMPAT_FOREIGN_MAP_MAP 4

ASSERT_FIELD(xen_foreign_memory_map, map, 8, 16);
ASSERT_FIELD(xen_memory_map, nr_entries, 0, 4);
ASSERT_FIELD(xen_memory_map, buffer, 8, 8);
_Static_assert(sizeof(struct xen_memory_map) == 16, "size of memory_map");
ASSERT_FIELD(compat_memory_map, nr_entries, 0, 4);
ASSERT_FIELD(compat_memory_map, buffer, 4, 4);
_Static_assert(sizeof(struct compat_memory_map) == 8, "size of memory_map, 32-bit");
ASSERT_FIELD(e820_entry, type, 16, 4);
_Static_assert(sizeof(struct e820_entry) == 20, "size of an e820 entry");

/* The structure is at ARG, which may be inside another one. */
static bool copy_memory_map(const struct call *call, uint64_t arg, uint32_t *nr_entries,
                            uint64_t *buffer)
{
    struct compat_memory_map narrow;
    struct xen_memory_map wide;

    if (call->caller->compat) {
        if (!copy_from_guest(call, &narrow, arg, sizeof(narrow))) {
            return false;
        }
        *nr_entries = narrow.nr_entries;
        *buffer = narrow.buffer;
    } else {
        if (!copy_from_guest(call, &wide, arg, sizeof(wide))) {
            return false;
        }
        *nr_entries = wide.nr_entries;
        *buffer = (uintptr_t)wide.buffer.p;
    }
    return true;
}

long xenmem_memory_map(const struct call *call)
{
    struct hcall_domain *d = call->caller->domain;
    struct e820_entry entries[HCALL_MAX_MAP_ENTRIES];
    uint32_t nr_entries;
    uint64_t buffer;
    unsigned nr_map;

    /* Compared as a whole by Xen, this cmd with a start_extent is another operation. */
    if (call->start_extent != 0) {
        return -ENOSYS;
    }
    if (!copy_memory_map(call, call->arg, &nr_entries, &buffer)) {
        return -EFAULT;
    }

    call->host->ops.lock(call->host->world);
    nr_map = d->nr_map;
    for (unsigned i = 0; i < nr_map; i++) {
        entries[i] = (struct e820_entry){d->map[i].addr, d->map[i].size, d->map[i].type};
    }
    call->host->ops.unlock(call->host->world);
    if (nr_map == 0) {
        return -ENOSYS;
    }

    /* The count comes first in both layouts. */
    nr_entries = nr_entries < nr_map ? nr_entries : nr_map;
    if (!copy_to_guest(call, buffer, entries, nr_entries * sizeof(entries[0])) ||
        !copy_to_guest(call, call->arg, &nr_entries, sizeof(nr_entries))) {
        return -EFAULT;
    }
    return 0;
}

/* Copies the caller's map and makes it the domain's. */
static int replace_map(const struct call *call, struct hcall_domain *d, uint32_t nr,
                       uint64_t buffer)
{
    struct hcall_e820 *entries = calloc(nr ? nr : 1, sizeof(*entries));
    int rc = entries ? 0 : -ENOMEM;

    for (uint32_t i = 0; i < nr && rc == 0; i++) {
        struct e820_entry entry;

        if (!copy_from_guest(call, &entry, buffer + (uint64_t)i * sizeof(entry), sizeof(entry))) {
            rc = -EFAULT;
        } else {
            entries[i] = (struct hcall_e820){entry.addr, entry.size, entry.type};
        }
    }
    if (rc == 0) {
        call->host->ops.lock(call->host->world);
        rc = hcall_domain_set_memory_map(d, entries, nr);
        call->host->ops.unlock(call->host->world);
    }
    free(entries);
    return rc;
}

/* A domain may set its own. */
long xenmem_set_memory_map(const struct call *call)
{
    uint64_t map =
        call->arg + (call->caller->compat ? COMPAT_FOREIGN_MAP_MAP
                                          : offsetof(struct xen_foreign_memory_map, map));
    struct hcall_domain *d;
    uint32_t nr_entries;
    uint64_t buffer;
    domid_t domid;
    int rc;

    if (call->start_extent != 0) {
        return -ENOSYS;
    }
    if (!copy_from_guest(call, &domid, call->arg, sizeof(domid)) ||
        !copy_memory_map(call, map, &nr_entries, &buffer)) {
        return -EFAULT;
    }
    if (nr_entries > HCALL_MAX_MAP_ENTRIES) {
        return -EINVAL;
    }
    rc = xenmem_find(call, domid, &d);
    return rc < 0 ? rc : replace_map(call, d, nr_entries, buffer);
}

/* The host's map is the control domain's business, and there is none. */
long xenmem_machine_memory_map(const struct call *call)
{
    /* 4.17 does not get as far as asking who calls, as long as it is no PV domain. */
    return call->start_extent != 0 || xenmem_is_control(call) || hcall_host_is_old(call->host)
               ? -ENOSYS
               : -EPERM;
}
