/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's life and counters: what the toolstack does to it.  What the guest
 * does to itself is in memory_op.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"

#include <xen/xen.h>

struct hcall_domain *hcall_domain_new(struct hcall_host *host,
                                      const struct hcall_domain_params *params,
                                      const struct hcall_ops *ops, void *world)
{
    struct hcall_domain *d;

    if (params->domid >= DOMID_FIRST_RESERVED || hcall_host_find(host, params->domid)) {
        return NULL;
    }
    d = calloc(1, sizeof(*d));
    if (!d) {
        return NULL;
    }
    d->nr_special = HCALL_SPECIAL_GRANT_FRAME + params->grant_frames;
    d->special = calloc(d->nr_special, sizeof(d->special[0]));
    if (!d->special) {
        free(d);
        return NULL;
    }
    d->domid = params->domid;
    d->ops = *ops;
    d->world = world;
    hcall_domain_set_max_pages(d, params->max_pages);
    d->host = host;
    d->next = host->domains;
    host->domains = d;
    hcall_domain_reset(d);
    return d;
}

static void drop_claim(struct hcall_domain *d)
{
    d->host->claims -= d->claim;
    d->claim = 0;
}

void hcall_domain_free(struct hcall_domain *d)
{
    struct hcall_domain **at;

    if (!d) {
        return;
    }
    hcall_domain_reset(d);
    for (at = &d->host->domains; *at != d; at = &(*at)->next) {
    }
    *at = d->next;
    free(d->special);
    free(d->map);
    free(d);
}

void hcall_domain_reset(struct hcall_domain *d)
{
    if (!d->dying || !hcall_host_is_old(d->host)) {
        drop_claim(d);
    }
    /* One made while it was dying stays with the host, up to 4.17. */
    d->claim = 0;
    p2m_clear(&d->p2m);
    hcall_host_give(d, d->tot_pages);
    hcall_domain_forget_pages(d);
    pod_init(&d->pod);
    d->orphans = 0;
    d->max_gfn = 0;
    d->dying = false;
    d->torn_down = false;
    d->p2m.frozen = false;
    d->crashed = false;
    d->crash_untold = false;
    d->nr_grant_frames = 0;
    for (unsigned i = 0; i < d->nr_special; i++) {
        d->special[i] = (struct special){.gfn = HCALL_NO_GFN};
    }
}

void hcall_domain_mapped(struct hcall_domain *d, gfn_t base, pages_t count)
{
    if (count > 0 && base + count - 1 > d->max_gfn) {
        d->max_gfn = base + count - 1;
    }
}

void hcall_domain_discard_later(struct hcall_domain *d, struct ranges *ranges, gfn_t base,
                                pages_t count)
{
    if (ranges->nr == HCALL_PAGES_PER_SECTION) {
        ranges_merge(ranges);
        for (unsigned i = 0; i < ranges->nr; i++) {
            d->ops.discard(d->world, ranges->range[i].first, ranges->range[i].count);
        }
        ranges->nr = 0;
    }
    ranges_add(ranges, base, count);
}

/* Is this a range of holes, or of gfns of another type?  If not, why not. */
static int check_range(const struct hcall_domain *d, gfn_t first, pages_t count,
                       enum hcall_p2m_type or)
{
    pages_t found;

    if (first > P2M_GFNS || count > P2M_GFNS - first) {
        return -EINVAL;
    }
    found = p2m_count(&d->p2m, first, count, HCALL_P2M_HOLE);
    if (or != HCALL_P2M_HOLE) {
        found += p2m_count(&d->p2m, first, count, or);
    }
    return found == count ? 0 : -EBUSY;
}

/* RAM of [first, end) comes in whole blocks of 2 MiB where it can; to say so may take a table. */
static void mark_in_place(struct hcall_domain *d, gfn_t first, gfn_t end)
{
    first = (first + POD_SUPERPAGE_PAGES - 1) / POD_SUPERPAGE_PAGES * POD_SUPERPAGE_PAGES;
    end = end / POD_SUPERPAGE_PAGES * POD_SUPERPAGE_PAGES;
    if (first < end) {
        (void)p2m_set(&d->p2m, first, end - first, HCALL_P2M_RAM | P2M_IN_PLACE);
    }
}

