/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed unpause: lets a domain run that is paused or was created so.
 */
#include "command.h"
#include "domctl.h"
#include "error.h"

#include <string.h>

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);
    g_autoptr(Qmp) qmp = domain ? domctl_open(domain, DOMCTL_SECONDS, error) : NULL;
    struct dominfo info;

    if (!qmp || !domctl_get_info(qmp, &info, error)) {
        return false;
    }
    dominfo_clear(&info);
    if (strchr(info.state, 's')) {
        return fail(error, "%s: it has %s and cannot run on", domain->name,
                    strchr(info.state, 'c') ? "crashed" : "shut down");
    }
    return domctl_unpause(qmp, error);
}

const struct command cmd_unpause = {
    .name = "unpause",
    .arguments = "DOMAIN",
    .summary = "Let a domain's vCPUs run",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
