/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ranges: the gfns one exclusive section has changed, collected extent by
 * extent and handed to the world as the largest ranges they form.  Giving pages
 * back one by one would cost the host a system call and a split mapping each.
 */
#ifndef HCALL_RANGES_H
#define HCALL_RANGES_H

#include "hcall.h"

struct range {
    gfn_t first;
    pages_t count;
};

/* A section touches so many pages at most, so there is room for its ranges however they lie. */
struct ranges {
    unsigned nr;
    struct range range[HCALL_PAGES_PER_SECTION];
};

/* ranges_add - at most HCALL_PAGES_PER_SECTION times, with a count that is not 0. */
void ranges_add(struct ranges *ranges, gfn_t first, pages_t count);

/* ranges_merge - sort, and join what touches or overlaps. */
void ranges_merge(struct ranges *ranges);

#endif