int hcall_domain_build_ram(struct hcall_domain *d, gfn_t first, pages_t count)
{
    int rc = check_range(d, first, count, HCALL_P2M_HOLE);

    if (rc == 0 && (d->dying || d->tot_pages + count > d->max_pages || !hcall_host_has(d, count))) {
        rc = -ENOMEM;
    }
    if (rc == 0) {
        rc = p2m_set(&d->p2m, first, count, HCALL_P2M_RAM);
    }
    if (rc == 0) {
        hcall_host_take(d, count);
        hcall_domain_mapped(d, first, count);
        mark_in_place(d, first, first + count);
    }
    return rc;
}

int hcall_domain_build_pod(struct hcall_domain *d, gfn_t first, pages_t count)
{
    int rc = check_range(d, first, count, HCALL_P2M_HOLE);

    if (rc == 0) {
        rc = p2m_set(&d->p2m, first, count, HCALL_P2M_POD);
    }
    if (rc == 0 && count > 0) {
        d->pod.entry_count += count;
        hcall_domain_mapped(d, first, count);
        d->ops.mark_pod(d->world, first, count);
    }
    return rc;
}

int hcall_domain_map(struct hcall_domain *d, gfn_t first, pages_t count, enum hcall_p2m_type type)
{
    int rc = check_range(d, first, count, HCALL_P2M_POD);
    pages_t pod;

    if (type < HCALL_P2M_GRANT || type >= HCALL_P2M_TYPES) {
        return -EINVAL;
    }
    pod = rc == 0 ? p2m_count(&d->p2m, first, count, HCALL_P2M_POD) : 0;
    if (rc == 0) {
        rc = p2m_set(&d->p2m, first, count, type);
    }
    if (rc == 0) {
        d->pod.entry_count -= pod;
        hcall_domain_mapped(d, first, count);
    }
    return rc;
}

int hcall_domain_map_own_grant(struct hcall_domain *d, gfn_t from, gfn_t to)
{
    enum hcall_p2m_type was = p2m_get(&d->p2m, to, NULL);

    if (p2m_get(&d->p2m, from, NULL) != HCALL_P2M_RAM || to >= P2M_GFNS || from == to ||
        (was != HCALL_P2M_RAM && was != HCALL_P2M_POD && was != HCALL_P2M_HOLE)) {
        return -EINVAL;
    }
    if (p2m_split(&d->p2m, from) < 0 || p2m_split(&d->p2m, to) < 0) {
        return -ENOMEM;
    }
    p2m_set(&d->p2m, from, 1, HCALL_P2M_HOLE);
    p2m_set(&d->p2m, to, 1, HCALL_P2M_OWN_GRANT);
    d->orphans += was == HCALL_P2M_RAM ? 2 : 1;
    d->pod.entry_count -= was == HCALL_P2M_POD ? 1 : 0;
    hcall_domain_orphan_pages(d, to, 1);
    hcall_domain_page_moved(d, from, to);
    hcall_domain_mapped(d, to, 1);
    d->ops.move(d->world, from, to);
    return 0;
}

int hcall_domain_unmap_own_grant(struct hcall_domain *d, gfn_t gfn)
{
    int rc = -EINVAL;

    if (p2m_get(&d->p2m, gfn, NULL) == HCALL_P2M_OWN_GRANT) {
        rc = p2m_set(&d->p2m, gfn, 1, HCALL_P2M_HOLE);
    }
    if (rc == 0) {
        hcall_domain_orphan_pages(d, gfn, 1);
        d->ops.discard(d->world, gfn, 1);
    }
    return rc;
}

gfn_t hcall_domain_special(const struct hcall_domain *d, unsigned special)
{
    return special < d->nr_special ? d->special[special].gfn : HCALL_NO_GFN;
}

struct special *hcall_domain_special_at(struct hcall_domain *d, gfn_t gfn)
{
    struct special *special = d->special;

    while (special->gfn != gfn) {
        special++;
    }
    return special;
}

void hcall_domain_place_special(struct special *special, gfn_t gfn)
{
    special->gfn = gfn;
    special->moved = true;
}

void hcall_domain_unmap_specials(struct hcall_domain *d, gfn_t first, pages_t count)
{
    for (unsigned i = 0; i < d->nr_special; i++) {
        if (d->special[i].gfn >= first && d->special[i].gfn - first < count) {
            hcall_domain_place_special(&d->special[i], HCALL_NO_GFN);
        }
    }
}

