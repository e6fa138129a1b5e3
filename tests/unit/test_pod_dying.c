/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pod: populate-on-demand of a dying domain.  Once destruction has begun nothing is populated,
 * and above all no page gets into a cache that has been emptied: it would never be given
 * back, and the domain would stay for ever.
 *
 * Case numbers are those of the project's list of conformance cases.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "acts.h"

static struct world world;

static void open_dying(enum fixture fixture)
{
    act_open(&world, fixture, false, 0, 0);
    act_die(&world);
}

static void close_quiet(void)
{
    assert_int_equal(world.logs, 0);
    assert_int_equal(world.crashes, 0);
    world_check(&world);
    world_close(&world);
}

/* --- Operation by operation ---------------------------------------------------------------- */

/* Case 136: whoever it is finds a hole, and nothing is said about it. */
static void a_touch_finds_a_hole(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    assert_int_equal(act_read(w, CONTROL, 0x400), -EINVAL);
    assert_int_equal(act_read(w, GUEST, 0x400), -EINVAL);
    assert_int_equal(act_read(w, GUEST, 0x010), 0);
    act_check(w, "case 136", 1024, 512, 1536);
    close_quiet();
}

/* ... neither when there is no page, nor are pages of zeroes looked for. */
static void a_touch_without_a_page_is_no_crash(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB2, false, 0, 0);
    w->zero_checks = 0;
    act_die(w);
    assert_int_equal(act_read(w, GUEST, 0x400), -EINVAL);
    assert_int_equal(w->zero_checks, 0);
    assert_false(hcall_domain_crashed(w->d));
    act_check(w, "nothing left", 1024, 0, 1024);
    close_quiet();
}

/* Case 135. */
static void a_target_does_nothing_and_is_told_the_numbers(void **state)
{
    struct world *w = &world;

    (void)state;
    for (unsigned op = OP_SET_POD_TARGET; op <= OP_GET_POD_TARGET; op++) {
        open_dying(FB1);
        assert_int_equal(act_target(w, op, 2048), 0);
        assert_int_equal(world_get(w, ARG + 8, 8), 1024);
        assert_int_equal(world_get(w, ARG + 16, 8), 512);
        assert_int_equal(world_get(w, ARG + 24, 8), 1536);
        act_check(w, "case 135", 1024, 512, 1536);
        close_quiet();
    }
    act_open(w, NEW, false, 0, 0);
    act_die(w);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 700), 0);
    act_check(w, "a domain without memory", 0, 0, 0);
    hcall_domain_set_io(w->d, true);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 700), 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 4097), -EINVAL);
    close_quiet();
}

/* Case 137. */
static void gfns_on_demand_cannot_be_decreased(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 0, 0x400), 0);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 9, 0x400), 0);
    assert_int_equal(hcall_domain_p2m(w->d, 0x400, NULL), HCALL_P2M_POD);
    act_check(w, "case 137", 1024, 512, 1536);
    close_quiet();
}

/* Case 138: there is no memory any more for the tables that would take. */
static void a_superpage_cannot_be_decreased(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 0, 0x010), 0);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 9, 0x000), 0);
    act_check(w, "case 138", 1024, 512, 1536);
    close_quiet();
}

/* Case 139: it goes to the host although the cache would want it. */
static void ram_is_freed_and_not_stolen(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FC64);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 0, 0x1000), 1);
    act_check(w, "one page", 63, 0, 192);
    /* Pages come first here, and then a gfn on demand. */
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 5, 0x1030), 0);
    act_check(w, "16 pages", 47, 0, 192);
    close_quiet();
    open_dying(FA);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 0, 0x010), 1);
    act_check(w, "case 139", 1023, 0, 0);
    close_quiet();
}

