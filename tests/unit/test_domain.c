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
    world_open(&world, 4096, 0, 0);
    *state = world.d;
    return 0;
}

static int free_domain(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static struct hcall_domain *make(uint16_t domid)
{
    const struct hcall_domain_params params = {.domid = domid, .grant_frames = 2};

    return hcall_domain_new(world.host, &params, &world_ops, &world);
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

static void a_domid_is_one_domain_s(void **state)
{
    (void)state;
    assert_null(make(0x7ff0));
    assert_null(make(0xffff));
    assert_null(make(5));
    assert_null(make(0));
    hcall_domain_free(NULL);
}

static void no_memory_no_domain(void **state)
{
    const struct hcall_host_params params = {.pages = 1};
    const struct hcall_host_ops none = {0};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        oom_after(i);
        assert_null(make(6));
        assert_true(oom_stop());
    }
    oom_after(0);
    assert_null(hcall_host_new(&params, &none, NULL));
    assert_true(oom_stop());
    hcall_host_free(NULL);
}

/* A page of the pool is one domain's, and free again with it. */
static void a_pool_is_shared(void **state)
{
    struct hcall_domain *a = *state, *b = make(6);
    pages_t half = WORLD_POOL / 2;

    hcall_domain_set_max_pages(a, WORLD_POOL);
    hcall_domain_set_max_pages(b, WORLD_POOL);
    assert_int_equal(hcall_domain_build_ram(a, 0, half), 0);
    assert_int_equal(hcall_domain_build_ram(b, 0, half + 1), -ENOMEM);
    assert_int_equal(hcall_domain_build_ram(b, 0, half), 0);
    assert_int_equal(hcall_host_free_pages(world.host), 0);
    assert_int_equal(hcall_domain_build_ram(a, half, 1), -ENOMEM);
    assert_null(hcall_host_check(world.host));
    hcall_domain_free(b);
    assert_int_equal(hcall_host_free_pages(world.host), half);
    assert_int_equal(hcall_domain_build_ram(a, half, half), 0);
    hcall_domain_reset(a);
    assert_int_equal(hcall_host_free_pages(world.host), WORLD_POOL);
    assert_null(hcall_host_check(world.host));
}

/* What is free can be taken away, but for what is claimed. */
static void a_pool_is_resized(void **state)
{
    struct hcall_domain *d = *state;

    hcall_domain_set_max_pages(d, WORLD_POOL);
    assert_int_equal(hcall_domain_build_ram(d, 0, 16), 0);
    assert_int_equal(hcall_host_set_free_pages(world.host, 1), 0);
    assert_int_equal(hcall_domain_build_ram(d, 16, 2), -ENOMEM);
    assert_int_equal(hcall_host_set_free_pages(world.host, 2), 0);
    assert_int_equal(hcall_domain_build_ram(d, 16, 2), 0);
    assert_null(hcall_host_check(world.host));
    assert_int_equal(hcall_host_set_free_pages(world.host, 3), 0);
    d->claim = d->host->claims = 3;
    assert_int_equal(hcall_host_set_free_pages(world.host, 2), -EBUSY);
    assert_int_equal(hcall_host_free_pages(world.host), 3);
    d->claim = d->host->claims = 0;
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
    assert_non_null(hcall_host_check(world.host));
    d->host->free_pages--;
    assert_null(hcall_host_check(world.host));
    d->claim = 1;
    assert_non_null(hcall_host_check(world.host));
    d->claim = 0;
    d->host->claims = d->host->free_pages + 1;
    assert_non_null(hcall_host_check(world.host));
    d->host->claims = 0;
    d->special[HCALL_SPECIAL_SHARED_INFO].gfn = 3;
    assert_non_null(hcall_domain_check(d));
    d->special[HCALL_SPECIAL_SHARED_INFO].gfn = HCALL_NO_GFN;
    assert_int_equal(p2m_set(&d->p2m, 20, 1, HCALL_P2M_SPECIAL), 0);
    assert_non_null(hcall_domain_check(d));
    assert_int_equal(p2m_set(&d->p2m, 20, 2, HCALL_P2M_OWN_GRANT), 0);
    assert_non_null(hcall_domain_check(d));
    assert_int_equal(p2m_set(&d->p2m, 20, 2, (enum hcall_p2m_type)77), 0);
    assert_non_null(hcall_domain_check(d));
}

static void what_is_not_the_domain_s_is_mapped_into_holes(void **state)
{
    struct hcall_domain *d = *state;

    assert_int_equal(hcall_domain_build_ram(d, 0x100, 0x100), 0);
    assert_int_equal(hcall_domain_map(d, 0x200, 4, HCALL_P2M_MMIO), 0);
    assert_int_equal(hcall_domain_p2m(d, 0x203, NULL), HCALL_P2M_MMIO);
    assert_int_equal(hcall_domain_tot_pages(d), 0x100);
    assert_int_equal(hcall_domain_map(d, 0x203, 2, HCALL_P2M_GRANT), -EBUSY);
    assert_int_equal(hcall_domain_map(d, 0x1ff, 1, HCALL_P2M_GRANT), -EBUSY);
    assert_int_equal(hcall_domain_map(d, 0x300, 1, HCALL_P2M_RAM), -EINVAL);
    assert_int_equal(hcall_domain_map(d, 0x300, 1, HCALL_P2M_SPECIAL), -EINVAL);
    assert_int_equal(hcall_domain_map(d, 0x300, 1, HCALL_P2M_TYPES), -EINVAL);
    assert_int_equal(hcall_domain_map(d, P2M_GFNS - 1, 2, HCALL_P2M_GRANT), -EINVAL);
    oom_after(0);
    assert_int_equal(hcall_domain_map(d, 5 * PAGES_1G, 1, HCALL_P2M_GRANT), -ENOMEM);
    assert_true(oom_stop());
    assert_null(hcall_domain_check(d));
}

static int map_own(gfn_t from, gfn_t to)
{
    int rc;

    world_ops.begin_exclusive(&world);
    rc = hcall_domain_map_own_grant(world.d, from, to);
    world_ops.end_exclusive(&world);
    return rc;
}

static int unmap_own(gfn_t gfn)
{
    int rc;

    world_ops.begin_exclusive(&world);
    rc = hcall_domain_unmap_own_grant(world.d, gfn);
    world_ops.end_exclusive(&world);
    return rc;
}

/* As real Xen does it: the page moves, and once it is unmapped no gfn has it. */
static void a_grant_of_one_s_own_moves_the_page(void **state)
{
    struct hcall_domain *d = *state;

    world_build_ram(&world, 0, 0x400);
    world.gfn[0x10].stamp = 77;
    assert_int_equal(map_own(0x10, 0x500), 0);
    assert_int_equal(world.gfn[0x500].stamp, 77);
    assert_int_equal(hcall_domain_p2m(d, 0x10, NULL), HCALL_P2M_HOLE);
    assert_int_equal(hcall_domain_p2m(d, 0x500, NULL), HCALL_P2M_OWN_GRANT);
    assert_int_equal(map_own(0x11, 0x12), 0);
    assert_int_equal(hcall_domain_p2m(d, 0x12, NULL), HCALL_P2M_OWN_GRANT);
    assert_int_equal(hcall_domain_tot_pages(d), 0x400);
    assert_int_equal(map_own(0x10, 0x600), -EINVAL);
    assert_int_equal(map_own(0x20, 0x500), -EINVAL);
    assert_int_equal(map_own(0x20, 0x20), -EINVAL);
    assert_int_equal(map_own(0x20, P2M_GFNS), -EINVAL);
    oom_after(0);
    assert_int_equal(map_own(0x220, 0x620), -ENOMEM);
    assert_true(oom_stop());
    world_check(&world);
    assert_int_equal(unmap_own(0x500), 0);
    assert_int_equal(unmap_own(0x500), -EINVAL);
    assert_int_equal(unmap_own(0x20), -EINVAL);
    assert_int_equal(hcall_domain_p2m(d, 0x500, NULL), HCALL_P2M_HOLE);
    assert_int_equal(hcall_domain_tot_pages(d), 0x400);
    world_check(&world);
}

#define DOMAIN_TEST(f) cmocka_unit_test_setup_teardown(f, new_domain, free_domain)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_TEST(a_new_domain_owns_nothing),
        DOMAIN_TEST(a_domid_is_one_domain_s),
        DOMAIN_TEST(no_memory_no_domain),
        DOMAIN_TEST(build_ram_in_the_largest_leaves),
        DOMAIN_TEST(build_ram_refuses_and_changes_nothing),
        DOMAIN_TEST(build_ram_without_memory_for_the_p2m),
        DOMAIN_TEST(a_pool_is_shared),
        DOMAIN_TEST(a_pool_is_resized),
        DOMAIN_TEST(what_is_not_the_domain_s_is_mapped_into_holes),
        DOMAIN_TEST(a_grant_of_one_s_own_moves_the_page),
        DOMAIN_TEST(max_pages_may_fall_below_tot_pages),
        DOMAIN_TEST(reset_keeps_the_limit_and_the_map),
        DOMAIN_TEST(the_memory_map_is_bounded),
        DOMAIN_TEST(next_ends_with_the_address_space),
        DOMAIN_TEST(check_notices_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
