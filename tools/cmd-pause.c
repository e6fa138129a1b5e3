/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed pause: stops a domain, which keeps all it has.
 */
#include "command.h"
#include "domctl.h"

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);
    g_autoptr(Qmp) qmp = domain ? domctl_open(domain, DOMCTL_SECONDS, error) : NULL;

    return qmp && domctl_pause(qmp, error);
}

const struct command cmd_pause = {
    .name = "pause",
    .arguments = "DOMAIN",
    .summary = "Stop a domain's vCPUs",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
