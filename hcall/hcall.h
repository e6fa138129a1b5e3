/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hcall: a Xen domain's memory as the hypervisor sees it, and the
 * XENMEM hypercalls that change it.
 *
 * This header is the manual.  The library is pure C: it makes no system call,
 * holds no global and never aborts.  What it needs from the world (guest
 * memory, the host's pages, a log) it asks for through struct hcall_ops; QEMU
 * provides one such table, unit tests another.
 *
 * Units are in the types: gfn_t is a guest frame number, pages_t a count of
 * 4 KiB pages, an order n means 2^n contiguous pages.  Errors are negative
 * errno values, Xen's numbers, which are Linux's.
 *
 * Locking: nothing here is thread-safe.  The caller owns one lock around a
 * domain and its world; only hcall_memory_op() may be entered without it, and
 * takes it through hcall_ops.lock or hcall_ops.begin_exclusive.
 */
#ifndef HCALL_H
#define HCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gfn_t;
typedef uint64_t pages_t;

#define HCALL_PAGE_SHIFT 12
#define HCALL_PAGE_SIZE (1u << HCALL_PAGE_SHIFT)
#define HCALL_MAX_ORDER 18
/* Most pages one exclusive section may touch before it is left again. */
#define HCALL_PAGES_PER_SECTION 512

/* What a gfn is, as Xen's p2m would have it (spec: gfn states). */
enum hcall_p2m_type {
    HCALL_P2M_HOLE, /* nothing: reads give all-ones, writes are dropped */
    HCALL_P2M_RAM,  /* backed by a page the domain owns */
};

/*
 * The world around a domain.  Every function gets the `world` pointer that was
 * given to hcall_domain_new().
 */
struct hcall_ops {
    /*
     * Copy between guest linear memory, as the calling vCPU sees it, and dst or
     * src.  Called without the domain's lock.  Returns how many bytes were
     * copied before the first one that could not be: len is success.
     */
    size_t (*copy_from_guest)(void *world, void *dst, uint64_t addr, size_t len);
    size_t (*copy_to_guest)(void *world, uint64_t addr, const void *src, size_t len);

    /* Take and release the domain's lock, to read or change counters. */
    void (*lock)(void *world);
    void (*unlock)(void *world);

    /*
     * Stop every vCPU and take the domain's lock; and let go of both.  Between
     * the two gfns may change: after end_exclusive no vCPU holds a translation
     * made before.
     */
    void (*begin_exclusive)(void *world);
    void (*end_exclusive)(void *world);

    /* Could the host give a page to this gfn at all? */
    bool (*backable)(void *world, gfn_t gfn);

    /*
     * Give the pages behind [first, first + count) back to the host; the gfns
     * are holes from now on.  Only inside an exclusive section.
     */
    void (*discard)(void *world, gfn_t first, pages_t count);

    /*
     * Put fresh pages behind [first, first + count); what was there is lost.
     * Only inside an exclusive section, and only where backable() said yes.
     */
    void (*back)(void *world, gfn_t first, pages_t count);

    /* One line for the Xen console, without "(XEN) " and without newline. */
    void (*log)(void *world, const char *line);

    /* One above the highest frame of the host's RAM. */
    uint64_t max_page;
};

/* Who makes a hypercall. */
struct hcall_caller {
    uint16_t domid; /* of the caller */
    uint16_t vcpu;  /* its vCPU, for Xen's log lines */
    bool compat;    /* 32-bit caller: narrow layouts, clamped results */
};

/* One entry of an e820 memory map; addr and size in bytes, type as in e820. */
struct hcall_e820 {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
};

struct hcall_domain;

/*
 * hcall_domain_new - a domain that owns nothing yet.
 * @domid:     its id, below DOMID_FIRST_RESERVED (0x7ff0)
 * @max_pages: most pages it may own (domctl max_mem, in pages)
 * @ops:       the world; copied
 * @world:     passed to every function of ops
 *
 * Returns the domain, or NULL when out of memory or domid is reserved.
 */
struct hcall_domain *hcall_domain_new(uint16_t domid, pages_t max_pages,
                                      const struct hcall_ops *ops, void *world);

/* hcall_domain_free - forget the domain; asks nothing of the world.  NULL is allowed. */
void hcall_domain_free(struct hcall_domain *d);

/*
 * hcall_domain_reset - back to a domain that owns nothing, as when it is
 * rebuilt for a reboot.  max_pages and the memory map stay.
 */
void hcall_domain_reset(struct hcall_domain *d);

/*
 * hcall_domain_build_ram - what the domain builder does: [first, first + count)
 * becomes RAM owned by the domain, from pages the world has already put there.
 * Uses the largest leaves that fit.
 *
 * Returns 0;
 *   -ENOMEM  tot_pages would exceed max_pages, or no memory for the p2m
 *   -EINVAL  the range wraps, or lies above gfn 2^40
 *   -EBUSY   a gfn in the range is not a hole
 * On failure nothing has changed.
 */
int hcall_domain_build_ram(struct hcall_domain *d, gfn_t first, pages_t count);

/*
 * hcall_domain_take_ram - the other way round: [first, first + count) becomes holes
 * and its pages leave the domain.  The world is not asked to discard them.
 *
 * Returns 0; -EINVAL a gfn in the range is not RAM; -ENOMEM.  On failure nothing has
 * changed.
 */
int hcall_domain_take_ram(struct hcall_domain *d, gfn_t first, pages_t count);

/*
 * hcall_domain_set_memory_map - what XENMEM_memory_map will return.
 * @entries: copied; may be NULL when nr is 0
 * @nr:      number of entries, at most 1024
 *
 * Returns 0; -EINVAL nr > 1024; -ENOMEM.
 */
int hcall_domain_set_memory_map(struct hcall_domain *d, const struct hcall_e820 *entries,
                                unsigned nr);

/*
 * hcall_domain_set_max_pages - the limit for new allocations (domctl max_mem).
 * May be below tot_pages: nothing is freed, all new allocation fails.  More
 * than 2^32 - 1 is that, as Xen's counter has 32 bits; so at creation, too.
 */
void hcall_domain_set_max_pages(struct hcall_domain *d, pages_t max_pages);

/*
 * hcall_domain_set_version - which Xen the domain runs on, as XENVER_version has it
 * (0x40011 is 4.17).  At first the newest there is.  What is known to have changed
 * after 4.17 is as it was there for 4.17 and all before it.
 */
void hcall_domain_set_version(struct hcall_domain *d, uint32_t version);

uint16_t hcall_domain_id(const struct hcall_domain *d);
pages_t hcall_domain_max_pages(const struct hcall_domain *d);
/* Pages the domain owns, reachable through a gfn or not. */
pages_t hcall_domain_tot_pages(const struct hcall_domain *d);

/*
 * hcall_domain_p2m - what a gfn is.
 * @order: if not NULL, gets the order of the leaf that holds it: 0, 9 or 18
 *         (leaves that were split, of holes too, are not merged back)
 */
enum hcall_p2m_type hcall_domain_p2m(const struct hcall_domain *d, gfn_t gfn, unsigned *order);

/*
 * hcall_domain_next - walk the p2m: the type of gfn and how far it reaches.
 * Returns the number of pages from gfn on that have the same type (at least 1;
 * up to the end of the address space, gfn 2^40; what lies above is a hole).
 */
pages_t hcall_domain_next(const struct hcall_domain *d, gfn_t gfn, enum hcall_p2m_type *type);

/* Bytes of host memory the p2m uses now. */
size_t hcall_domain_p2m_bytes(const struct hcall_domain *d);

/*
 * hcall_domain_check - do the counters and the p2m agree?
 * Returns NULL, or what is wrong, as a static string.
 */
const char *hcall_domain_check(const struct hcall_domain *d);

/*
 * hcall_memory_op - hypercall 12, __HYPERVISOR_memory_op.
 * @d:      the domain that calls; the only one its operations can name
 * @caller: who calls
 * @cmd:    first argument: operation in bits 0-5, start_extent above
 * @arg:    second argument: linear address of the operation's structure
 *
 * Called without the domain's lock, outside any exclusive section.  Returns
 * what the guest gets in its result register:
 *
 *   XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap
 *       the index of the first extent that was not done, start_extent
 *       included; never an error.  Whatever fails (structure or list
 *       unreadable, nr_extents above 2^26 - 1, unknown or foreign domid, order
 *       above 9, bad flags, a hole to decrease, a page too many to populate)
 *       only stops it there.  A list that faults in the middle, or an extent
 *       that fails, leaves what came before it done.  Increased pages are
 *       counted, and no gfn leads to them
 *   XENMEM_exchange              0 when nothing is left to do
 *       -EINVAL start_extent is not 0, numbers that do not fit together, bad
 *       flags, or the first gfn is a hole; -EFAULT; -EPERM order above 9, or
 *       dom0; -ESRCH; -EOPNOTSUPP the first gfn is RAM
 *   XENMEM_maximum_ram_page      ops.max_page
 *       -EINVAL start_extent is not 0
 *   XENMEM_current_reservation   tot_pages
 *   XENMEM_maximum_reservation   max_pages
 *   XENMEM_maximum_gpfn          the highest gfn that was ever mapped, 0 if none was
 *       -EINVAL start_extent is not 0; -EFAULT argument unreadable;
 *       -ESRCH no such domain; -EPERM another domain than the caller
 *       (only dom0, id 0, is known to exist besides d)
 *   XENMEM_remove_from_physmap   0; the page stays the domain's, without a gfn
 *       the same errors, but -EACCES dom0; -ENOENT the gfn is a hole; -ENOMEM no
 *       memory for the p2m
 *   XENMEM_memory_map            0
 *       -EFAULT argument or buffer not accessible; -ENOSYS no map was set, or
 *       start_extent is not 0
 *   XENMEM_set_memory_map        0
 *       -ENOSYS start_extent is not 0; -EFAULT; -EINVAL more than 1024 entries;
 *       -ESRCH; -EPERM; -ENOMEM
 *   XENMEM_get_sharing_freed_pages, XENMEM_get_sharing_shared_pages
 *       0, as no page is shared; -ENOSYS start_extent is not 0
 *   XENMEM_reserved_device_memory_map  0, and no entries: there is no IOMMU
 *       -EINVAL start_extent is not 0, or unknown flags; -EFAULT
 *
 * and, for an ordinary domain, always an error:
 *
 *   XENMEM_machine_memory_map    -EPERM; -ENOSYS start_extent is not 0, and
 *       always up to 4.17
 *   XENMEM_set_pod_target, XENMEM_get_pod_target
 *       -EPERM; before that -ENOSYS start_extent is not 0, -EFAULT, -EINVAL dom0,
 *       -ESRCH
 *   XENMEM_claim_pages           -ENOSYS 32-bit caller; -EINVAL start_extent,
 *       list, order or flags are not 0, or no such domain, which DOMID_SELF is
 *       here; -EFAULT; -EPERM
 *   XENMEM_get_vnumainfo         -EOPNOTSUPP; before that -EINVAL start_extent
 *       or padding is not 0, -EFAULT, -ESRCH, -EPERM
 *   XENMEM_acquire_resource      -EPERM; before that -EFAULT, -EINVAL padding is
 *       not 0 or frames end above 2^32, -ESRCH.  Up to 4.17 -EACCES, and -EFAULT
 *       before that for 32-bit callers only
 *   XENMEM_machphys_compat_mfn_list  -EOPNOTSUPP: there are no 32-bit PV domains
 *   anything else                -ENOSYS
 *
 * Two things differ from Xen.  Lists are read ahead, as much as one exclusive
 * section can do, so a list that lies in a gfn the same call gives away is still
 * read to the end of that part.  And populating a gfn that is not backable costs
 * nothing, where Xen leaks the pages it could not map.
 *
 * A populate over max_pages is logged in Xen's words: "d1v0 Over-allocation
 * for d1: 8449 > 8448" when the request crosses the limit, "Inconsistent
 * allocation" when tot_pages was above it already.
 *
 * Source: xen/public/memory.h.
 */
long hcall_memory_op(struct hcall_domain *d, const struct hcall_caller *caller, uint64_t cmd,
                     uint64_t arg);

#endif
