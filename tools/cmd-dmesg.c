/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed dmesg: prints what Xen had to say of a domain, as it does on its console.
 */
#include "command.h"
#include "domctl.h"
#include "error.h"

#include <stdio.h>

static gboolean clear;

static const GOptionEntry options[] = {
    {"clear", 'c', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &clear,
     "Empty the buffer after it was printed", NULL},
    G_OPTION_ENTRY_NULL,
};

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);
    g_autoptr(Qmp) qmp = domain ? domctl_open(domain, DOMCTL_SECONDS, error) : NULL;
    g_autofree char *log = qmp ? domctl_get_log(qmp, error) : NULL;

    if (!log) {
        return false;
    }
    /* What could not be printed is kept. */
    if (fputs(log, stdout) == EOF || fflush(stdout) != 0) {
        return fail_errno(error, "standard output");
    }
    return !clear || domctl_clear_log(qmp, error);
}

const struct command cmd_dmesg = {
    .name = "dmesg",
    .arguments = "DOMAIN",
    .summary = "Print Xen's message buffer",
    .description = "Each domain has a Xen of its own here, and so a buffer of its own: the newest "
                   "16 KiB of what Xen\nprinted to its console, in whole lines. The same lines are "
                   "in qemu.log in the domain's folder,\nfrom the first one on.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
