/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pod: populate-on-demand, what the rows of test_pod.c cannot say: several domains, what is
 * always true, the log, running out of the host's own memory.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "acts.h"
#include "oom.h"

static struct world world;

static bool other_backable(void *w, gfn_t first, pages_t count)
{
    (void)w;
    (void)first;
    (void)count;
    return true;
}

/* The other domain's pages are not followed. */
static void other_pages(void *w, gfn_t first, pages_t count)
{
    (void)w;
    (void)first;
    (void)count;
}

static struct hcall_domain *make_other(struct world *w, uint16_t domid)
{
    const struct hcall_domain_params params = {.domid = domid, .max_pages = 4096};
    struct hcall_ops ops = world_ops;
    struct hcall_domain *other;

    ops.backable = other_backable;
    ops.back = other_pages;
    ops.discard = other_pages;
    ops.mark_pod = other_pages;
    other = hcall_domain_new(w->host, &params, &ops, w);
    assert_non_null(other);
    return other;
}

static long by_other(struct world *w, struct hcall_domain *other, unsigned op, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    call_put_reservation(w, false, &args);
    call_put_frame(w, false, LIST, 0, gfn);
    return call_memory_op(other, false, op, ARG);
}

/* --- Memory promised is memory kept ---------------------------------------------------------- */

/* What a domain has not touched, or is taken back from it, is nobody else's. */
static void reclaimed_pages_stay_the_domain_s(void **state)
{
    struct world *w = &world;
    struct hcall_domain *other;

    (void)state;
    act_open(w, FB, false, 1024 + 8, 0);
    other = make_other(w, 6);
    for (gfn_t gfn = 0; gfn < 8; gfn++) {
        assert_int_equal(by_other(w, other, OP_POPULATE, gfn), 1);
    }
    assert_int_equal(by_other(w, other, OP_POPULATE, 8), 0);
    /* All is read again and again, so that pages go in and out of the cache. */
    for (gfn_t gfn = 0; gfn < 0x1000; gfn += 0x40) {
        assert_int_equal(act_read(w, GUEST, gfn % 0x800), 0);
        assert_int_equal(by_other(w, other, OP_POPULATE, 8), 0);
        assert_int_equal(by_other(w, other, OP_INCREASE, 8), 0);
        assert_int_equal(hcall_domain_tot_pages(w->d), 1024);
    }
    /* A page the balloon gives up is kept as well, as long as it is missing elsewhere. */
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x7c0), 1);
    assert_int_equal(hcall_domain_tot_pages(w->d), 1024);
    assert_true(hcall_domain_pod_cache(w->d) > 0);
    assert_int_equal(by_other(w, other, OP_POPULATE, 8), 0);
    assert_int_equal(hcall_host_free_pages(w->host), 0);
    world_check(w);
    hcall_domain_free(other);
    world_close(w);
}

/* What nobody can ask of the cache any more is free for others. */
static void pages_that_are_not_missing_are_given_back(void **state)
{
    struct world *w = &world;
    struct hcall_domain *other;

    (void)state;
    act_open(w, FB, false, 1024, 0);
    other = make_other(w, 6);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 9, 0x000), 1);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 9, 0x200), 1);
    assert_int_equal(by_other(w, other, OP_POPULATE, 0), 0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x400), 1);
    assert_int_equal(by_other(w, other, OP_POPULATE, 0), 1);
    assert_int_equal(by_other(w, other, OP_POPULATE, 1), 0);
    act_check(w, "one page less", 1023, 1023, 1023);
    hcall_domain_free(other);
    world_close(w);
}

/* A cache grows out of the domain's claim, and not out of another's. */
static void a_cache_respects_claims(void **state)
{
    struct world *w = &world;
    struct reservation_args args = {.nr = 100, .domid = 6};
    struct hcall_domain *other;

    (void)state;
    act_open(w, FB1, false, 1024 + 200, 0);
    other = make_other(w, 6);
    call_put_reservation(w, false, &args);
    assert_int_equal(act_call(w, CONTROL, false, OP_CLAIM), 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 1200), -ENOMEM);
    act_check(w, "to the claim", 1124, 612, 1536);
    assert_int_equal(hcall_host_outstanding_claims(w->host), 100);
    args.nr = 0;
    call_put_reservation(w, false, &args);
    assert_int_equal(act_call(w, CONTROL, false, OP_CLAIM), 0);
    args = (struct reservation_args){.nr = 1224, .domid = 5};
    call_put_reservation(w, false, &args);
    assert_int_equal(act_call(w, CONTROL, false, OP_CLAIM), 0);
    assert_int_equal(by_other(w, other, OP_POPULATE, 0), 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 1200), 0);
    assert_int_equal(hcall_host_outstanding_claims(w->host), 24);
    act_check(w, "from the claim", 1200, 688, 1536);
    hcall_domain_free(other);
    world_close(w);
}

