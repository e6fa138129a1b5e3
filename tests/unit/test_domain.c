/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain: what the toolstack does to a domain: build it, limit it, reset it, and
 * ask it about itself.
 */
#include "cmocka_all.h"

#include <errno.h>

#include "oom.h"
#include "world.h"

#define PAGES_1G (512ull * 512)

/* The internal header, only to break what hcall_domain_check() should notice. */
#include "domain.h"

static struct world world;

static int new_domain(void **state)
{
    world_init(&world);
    *state = hcall_domain_new(5, 4096, &world_ops, &world);
    return *state ? 0 : -1;
}

static int free_domain(void **state)
{
    hcall_domain_free(*state);
    return 0;
}

static void a_new_domain_owns_nothing(void **state)
{
    struct hcall_domain *d = *state;
    unsigned order;

    assert_int_equal(hcall_domain_id(d), 5);
    assert_int_equal(hcall_domain_max_pages(d), 4096);
    assert_int_equal(hcall_domain_tot_pages(d), 0);
    assert_int_equal(hcall_domain_p2m(d, 0, &order), HCALL_P2M_HOLE);
    assert_int_equal(order, 18);
    assert_null(hcall_domain_check(d));
}

static void reserved_domids_are_refused(void **state)
{
    (void)state;
    assert_null(hcall_domain_new(0x7ff0, 0, &world_ops, &world));
    assert_null(hcall_domain_new(0xffff, 0, &world_ops, &world));
    hcall_domain_free(NULL);
}

static void no_memory_no_domain(void **state)
{
    (void)state;
    oom_after(0);
    assert_null(hcall_domain_new(5, 0, &world_ops, &world));
    assert_true(oom_stop());
}

static void build_ram_in_the_largest_leaves(void **state)
{
    struct hcall_domain *d = *state;
    enum hcall_p2m_type type;
    unsigned order;

    hcall_domain_set_max_pages(d, 2 * PAGES_1G);
    assert_int_equal(hcall_domain_build_ram(d, 0, PAGES_1G + 0x200 + 7), 0);
    assert_int_equal(hcall_domain_tot_pages(d), PAGES_1G + 0x200 + 7);
    assert_int_equal(hcall_domain_p2m(d, 0, &order), HCALL_P2M_RAM);
    assert_int_equal(order, 18);
    assert_int_equal(hcall_domain_p2m(d, PAGES_1G, &order), HCALL_P2M_RAM);
    assert_int_equal(order, 9);
    assert_int_equal(hcall_domain_p2m(d, PAGES_1G + 0x206, &order), HCALL_P2M_RAM);
    assert_int_equal(order, 0);
    assert_int_equal(hcall_domain_next(d, 0, &type), PAGES_1G + 0x207);
    assert_int_equal(type, HCALL_P2M_RAM);
    assert_int_equal(hcall_domain_next(d, PAGES_1G + 0x207, &type), P2M_GFNS - PAGES_1G - 0x207);
    assert_int_equal(type, HCALL_P2M_HOLE);
    assert_null(hcall_domain_check(d));
}

static void build_ram_refuses_and_changes_nothing(void **state)
{
    struct hcall_domain *d = *state;

    assert_int_equal(hcall_domain_build_ram(d, 0x100, 0x100), 0);
    assert_int_equal(hcall_domain_build_ram(d, 0x1000, 4096 - 0x100 + 1), -ENOMEM);
    assert_int_equal(hcall_domain_build_ram(d, 0x1ff, 2), -EBUSY);
    assert_int_equal(hcall_domain_build_ram(d, 0, 0x200), -EBUSY);
    assert_int_equal(hcall_domain_build_ram(d, P2M_GFNS - 1, 2), -EINVAL);
    assert_int_equal(hcall_domain_build_ram(d, UINT64_MAX, 2), -EINVAL);
    hcall_domain_set_max_pages(d, 0x80);
    assert_int_equal(hcall_domain_build_ram(d, 0x1000, 1), -ENOMEM);
    assert_int_equal(hcall_domain_tot_pages(d), 0x100);
    assert_int_equal(hcall_domain_p2m(d, 0xff, NULL), HCALL_P2M_HOLE);
    assert_int_equal(hcall_domain_p2m(d, 0x200, NULL), HCALL_P2M_HOLE);
    assert_null(hcall_domain_check(d));
}

static void build_ram_without_memory_for_the_p2m(void **state)
{
    struct hcall_domain *d = *state;
    unsigned allowed = 0;
    int rc;

    do {
        oom_after(allowed++);
        rc = hcall_domain_build_ram(d, 3, 0x400);
        assert_int_equal(hcall_domain_tot_pages(d), rc < 0 ? 0 : 0x400);
        assert_null(hcall_domain_check(d));
    } while (oom_stop() && rc == -ENOMEM);
    assert_int_equal(rc, 0);
    assert_in_range(allowed, 2, 10);
}

