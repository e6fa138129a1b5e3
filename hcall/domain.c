/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's life and counters: what the toolstack does to it.  What the guest
 * does to itself is in memory_op.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"

#include <xen/xen.h>

struct hcall_domain *hcall_domain_new(uint16_t domid, pages_t max_pages,
                                      const struct hcall_ops *ops, void *world)
{
    struct hcall_domain *d;

    if (domid >= DOMID_FIRST_RESERVED) {
        return NULL;
    }
    d = calloc(1, sizeof(*d));
    if (!d) {
        return NULL;
    }
    d->domid = domid;
    d->version = UINT32_MAX;
    d->ops = *ops;
    d->world = world;
    hcall_domain_set_max_pages(d, max_pages);
    return d;
}

void hcall_domain_free(struct hcall_domain *d)
{
    if (!d) {
        return;
    }
    p2m_clear(&d->p2m);
    free(d->map);
    free(d);
}

void hcall_domain_reset(struct hcall_domain *d)
{
    p2m_clear(&d->p2m);
    d->tot_pages = 0;
    d->orphans = 0;
    d->max_gfn = 0;
}

void hcall_domain_mapped(struct hcall_domain *d, gfn_t base, pages_t count)
{
    if (count > 0 && base + count - 1 > d->max_gfn) {
        d->max_gfn = base + count - 1;
    }
}

int hcall_domain_build_ram(struct hcall_domain *d, gfn_t first, pages_t count)
{
    int rc;

    if (first > P2M_GFNS || count > P2M_GFNS - first) {
        return -EINVAL;
    }
    if (d->tot_pages + count > d->max_pages) {
        return -ENOMEM;
    }
    if (p2m_count(&d->p2m, first, count, HCALL_P2M_HOLE) != count) {
        return -EBUSY;
    }
    rc = p2m_set(&d->p2m, first, count, HCALL_P2M_RAM);
    if (rc < 0) {
        return rc;
    }
    d->tot_pages += count;
    hcall_domain_mapped(d, first, count);
    return 0;
}

int hcall_domain_take_ram(struct hcall_domain *d, gfn_t first, pages_t count)
{
    int rc;

    if (first > P2M_GFNS || count > P2M_GFNS - first ||
        p2m_count(&d->p2m, first, count, HCALL_P2M_RAM) != count) {
        return -EINVAL;
    }
    rc = p2m_set(&d->p2m, first, count, HCALL_P2M_HOLE);
    if (rc < 0) {
        return rc;
    }
    d->tot_pages -= count;
    return 0;
}

int hcall_domain_set_memory_map(struct hcall_domain *d, const struct hcall_e820 *entries,
                                unsigned nr)
{
    struct hcall_e820 *map = NULL;

    if (nr > HCALL_MAX_MAP_ENTRIES) {
        return -EINVAL;
    }
    if (nr > 0) {
        map = malloc(nr * sizeof(*map));
        if (!map) {
            return -ENOMEM;
        }
        memcpy(map, entries, nr * sizeof(*map));
    }
    free(d->map);
    d->map = map;
    d->nr_map = nr;
    return 0;
}

void hcall_domain_set_max_pages(struct hcall_domain *d, pages_t max_pages)
{
    /* Xen's counter has 32 bits; all ones is how "no limit" reads. */
    d->max_pages = max_pages < UINT32_MAX ? max_pages : UINT32_MAX;
}

void hcall_domain_set_version(struct hcall_domain *d, uint32_t version)
{
    d->version = version;
}

uint16_t hcall_domain_id(const struct hcall_domain *d)
{
    return d->domid;
}

pages_t hcall_domain_max_pages(const struct hcall_domain *d)
{
    return d->max_pages;
}

pages_t hcall_domain_tot_pages(const struct hcall_domain *d)
{
    return d->tot_pages;
}

enum hcall_p2m_type hcall_domain_p2m(const struct hcall_domain *d, gfn_t gfn, unsigned *order)
{
    enum hcall_p2m_type type = p2m_get(&d->p2m, gfn, order);

    if (order && *order > HCALL_MAX_ORDER) {
        *order = HCALL_MAX_ORDER;
    }
    return type;
}

pages_t hcall_domain_next(const struct hcall_domain *d, gfn_t gfn, enum hcall_p2m_type *type)
{
    return p2m_run(&d->p2m, gfn, gfn < P2M_GFNS ? P2M_GFNS - gfn : 1, type);
}

size_t hcall_domain_p2m_bytes(const struct hcall_domain *d)
{
    return sizeof(d->p2m) + d->p2m.table_bytes;
}

const char *hcall_domain_check(const struct hcall_domain *d)
{
    pages_t ram = 0;
    pages_t run;

    for (gfn_t gfn = 0; gfn < P2M_GFNS; gfn += run) {
        enum hcall_p2m_type type;

        run = hcall_domain_next(d, gfn, &type);
        if (type == HCALL_P2M_RAM) {
            ram += run;
        } else if (type != HCALL_P2M_HOLE) {
            return "the p2m holds a type that does not exist";
        }
    }
    if (d->tot_pages != ram + d->orphans) {
        return "tot_pages is not the RAM gfns plus the orphaned pages";
    }
    return NULL;
}