/* --- What is always true ---------------------------------------------------------------------- */

#define MARKED 0x800

/*
 * 0 <= populated <= total <= what the guest has <= what it may have; and what it has is populated
 * or on demand.
 */
static void check_always(const struct world *w, pages_t left)
{
    pages_t tot = hcall_domain_tot_pages(w->d), count = hcall_domain_pod_cache(w->d);
    pages_t entries = hcall_domain_pod_entries(w->d);
    pages_t populated = tot - count;

    world_check(w);
    assert_true(count <= tot);
    assert_true(tot <= left);
    assert_true(left <= MARKED);
    assert_int_equal(entries, left - populated);
}

/* A touch, which leaves the total alone, and how much is missing. */
static void touch(struct world *w, gfn_t gfn, bool write, pages_t left)
{
    pages_t missing = hcall_domain_pod_entries(w->d) - hcall_domain_pod_cache(w->d);
    pages_t tot = hcall_domain_tot_pages(w->d);

    assert_int_equal(write ? act_write(w, GUEST, gfn) : act_read(w, GUEST, gfn), 0);
    assert_int_equal(hcall_domain_pod_entries(w->d) - hcall_domain_pod_cache(w->d), missing);
    assert_int_equal(hcall_domain_tot_pages(w->d), tot);
    check_always(w, left);
}

static void touch_some(struct world *w, gfn_t first, gfn_t end, unsigned step, pages_t left)
{
    for (gfn_t gfn = first; gfn < end; gfn += step) {
        touch(w, gfn, gfn % 3 == 0, left);
    }
}

/* Gfns of an order, from the top down; returns what the guest has left. */
static pages_t balloon(struct world *w, gfn_t end, unsigned nr, unsigned order, pages_t left)
{
    for (unsigned i = 1; i <= nr; i++) {
        gfn_t gfn = end - ((gfn_t)i << order);

        assert_int_equal(act_extent(w, GUEST, OP_DECREASE, order, gfn), 1);
        left -= (pages_t)1 << order;
        check_always(w, left);
    }
    return left;
}

static pages_t deflate(struct world *w, gfn_t first, unsigned nr, pages_t left)
{
    for (unsigned i = 0; i < nr; i++) {
        assert_int_equal(act_extent(w, GUEST, OP_POPULATE, 0, first + i), 1);
        left++;
        check_always(w, left);
    }
    return left;
}

static void set_target(struct world *w, pages_t target, pages_t tot, pages_t left)
{
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, target), 0);
    assert_int_equal(hcall_domain_tot_pages(w->d), tot);
    check_always(w, left);
}

/* A guest boots with half of what it may have, and its balloon follows the target. */
static void a_life_with_a_balloon(void **state)
{
    struct world *w = &world;
    pages_t left = MARKED;

    (void)state;
    for (int preempted = 0; preempted <= 1; preempted++) {
        left = MARKED;
        act_open(w, FB, false, 0, 0);
        w->preempt = preempted;
        check_always(w, left);
        /* Boot: the lowest memory, and a scan of all. */
        touch_some(w, 0, 0x40, 1, left);
        touch_some(w, 0x30, MARKED, 0x50, left);
        /* The balloon: single pages first, then as much as it can. */
        left = balloon(w, MARKED, 0x80, 0, left);
        left = balloon(w, MARKED - 0x80, 8, 4, left);
        left = balloon(w, 0x600, 1, 9, left);
        touch_some(w, 0x40, 0x400, 0x11, left);
        set_target(w, 0x400, 0x400, left);
        set_target(w, 0x480, 0x480, left);
        left = balloon(w, 0x700, 0x80, 0, left);
        /* All the guest has can be populated now, and is. */
        assert_true(left <= 0x480);
        touch_some(w, 0, 0x400, 1, left);
        assert_int_equal(hcall_domain_pod_entries(w->d), MARKED - 0x800 + left - 0x480 + 0x80);
        world_close(w);
    }
}

