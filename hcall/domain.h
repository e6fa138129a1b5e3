/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct hcall_host and struct hcall_domain, for the files of this folder only.
 */
#ifndef HCALL_DOMAIN_H
#define HCALL_DOMAIN_H

#include "hcall.h"
#include "p2m.h"
#include "pod.h"
#include "ranges.h"

/* The control domain: PV, so without a p2m. */
#define HCALL_CONTROL_DOMID 0

struct hcall_host {
    pages_t pages;      /* in the pool */
    pages_t free_pages; /* of those, that no domain owns */
    pages_t claims;     /* the domains' claims, and those that dead ones left behind */
    uint64_t max_page;
    uint32_t version;

    struct hcall_domain *domains; /* a list */

    struct hcall_host_ops ops;
    void *world;
};

/* A page of the hypervisor's that the guest may map. */
struct special {
    gfn_t gfn; /* or HCALL_NO_GFN */
    /* It was decreased once: the reference that is dropped there does not come back. */
    bool released;
    bool moved; /* the world has not been told yet */
};

/* Pages that others use, by gfn. */
#define HCALL_PAGE_LISTS 1024

struct hcall_domain {
    struct hcall_host *host;
    struct hcall_domain *next;

    uint16_t domid;
    bool io;
    bool dying;
    bool crashed;
    bool crash_untold; /* the world has not been told yet */
    bool torn_down;    /* dying, and its p2m is gone */

    pages_t max_pages;
    pages_t tot_pages;
    pages_t claim; /* pages it is promised and does not own yet */
    /* Of tot_pages, those without a gfn, or with one that is no RAM of the domain's any more. */
    pages_t orphans;
    struct pod pod; /* of tot_pages, the cache */
    struct p2m p2m;
    gfn_t max_gfn; /* the highest that was ever mapped */

    struct special *special; /* by enum hcall_special */
    unsigned nr_special;
    unsigned nr_grant_frames; /* the table has so far */

    struct hcall_page *pages; /* those that others use, see page.c */
    struct hcall_page *pages_by_gfn[HCALL_PAGE_LISTS];

    struct hcall_e820 *map;
    unsigned nr_map;

    struct hcall_ops ops;
    void *world;
};

/* The last release whose differences are known. */
#define HCALL_VERSION_4_17 0x40011

/* Is this a Xen that behaves as 4.17 does where it is known to differ from the newest? */
static inline bool hcall_host_is_old(const struct hcall_host *host)
{
    return host->version <= HCALL_VERSION_4_17;
}

/* Xen's own limit. */
#define HCALL_MAX_MAP_ENTRIES 1024

/* --- host.c: the pool ----------------------------------------------------- */

/* NULL: there is no such domain. */
struct hcall_domain *hcall_host_find(const struct hcall_host *host, uint16_t domid);

/*
 * Does the pool have so many pages for the domain, besides what others have claimed?
 * If so hcall_host_take() makes them the domain's: tot_pages grows and its claim shrinks.
 */
bool hcall_host_has(const struct hcall_domain *d, pages_t count);
void hcall_host_take(struct hcall_domain *d, pages_t count);

/* The way back: tot_pages shrinks. */
void hcall_host_give(struct hcall_domain *d, pages_t count);

/* --- domain.c ------------------------------------------------------------- */

/* [base, base + count) has been mapped. */
void hcall_domain_mapped(struct hcall_domain *d, gfn_t base, pages_t count);

/* The special page at this gfn; there is one. */
struct special *hcall_domain_special_at(struct hcall_domain *d, gfn_t gfn);

/* It is at this gfn now, or HCALL_NO_GFN; the p2m is the caller's business. */
void hcall_domain_place_special(struct special *special, gfn_t gfn);

/* Those in [first, first + count) are mapped over. */
void hcall_domain_unmap_specials(struct hcall_domain *d, gfn_t first, pages_t count);

/*
 * [base, base + count) has become holes, to be told the world when the section ends.  An extent
 * above order 9 may be in more pieces than there is room for: then it is told at once.
 */
void hcall_domain_discard_later(struct hcall_domain *d, struct ranges *ranges, gfn_t base,
                                pages_t count);

/* --- page.c: pages that others use ------------------------------------------ */

/* Does anyone use a page of [first, first + count)? */
bool hcall_domain_is_held(const struct hcall_domain *d, gfn_t first, pages_t count);

/*
 * RAM in [first, first + count) is the domain's no longer, and has left its gfns: back to the pool,
 * but for what others use, which follows when they have put it.
 */
void hcall_domain_free_pages(struct hcall_domain *d, gfn_t first, pages_t count);

/* RAM has left its gfns, and stays the domain's. */
void hcall_domain_orphan_pages(struct hcall_domain *d, gfn_t first, pages_t count);

/* The page at from is at to. */
void hcall_domain_page_moved(struct hcall_domain *d, gfn_t from, gfn_t to);

/* A dying domain gives up its pages; returns how many others still use. */
pages_t hcall_domain_abandon_pages(struct hcall_domain *d);

/* Nobody may use a page of the domain any more. */
void hcall_domain_forget_pages(struct hcall_domain *d);

#endif
