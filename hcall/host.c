/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host: its pool of pages, who owns them and who has claimed them.
 */
#include <errno.h>
#include <stdlib.h>

#include "domain.h"

struct hcall_host *hcall_host_new(const struct hcall_host_params *params,
                                  const struct hcall_host_ops *ops, void *world)
{
    struct hcall_host *host = calloc(1, sizeof(*host));

    if (!host) {
        return NULL;
    }
    host->pages = params->pages;
    host->free_pages = params->pages;
    host->max_page = params->max_page;
    host->version = params->version ? params->version : UINT32_MAX;
    host->ops = *ops;
    host->world = world;
    return host;
}

void hcall_host_free(struct hcall_host *host)
{
    free(host);
}

pages_t hcall_host_free_pages(const struct hcall_host *host)
{
    return host->free_pages;
}

int hcall_host_set_free_pages(struct hcall_host *host, pages_t pages)
{
    if (pages < host->claims) {
        return -EBUSY;
    }
    host->pages = host->pages - host->free_pages + pages;
    host->free_pages = pages;
    return 0;
}

pages_t hcall_host_outstanding_claims(const struct hcall_host *host)
{
    return host->claims;
}

struct hcall_domain *hcall_host_find(const struct hcall_host *host, uint16_t domid)
{
    struct hcall_domain *d = host->domains;

    while (d && d->domid != domid) {
        d = d->next;
    }
    return d;
}

bool hcall_host_has(const struct hcall_domain *d, pages_t count)
{
    const struct hcall_host *host = d->host;

    /* What a claim covers is there; all else must be there besides all claims. */
    return count <= d->claim ||
           (count <= host->free_pages && host->claims <= host->free_pages - count);
}

void hcall_host_take(struct hcall_domain *d, pages_t count)
{
    pages_t claimed = count < d->claim ? count : d->claim;

    d->host->free_pages -= count;
    d->tot_pages += count;
    d->claim -= claimed;
    d->host->claims -= claimed;
}

void hcall_host_give(struct hcall_domain *d, pages_t count)
{
    d->host->free_pages += count;
    d->tot_pages -= count;
    /* As long as there is one, a claim grows again up to 4.17. */
    if (d->claim > 0 && hcall_host_is_old(d->host)) {
        d->claim += count;
        d->host->claims += count;
    }
}

const char *hcall_host_check(const struct hcall_host *host)
{
    pages_t owned = 0, claimed = 0;

    for (const struct hcall_domain *d = host->domains; d; d = d->next) {
        const char *wrong = hcall_domain_check(d);

        if (wrong) {
            return wrong;
        }
        owned += d->tot_pages;
        claimed += d->claim;
    }
    if (owned + host->free_pages != host->pages) {
        return "the pool is not what domains own and what is free";
    }
    /* Those of domains that died under 4.17 are never given back. */
    if (hcall_host_is_old(host) ? claimed > host->claims : claimed != host->claims) {
        return "the host's claims are not those of its domains";
    }
    if (host->claims > host->free_pages && !hcall_host_is_old(host)) {
        return "more is claimed than is free";
    }
    return NULL;
}
