/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p2m: which leaves are made, when they split, what they cost in host memory,
 * and that running out of it leaves every gfn as it was.
 */
#include "cmocka_all.h"

#include <errno.h>

#include "oom.h"
#include "p2m.h"

#define PAGES_2M 512ull
#define PAGES_1G (512ull * 512)
#define PAGES_1T (1024 * PAGES_1G)

static void assert_leaf(const struct p2m *p2m, gfn_t gfn, enum hcall_p2m_type type, unsigned order)
{
    unsigned got;

    assert_int_equal(p2m_get(p2m, gfn, &got), type);
    assert_int_equal(got, order);
}

static int new_p2m(void **state)
{
    static struct p2m p2m;

    p2m = (struct p2m){.table_bytes = 0};
    *state = &p2m;
    return 0;
}

/* Everything that was allocated is freed again, and counted right. */
static int clear_p2m(void **state)
{
    struct p2m *p2m = *state;

    p2m_clear(p2m);
    assert_int_equal(p2m->table_bytes, 0);
    assert_int_equal(p2m_count(p2m, 0, P2M_GFNS, HCALL_P2M_HOLE), P2M_GFNS);
    return 0;
}

static void empty_is_all_holes(void **state)
{
    struct p2m *p2m = *state;
    enum hcall_p2m_type type;

    assert_leaf(p2m, 0, HCALL_P2M_HOLE, 27);
    assert_leaf(p2m, P2M_GFNS - 1, HCALL_P2M_HOLE, 27);
    assert_leaf(p2m, P2M_GFNS, HCALL_P2M_HOLE, 0);
    assert_leaf(p2m, UINT64_MAX, HCALL_P2M_HOLE, 0);
    assert_int_equal(p2m_run(p2m, 5, P2M_GFNS - 5, &type), P2M_GFNS - 5);
    assert_int_equal(type, HCALL_P2M_HOLE);
}

static void largest_leaves_that_fit(void **state)
{
    struct p2m *p2m = *state;

    /* 1 page, then 2 MiB leaves up to 1 GiB, one 1 GiB leaf, one 2 MiB leaf, 1 page. */
    assert_int_equal(p2m_set(p2m, 511, 1 + PAGES_1G - 512 + PAGES_1G + 512 + 1, HCALL_P2M_RAM), 0);
    assert_leaf(p2m, 510, HCALL_P2M_HOLE, 0);
    assert_leaf(p2m, 511, HCALL_P2M_RAM, 0);
    assert_leaf(p2m, 512, HCALL_P2M_RAM, 9);
    assert_leaf(p2m, PAGES_1G - 1, HCALL_P2M_RAM, 9);
    assert_leaf(p2m, PAGES_1G, HCALL_P2M_RAM, 18);
    assert_leaf(p2m, 2 * PAGES_1G, HCALL_P2M_RAM, 9);
    assert_leaf(p2m, 2 * PAGES_1G + 512, HCALL_P2M_RAM, 0);
    assert_leaf(p2m, 2 * PAGES_1G + 513, HCALL_P2M_HOLE, 0);
    assert_leaf(p2m, 2 * PAGES_1G + 1024, HCALL_P2M_HOLE, 9);
    assert_leaf(p2m, 3 * PAGES_1G, HCALL_P2M_HOLE, 18);
}

static void a_leaf_splits_around_one_gfn(void **state)
{
    struct p2m *p2m = *state;

    assert_int_equal(p2m_set(p2m, 0, PAGES_1G, HCALL_P2M_RAM), 0);
    assert_leaf(p2m, 12345, HCALL_P2M_RAM, 18);
    assert_int_equal(p2m_set(p2m, 12345, 1, HCALL_P2M_HOLE), 0);
    assert_leaf(p2m, 12345, HCALL_P2M_HOLE, 0);
    assert_leaf(p2m, 12344, HCALL_P2M_RAM, 0);
    assert_leaf(p2m, 12346, HCALL_P2M_RAM, 0);
    assert_leaf(p2m, 0, HCALL_P2M_RAM, 9);
    assert_leaf(p2m, PAGES_1G - 1, HCALL_P2M_RAM, 9);
    assert_int_equal(p2m_count(p2m, 0, PAGES_1G, HCALL_P2M_RAM), PAGES_1G - 1);
}

static void a_larger_leaf_drops_the_tables_below(void **state)
{
    struct p2m *p2m = *state;
    size_t before;

    assert_int_equal(p2m_set(p2m, 0, PAGES_1G, HCALL_P2M_RAM), 0);
    before = p2m->table_bytes;
    for (gfn_t gfn = 0; gfn < PAGES_1G; gfn += PAGES_2M) {
        assert_int_equal(p2m_set(p2m, gfn, 1, HCALL_P2M_HOLE), 0);
    }
    assert_true(p2m->table_bytes > before + 512 * PAGES_2M);
    assert_int_equal(p2m_set(p2m, 0, PAGES_1G, HCALL_P2M_RAM), 0);
    assert_leaf(p2m, 0, HCALL_P2M_RAM, 18);
    assert_int_equal(p2m->table_bytes, before);
}

