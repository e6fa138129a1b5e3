/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed mem-set: changes a domain's memory target, as xl does, and can wait for
 * the guest to follow.
 */
#include "command.h"
#include "domctl.h"
#include "error.h"

#include <stdio.h>

#define DEFAULT_WAIT_SECONDS 60
#define NO_WAIT G_MININT
#define POLL_US (100 * 1000)
#define SETTLED_US (G_USEC_PER_SEC / 2)
#define STALLED_US (10 * G_USEC_PER_SEC)

static gboolean wait_plainly;
static int wait_seconds = NO_WAIT;

/* GLib would take the word after a bare --wait for its value, hence two entries. */
static const GOptionEntry options[] = {
    {"wait", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &wait_plainly,
     "Wait until the domain got there, 60 s at most; --wait=S for S seconds", NULL},
    {"wait", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &wait_seconds, NULL, NULL},
    G_OPTION_ENTRY_NULL,
};

static bool apply(const Domain *domain, kib_t requested, struct mem_set *plan, GError **error)
{
    g_autoptr(Qmp) qmp = domctl_open(domain, DOMCTL_SECONDS, error);
    struct dominfo info;

    if (!qmp || !domctl_get_info(qmp, &info, error)) {
        return false;
    }
    dominfo_clear(&info);
    if (!memory_plan_mem_set(requested, info.videoram, info.static_max, plan, error)) {
        g_prefix_error(error, "%s: ", domain->name);
        return false;
    }
    return domctl_set_max_pages(qmp, plan->max_pages, error) &&
           domctl_set_target(qmp, plan->target, error);
}

/* Waits until tot_pages is at TARGET and rests there, or stops moving short of it. */
static bool wait_for(const Domain *domain, kib_t target, int seconds, GError **error)
{
    gint64 start = g_get_monotonic_time(), moved = start, now;
    pages_t previous = 0;
    struct dominfo info;

    do {
        if (!domctl_read_info(domain, DOMCTL_SECONDS, &info, error)) {
            return false;
        }
        dominfo_clear(&info);
        now = g_get_monotonic_time();
        if (info.tot_pages != previous) {
            moved = now;
            previous = info.tot_pages;
        } else if (now - moved >= SETTLED_US &&
                   memory_target_reached(info.tot_pages, target, info.videoram)) {
            printf("%s: reached %" G_GUINT64_FORMAT " KiB (target %" G_GUINT64_FORMAT " KiB)\n",
                   domain->name, info.tot_pages * KIB_PER_PAGE, target);
            return true;
        }
        g_usleep(POLL_US);
    } while (now - start < seconds * G_USEC_PER_SEC && now - moved < STALLED_US);
    return fail(error,
                "%s: reached %" G_GUINT64_FORMAT " KiB, not the target of %" G_GUINT64_FORMAT
                " KiB, in %.0f s",
                domain->name, info.tot_pages * KIB_PER_PAGE, target,
                (double)(now - start) / G_USEC_PER_SEC);
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = NULL;
    struct mem_set plan;
    kib_t requested;

    if (wait_plainly && wait_seconds == NO_WAIT) {
        wait_seconds = DEFAULT_WAIT_SECONDS;
    }
    if (wait_seconds != NO_WAIT && wait_seconds < 0) {
        return fail(error, "--wait=%d: seconds must not be negative", wait_seconds);
    }
    if (!memory_parse_size(arguments[1], &requested, error) ||
        !(domain = domain_lookup(arguments[0], error)) || !apply(domain, requested, &plan, error)) {
        return false;
    }
    return wait_seconds == NO_WAIT || wait_for(domain, plan.target, wait_seconds, error);
}

const struct command cmd_mem_set = {
    .name = "mem-set",
    .arguments = "DOMAIN SIZE",
    .summary = "Set the memory target of a domain",
    .description =
        "SIZE is in MiB, or has a suffix: t, g, m, k or b (bytes). The guest's balloon "
        "driver is told\nand the domain's limit (max_pages) changed; the command does "
        "not wait for the guest unless asked to.\n\nThe target counts as reached when "
        "what the domain owns is within 1 MiB of it and has not changed\nfor half a "
        "second. A wait ends early when nothing has changed for 10 s. It prints what was "
        "reached;\nthe exit status is 1 if that is not the target.",
    .options = options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