/* Not even a superpage of zeroes. */
static void zeroes_are_freed_and_not_taken_back(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB, false, 0, 0);
    assert_int_equal(act_read(w, GUEST, 0x010), 0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x1ff), 1);
    act_check(w, "alive", 1024, 1024, 2047);
    assert_int_equal(act_read(w, GUEST, 0x010), 0);
    act_check(w, "read again", 1024, 1023, 2046);
    w->zero_checks = 0;
    act_die(w);
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 0, 0x010), 1);
    assert_int_equal(w->zero_checks, 0);
    act_check(w, "dying", 1023, 1023, 2046);
    close_quiet();
}

/* It is harmless, as no page is involved, and possible where there is a table for it. */
static void marking_needs_a_table(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FC);
    assert_int_equal(act_mark(w, 0, 0x1100), 1);
    act_check(w, "a table of 4 KiB leaves", 64, 64, 257);
    assert_int_equal(act_mark(w, 0, 0x900), 0);
    act_check(w, "a leaf of 2 MiB", 64, 64, 257);
    assert_int_equal(act_mark(w, 9, 0x2000), 1);
    act_check(w, "2 MiB", 64, 64, 769);
    close_quiet();
}

static void marking_without_a_table_crashes_above_order_0(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FC);
    assert_int_equal(act_mark(w, 0, 0x40000), 0);
    assert_int_equal(w->logs, 0);
    assert_int_equal(act_mark(w, 9, 0x40000), 0);
    assert_int_equal(w->logs, 3);
    assert_string_equal(w->line[2], "d5: marking GFN 0x40000 (order 9) as PoD failed: -12");
    assert_int_equal(w->crashes, 1);
    act_check(w, "nothing was marked", 64, 64, 256);
    world_close(w);
}

/* Case 140. */
static void nothing_is_allocated(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    assert_int_equal(act_extent(w, CONTROL, OP_POPULATE, 0, 0x900), 0);
    assert_int_equal(act_extent(w, CONTROL, OP_POPULATE, 0, 0x700), 0);
    assert_int_equal(act_extent(w, CONTROL, OP_INCREASE, 0, 0), 0);
    act_check(w, "case 140", 1024, 512, 1536);
    close_quiet();
}

static long claim(struct world *w, pages_t pages)
{
    const struct reservation_args args = {.nr = pages, .domid = 5};

    call_put_reservation(w, false, &args);
    return act_call(w, CONTROL, false, OP_CLAIM);
}

/* Case 141. */
static void nothing_is_claimed(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    assert_int_equal(claim(w, 2000), 0);
    assert_int_equal(hcall_domain_outstanding_pages(w->d), 976);
    act_die(w);
    assert_int_equal(hcall_domain_outstanding_pages(w->d), 0);
    assert_int_equal(claim(w, 2000), -EINVAL);
    close_quiet();
}

static long exchange(struct world *w, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    memset(w->mem, 0, 128);
    call_put_reservation(w, false, &args);
    memcpy(w->mem + 32, w->mem, 32);
    call_put_frame(w, false, LIST, 0, gfn);
    return act_call(w, GUEST, false, OP_EXCHANGE);
}

static void nothing_is_exchanged(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    assert_int_equal(exchange(w, 0x400), -EINVAL);
    assert_int_equal(exchange(w, 0x010), -EOPNOTSUPP);
    act_check(w, "exchange", 1024, 512, 1536);
    world_put(w, ARG + 2, 5, 2);
    assert_int_equal(act_call(w, CONTROL, false, OP_ACCESS), -EINVAL);
    close_quiet();
}

