/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hcall: the memory of Xen domains as the hypervisor sees it, and the
 * XENMEM hypercalls that change it.
 *
 * This header is the manual.  The library is pure C: it makes no system call,
 * holds no global and never aborts.  What it needs from the world (guest
 * memory, the host's pages, a log) it asks for through struct hcall_host_ops and
 * struct hcall_ops; QEMU provides one such pair, unit tests another.
 *
 * A host has a pool of pages and domains that own some of them.  Domain 0 is the
 * control domain: a PV domain, of which nothing but its id is modelled.
 *
 * Units are in the types: gfn_t is a guest frame number, pages_t a count of
 * 4 KiB pages, an order n means 2^n contiguous pages.  Errors are negative
 * errno values, Xen's numbers, which are Linux's.
 *
 * Locking: nothing here is thread-safe.  There is one lock around a host and all
 * its domains; only hcall_memory_op() may be entered without it, and takes it
 * through hcall_host_ops.lock or hcall_ops.begin_exclusive.  A domain that a call
 * under way may name must not be freed.
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
/*
 * Most pages one exclusive section may touch before it is left again.  An extent is never
 * divided, so one of an order above 9, where it is allowed, is a section of its own.
 */
#define HCALL_PAGES_PER_SECTION 512
/* Instead of a gfn: none. */
#define HCALL_NO_GFN UINT64_MAX

/* What a gfn is, as Xen's p2m would have it (p2m types, xen/arch/x86/include/asm/p2m.h). */
enum hcall_p2m_type {
    HCALL_P2M_HOLE,      /* nothing: reads give all-ones, writes are dropped */
    HCALL_P2M_RAM,       /* backed by a page the domain owns */
    HCALL_P2M_POD,       /* populate-on-demand: gets a page when it is touched */
    HCALL_P2M_SPECIAL,   /* a page of the hypervisor's: see enum hcall_special */
    HCALL_P2M_OWN_GRANT, /* a page the domain owns and has mapped by a grant of its own */
    HCALL_P2M_GRANT,     /* another domain's page, mapped by its grant */
    HCALL_P2M_FOREIGN,   /* another domain's page, mapped for a toolstack */
    HCALL_P2M_MMIO,      /* mmio_direct: a device's page, or the APIC access page */
    HCALL_P2M_BROKEN,    /* poisoned by a machine check */
    HCALL_P2M_TYPES      /* how many there are */
};

/* Pages of the hypervisor's that a guest can map: shared_info, and grant table frames from
 * HCALL_SPECIAL_GRANT_FRAME on, one number each. */
enum hcall_special {
    HCALL_SPECIAL_SHARED_INFO,
    HCALL_SPECIAL_GRANT_FRAME,
};

/* What a host asks of its world, with the `world` of hcall_host_new(). */
struct hcall_host_ops {
    /* Take and release the lock, to read or change counters. */
    void (*lock)(void *world);
    void (*unlock)(void *world);

    /* One line for the Xen console, without "(XEN) " and without newline. */
    void (*log)(void *world, const char *line);
};

/*
 * The world around a domain.  Every function gets the `world` pointer that was
 * given to hcall_domain_new().  The copies are asked of the domain that calls, all
 * else of the domain that is called about.
 */
struct hcall_ops {
    /*
     * Copy between guest linear memory, as the calling vCPU sees it, and dst or
     * src.  Called without the lock.  Returns how many bytes were
     * copied before the first one that could not be: len is success.
     */
    size_t (*copy_from_guest)(void *world, void *dst, uint64_t addr, size_t len);
    size_t (*copy_to_guest)(void *world, uint64_t addr, const void *src, size_t len);

    /*
     * Should work that goes on and on let the vCPU take an interrupt first?  Called with or
     * without the lock.
     */
    bool (*preempt)(void *world);

    /*
     * Stop every vCPU of the domain and take the lock; and let go of both.  Between
     * the two gfns may change: after end_exclusive no vCPU holds a translation
     * made before.
     */
    void (*begin_exclusive)(void *world);
    void (*end_exclusive)(void *world);

    /*
     * Does all of [first, first + count), which is RAM, hold nothing but zeroes?  Only inside
     * an exclusive section.
     */
    bool (*is_zero)(void *world, gfn_t first, pages_t count);

    /* Could the host give pages to all of [first, first + count)?  Only inside a section. */
    bool (*backable)(void *world, gfn_t first, pages_t count);

    /*
     * Give the pages behind [first, first + count), if any, back to the host; the gfns
     * are holes from now on.  Only inside an exclusive section.
     */
    void (*discard)(void *world, gfn_t first, pages_t count);

    /* The same, but they are populate-on-demand from now on. */
    void (*mark_pod)(void *world, gfn_t first, pages_t count);

    /*
     * Put fresh pages behind [first, first + count); what was there is lost.  Their
     * contents are undefined: Xen does not scrub what a live domain gave back.
     * Only inside an exclusive section, and only where backable() said yes.
     */
    void (*back)(void *world, gfn_t first, pages_t count);

    /*
     * Put pages of zeroes behind [first, first + count), which were populate-on-demand.
     * With the lock; an exclusive section is not needed, as nothing is taken away.
     */
    void (*back_zeroed)(void *world, gfn_t first, pages_t count);

    /*
     * The page behind from is behind to now, with what it holds; what was there is lost,
     * and from is as after discard().  Only inside an exclusive section.
     */
    void (*move)(void *world, gfn_t from, gfn_t to);

    /*
     * A page of the hypervisor's may have been mapped, moved or unmapped: make it appear
     * where hcall_domain_special() says.  Called without the lock, outside any section.
     */
    void (*special_moved)(void *world, unsigned special);

    /*
     * The domain has been crashed: no vCPU of it may run on.  Called without the lock,
     * outside any section, once at most between two resets.
     */
    void (*crash)(void *world);
};

/* Who makes a hypercall. */
struct hcall_caller {
    struct hcall_domain *domain; /* it has to have been made by hcall_domain_new(), domain 0 too */
    uint16_t vcpu;               /* its vCPU, for Xen's log lines */
    bool compat;                 /* 32-bit caller: narrow layouts, clamped results */
};

/* One entry of an e820 memory map; addr and size in bytes, type as in e820. */
struct hcall_e820 {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
};

struct hcall_host;
struct hcall_domain;

struct hcall_host_params {
    pages_t pages;     /* that domains can own, all together */
    uint64_t max_page; /* one above the highest frame of the host's RAM */
    /*
     * Which Xen it is, as XENVER_version has it (0x40011 is 4.17); 0 is the newest there
     * is.  What is known to have changed after 4.17 is as it was there for 4.17 and all
     * before it; hcall/README.md lists the differences.
     */
    uint32_t version;
};

/*
 * hcall_host_new - a host without domains.
 * @params: copied
 * @ops:    its world; copied
 * @world:  passed to every function of ops
 *
 * Returns the host, or NULL when out of memory.
 */
struct hcall_host *hcall_host_new(const struct hcall_host_params *params,
                                  const struct hcall_host_ops *ops, void *world);

/* hcall_host_free - forget the host, whose domains have been freed.  NULL is allowed. */
void hcall_host_free(struct hcall_host *host);

/* Pages of the pool that no domain owns, claimed ones included. */
pages_t hcall_host_free_pages(const struct hcall_host *host);

/*
 * hcall_host_set_free_pages - the host gets more memory, or loses some that is free.
 * @pages: of the pool that no domain owns, from now on
 *
 * Returns 0, or -EBUSY: domains have claimed more.
 */
int hcall_host_set_free_pages(struct hcall_host *host, pages_t pages);

/* Pages that domains have claimed and do not own yet. */
pages_t hcall_host_outstanding_claims(const struct hcall_host *host);

/* hcall_host_check - hcall_domain_check() of every domain, and: do pool and claims add up? */
const char *hcall_host_check(const struct hcall_host *host);

struct hcall_domain_params {
    uint16_t domid;        /* below DOMID_FIRST_RESERVED (0x7ff0) */
    pages_t max_pages;     /* most pages it may own (domctl max_mem, in pages) */
    unsigned grant_frames; /* most frames of its grant table (max_grant_frames) */
};

/*
 * hcall_domain_new - a domain that owns nothing yet.
 * @host:   where it lives
 * @params: copied
 * @ops:    its world; copied
 * @world:  passed to every function of ops
 *
 * Returns the domain, or NULL when out of memory, or the domid is reserved or taken.
 */
struct hcall_domain *hcall_domain_new(struct hcall_host *host,
                                      const struct hcall_domain_params *params,
                                      const struct hcall_ops *ops, void *world);

/*
 * hcall_domain_free - forget the domain; its pages go back to the pool.  Asks nothing of
 * the world.  NULL is allowed.
 */
void hcall_domain_free(struct hcall_domain *d);

/*
 * hcall_domain_reset - back to a domain that lives, owns nothing, and has nothing
 * mapped and nothing claimed, as when it is rebuilt for a reboot.  max_pages and the
 * memory map stay.  Asks nothing of the world, which lets go of every hcall_page first:
 * they are freed.
 */
void hcall_domain_reset(struct hcall_domain *d);

/*
 * hcall_domain_build_ram - what the domain builder does: [first, first + count)
 * becomes RAM owned by the domain, from pages the world has already put there.
 * Uses the largest leaves that fit.
 *
 * Returns 0;
 *   -ENOMEM  the domain is dying, tot_pages would exceed max_pages, the pool has no such
 *            number of pages that are not claimed, or no memory for the p2m
 *   -EINVAL  the range wraps, or lies above gfn 2^36
 *   -EBUSY   a gfn in the range is not a hole
 * On failure nothing has changed.
 */
int hcall_domain_build_ram(struct hcall_domain *d, gfn_t first, pages_t count);

/*
 * hcall_domain_build_pod - the same for a domain that is to boot with less than it sees: holes
 * become populate-on-demand.  Their pages are to come from a cache of
 * hcall_domain_set_pod_target(). Asks for hcall_ops.mark_pod, so it is called as that is.
 *
 * Returns 0; -EINVAL as above; -EBUSY; -ENOMEM.  On failure nothing has changed.
 */
int hcall_domain_build_pod(struct hcall_domain *d, gfn_t first, pages_t count);

/*
 * hcall_domain_set_pod_target - XENMEM_set_pod_target by whoever holds the lock, to its end.
 * @target: what tot_pages should come to
 *
 * Returns 0; -EINVAL above max_pages; -ENOTEMPTY, -ENOMEM as there.
 */
int hcall_domain_set_pod_target(struct hcall_domain *d, pages_t target);

/*
 * hcall_domain_map - what the toolstack or a device model does: gfns that are holes, or
 * populate-on-demand, become pages that are not the domain's own.
 * @type: HCALL_P2M_GRANT, HCALL_P2M_FOREIGN, HCALL_P2M_MMIO or HCALL_P2M_BROKEN
 *
 * The world, which does this, is told nothing.
 *
 * Returns 0; -EINVAL another type, or a range as in hcall_domain_build_ram(); -EBUSY a
 * gfn in the range is neither; -ENOMEM.  On failure nothing has changed.
 */
int hcall_domain_map(struct hcall_domain *d, gfn_t first, pages_t count, enum hcall_p2m_type type);

/*
 * hcall_domain_map_own_grant - what GNTTABOP_map_grant_ref does to a domain that maps a page
 * of its own: the page moves from one gfn to the other, where it is OWN_GRANT.  RAM that
 * was there stays the domain's, without a gfn.  Called inside an exclusive section;
 * hcall_ops.move is asked for.
 *
 * Returns 0; -EINVAL from is not RAM, or to is not RAM, POD or a hole; -ENOMEM.  On
 * failure nothing has changed.
 */
int hcall_domain_map_own_grant(struct hcall_domain *d, gfn_t from, gfn_t to);

/*
 * hcall_domain_unmap_own_grant - GNTTABOP_unmap_grant_ref of such a mapping: the gfn is a
 * hole, and the page stays the domain's without a gfn.  Called as the one above;
 * hcall_ops.discard is asked for.
 *
 * Returns 0; -EINVAL the gfn is not OWN_GRANT; -ENOMEM.  On failure nothing has changed.
 */
int hcall_domain_unmap_own_grant(struct hcall_domain *d, gfn_t gfn);

/*
 * hcall_domain_touch - populate-on-demand: whoever is about to touch a gfn says so.
 * @culprit: whose vCPU, or which domain, wants the page: for Xen's log
 *
 * Called with the lock held, and inside an exclusive section if hcall_domain_touch_reclaims()
 * says so.  Pages come from the domain's cache; when that is empty Xen looks for pages of
 * zeroes to take back; when there are none the domain is crashed, and its hcall_ops.crash
 * is called when the section is left by hcall_domain_end_exclusive().
 *
 * Returns 0: the gfn is populated now, or never was populate-on-demand;
 *   -ENOMEM  there was no page: the domain has been crashed; or no memory for the p2m
 *   -EINVAL  the domain is dying.
 * After an error the access sees a hole, and nothing has changed but for pages taken back.
 */
int hcall_domain_touch(struct hcall_domain *d, const struct hcall_caller *culprit, gfn_t gfn);

/*
 * hcall_domain_touch_cached - the same by someone who cannot stop the vCPUs: nothing is taken
 * back.  Called with the lock held.  -EAGAIN: the cache is empty, and it takes a
 * hcall_domain_touch() to find a page.
 */
int hcall_domain_touch_cached(struct hcall_domain *d, const struct hcall_caller *culprit,
                              gfn_t gfn);

/* Could the next touch take pages away from gfns?  Then it has to be in an exclusive section. */
bool hcall_domain_touch_reclaims(const struct hcall_domain *d);

/* Pages in the cache, and gfns that are populate-on-demand. */
pages_t hcall_domain_pod_cache(const struct hcall_domain *d);
pages_t hcall_domain_pod_entries(const struct hcall_domain *d);

/* What populate-on-demand has come to, all in pages. */
struct hcall_pod_info {
    pages_t entries;         /* gfns that are populate-on-demand */
    pages_t cache_superpage; /* in the cache as superpages */
    pages_t cache_single;    /* in the cache as single pages */
    /* Since the domain was built: */
    pages_t populated; /* by touches */
    pages_t reclaimed; /* taken back, as they were zero */
    pages_t swept;     /* of those, by emergency sweeps */
};

void hcall_domain_pod_info(const struct hcall_domain *d, struct hcall_pod_info *info);

/*
 * hcall_domain_dump - what Xen's debug key prints of a domain's memory, into the log:
 * "    nr_pages=8209 max_pages=8448" and "    PoD entries=0 cachesize=0".
 */
void hcall_domain_dump(const struct hcall_domain *d);

/*
 * A page that someone besides the domain uses: a backend has mapped it.  It is not taken
 * back while it is zero, and when the domain gives it away it stays the domain's
 * until it is put.
 */
struct hcall_page;

/*
 * hcall_domain_get_page - the page behind a gfn, which has to be RAM.
 * Returns a reference to it, or NULL when it is not, or out of memory.  A gfn that is
 * populate-on-demand has to be touched first.
 */
struct hcall_page *hcall_domain_get_page(struct hcall_domain *d, gfn_t gfn);
void hcall_domain_put_page(struct hcall_domain *d, struct hcall_page *page);

/*
 * hcall_domain_teardown - a step of a dying domain's end: first the p2m goes, then the cache is
 * emptied, then all pages are given back.
 *
 * Called with the lock held, after hcall_domain_set_dying().  Returns true when there is nothing
 * left to do; before that it does what fits into one section, and is to be called again.  The
 * domain then owns only what others still have a reference to; it can be freed when tot_pages
 * is 0.  The world is not asked to discard anything: all it has for the domain is void.
 */
bool hcall_domain_teardown(struct hcall_domain *d);

/* hcall_domain_special - the gfn of a page of the hypervisor's, or HCALL_NO_GFN. */
gfn_t hcall_domain_special(const struct hcall_domain *d, unsigned special);

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
 * hcall_domain_set_io - the domain has been given a device, I/O memory or I/O ports: it may
 * use extents up to order 12.
 */
void hcall_domain_set_io(struct hcall_domain *d, bool io);

/*
 * hcall_domain_set_dying - destruction has begun: nothing can be allocated for the domain
 * any more, and its claim is dropped (up to 4.17 it can be made anew, and then outlives it).
 */
void hcall_domain_set_dying(struct hcall_domain *d);

/* hcall_domain_end_exclusive - hcall_ops.end_exclusive, and what has to wait for it. */
void hcall_domain_end_exclusive(struct hcall_domain *d);

/*
 * hcall_domain_crash - Xen's domain_crash(): says so in the log, and the domain is to run
 * no more.  hcall_ops.crash is called by hcall_domain_end_exclusive().
 * @caller: whose vCPU did it
 * @where:  what to blame, as "file:line"
 *
 * Called with the lock held.
 */
void hcall_domain_crash(struct hcall_domain *d, const struct hcall_caller *caller,
                        const char *where);

/*
 * hcall_domain_revive - a domain that has crashed runs on after all: whoever debugs it has
 * stopped it instead.  What crashed it can crash it again.  Called with the lock held.
 */
void hcall_domain_revive(struct hcall_domain *d);

uint16_t hcall_domain_id(const struct hcall_domain *d);
pages_t hcall_domain_max_pages(const struct hcall_domain *d);
/* Pages the domain owns, reachable through a gfn or not. */
pages_t hcall_domain_tot_pages(const struct hcall_domain *d);
/* Pages it has claimed and does not own yet. */
pages_t hcall_domain_outstanding_pages(const struct hcall_domain *d);
/* Frames of its grant table so far. */
unsigned hcall_domain_grant_frames(const struct hcall_domain *d);
bool hcall_domain_crashed(const struct hcall_domain *d);

/*
 * hcall_domain_p2m - what a gfn is.
 * @order: if not NULL, gets the order of the leaf that holds it: 0, 9 or 18
 *         (leaves that were split, of holes too, are not merged back)
 */
enum hcall_p2m_type hcall_domain_p2m(const struct hcall_domain *d, gfn_t gfn, unsigned *order);

/*
 * hcall_domain_next - walk the p2m: the type of gfn and how far it reaches.
 * Returns the number of pages from gfn on that have the same type (at least 1;
 * up to the end of the address space, gfn 2^36; what lies above is a hole).
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
 * @caller: who calls
 * @cmd:    first argument: operation in bits 0-5, start_extent above.  Where the call is
 *          preempted it is changed to what continues it, as Xen changes the register
 * @arg:    second argument: linear address of the operation's structure
 *
 * Called without the lock, outside any exclusive section.  Returns what the guest gets in
 * its result register, or -ERESTART, which no guest ever sees: the call is to be made
 * again with the new *cmd, after the vCPU has taken its interrupts.  For 32-bit callers
 * results above 2^31 - 1 are that.
 *
 * Who may: a domain itself, by DOMID_SELF or its number, or the control domain.
 *
 *   XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap
 *       the index of the first extent that was not done, start_extent
 *       included; never an error.  Whatever fails (structure or list
 *       unreadable, nr_extents above 2^26 - 1, unknown or foreign domid, order too
 *       large, bad flags, a gfn that cannot be decreased, a page too many to populate)
 *       only stops it there.  A list that faults in the middle, or an extent
 *       that fails, leaves what came before it done.  Orders: 9 at most, 12 for a domain
 *       with I/O resources (18 up to 4.2), 18 for the control domain or with the populate-on-demand
 *       flag.  What they do to a gfn, by its type:
 *                    decrease                  populate
 *         HOLE       stops                     becomes RAM
 *         RAM        hole, tot_pages - 1       a new page; the old one has no gfn
 *         POD        hole; see below           RAM with a page of its own; the cache stays
 *         SPECIAL    hole, once: the page      the page is unmapped, becomes RAM
 *                    loses the reference that it needs to go a second time
 *         OWN_GRANT  hole, tot_pages stays     the domain is crashed
 *         GRANT, FOREIGN, MMIO  stops          the domain is crashed
 *         BROKEN     stops                     becomes RAM
 *       Increased pages are counted, and no gfn leads to them.
 *   XENMEM_exchange              0 when nothing is left to do
 *       -EINVAL start_extent is not 0, numbers that do not fit together, bad
 *       flags, or the first gfn is not RAM; -EFAULT; -EPERM order too large, or
 *       not allowed; -ESRCH; -EOPNOTSUPP the first gfn is RAM
 *   XENMEM_maximum_ram_page      max_page of the host
 *       -EINVAL start_extent is not 0
 *   XENMEM_current_reservation   tot_pages
 *   XENMEM_maximum_reservation   max_pages
 *   XENMEM_maximum_gpfn          the highest gfn that was ever mapped, 0 if none was
 *       -EINVAL start_extent is not 0; -EFAULT argument unreadable;
 *       -ESRCH no such domain; -EPERM not allowed
 *   XENMEM_add_to_physmap        0; the page is behind gpfn now, and nowhere else
 *       XENMAPSPACE_shared_info, _grant_table, _gmfn, and _gmfn_range, where start_extent
 *       is how much of it is done.  In this order: -EDOM start_extent above 65535;
 *       -EFAULT; -ENOSYS _gmfn_foreign; -ESRCH; -EACCES domain 0, or _dev_mmio; -EPERM;
 *       -EINVAL gpfn is all ones, unknown space, idx of shared_info not 0, no such grant
 *       frame; -EBUSY grant frame that was decreased; -EACCES (4.17: -EINVAL) source is
 *       not RAM; -EINVAL source is a page that was decreased; -EPERM gpfn is MMIO;
 *       -ENXIO gpfn is GRANT or FOREIGN; -EINVAL gpfn above 2^36; -ENOMEM not backable, or no
 *       memory for the p2m; of a range -EILSEQ start_extent above
 *       its size, -EOVERFLOW it wraps.  A range stops at its first error
 *   XENMEM_add_to_physmap_batch  0; each element's result is in errs
 *       as above, but -EOPNOTSUPP _gmfn_range; _gmfn_foreign is -EPERM for each; -EILSEQ
 *       start_extent at or above the size, unless both are 0; -EFAULT an index, gfn or
 *       error out of reach, -EINVAL a gfn all ones: then what came before is done
 *   XENMEM_remove_from_physmap   0; the page stays the domain's, without a gfn
 *       -EINVAL start_extent is not 0; -EFAULT; -ESRCH; -EACCES domain 0; -EPERM;
 *       -ENOENT the gfn is a hole, GRANT, MMIO, BROKEN or a SPECIAL page that was decreased
 *       once; -ENOMEM no memory for the p2m
 *   XENMEM_memory_map            0
 *       -EFAULT argument or buffer not accessible; -ENOSYS no map was set, or
 *       start_extent is not 0
 *   XENMEM_set_memory_map        0
 *       -ENOSYS start_extent is not 0; -EFAULT; -EINVAL more than 1024 entries;
 *       -ESRCH; -EPERM; -ENOMEM
 *   XENMEM_claim_pages           0; so many pages, owned ones included, are the domain's
 *       -ENOSYS 32-bit caller; -EINVAL start_extent, list, order or flags are not 0;
 *       -EFAULT; -EINVAL no such domain, which DOMID_SELF is here; -EPERM not the control
 *       domain; -EINVAL dying, a claim is held already, not more than tot_pages or more
 *       than max_pages; -ENOMEM the pool has too few.  0 extents give a claim back
 *   XENMEM_set_pod_target, XENMEM_get_pod_target    0; the domain's numbers are in the structure
 *       -ENOSYS start_extent is not 0; -EFAULT; -ESRCH; -EINVAL domain 0; -EPERM not the
 *       control domain.  Set grows or shrinks the cache until tot_pages is the target, and no
 *       further than there are POD gfns; it does nothing when the domain has memory and none
 *       of them, is dying, or owns more.  -EINVAL above max_pages; -ENOTEMPTY the domain has
 *       I/O resources; -ENOMEM the pool has too few, and what was added stays
 *   XENMEM_get_sharing_freed_pages, XENMEM_get_sharing_shared_pages
 *       0, as no page is shared; -ENOSYS start_extent is not 0
 *   XENMEM_reserved_device_memory_map  0, and no entries: there is no IOMMU
 *       -EINVAL start_extent is not 0, or unknown flags; -EFAULT
 *
 * and always an error, here:
 *
 *   XENMEM_machine_memory_map    -EPERM; -ENOSYS start_extent is not 0, always up to
 *       4.17, and for the control domain: the host has no map
 *   XENMEM_get_vnumainfo         -EOPNOTSUPP; before that -EINVAL start_extent
 *       or padding is not 0, -EFAULT, -ESRCH, -EPERM
 *   XENMEM_acquire_resource      -EPERM, or for the control domain -EOPNOTSUPP, as frames
 *       are not modelled; before that -EFAULT, -EINVAL padding is
 *       not 0 or frames end above 2^32, -ESRCH.  Up to 4.17 -EACCES, and -EFAULT
 *       before that for 32-bit callers only
 *   XENMEM_access_op             -EFAULT; -ESRCH; -EPERM oneself, or not the control domain;
 *       -EINVAL domain 0, or a dying one; -EOPNOTSUPP
 *   XENMEM_machphys_mfn_list, XENMEM_machphys_compat_mfn_list
 *       -EOPNOTSUPP the latter, or a 32-bit caller: there are no 32-bit PV domains; else
 *       -ENOSYS
 *   anything else                -ENOSYS
 *
 * What differs from Xen:
 *   - lists are read ahead, as much as one exclusive section can do, so a list that lies
 *     in a gfn the same call gives away is still read to the end of that part;
 *   - populating a gfn that is not backable costs nothing, where Xen would map it;
 *   - machine frames are not modelled: a log line has a gfn where Xen prints its frame;
 *   - domain 0's own memory is not: extents of it are not done.
 *
 * A populate over max_pages is logged in Xen's words: "d1v0 Over-allocation
 * for d1: 8449 > 8448" when the request crosses the limit, "Inconsistent
 * allocation" when tot_pages was above it already.
 *
 * Source: xen/public/memory.h; xen/common/memory.c (do_memory_op).
 */
long hcall_memory_op(const struct hcall_caller *caller, uint64_t *cmd, uint64_t arg);

#endif
