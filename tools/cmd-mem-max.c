/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed mem-max: changes the most memory a domain may have, as xl does.  The
 * guest is not told.
 */
#include "command.h"
#include "domctl.h"
#include "store.h"

/* What was asked for, and of which domain. */
struct request {
    const Domain *domain;
    Qmp *qmp;
    kib_t size;
};

/* The same as libxl: first the limit, then what the store says of it. */
static bool change(const Store *store, xs_transaction_t t, void *data, GError **error)
{
    const struct request *request = data;
    g_autofree char *static_max = g_strdup_printf("%" G_GUINT64_FORMAT, request->size);
    kib_t target;
    pages_t max_pages;

    if (!store_read_kib(store, t, "memory/target", &target, error)) {
        return false;
    }
    if (!memory_plan_mem_max(request->size, target, &max_pages, error)) {
        g_prefix_error(error, "%s: ", request->domain->name);
        return false;
    }
    return domctl_set_max_pages(request->qmp, max_pages, error) &&
           store_write(store, t, "memory/static-max", static_max, error);
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = NULL;
    g_autoptr(Qmp) qmp = NULL;
    g_autoptr(Store) store = NULL;
    kib_t size;

    if (!memory_parse_size(arguments[1], &size, error) ||
        !(domain = domain_lookup(arguments[0], error)) ||
        !(qmp = domctl_open(domain, DOMCTL_SECONDS, error)) ||
        !(store = store_open(domain, error))) {
        return false;
    }
    return store_change(store, change, &(struct request){domain, qmp, size}, error);
}

const struct command cmd_mem_max = {
    .name = "mem-max",
    .arguments = "DOMAIN SIZE",
    .summary = "Set the most memory a domain may have",
    .description =
        "SIZE is in MiB, or has a suffix: t, g, m, k or b (bytes). It must not be below the "
        "domain's target\nand may be above the maxmem it was created with. memory/static-max in "
        "its xenstore becomes SIZE,\nso mem-set goes up to there; the domain's limit (max_pages) "
        "becomes SIZE and 1 MiB, until the next\nmem-set. The target stays as it is, and the guest "
        "is not told.",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