/* Down to what it owns, and up again: with more to give than on demand, PoD is over. */
static void a_target_that_goes_up_and_down(void **state)
{
    struct world *w = &world;
    pages_t left = MARKED;

    (void)state;
    act_open(w, FB, false, 0, 0);
    touch_some(w, 0, 0x100, 1, left);
    set_target(w, 0x500, 0x500, left);
    set_target(w, 0x300, 0x500, left);
    left = balloon(w, MARKED, 0x300, 0, left);
    assert_int_equal(hcall_domain_tot_pages(w->d), 0x500);
    left = balloon(w, 0x500, 0x100, 0, left);
    assert_int_equal(hcall_domain_tot_pages(w->d), 0x400);
    left = balloon(w, 0x400, 0x100, 0, left);
    assert_int_equal(hcall_domain_tot_pages(w->d), 0x300);
    set_target(w, 0x700, 0x300, left);
    left = deflate(w, 0x300, 0x20, left);
    touch_some(w, 0, 0x320, 1, left);
    assert_int_equal(hcall_domain_pod_entries(w->d), 0);
    set_target(w, 0x700, 0x320, left);
    world_close(w);
}

/* --- The log ------------------------------------------------------------------------------------
 */

static void a_dump_is_two_lines(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    hcall_domain_dump(w->d);
    assert_int_equal(w->logs, 2);
    assert_string_equal(w->line[1], "    nr_pages=1024 max_pages=4096");
    assert_string_equal(w->line[0], "    PoD entries=1536 cachesize=512");
    world_close(w);
    act_open(w, FA, false, 0, 0);
    hcall_domain_dump(w->d);
    assert_string_equal(w->line[1], "    nr_pages=1024 max_pages=4096");
    assert_string_equal(w->line[0], "    PoD entries=0 cachesize=0");
    world_close(w);
}

/* One line for each access, one crash for all. */
static void every_access_is_logged_and_one_crash_told(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB3, false, 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(act_read(w, i % 2 ? CONTROL : GUEST, 0x400 + i), -ENOMEM);
        assert_int_equal(w->logs, 3 + 2 * i);
        assert_int_equal(w->crashes, 1);
    }
    act_check(w, "nothing happened", 1024, 0, 1024);
    /* A reset is the end of that. */
    hcall_domain_reset(w->d);
    memset(w->gfn, 0, sizeof(w->gfn));
    assert_int_equal(act_mark(w, 0, 0x10), 1);
    assert_int_equal(act_read(w, GUEST, 0x10), -ENOMEM);
    assert_int_equal(w->crashes, 2);
    world_close(w);
}

/* --- No memory for the p2m
 * ------------------------------------------------------------------------ */

static void a_touch_without_memory(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB300, false, 0, 0);
    oom_after(0);
    assert_int_equal(act_read(w, GUEST, 0x010), -ENOMEM);
    assert_true(oom_stop());
    act_check(w, "nothing happened", 300, 300, 2048);
    assert_int_equal(w->logs, 0);
    assert_false(hcall_domain_crashed(w->d));
    assert_int_equal(act_read(w, GUEST, 0x010), 0);
    act_check(w, "now it did", 300, 299, 2047);
    world_close(w);
}

/* 1 GiB that cannot be divided: the superpage goes back into the cache. */
static void a_touch_of_a_huge_leaf_without_memory(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, NEW, false, 0, 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 1024), 0);
    assert_int_equal(act_mark(w, 18, 0), 1);
    oom_after(0);
    assert_int_equal(act_read(w, GUEST, 0x010), -ENOMEM);
    assert_true(oom_stop());
    act_check(w, "nothing happened", 1024, 1024, 0x40000);
    assert_int_equal(act_read(w, GUEST, 0x010), 0);
    act_check(w, "a superpage", 1024, 512, 0x3fe00);
    world_close(w);
}

static void a_mark_without_memory(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB, false, 0, 0);
    oom_after(0);
    assert_int_equal(act_mark(w, 0, 0x900), 0);
    assert_true(oom_stop());
    assert_int_equal(w->logs, 0);
    oom_after(0);
    assert_int_equal(act_mark(w, 9, 0x40000), 0);
    assert_true(oom_stop());
    assert_string_equal(w->line[2], "d5: marking GFN 0x40000 (order 9) as PoD failed: -12");
    assert_memory_equal(w->line[1], "domain_crash called from hcall/pod.c:", 37);
    assert_string_equal(w->line[0], "Domain 5 reported crashed by domain 0 on cpu#3:");
    assert_int_equal(w->crashes, 1);
    act_check(w, "nothing was marked", 1024, 1024, 2048);
    world_close(w);
}

