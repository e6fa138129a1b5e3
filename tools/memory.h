/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arithmetic of the toolstack (libxl's) on a domain's memory: sizes as xl
 * takes them, and what `mem-set` and `mem-max` turn a size into.  Pure functions.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <glib.h>
#include <stdbool.h>

typedef guint64 kib_t;
typedef guint64 pages_t; /* of 4 KiB */

#define KIB_PER_PAGE 4

/*
 * What a domain may own beyond its target (libxl: LIBXL_MAXMEM_CONSTANT), and
 * how far from its target a balloon driver may come to rest.
 */
#define MEMORY_SLACK_KIB 1024

/*
 * Reads a size as xl does: digits and at most one suffix of t, g, m, k, b in
 * either case; without one the unit is MiB, whatever xl's man page says.
 * Unlike xl it refuses an empty text, a negative size and one that overflows.
 */
bool memory_parse_size(const char *text, kib_t *size, GError **error);

/* What mem-set sets: ~/memory/target, the domain's max_pages, and its PoD target. */
struct mem_set {
    kib_t target;
    pages_t max_pages;
    pages_t pod_target;
};

/*
 * What `mem-set REQUESTED` means for a domain with these ~/memory/videoram and
 * ~/memory/static-max.  Fails, in libxl's words, if the target is above static-max.
 */
bool memory_plan_mem_set(kib_t requested, kib_t videoram, kib_t static_max, struct mem_set *plan,
                         GError **error);

/*
 * What `mem-max REQUESTED` makes of the max_pages of a domain with this
 * ~/memory/target; ~/memory/static-max becomes REQUESTED.  The maxmem it booted
 * with is no limit.  Fails, in libxl's words, if REQUESTED is below the target.
 */
bool memory_plan_mem_max(kib_t requested, kib_t target, pages_t *max_pages, GError **error);

/*
 * Whether a domain that owns TOT_PAGES has come to its target: it is within the
 * slack, where video RAM may count as owned or not (drivers differ).  The upper
 * limit is mem-set's max_pages.  This looks at the counters alone, not at where
 * the domain came from, so it also holds when one mem-set overtakes another.
 */
bool memory_target_reached(pages_t tot_pages, kib_t target, kib_t videoram);

/* As xl shows a count of pages: MiB, rounded down. */
static inline guint64 memory_pages_to_mib(pages_t pages)
{
    return pages * KIB_PER_PAGE / 1024;
}

#endif
