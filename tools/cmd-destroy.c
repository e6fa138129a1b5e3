/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed destroy: ends a domain at once, whatever state its QEMU is in.
 */
#include "command.h"
#include "domctl.h"
#include "error.h"

#include <signal.h>

/* For each way of ending it: QMP, then SIGTERM, then SIGKILL. */
#define SECONDS 5

static bool quit(const Domain *domain)
{
    g_autoptr(Qmp) qmp = domctl_open(domain, SECONDS, NULL);

    return qmp && domctl_quit(qmp, NULL);
}

static bool kill_and_wait(const Domain *domain, int signal)
{
    process_kill(&domain->qemu, signal);
    return process_wait(&domain->qemu, SECONDS * 1000);
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);

    if (!domain) {
        return false;
    }
    if (!(quit(domain) && process_wait(&domain->qemu, SECONDS * 1000)) &&
        !kill_and_wait(domain, SIGTERM) && !kill_and_wait(domain, SIGKILL)) {
        return fail(error, "%s: its QEMU, pid %d, does not end", domain->name,
                    (int)domain->qemu.pid);
    }
    return domain_clean(error);
}

const struct command cmd_destroy = {
    .name = "destroy",
    .arguments = "DOMAIN",
    .summary = "End a domain at once",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
