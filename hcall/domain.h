/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct hcall_domain, for the files of this folder only.
 */
#ifndef HCALL_DOMAIN_H
#define HCALL_DOMAIN_H

#include "hcall.h"
#include "p2m.h"

struct hcall_domain {
    uint16_t domid;
    uint32_t version; /* of Xen */
    pages_t max_pages;
    pages_t tot_pages;
    /* Of tot_pages, those that populating a RAM gfn again has left without a gfn. */
    pages_t orphans;
    struct p2m p2m;
    gfn_t max_gfn; /* the highest that was ever mapped */

    struct hcall_e820 *map;
    unsigned nr_map;

    struct hcall_ops ops;
    void *world;
};

/* The last release whose differences are known. */
#define HCALL_VERSION_4_17 0x40011

/* Xen's own limit. */
#define HCALL_MAX_MAP_ENTRIES 1024

/* [base, base + count) has been mapped. */
void hcall_domain_mapped(struct hcall_domain *d, gfn_t base, pages_t count);

#endif