static void max_pages_may_fall_below_tot_pages(void **state)
{
    struct hcall_domain *d = *state;

    assert_int_equal(hcall_domain_build_ram(d, 0, 1000), 0);
    hcall_domain_set_max_pages(d, 500);
    assert_int_equal(hcall_domain_max_pages(d), 500);
    assert_int_equal(hcall_domain_tot_pages(d), 1000);
    /* Xen's counter is 32 bits wide. */
    hcall_domain_set_max_pages(d, 1ull << 40);
    assert_int_equal(hcall_domain_max_pages(d), 0xffffffff);
}

static void reset_keeps_the_limit_and_the_map(void **state)
{
    struct hcall_domain *d = *state;
    const struct hcall_e820 map = {.addr = 0, .size = 0x100000, .type = 1};
    size_t empty = hcall_domain_p2m_bytes(d);

    assert_int_equal(hcall_domain_set_memory_map(d, &map, 1), 0);
    assert_int_equal(hcall_domain_build_ram(d, 1, 1000), 0);
    assert_true(hcall_domain_p2m_bytes(d) > empty);
    hcall_domain_reset(d);
    assert_int_equal(hcall_domain_tot_pages(d), 0);
    assert_int_equal(hcall_domain_max_pages(d), 4096);
    assert_int_equal(hcall_domain_p2m_bytes(d), empty);
    assert_int_equal(d->nr_map, 1);
    assert_null(hcall_domain_check(d));
    assert_int_equal(hcall_domain_build_ram(d, 1, 1000), 0);
}

static void the_memory_map_is_bounded(void **state)
{
    struct hcall_domain *d = *state;
    static const struct hcall_e820 map[1025];

    assert_int_equal(hcall_domain_set_memory_map(d, map, 1025), -EINVAL);
    assert_int_equal(hcall_domain_set_memory_map(d, map, 1024), 0);
    oom_after(0);
    assert_int_equal(hcall_domain_set_memory_map(d, map, 1), -ENOMEM);
    assert_true(oom_stop());
    assert_int_equal(d->nr_map, 1024);
    assert_int_equal(hcall_domain_set_memory_map(d, NULL, 0), 0);
}

static void next_ends_with_the_address_space(void **state)
{
    struct hcall_domain *d = *state;
    enum hcall_p2m_type type;

    assert_int_equal(hcall_domain_build_ram(d, P2M_GFNS - 2, 2), 0);
    assert_int_equal(hcall_domain_next(d, 0, &type), P2M_GFNS - 2);
    assert_int_equal(hcall_domain_next(d, P2M_GFNS - 2, &type), 2);
    assert_int_equal(type, HCALL_P2M_RAM);
    assert_int_equal(hcall_domain_next(d, P2M_GFNS, &type), 1);
    assert_int_equal(type, HCALL_P2M_HOLE);
}

static void check_notices_what_is_wrong(void **state)
{
    struct hcall_domain *d = *state;

    assert_int_equal(hcall_domain_build_ram(d, 0, 10), 0);
    d->tot_pages++;
    assert_non_null(hcall_domain_check(d));
    d->orphans++;
    assert_null(hcall_domain_check(d));
    assert_int_equal(p2m_set(&d->p2m, 20, 1, (enum hcall_p2m_type)77), 0);
    assert_non_null(hcall_domain_check(d));
}

static void what_was_built_can_be_taken(void **state)
{
    struct hcall_domain *d = *state;

    assert_int_equal(hcall_domain_build_ram(d, 0x100, 0x100), 0);
    assert_int_equal(hcall_domain_take_ram(d, 0xff, 2), -EINVAL);
    assert_int_equal(hcall_domain_take_ram(d, P2M_GFNS - 1, 2), -EINVAL);
    assert_int_equal(hcall_domain_tot_pages(d), 0x100);
    assert_int_equal(hcall_domain_take_ram(d, 0x110, 0x10), 0);
    assert_int_equal(hcall_domain_tot_pages(d), 0xf0);
    assert_int_equal(hcall_domain_p2m(d, 0x10f, NULL), HCALL_P2M_RAM);
    assert_int_equal(hcall_domain_p2m(d, 0x110, NULL), HCALL_P2M_HOLE);
    assert_int_equal(hcall_domain_take_ram(d, 0x110, 1), -EINVAL);
    assert_null(hcall_domain_check(d));
}

#define DOMAIN_TEST(f) cmocka_unit_test_setup_teardown(f, new_domain, free_domain)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_TEST(a_new_domain_owns_nothing),
        DOMAIN_TEST(reserved_domids_are_refused),
        DOMAIN_TEST(no_memory_no_domain),
        DOMAIN_TEST(build_ram_in_the_largest_leaves),
        DOMAIN_TEST(build_ram_refuses_and_changes_nothing),
        DOMAIN_TEST(build_ram_without_memory_for_the_p2m),
        DOMAIN_TEST(what_was_built_can_be_taken),
        DOMAIN_TEST(max_pages_may_fall_below_tot_pages),
        DOMAIN_TEST(reset_keeps_the_limit_and_the_map),
        DOMAIN_TEST(the_memory_map_is_bounded),
        DOMAIN_TEST(next_ends_with_the_address_space),
        DOMAIN_TEST(check_notices_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