static void setting_what_is_already_set_splits_nothing(void **state)
{
    struct p2m *p2m = *state;

    assert_int_equal(p2m_set(p2m, 0, PAGES_1G, HCALL_P2M_RAM), 0);
    assert_int_equal(p2m_set(p2m, 7, 1, HCALL_P2M_RAM), 0);
    assert_leaf(p2m, 7, HCALL_P2M_RAM, 18);
}

static void a_run_crosses_leaves_and_stops_at_max(void **state)
{
    struct p2m *p2m = *state;
    enum hcall_p2m_type type;

    assert_int_equal(p2m_set(p2m, 100, PAGES_1G, HCALL_P2M_RAM), 0);
    assert_int_equal(p2m_run(p2m, 0, P2M_GFNS, &type), 100);
    assert_int_equal(type, HCALL_P2M_HOLE);
    assert_int_equal(p2m_run(p2m, 100, P2M_GFNS - 100, &type), PAGES_1G);
    assert_int_equal(type, HCALL_P2M_RAM);
    assert_int_equal(p2m_run(p2m, 700, PAGES_1G - 1000, &type), PAGES_1G - 1000);
    assert_int_equal(p2m_run(p2m, 700, 1, &type), 1);
}

static void a_tebibyte_costs_little_until_it_fragments(void **state)
{
    struct p2m *p2m = *state;
    size_t uniform;

    assert_int_equal(p2m_set(p2m, 0, PAGES_1T, HCALL_P2M_RAM), 0);
    uniform = p2m->table_bytes;
    assert_in_range(uniform, 1, 16 * 1024);

    /* Fragment 4 GiB of it: every other page. */
    for (gfn_t gfn = 0; gfn < 4 * PAGES_1G; gfn += 2) {
        assert_int_equal(p2m_set(p2m, gfn, 1, HCALL_P2M_HOLE), 0);
    }
    assert_in_range(p2m->table_bytes - uniform, 1, 2 * 4 * PAGES_1G);
    assert_int_equal(p2m_count(p2m, 0, PAGES_1T, HCALL_P2M_RAM), PAGES_1T - 2 * PAGES_1G);
}

static void the_address_space_has_an_end(void **state)
{
    struct p2m *p2m = *state;

    assert_int_equal(p2m_set(p2m, P2M_GFNS - 1, 1, HCALL_P2M_RAM), 0);
    assert_leaf(p2m, P2M_GFNS - 1, HCALL_P2M_RAM, 0);
    assert_int_equal(p2m_set(p2m, P2M_GFNS - 1, 2, HCALL_P2M_RAM), -EINVAL);
    assert_int_equal(p2m_set(p2m, P2M_GFNS, 1, HCALL_P2M_RAM), -EINVAL);
    assert_int_equal(p2m_set(p2m, UINT64_MAX, 2, HCALL_P2M_RAM), -EINVAL);
    assert_int_equal(p2m_set(p2m, 1, UINT64_MAX, HCALL_P2M_RAM), -EINVAL);
}

/* An odd range over a mixed p2m: the call either changes all or nothing. */
static void out_of_memory_changes_no_gfn(void **state)
{
    struct p2m *p2m = *state;
    const gfn_t first = PAGES_1G - 3;
    const pages_t count = 2 * PAGES_1G + 10;
    unsigned allowed;

    assert_int_equal(p2m_set(p2m, PAGES_1G, PAGES_1G, HCALL_P2M_RAM), 0);
    assert_int_equal(p2m_set(p2m, PAGES_1G + 5, 1, HCALL_P2M_HOLE), 0);
    for (allowed = 0;; allowed++) {
        int rc;

        oom_after(allowed);
        rc = p2m_set(p2m, first, count, HCALL_P2M_RAM);
        if (!oom_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(p2m_count(p2m, 0, P2M_GFNS, HCALL_P2M_RAM), PAGES_1G - 1);
        assert_int_equal(p2m_get(p2m, PAGES_1G + 5, NULL), HCALL_P2M_HOLE);
    }
    assert_in_range(allowed, 1, 10);
    assert_int_equal(p2m_count(p2m, 0, P2M_GFNS, HCALL_P2M_RAM), count);
    assert_int_equal(p2m_count(p2m, first, count, HCALL_P2M_RAM), count);
}

#define P2M_TEST(f) cmocka_unit_test_setup_teardown(f, new_p2m, clear_p2m)

int main(void)
{
    const struct CMUnitTest tests[] = {
        P2M_TEST(empty_is_all_holes),
        P2M_TEST(largest_leaves_that_fit),
        P2M_TEST(a_leaf_splits_around_one_gfn),
        P2M_TEST(a_larger_leaf_drops_the_tables_below),
        P2M_TEST(setting_what_is_already_set_splits_nothing),
        P2M_TEST(a_run_crosses_leaves_and_stops_at_max),
        P2M_TEST(a_tebibyte_costs_little_until_it_fragments),
        P2M_TEST(the_address_space_has_an_end),
        P2M_TEST(out_of_memory_changes_no_gfn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