/* Pages still move and go, as far as there are tables. */
static void the_physmap_changes_still(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB300, false, 0, 0);
    act_write_all(w, 0x10, 4);
    act_die(w);
    assert_int_equal(act_add(w, GUEST, false, 2, 0x10, 0x11), 0);
    act_check(w, "onto RAM", 299, 296, 2044);
    assert_int_equal(act_add(w, GUEST, true, 2, 0x11, 0x20), 0);
    act_check(w, "onto a gfn on demand, which gets no page", 299, 296, 2043);
    assert_int_equal(act_add(w, CONTROL, false, 2, 0x21, 0x10), -EACCES);
    assert_int_equal(act_add(w, GUEST, false, 2, 0x12, 0x900), -ENOMEM);
    assert_int_equal(act_add(w, GUEST, false, 0, 0, 0x12), 0);
    act_check(w, "shared_info onto RAM", 298, 296, 2043);
    assert_int_equal(act_remove(w, GUEST, false, 0x13), 0);
    assert_int_equal(act_remove(w, GUEST, false, 0x14), -ENOENT);
    assert_int_equal(act_remove(w, GUEST, true, 0x12), 0);
    act_check(w, "removed", 298, 296, 2043);
    close_quiet();
}

/* Case 144, as long as it is there. */
static void questions_are_answered(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    assert_int_equal(act_query(w, OP_CURRENT), 1024);
    assert_int_equal(act_query(w, OP_MAXIMUM), 4096);
    assert_int_equal(act_query(w, OP_MAXIMUM_GPFN), 0x7ff);
    hcall_domain_set_max_pages(w->d, 77);
    assert_int_equal(act_query(w, OP_MAXIMUM), 77);
    close_quiet();
}

/* Case 144: and then nobody is found. */
static void once_it_is_gone_nobody_is_found(void **state)
{
    struct world *w = &world;

    (void)state;
    open_dying(FB1);
    while (!act_teardown(w)) {
    }
    assert_int_equal(act_query(w, OP_CURRENT), 0);
    hcall_domain_free(w->d);
    w->d = NULL;
    assert_int_equal(act_extent(w, CONTROL, OP_DECREASE, 0, 0x010), 0);
    assert_int_equal(act_extent(w, CONTROL, OP_POPULATE, 0, 0x010), 0);
    assert_int_equal(act_extent(w, CONTROL, OP_INCREASE, 0, 0x010), 0);
    assert_int_equal(act_query(w, OP_CURRENT), -ESRCH);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 700), -ESRCH);
    assert_int_equal(act_add(w, CONTROL, false, 2, 0x10, 0x11), -ESRCH);
    assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL);
    assert_null(hcall_host_check(w->host));
    world_close(w);
}

/* --- The end, step by step ------------------------------------------------------------------- */

/* All that might bring a page into the cache, or take one from anywhere. */
static void try_everything(struct world *w)
{
    static const gfn_t gfns[] = {0x000, 0x010, 0x1ff, 0x200, 0x400, 0x600, 0x700, 0x900};

    for (size_t i = 0; i < sizeof(gfns) / sizeof(gfns[0]); i++) {
        assert_true(act_read(w, GUEST, gfns[i]) != -ENOMEM);
        assert_true(act_read(w, CONTROL, gfns[i]) != -ENOMEM);
        act_extent(w, GUEST, OP_DECREASE, 0, gfns[i]);
        act_extent(w, CONTROL, OP_DECREASE, 9, gfns[i]);
        assert_int_equal(act_extent(w, GUEST, OP_POPULATE, 0, gfns[i]), 0);
        assert_int_equal(act_extent(w, CONTROL, OP_POPULATE, 9, gfns[i]), 0);
        assert_int_equal(act_extent(w, CONTROL, OP_INCREASE, 0, gfns[i]), 0);
        act_mark(w, 0, gfns[i]);
        act_add(w, GUEST, false, 2, gfns[i], 0x900);
        act_add(w, CONTROL, false, 2, 0x1ff, gfns[i]);
        act_add(w, CONTROL, false, 0, 0, gfns[i]);
        act_remove(w, GUEST, false, gfns[i]);
        exchange(w, gfns[i]);
    }
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 4096), 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 1), 0);
    assert_int_equal(act_target(w, OP_GET_POD_TARGET, 0), 0);
    assert_int_equal(claim(w, 3000), -EINVAL);
    assert_true(act_query(w, OP_CURRENT) >= 0);
    assert_int_equal(w->crashes, 0);
    world_check(w);
}

