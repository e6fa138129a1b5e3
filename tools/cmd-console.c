/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed console: attaches to a domain's console.
 */
#include "command.h"
#include "console.h"

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);
    g_autoptr(GSocketConnection) connection = domain ? console_open(domain, error) : NULL;

    return connection && console_run(connection, error);
}

const struct command cmd_console = {
    .name = "console",
    .arguments = "DOMAIN",
    .summary = "Attach to the console of a domain",
    .description = "Ctrl-] leaves it. When standard input is not a terminal and has ended, the "
                   "command ends after\nthe domain has been silent for a second. One console can "
                   "be attached at a time; another waits\nfor its turn. What was printed before is "
                   "in console.log in the domain's folder.",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
