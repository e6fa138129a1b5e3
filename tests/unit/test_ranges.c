/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ranges: whatever the order in which gfns come, the result is sorted, apart,
 * and covers them all once.
 */
#include "cmocka_all.h"

#include "ranges.h"

static void assert_range(const struct ranges *r, unsigned i, gfn_t first, pages_t count)
{
    assert_in_range(i, 0, r->nr - 1);
    assert_int_equal(r->range[i].first, first);
    assert_int_equal(r->range[i].count, count);
}

static void none_stays_none(void **state)
{
    struct ranges r = {.nr = 0};

    (void)state;
    ranges_merge(&r);
    assert_int_equal(r.nr, 0);
}

static void descending_gfns_become_one(void **state)
{
    struct ranges r = {.nr = 0};

    (void)state;
    for (gfn_t gfn = HCALL_PAGES_PER_SECTION; gfn > 0; gfn--) {
        ranges_add(&r, gfn, 1);
    }
    ranges_merge(&r);
    assert_int_equal(r.nr, 1);
    assert_range(&r, 0, 1, HCALL_PAGES_PER_SECTION);
}

static void what_is_apart_stays_apart(void **state)
{
    struct ranges r = {.nr = 0};

    (void)state;
    ranges_add(&r, 20, 2);
    ranges_add(&r, 10, 9); /* 19 is missing */
    ranges_add(&r, 0, 1);
    ranges_merge(&r);
    assert_int_equal(r.nr, 3);
    assert_range(&r, 0, 0, 1);
    assert_range(&r, 1, 10, 9);
    assert_range(&r, 2, 20, 2);
}

static void overlaps_and_repeats_count_once(void **state)
{
    struct ranges r = {.nr = 0};

    (void)state;
    ranges_add(&r, 8, 8);
    ranges_add(&r, 4, 8);
    ranges_add(&r, 5, 1); /* inside */
    ranges_add(&r, 8, 8); /* again */
    ranges_add(&r, 100, 4);
    ranges_add(&r, 100, 2);
    ranges_merge(&r);
    assert_int_equal(r.nr, 2);
    assert_range(&r, 0, 4, 12);
    assert_range(&r, 1, 100, 4);
}

static void gfns_far_apart_sort_as_numbers(void **state)
{
    struct ranges r = {.nr = 0};

    (void)state;
    ranges_add(&r, 1ull << 39, 1);
    ranges_add(&r, 1, 1);
    ranges_add(&r, 1ull << 32, 1);
    ranges_merge(&r);
    assert_int_equal(r.nr, 3);
    assert_range(&r, 0, 1, 1);
    assert_range(&r, 1, 1ull << 32, 1);
    assert_range(&r, 2, 1ull << 39, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_stays_none),
        cmocka_unit_test(descending_gfns_become_one),
        cmocka_unit_test(what_is_apart_stays_apart),
        cmocka_unit_test(overlaps_and_repeats_count_once),
        cmocka_unit_test(gfns_far_apart_sort_as_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