static void a_decrease_without_memory(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    oom_after(0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x410), 0);
    assert_true(oom_stop());
    oom_after(0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 0);
    assert_true(oom_stop());
    act_check(w, "nothing happened", 1024, 512, 1536);
    assert_int_equal(w->logs, 0);
    /* How much of a larger extent is done Xen cannot tell. */
    oom_after(0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 4, 0x410), 0);
    assert_true(oom_stop());
    assert_int_equal(w->crashes, 1);
    act_check(w, "crashed", 1024, 512, 1536);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
    act_check(w, "stolen", 1024, 513, 1536);
    world_close(w);
}

/* A page of zeroes in a superpage is left there. */
static void a_reclaim_without_memory(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB2, false, 0, 0);
    oom_after(0);
    assert_int_equal(act_read(w, GUEST, 0x400), -ENOMEM);
    assert_true(oom_stop());
    act_check(w, "nothing was taken back", 1024, 0, 1024);
    assert_int_equal(w->crashes, 1);
    oom_after(0);
    assert_null(hcall_domain_get_page(w->d, 0x010));
    assert_true(oom_stop());
    world_close(w);
}

/* --- What the toolstack and backends do ----------------------------------------------------------
 */

static void a_grant_of_its_own_mapped_on_demand(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    world_ops.begin_exclusive(w);
    assert_int_equal(hcall_domain_map_own_grant(w->d, 0x010, 0x400), 0);
    hcall_domain_end_exclusive(w->d);
    act_check(w, "in the place of a gfn", 1024, 512, 1535);
    assert_int_equal(hcall_domain_p2m(w->d, 0x400, NULL), HCALL_P2M_OWN_GRANT);
    assert_int_equal(hcall_domain_p2m(w->d, 0x401, NULL), HCALL_P2M_POD);
    world_close(w);
}

/* --- Large extents
 * --------------------------------------------------------------------------------- */

static void decrease_every_other(struct world *w, gfn_t first, unsigned nr)
{
    gfn_t gfns[1024];

    for (unsigned i = 0; i < nr; i++) {
        gfns[i] = first + 2 * (gfn_t)i;
    }
    assert_int_equal(act_extents(w, GUEST, false, OP_DECREASE, 0, 0, gfns, nr), nr);
}

/* With a device a guest may decrease 16 MiB at once, in whatever pieces they are. */
static void a_large_extent_in_many_pieces(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB, false, 0, 0);
    hcall_domain_set_io(w->d, true);
    decrease_every_other(w, 0, 1024);
    act_check(w, "every other gfn", 1024, 1024, 1024);
    w->large_extent = true;
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 12, 0), 0);
    act_check(w, "all others", 0, 0, 0);
    world_close(w);
}

/* RAM that is freed in between, after what is on demand has been done. */
static void a_large_extent_of_ram_in_many_pieces(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB, false, 0, 0);
    hcall_domain_set_io(w->d, true);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 9, 0x600), 1);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 9, 0x400), 1);
    for (gfn_t gfn = 0; gfn < 0x400; gfn += 2) {
        assert_int_equal(act_extent(w, GUEST, OP_POPULATE, 0, gfn), 1);
    }
    act_check(w, "every other gfn", 1536, 1024, 512);
    w->large_extent = true;
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 10, 0), 1);
    act_check(w, "all of it", 0, 0, 0);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reclaimed_pages_stay_the_domain_s),
        cmocka_unit_test(pages_that_are_not_missing_are_given_back),
        cmocka_unit_test(a_cache_respects_claims),
        cmocka_unit_test(a_life_with_a_balloon),
        cmocka_unit_test(a_target_that_goes_up_and_down),
        cmocka_unit_test(a_dump_is_two_lines),
        cmocka_unit_test(every_access_is_logged_and_one_crash_told),
        cmocka_unit_test(a_touch_without_memory),
        cmocka_unit_test(a_touch_of_a_huge_leaf_without_memory),
        cmocka_unit_test(a_mark_without_memory),
        cmocka_unit_test(a_decrease_without_memory),
        cmocka_unit_test(a_reclaim_without_memory),
        cmocka_unit_test(a_grant_of_its_own_mapped_on_demand),
        cmocka_unit_test(a_large_extent_in_many_pieces),
        cmocka_unit_test(a_large_extent_of_ram_in_many_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