void hcall_domain_end_exclusive(struct hcall_domain *d)
{
    bool crash = d->crash_untold;

    d->crash_untold = false;
    d->ops.end_exclusive(d->world);
    for (unsigned i = 0; i < d->nr_special; i++) {
        if (d->special[i].moved) {
            d->special[i].moved = false;
            d->ops.special_moved(d->world, i);
        }
    }
    if (crash) {
        d->ops.crash(d->world);
    }
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

bool hcall_domain_teardown(struct hcall_domain *d)
{
    pages_t left, step;

    if (!d->torn_down) {
        d->torn_down = true;
        p2m_clear(&d->p2m);
        d->orphans = d->tot_pages - pod_count(&d->pod);
        for (unsigned i = 0; i < d->nr_special; i++) {
            hcall_domain_place_special(&d->special[i], HCALL_NO_GFN);
        }
        return false;
    }
    if (pod_count(&d->pod) > 0) {
        pod_empty_cache(d);
        return false;
    }
    left = d->orphans - hcall_domain_abandon_pages(d);
    step = left < HCALL_PAGES_PER_SECTION ? left : HCALL_PAGES_PER_SECTION;
    d->orphans -= step;
    hcall_host_give(d, step);
    return step == left;
}

void hcall_domain_set_io(struct hcall_domain *d, bool io)
{
    d->io = io;
}

void hcall_domain_set_dying(struct hcall_domain *d)
{
    d->dying = true;
    d->p2m.frozen = true;
    drop_claim(d);
}

void hcall_domain_crash(struct hcall_domain *d, const struct hcall_caller *caller,
                        const char *where)
{
    const struct hcall_host *host = d->host;
    char line[96];

    snprintf(line, sizeof(line), "domain_crash called from %s", where);
    host->ops.log(host->world, line);
    if (d->crashed) {
        return;
    }
    d->crashed = true;
    d->crash_untold = true;
    /* A vCPU runs on the host's CPU of the same number, as far as anyone can tell. */
    if (caller->domain == d) {
        snprintf(line, sizeof(line), "Domain %u (vcpu#%u) crashed on cpu#%u:", d->domid,
                 caller->vcpu, caller->vcpu);
    } else {
        snprintf(line, sizeof(line), "Domain %u reported crashed by domain %u on cpu#%u:", d->domid,
                 caller->domain->domid, caller->vcpu);
    }
    host->ops.log(host->world, line);
}

void hcall_domain_revive(struct hcall_domain *d)
{
    d->crashed = false;
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

pages_t hcall_domain_outstanding_pages(const struct hcall_domain *d)
{
    return d->claim;
}

unsigned hcall_domain_grant_frames(const struct hcall_domain *d)
{
    return d->nr_grant_frames;
}

bool hcall_domain_crashed(const struct hcall_domain *d)
{
    return d->crashed;
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

/* Are the special pages where the p2m has pages of their type? */
static bool specials_agree(const struct hcall_domain *d, pages_t in_p2m)
{
    pages_t mapped = 0;

    for (unsigned i = 0; i < d->nr_special; i++) {
        if (d->special[i].gfn != HCALL_NO_GFN) {
            mapped++;
            if (p2m_get(&d->p2m, d->special[i].gfn, NULL) != HCALL_P2M_SPECIAL) {
                return false;
            }
        }
    }
    return mapped == in_p2m;
}

const char *hcall_domain_check(const struct hcall_domain *d)
{
    pages_t of_type[HCALL_P2M_TYPES] = {0};
    pages_t run;

    for (gfn_t gfn = 0; gfn < P2M_GFNS; gfn += run) {
        enum hcall_p2m_type type;

        run = hcall_domain_next(d, gfn, &type);
        if (type >= HCALL_P2M_TYPES) {
            return "the p2m holds a type that does not exist";
        }
        of_type[type] += run;
    }
    if (d->tot_pages != of_type[HCALL_P2M_RAM] + d->orphans + pod_count(&d->pod)) {
        return "tot_pages is not the RAM gfns plus the orphaned pages plus the PoD cache";
    }
    if (d->pod.entry_count != of_type[HCALL_P2M_POD] && !d->torn_down) {
        return "entry_count is not the gfns that are populate-on-demand";
    }
    if (of_type[HCALL_P2M_OWN_GRANT] > d->orphans) {
        return "more pages are mapped by grants of the domain's own than it has";
    }
    if (!specials_agree(d, of_type[HCALL_P2M_SPECIAL])) {
        return "the p2m has the hypervisor's pages elsewhere than they are";
    }
    return NULL;
}
