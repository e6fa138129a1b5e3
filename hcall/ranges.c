/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Collecting and merging gfn ranges, see ranges.h.
 */
#include <stdlib.h>

#include "ranges.h"

void ranges_add(struct ranges *ranges, gfn_t first, pages_t count)
{
    struct range *last = ranges->nr > 0 ? &ranges->range[ranges->nr - 1] : NULL;

    /* Lists mostly go up or down in order. */
    if (last && first == last->first + last->count) {
        last->count += count;
        return;
    }
    if (last && first + count == last->first) {
        last->first = first;
        last->count += count;
        return;
    }
    ranges->range[ranges->nr++] = (struct range){.first = first, .count = count};
}

static int compare_first(const void *a, const void *b)
{
    gfn_t first_a = ((const struct range *)a)->first;
    gfn_t first_b = ((const struct range *)b)->first;

    return (first_a > first_b) - (first_a < first_b);
}

void ranges_merge(struct ranges *ranges)
{
    struct range *last = ranges->range;

    if (ranges->nr == 0) {
        return;
    }
    qsort(ranges->range, ranges->nr, sizeof(ranges->range[0]), compare_first);
    for (unsigned i = 1; i < ranges->nr; i++) {
        const struct range *next = &ranges->range[i];

        if (next->first > last->first + last->count) {
            *++last = *next;
        } else if (next->first + next->count > last->first + last->count) {
            last->count = next->first + next->count - last->first;
        }
    }
    ranges->nr = (unsigned)(last - ranges->range) + 1;
}
