/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The toolstack's memory arithmetic: see memory.h.
 */
#include "memory.h"

#include "error.h"

#include <string.h>

/* How far a suffix shifts a count of bytes; -1 for what is no suffix. */
static int suffix_shift(const char *suffix)
{
    static const char letters[] = "bkmgt";
    const char *letter;

    if (!*suffix) {
        suffix = "m";
    }
    letter = strchr(letters, g_ascii_tolower(*suffix));
    return letter && !suffix[1] ? 10 * (int)(letter - letters) : -1;
}

bool memory_parse_size(const char *text, kib_t *size, GError **error)
{
    char *suffix;
    guint64 number = g_ascii_strtoull(text, &suffix, 10);
    int shift = suffix_shift(suffix);

    if (!g_ascii_isdigit(*text) || shift < 0) {
        return fail(error, "%s: invalid memory size", text);
    }
    if (number > (guint64)G_MAXINT64 >> shift) {
        return fail(error, "%s: memory size too large", text);
    }
    *size = number << shift >> 10;
    return true;
}

bool memory_plan_mem_set(kib_t requested, kib_t videoram, kib_t static_max, struct mem_set *plan,
                         GError **error)
{
    /* Wraps when less than the video RAM is asked for, and is then above static-max. */
    kib_t target = requested - videoram;

    if (target > static_max) {
        return fail(error, "memory_dynamic_max must be less than or equal to memory_static_max");
    }
    plan->target = target;
    plan->max_pages = (target + videoram + MEMORY_SLACK_KIB) / KIB_PER_PAGE;
    /* The video RAM is not in it, the slack is. */
    plan->pod_target = (target + MEMORY_SLACK_KIB) / KIB_PER_PAGE;
    return true;
}

bool memory_plan_mem_max(kib_t requested, kib_t target, pages_t *max_pages, GError **error)
{
    if (requested < target) {
        /* libxl says "than or or". */
        return fail(error,
                    "memory_static_max must be greater than or or equal to memory_dynamic_max");
    }
    /* The video RAM is not added here, unlike for mem-set. */
    *max_pages = (requested + MEMORY_SLACK_KIB) / KIB_PER_PAGE;
    return true;
}

bool memory_target_reached(pages_t tot_pages, kib_t target, kib_t videoram)
{
    kib_t owned = tot_pages * KIB_PER_PAGE;

    return owned + MEMORY_SLACK_KIB >= target && owned <= target + videoram + MEMORY_SLACK_KIB;
}
