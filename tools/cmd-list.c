/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed list: one row a domain, in xl's columns.
 */
#include "command.h"
#include "domctl.h"

#include <stdio.h>

/* A row is worth less waiting than a command. */
#define LIST_SECONDS 2

static void print_row(const Domain *domain)
{
    struct dominfo info;
    g_autofree char *memory = NULL;
    bool answers = domctl_read_info(domain, LIST_SECONDS, &info, NULL);

    if (answers) {
        memory = g_strdup_printf("%" G_GUINT64_FORMAT, memory_pages_to_mib(info.tot_pages));
        dominfo_clear(&info);
    }
    printf("%-40s %5u %5s %5u     %s  %8.1f%s\n", domain->name, domain->domid,
           answers ? memory : "?", domain->vcpus, answers ? info.state : "??????",
           process_cpu_seconds(&domain->qemu), answers ? "" : "  (not answering)");
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(GPtrArray) domains = NULL;

    if (arguments[0]) {
        Domain *domain = domain_lookup(arguments[0], error);

        if (!domain) {
            return false;
        }
        domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_free);
        g_ptr_array_add(domains, domain);
    } else {
        domains = domain_list(error);
        if (!domains) {
            return false;
        }
    }
    printf("%-40s %5s %5s %5s\tState\tTime(s)\n", "Name", "ID", "Mem", "VCPUs");
    for (guint i = 0; i < domains->len; i++) {
        print_row(g_ptr_array_index(domains, i));
    }
    return true;
}

const struct command cmd_list = {
    .name = "list",
    .arguments = "[DOMAIN]",
    .summary = "List the domains, or one of them",
    .description = "Mem is what the domain owns now, in MiB. State has a letter for each that "
                   "holds:\nr running, p paused, s shut down, c crashed. Time is the CPU time "
                   "of its QEMU.",
    .max_arguments = 1,
    .run = run,
};
