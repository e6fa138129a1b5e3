/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed mem-set: changes a domain's memory target, as xl does, and can wait for
 * the guest to follow.
 */
#include "command.h"
#include "domctl.h"
#include "error.h"
#include "store.h"

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
     "Wait until the domain got there or has stopped, 60 s at most; --wait=S: S seconds at most",
     NULL},
    {"wait", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &wait_seconds, NULL, NULL},
    G_OPTION_ENTRY_NULL,
};

/* What is to be done to the domain, and what it is done to. */
struct plan {
    struct mem_set mem_set;
    kib_t videoram;
};

/* What was asked for, and of which domain; and the plan that comes of it. */
struct request {
    const Domain *domain;
    Qmp *qmp;
    kib_t size;
    struct plan *plan;
};

/* The same as libxl: the limit and the target change while the transaction holds. */
static bool change(const Store *store, xs_transaction_t t, void *data, GError **error)
{
    const struct request *request = data;
    struct plan *plan = request->plan;
    g_autofree char *target = NULL;
    kib_t static_max;

    if (!store_read_kib(store, t, "memory/static-max", &static_max, error) ||
        !store_read_kib(store, t, "memory/videoram", &plan->videoram, error)) {
        return false;
    }
    if (!memory_plan_mem_set(request->size, plan->videoram, static_max, &plan->mem_set, error)) {
        g_prefix_error(error, "%s: ", request->domain->name);
        return false;
    }
    target = g_strdup_printf("%" G_GUINT64_FORMAT, plan->mem_set.target);
    return domctl_set_max_pages(request->qmp, plan->mem_set.max_pages, error) &&
           domctl_set_pod_target(request->qmp, plan->mem_set.pod_target, error) &&
           store_write(store, t, "memory/target", target, error);
}

static bool apply(const Domain *domain, kib_t requested, struct plan *plan, GError **error)
{
    g_autoptr(Qmp) qmp = domctl_open(domain, DOMCTL_SECONDS, error);
    g_autoptr(Store) store = qmp ? store_open(domain, error) : NULL;
    struct request request = {domain, qmp, requested, plan};

    return store && store_change(store, change, &request, error);
}

/* Waits until tot_pages is at the target and rests there, or, by a plain --wait, stops moving. */
static bool wait_for(const Domain *domain, const struct plan *plan, int seconds, GError **error)
{
    kib_t target = plan->mem_set.target;
    gint64 stalled = wait_plainly ? STALLED_US : seconds * G_USEC_PER_SEC;
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
                   memory_target_reached(info.tot_pages, target, plan->videoram)) {
            printf("%s: reached %" G_GUINT64_FORMAT " KiB (target %" G_GUINT64_FORMAT " KiB)\n",
                   domain->name, info.tot_pages * KIB_PER_PAGE, target);
            return true;
        }
        g_usleep(POLL_US);
    } while (now - start < seconds * G_USEC_PER_SEC && now - moved < stalled);
    return fail(error,
                "%s: reached %" G_GUINT64_FORMAT " KiB, not the target of %" G_GUINT64_FORMAT
                " KiB, in %.0f s",
                domain->name, info.tot_pages * KIB_PER_PAGE, target,
                (double)(now - start) / G_USEC_PER_SEC);
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = NULL;
    struct plan plan;
    kib_t requested;

    if (wait_seconds != NO_WAIT) {
        wait_plainly = false;
    } else if (wait_plainly) {
        wait_seconds = DEFAULT_WAIT_SECONDS;
    }
    if (wait_seconds != NO_WAIT && wait_seconds < 0) {
        return fail(error, "--wait=%d: seconds must not be negative", wait_seconds);
    }
    if (!memory_parse_size(arguments[1], &requested, error) ||
        !(domain = domain_lookup(arguments[0], error)) || !apply(domain, requested, &plan, error)) {
        return false;
    }
    return wait_seconds == NO_WAIT || wait_for(domain, &plan, wait_seconds, error);
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
        "second. A plain --wait ends early when nothing has changed for 10 s. It prints what "
        "was\nreached; the exit status is 1 if that is not the target.",
    .options = options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