/* To the end; everything is tried before each step, if it is to be. */
static void end(struct world *w, bool trying)
{
    pages_t tot = hcall_domain_tot_pages(w->d), count = hcall_domain_pod_cache(w->d);
    pages_t entries = hcall_domain_pod_entries(w->d);
    unsigned steps = 0;
    bool done;

    do {
        pages_t before = count;

        assert_true(steps++ < 100);

        if (trying) {
            try_everything(w);
            assert_int_equal(hcall_domain_pod_cache(w->d), count);
            assert_int_equal(hcall_domain_tot_pages(w->d), tot);
        }
        done = act_teardown(w);
        world_check(w);
        count = hcall_domain_pod_cache(w->d);
        /* The cache is emptied first, which gives nothing back. */
        assert_true(count <= before && before - count <= HCALL_PAGES_PER_SECTION);
        if (before > 0) {
            assert_int_equal(hcall_domain_tot_pages(w->d), tot);
        }
        assert_true(tot - hcall_domain_tot_pages(w->d) <= HCALL_PAGES_PER_SECTION);
        tot = hcall_domain_tot_pages(w->d);
        assert_int_equal(hcall_domain_pod_entries(w->d), entries);
    } while (!done);
    assert_int_equal(count, 0);
}

static void nothing_gets_in_between_the_steps(void **state)
{
    static const enum fixture fixtures[] = {NEW, FA, FB, FB300, FB1, FB2, FB3};
    struct world *w = &world;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(fixtures) / sizeof(fixtures[0]); i++) {
        act_open(w, fixtures[i / 2], false, 0, 0);
        w->preempt = i % 2;
        act_die(w);
        /* What is RAM may be given back before its end begins, and gfns may be marked. */
        try_everything(w);
        act_teardown(w);
        end(w, true);
        try_everything(w);
        assert_int_equal(hcall_domain_tot_pages(w->d), 0);
        assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL);
        assert_true(act_teardown(w));
        world_close(w);
    }
}

/* What is tried before a domain dies is undone by its end. */
static void every_page_comes_back(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB, false, 5000, 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 1999), 0);
    act_write_all(w, 0x100, 1);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
    assert_int_equal(act_extent(w, GUEST, OP_POPULATE, 0, 0x300), 1);
    assert_int_equal(act_remove(w, GUEST, false, 0x1ff), 0);
    assert_int_equal(act_extent(w, GUEST, OP_INCREASE, 3, 0), 1);
    act_die(w);
    end(w, false);
    assert_int_equal(hcall_domain_tot_pages(w->d), 0);
    assert_int_equal(hcall_host_free_pages(w->host), 5000);
    world_close(w);
}

/* Case 145: what was populated as dying began goes as all else does. */
static void a_touch_that_was_first_is_done(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    world_ops.begin_exclusive(w);
    assert_int_equal(hcall_domain_touch(w->d, &(struct hcall_caller){.domain = w->control}, 0x400),
                     0);
    hcall_domain_set_dying(w->d);
    hcall_domain_end_exclusive(w->d);
    act_check(w, "case 145", 1024, 0, 1024);
    end(w, false);
    assert_int_equal(hcall_domain_tot_pages(w->d), 0);
    close_quiet();
}

/* A domain that is built anew has nothing left of it. */
static void a_reset_forgets_it(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB3, false, 0, 0);
    assert_int_equal(act_read(w, GUEST, 0x400), -ENOMEM);
    act_die(w);
    act_teardown(w);
    hcall_domain_reset(w->d);
    act_check(w, "reset", 0, 0, 0);
    assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL);
    assert_false(hcall_domain_crashed(w->d));
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 512), 0);
    assert_int_equal(act_mark(w, 9, 0), 1);
    assert_int_equal(act_read(w, GUEST, 0x10), 0);
    act_check(w, "again", 512, 0, 0);
    world_close(w);
}

