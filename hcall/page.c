/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that someone besides their domain uses.  There are few, so they are a list.
 */
#include <stdlib.h>

#include "domain.h"

struct hcall_page {
    struct hcall_page *next;
    gfn_t gfn; /* HCALL_NO_GFN: it has left it */
    unsigned references;
    /* The domain has let go of it: with the last reference it goes back to the pool. */
    bool freed;
};

struct hcall_page *hcall_domain_get_page(struct hcall_domain *d, gfn_t gfn)
{
    struct hcall_page *page = d->pages;

    if (p2m_get(&d->p2m, gfn, NULL) != HCALL_P2M_RAM) {
        return NULL;
    }
    while (page && page->gfn != gfn) {
        page = page->next;
    }
    if (!page) {
        page = calloc(1, sizeof(*page));
        if (!page) {
            return NULL;
        }
        page->gfn = gfn;
        page->next = d->pages;
        d->pages = page;
    }
    page->references++;
    return page;
}

void hcall_domain_put_page(struct hcall_domain *d, struct hcall_page *page)
{
    struct hcall_page **at = &d->pages;

    if (--page->references > 0) {
        return;
    }
    while (*at != page) {
        at = &(*at)->next;
    }
    *at = page->next;
    if (page->freed) {
        d->orphans--;
        hcall_host_give(d, 1);
    }
    free(page);
}

static bool is_in(const struct hcall_page *page, gfn_t first, pages_t count)
{
    return page->gfn != HCALL_NO_GFN && page->gfn >= first && page->gfn - first < count;
}

bool hcall_domain_is_held(const struct hcall_domain *d, gfn_t first, pages_t count)
{
    const struct hcall_page *page = d->pages;

    while (page && !is_in(page, first, count)) {
        page = page->next;
    }
    return page != NULL;
}

void hcall_domain_free_pages(struct hcall_domain *d, gfn_t first, pages_t count)
{
    pages_t held = 0;

    for (struct hcall_page *page = d->pages; page; page = page->next) {
        if (is_in(page, first, count)) {
            page->gfn = HCALL_NO_GFN;
            page->freed = true;
            held++;
        }
    }
    d->orphans += held;
    hcall_host_give(d, count - held);
}

void hcall_domain_orphan_pages(struct hcall_domain *d, gfn_t first, pages_t count)
{
    for (struct hcall_page *page = d->pages; page; page = page->next) {
        if (is_in(page, first, count)) {
            page->gfn = HCALL_NO_GFN;
        }
    }
}

void hcall_domain_page_moved(struct hcall_domain *d, gfn_t from, gfn_t to)
{
    for (struct hcall_page *page = d->pages; page; page = page->next) {
        if (page->gfn == from) {
            page->gfn = to;
        }
    }
}

pages_t hcall_domain_abandon_pages(struct hcall_domain *d)
{
    pages_t held = 0;

    /* One that was stolen into the cache may be in the pool by now, or be in the list twice. */
    for (struct hcall_page *page = d->pages; page; page = page->next) {
        page->gfn = HCALL_NO_GFN;
        page->freed = held < d->orphans;
        held += page->freed ? 1 : 0;
    }
    return held;
}

void hcall_domain_forget_pages(struct hcall_domain *d)
{
    struct hcall_page *next;

    for (struct hcall_page *page = d->pages; page; page = next) {
        next = page->next;
        free(page);
    }
    d->pages = NULL;
}
