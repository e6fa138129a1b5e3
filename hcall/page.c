/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that someone besides their domain uses.  A disk may have thousands under way, so those that
 * have a gfn can be found by it.
 */
#include <stdlib.h>

#include "domain.h"

/* The lists that a page may be in: of all of them, the last first, and of those with similar gfns.
 */
enum list { ALL, BY_GFN, LISTS };

struct hcall_page {
    struct {
        struct hcall_page *next, **at; /* at: what points to this one */
    } in[LISTS];
    gfn_t gfn; /* HCALL_NO_GFN: it has left it */
    unsigned references;
    /* The domain has let go of it: with the last reference it goes back to the pool. */
    bool freed;
};

static void put_in(struct hcall_page **first, enum list list, struct hcall_page *page)
{
    page->in[list].next = *first;
    page->in[list].at = first;
    if (*first) {
        (*first)->in[list].at = &page->in[list].next;
    }
    *first = page;
}

static void take_out(enum list list, struct hcall_page *page)
{
    struct hcall_page *next = page->in[list].next;

    *page->in[list].at = next;
    if (next) {
        next->in[list].at = page->in[list].at;
    }
}

static void move(struct hcall_domain *d, struct hcall_page *page, gfn_t gfn)
{
    if (page->gfn != HCALL_NO_GFN) {
        take_out(BY_GFN, page);
    }
    if (gfn != HCALL_NO_GFN) {
        put_in(&d->pages_by_gfn[gfn % HCALL_PAGE_LISTS], BY_GFN, page);
    }
    page->gfn = gfn;
}

static struct hcall_page *find(const struct hcall_domain *d, gfn_t gfn)
{
    struct hcall_page *page = d->pages_by_gfn[gfn % HCALL_PAGE_LISTS];

    while (page && page->gfn != gfn) {
        page = page->in[BY_GFN].next;
    }
    return page;
}

struct hcall_page *hcall_domain_get_page(struct hcall_domain *d, gfn_t gfn)
{
    struct hcall_page *page;

    if (p2m_get(&d->p2m, gfn, NULL) != HCALL_P2M_RAM) {
        return NULL;
    }
    page = find(d, gfn);
    if (!page) {
        page = calloc(1, sizeof(*page));
        if (!page) {
            return NULL;
        }
        page->gfn = HCALL_NO_GFN;
        move(d, page, gfn);
        put_in(&d->pages, ALL, page);
    }
    page->references++;
    return page;
}

void hcall_domain_put_page(struct hcall_domain *d, struct hcall_page *page)
{
    if (--page->references > 0) {
        return;
    }
    move(d, page, HCALL_NO_GFN);
    take_out(ALL, page);
    if (page->freed) {
        d->orphans--;
        hcall_host_give(d, 1);
    }
    free(page);
}

bool hcall_domain_is_held(const struct hcall_domain *d, gfn_t first, pages_t count)
{
    gfn_t gfn = first;

    while (gfn < first + count && !find(d, gfn)) {
        gfn++;
    }
    return gfn < first + count;
}

void hcall_domain_free_pages(struct hcall_domain *d, gfn_t first, pages_t count)
{
    pages_t held = 0;

    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        struct hcall_page *page = find(d, gfn);

        if (page) {
            move(d, page, HCALL_NO_GFN);
            page->freed = true;
            held++;
        }
    }
    d->orphans += held;
    hcall_host_give(d, count - held);
}

void hcall_domain_orphan_pages(struct hcall_domain *d, gfn_t first, pages_t count)
{
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        struct hcall_page *page = find(d, gfn);

        if (page) {
            move(d, page, HCALL_NO_GFN);
        }
    }
}

void hcall_domain_page_moved(struct hcall_domain *d, gfn_t from, gfn_t to)
{
    struct hcall_page *page = find(d, from);

    if (page) {
        move(d, page, to);
    }
}

pages_t hcall_domain_abandon_pages(struct hcall_domain *d)
{
    pages_t held = 0;

    /* One that was stolen into the cache may be in the pool by now, or be in the list twice. */
    for (struct hcall_page *page = d->pages; page; page = page->in[ALL].next) {
        move(d, page, HCALL_NO_GFN);
        page->freed = held < d->orphans;
        held += page->freed ? 1 : 0;
    }
    return held;
}

void hcall_domain_forget_pages(struct hcall_domain *d)
{
    while (d->pages) {
        struct hcall_page *page = d->pages;

        move(d, page, HCALL_NO_GFN);
        take_out(ALL, page);
        free(page);
    }
}