/* --- A page that others use --------------------------------------------------------------------
 */

static struct hcall_page *hold(struct world *w, gfn_t gfn)
{
    struct hcall_page *page = hcall_domain_get_page(w->d, gfn);

    assert_non_null(page);
    return page;
}

static void put(struct world *w, struct hcall_page *page)
{
    w->locked = true;
    hcall_domain_put_page(w->d, page);
    w->locked = false;
}

static pages_t owned(const struct world *w)
{
    return hcall_domain_tot_pages(w->d);
}

/* The domain ends, and its page is what is left of it until it is put. */
static void ends_with_the_page(struct world *w, struct hcall_page *page)
{
    act_die(w);
    end(w, false);
    assert_int_equal(owned(w), 1);
    assert_int_equal(act_query(w, OP_CURRENT), 1);
    assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL - 1);
    assert_true(act_teardown(w));
    assert_int_equal(owned(w), 1);
    put(w, page);
    assert_int_equal(owned(w), 0);
    assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL);
    world_check(w);
    world_close(w);
}

/* Case 143. */
static void a_page_in_use_keeps_the_domain(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    ends_with_the_page(w, hold(w, 0x010));
}

static void two_users_of_a_page(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    page = hold(w, 0x010);
    assert_ptr_equal(hold(w, 0x010), page);
    act_die(w);
    end(w, false);
    put(w, page);
    assert_int_equal(owned(w), 1);
    put(w, page);
    assert_int_equal(owned(w), 0);
    world_close(w);
}

/* It is put before anything happens. */
static void a_page_that_was_put_is_like_any_other(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    put(w, hold(w, 0x010));
    put(w, hold(w, 0x010));
    act_die(w);
    end(w, false);
    assert_int_equal(owned(w), 0);
    world_close(w);
}

static void only_ram_can_be_held(void **state)
{
    struct world *w = &world;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    assert_null(hcall_domain_get_page(w->d, 0x400));
    assert_null(hcall_domain_get_page(w->d, 0x900));
    act_check(w, "nothing is populated", 1024, 512, 1536);
    world_close(w);
}

/* Freed while it is used: the domain's until it is put, alive or not. */
static void a_page_that_was_decreased(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    for (int put_first = 0; put_first <= 1; put_first++) {
        act_open(w, FA, false, 0, 0);
        page = hold(w, 0x010);
        assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 4, 0x008), 1);
        act_check(w, "decreased", 1009, 0, 0);
        if (put_first) {
            put(w, page);
            act_check(w, "put", 1008, 0, 0);
            world_close(w);
        } else {
            ends_with_the_page(w, page);
        }
    }
}

/* Replaced by another, or moved over: the same. */
static void a_page_that_was_moved_over(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    act_open(w, FA, false, 0, 0);
    page = hold(w, 0x010);
    assert_int_equal(act_add(w, GUEST, false, 2, 0x020, 0x010), 0);
    act_check(w, "moved over", 1024, 0, 0);
    put(w, page);
    act_check(w, "put", 1023, 0, 0);
    page = hold(w, 0x010);
    assert_int_equal(act_add(w, GUEST, false, 0, 0, 0x010), 0);
    act_check(w, "a page of the hypervisor's there", 1023, 0, 0);
    ends_with_the_page(w, page);
}

/* It is another gfn's now, and goes with that. */
static void a_page_that_moved(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    act_open(w, FA, false, 0, 0);
    page = hold(w, 0x010);
    assert_int_equal(act_add(w, GUEST, false, 2, 0x010, 0x500), 0);
    assert_ptr_equal(hold(w, 0x500), page);
    put(w, page);
    assert_int_equal(act_extent(w, GUEST, OP_POPULATE, 0, 0x010), 1);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
    act_check(w, "the gfn it was at", 1024, 0, 0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x500), 1);
    act_check(w, "the gfn it is at", 1024, 0, 0);
    put(w, page);
    act_check(w, "put", 1023, 0, 0);
    world_close(w);
}

