/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed shutdown: asks the guest to power off, through ~/control/shutdown.
 */
#include "command.h"
#include "domctl.h"
#include "error.h"
#include "store.h"

#include <stdio.h>

#define WAIT_SECONDS 60

static gboolean wait_for_end;

static const GOptionEntry options[] = {
    {"wait", 'w', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &wait_for_end,
     "Wait until the domain is gone, " G_STRINGIFY(WAIT_SECONDS) " s at most", NULL},
    G_OPTION_ENTRY_NULL,
};

static bool ask(const Domain *domain, GError **error)
{
    /* libxenstore would wait for ever for a QEMU that hangs. */
    g_autoptr(Qmp) qmp = domctl_open(domain, DOMCTL_SECONDS, error);
    g_autoptr(Store) store = qmp ? store_open(domain, error) : NULL;

    return store && store_write(store, XBT_NULL, "control/shutdown", "poweroff", error);
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);

    if (!domain || !ask(domain, error)) {
        return false;
    }
    printf("Shutting down domain %u\n", domain->domid);
    if (!wait_for_end) {
        return true;
    }
    if (!process_wait(&domain->qemu, WAIT_SECONDS * 1000)) {
        return fail(error, "%s: still there after %d s", domain->name, WAIT_SECONDS);
    }
    return domain_clean(error);
}

const struct command cmd_shutdown = {
    .name = "shutdown",
    .arguments = "DOMAIN",
    .summary = "Ask a domain to power itself off",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