/* The domain's without a gfn; a page that is put later does not go. */
static void a_page_that_was_replaced_or_removed(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    for (int remove = 0; remove <= 1; remove++) {
        for (int put_first = 0; put_first <= 1; put_first++) {
            act_open(w, FA, false, 0, 0);
            page = hold(w, 0x010);
            if (remove) {
                assert_int_equal(act_remove(w, GUEST, false, 0x010), 0);
            }
            assert_int_equal(act_extent(w, GUEST, OP_POPULATE, 0, 0x010), 1);
            act_check(w, "another is there", 1025, 0, 0);
            assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
            act_check(w, "... and not any more", 1024, 0, 0);
            if (put_first) {
                put(w, page);
                act_check(w, "put", 1024, 0, 0);
                world_close(w);
            } else {
                ends_with_the_page(w, page);
            }
        }
    }
}

/* Nobody asks whether it is used. */
static void a_page_that_was_stolen(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    act_open(w, FB1, false, 0, 0);
    page = hold(w, 0x010);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
    act_check(w, "stolen", 1024, 513, 1536);
    ends_with_the_page(w, page);
    act_open(w, FB1, false, 0, 0);
    page = hold(w, 0x010);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
    put(w, page);
    act_check(w, "put", 1024, 513, 1536);
    act_die(w);
    end(w, false);
    assert_int_equal(owned(w), 0);
    world_close(w);
}

/* More than is missing is not stolen but freed. */
static void a_page_that_nothing_misses(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    act_open(w, FC64, false, 0, 0);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 7, 0x1080), 1);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 5, 0x1060), 1);
    page = hold(w, 0x103f);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 6, 0x1000), 1);
    act_check(w, "32 are missing", 33, 32, 32);
    put(w, page);
    act_check(w, "put", 32, 32, 32);
    world_close(w);
}

static void open_tiny(struct world *w, unsigned gfns)
{
    act_open(w, NEW, false, 0, 0);
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 1), 0);
    for (unsigned i = 0; i < gfns; i++) {
        assert_int_equal(act_mark(w, 0, 0x10 + i), 1);
    }
}

/* Its end cannot give back more than there is. */
static void a_page_that_was_stolen_and_is_in_the_pool(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    open_tiny(w, 2);
    act_write_all(w, 0x10, 1);
    page = hold(w, 0x10);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x10), 1);
    act_check(w, "stolen", 1, 1, 1);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x11), 1);
    act_check(w, "trimmed", 0, 0, 0);
    act_die(w);
    end(w, false);
    assert_int_equal(owned(w), 0);
    assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL);
    put(w, page);
    assert_int_equal(owned(w), 0);
    world_check(w);
    world_close(w);
}

static void a_page_that_was_stolen_and_is_used_twice(void **state)
{
    struct world *w = &world;
    struct hcall_page *first, *second;

    (void)state;
    open_tiny(w, 3);
    act_write_all(w, 0x10, 1);
    first = hold(w, 0x10);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x10), 1);
    act_write_all(w, 0x11, 1);
    act_check(w, "it is back", 1, 0, 1);
    second = hold(w, 0x11);
    act_die(w);
    end(w, false);
    assert_true(owned(w) <= 1);
    put(w, first);
    put(w, second);
    assert_int_equal(owned(w), 0);
    assert_int_equal(hcall_host_free_pages(w->host), WORLD_POOL);
    world_check(w);
    world_close(w);
}

/* A grant of the domain's own moves it, and then it is nowhere. */
static void a_page_that_was_granted_to_oneself(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    for (int decrease = 0; decrease <= 1; decrease++) {
        act_open(w, FA, false, 0, 0);
        page = hold(w, 0x010);
        world_ops.begin_exclusive(w);
        assert_int_equal(hcall_domain_map_own_grant(w->d, 0x010, 0x500), 0);
        if (!decrease) {
            assert_int_equal(hcall_domain_unmap_own_grant(w->d, 0x500), 0);
        }
        hcall_domain_end_exclusive(w->d);
        if (decrease) {
            assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x500), 1);
        }
        act_check(w, "nowhere", 1024, 0, 0);
        assert_int_equal(act_add(w, GUEST, false, 2, 0x020, 0x500), 0);
        assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x500), 1);
        act_check(w, "another came and went", 1023, 0, 0);
        ends_with_the_page(w, page);
    }
}

/* As long as it is used, it is not taken back though it is zero. */
static void a_page_of_zeroes_in_use_stays(void **state)
{
    struct world *w = &world;
    struct hcall_page *page;

    (void)state;
    act_open(w, FB, false, 0, 0);
    assert_int_equal(act_read(w, GUEST, 0x000), 0);
    page = hold(w, 0x123);
    assert_int_equal(act_extent(w, GUEST, OP_DECREASE, 0, 0x010), 1);
    act_check(w, "no superpage", 1024, 513, 1536);
    assert_int_equal(act_read(w, GUEST, 0x200), 0);
    /* The 511 left of the first, and the second; the search takes all but the page in use. */
    assert_int_equal(act_read(w, GUEST, 0x400), 0);
    assert_int_equal(act_read(w, GUEST, 0x401), 0);
    assert_int_equal(hcall_domain_p2m(w->d, 0x123, NULL), HCALL_P2M_RAM);
    put(w, page);
    world_check(w);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_touch_finds_a_hole),
        cmocka_unit_test(a_touch_without_a_page_is_no_crash),
        cmocka_unit_test(a_target_does_nothing_and_is_told_the_numbers),
        cmocka_unit_test(gfns_on_demand_cannot_be_decreased),
        cmocka_unit_test(a_superpage_cannot_be_decreased),
        cmocka_unit_test(ram_is_freed_and_not_stolen),
        cmocka_unit_test(zeroes_are_freed_and_not_taken_back),
        cmocka_unit_test(marking_needs_a_table),
        cmocka_unit_test(marking_without_a_table_crashes_above_order_0),
        cmocka_unit_test(nothing_is_allocated),
        cmocka_unit_test(nothing_is_claimed),
        cmocka_unit_test(nothing_is_exchanged),
        cmocka_unit_test(the_physmap_changes_still),
        cmocka_unit_test(questions_are_answered),
        cmocka_unit_test(once_it_is_gone_nobody_is_found),
        cmocka_unit_test(nothing_gets_in_between_the_steps),
        cmocka_unit_test(every_page_comes_back),
        cmocka_unit_test(a_touch_that_was_first_is_done),
        cmocka_unit_test(a_reset_forgets_it),
        cmocka_unit_test(a_page_in_use_keeps_the_domain),
        cmocka_unit_test(two_users_of_a_page),
        cmocka_unit_test(a_page_that_was_put_is_like_any_other),
        cmocka_unit_test(only_ram_can_be_held),
        cmocka_unit_test(a_page_that_was_decreased),
        cmocka_unit_test(a_page_that_was_moved_over),
        cmocka_unit_test(a_page_that_moved),
        cmocka_unit_test(a_page_that_was_replaced_or_removed),
        cmocka_unit_test(a_page_that_was_stolen),
        cmocka_unit_test(a_page_that_nothing_misses),
        cmocka_unit_test(a_page_that_was_stolen_and_is_in_the_pool),
        cmocka_unit_test(a_page_that_was_stolen_and_is_used_twice),
        cmocka_unit_test(a_page_that_was_granted_to_oneself),
        cmocka_unit_test(a_page_of_zeroes_in_use_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
