/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of memory_op that are no lists of extents to give or take: each answer
 * and each refusal, in the order in which Xen checks, for callers of both widths.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "cmocka_all.h"
#include "oom.h"

#define OWN 5       /* the domain's id */
#define STRANGER 77 /* one that does not exist */
#define RAM_PAGES 0x400
#define HOLE_GFN 0x500
#define MAX_PAGES 4096
#define MAX_RAM_PAGE 0x123456

enum {
    OP_INCREASE = 0,
    OP_RAM_PAGE = 2,
    OP_MACHINE_MAP = 10,
    OP_EXCHANGE = 11,
    OP_SET_MAP = 13,
    OP_REMOVE = 15,
    OP_FREED = 18,
    OP_SHARED = 19,
    OP_CLAIM = 24,
    OP_COMPAT_MFN_LIST = 25,
    OP_VNUMA = 26,
    OP_RDM = 27,
    OP_ACQUIRE = 28,
};

struct fixture {
    struct world world;
    struct hcall_domain *d;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct hcall_ops ops = world_ops;

    ops.max_page = MAX_RAM_PAGE;
    world_init(&f->world);
    f->d = hcall_domain_new(OWN, MAX_PAGES, &ops, &f->world);
    world_build_ram(&f->world, f->d, 0, RAM_PAGES);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    assert_null(hcall_domain_check(f->d));
    hcall_domain_free(f->d);
    free(f);
    return 0;
}

/* A field of the structure at ARG: where it is and how wide, by the caller's width. */
static void put(struct fixture *f, bool compat, unsigned wide_at, unsigned wide, unsigned narrow_at,
                unsigned narrow, uint64_t value)
{
    world_put(&f->world, ARG + (compat ? narrow_at : wide_at), value, compat ? narrow : wide);
}

static long call(struct fixture *f, bool compat, uint64_t cmd)
{
    return call_memory_op(f->d, compat, cmd, ARG);
}

static void unreadable_structures_fault(void **state)
{
    static const unsigned ops[] = {OP_EXCHANGE, OP_SET_MAP, OP_REMOVE,
                                   OP_VNUMA,    OP_RDM,     OP_ACQUIRE};
    struct fixture *f = *state;

    f->world.page[0].unmapped = true;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        assert_int_equal(call(f, false, ops[i]), -EFAULT);
        assert_int_equal(call(f, true, ops[i]), -EFAULT);
    }
    assert_int_equal(call(f, false, OP_CLAIM), -EFAULT);
}

/* Where start_extent is no index it is refused, or makes another operation of it. */
static void start_extents_are_refused(void **state)
{
    static const unsigned invalid[] = {OP_RAM_PAGE, OP_EXCHANGE, OP_REMOVE, OP_VNUMA, OP_RDM};
    static const unsigned unknown[] = {OP_MACHINE_MAP, OP_SET_MAP, OP_FREED, OP_SHARED};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        assert_int_equal(call(f, false, invalid[i] | START(1)), -EINVAL);
        assert_int_equal(call(f, true, invalid[i] | START(1)), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(call(f, false, unknown[i] | START(1)), -ENOSYS);
    }
    assert_int_equal(call(f, false, OP_CLAIM | START(1)), -EINVAL);
}

static void what_anyone_may_ask(void **state)
{
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        assert_int_equal(call_memory_op(f->d, compat, OP_RAM_PAGE, 0), MAX_RAM_PAGE);
        assert_int_equal(call_memory_op(f->d, compat, OP_FREED, 0), 0);
        assert_int_equal(call_memory_op(f->d, compat, OP_SHARED, 0), 0);
        assert_int_equal(call_memory_op(f->d, compat, OP_MACHINE_MAP, 0), -EPERM);
        assert_int_equal(call_memory_op(f->d, compat, OP_COMPAT_MFN_LIST, 0), -EOPNOTSUPP);
    }
}

static void populate(struct fixture *f, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    call_put_reservation(&f->world, false, &args);
    call_put_frame(&f->world, false, LIST, 0, gfn);
    assert_int_equal(call(f, false, OP_POPULATE), 1);
}

static void decrease(struct fixture *f, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    call_put_reservation(&f->world, false, &args);
    call_put_frame(&f->world, false, LIST, 0, gfn);
    assert_int_equal(call(f, false, OP_DECREASE), 1);
}

static void maximum_gpfn_never_gets_smaller(void **state)
{
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        gfn_t above = HOLE_GFN + compat;

        populate(f, above);
        world_put(&f->world, ARG, SELF, 2);
        assert_int_equal(call(f, compat, OP_MAXIMUM_GPFN), above);
        decrease(f, above);
        world_put(&f->world, ARG, SELF, 2);
        assert_int_equal(call(f, compat, OP_MAXIMUM_GPFN), above);
        world_put(&f->world, ARG, 0, 2);
        assert_int_equal(call(f, compat, OP_MAXIMUM_GPFN), -EPERM);
        world_put(&f->world, ARG, STRANGER, 2);
        assert_int_equal(call(f, compat, OP_MAXIMUM_GPFN), -ESRCH);
    }
}

/* Its structure has 36 bytes in 32 bits, 40 in 64: the last 4 are not read then. */
static void pod_targets_are_the_control_domain_s(void **state)
{
    struct fixture *f = *state;
    const uint64_t end_of_page = WORLD_PAGE(1) - 36;

    f->world.page[1].unmapped = true;
    for (unsigned op = OP_SET_POD_TARGET; op <= OP_GET_POD_TARGET; op++) {
        world_put(&f->world, ARG + 32, SELF, 2);
        assert_int_equal(call(f, false, op), -EPERM);
        world_put(&f->world, ARG + 32, STRANGER, 2);
        assert_int_equal(call(f, false, op), -ESRCH);
        world_put(&f->world, ARG + 32, 0, 2);
        assert_int_equal(call(f, false, op), -EINVAL);
        assert_int_equal(call(f, false, op | START(1)), -ENOSYS);
        world_put(&f->world, end_of_page + 32, SELF, 2);
        assert_int_equal(call_memory_op(f->d, true, op, end_of_page), -EPERM);
        assert_int_equal(call_memory_op(f->d, false, op, end_of_page), -EFAULT);
    }
}

static void a_claim_is_refused(void **state)
{
    struct fixture *f = *state;
    struct reservation_args args = {.nr = 10, .domid = OWN};

    call_put_reservation(&f->world, true, &args);
    assert_int_equal(call(f, true, OP_CLAIM), -ENOSYS);
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_CLAIM), -EPERM);
    args.domid = SELF;
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_CLAIM), -EINVAL);
    args.domid = STRANGER;
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_CLAIM), -EINVAL);
    args = (struct reservation_args){.nr = 10, .domid = OWN, .order = 1};
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_CLAIM), -EINVAL);
    args = (struct reservation_args){.nr = 10, .domid = OWN, .flags = 1};
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_CLAIM), -EINVAL);
    args = (struct reservation_args){.nr = 10, .domid = OWN, .list = LIST};
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_CLAIM), -EINVAL);
}

static void what_there_is_not(void **state)
{
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        memset(f->world.mem, 0, sizeof(f->world.mem));
        world_put(&f->world, ARG, SELF, 2);
        assert_int_equal(call(f, compat, OP_VNUMA), -EOPNOTSUPP);
        world_put(&f->world, ARG, STRANGER, 2);
        assert_int_equal(call(f, compat, OP_VNUMA), -ESRCH);
        world_put(&f->world, ARG + 2, 1, 2);
        assert_int_equal(call(f, compat, OP_VNUMA), -EINVAL);

        world_put(&f->world, ARG, 1, 4);
        world_put(&f->world, ARG + 4, 9, 4);
        assert_int_equal(call(f, compat, OP_RDM), 0);
        assert_int_equal(world_get(&f->world, ARG + 4, 4), 0);
        world_put(&f->world, ARG, 2, 4);
        assert_int_equal(call(f, compat, OP_RDM), -EINVAL);
    }
    f->world.page[0].read_only = true;
    world_put(&f->world, ARG, 0, 4);
    assert_int_equal(call(f, false, OP_RDM), -EFAULT);
}

static void resources_of_others_only(void **state)
{
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        memset(f->world.mem, 0, sizeof(f->world.mem));
        world_put(&f->world, ARG, SELF, 2);
        assert_int_equal(call(f, compat, OP_ACQUIRE), -EPERM);
        world_put(&f->world, ARG, STRANGER, 2);
        assert_int_equal(call(f, compat, OP_ACQUIRE), -ESRCH);
        world_put(&f->world, ARG + 16, UINT32_MAX, 8);
        world_put(&f->world, ARG + 8, 1, 4);
        assert_int_equal(call(f, compat, OP_ACQUIRE), -EINVAL);
        world_put(&f->world, ARG + 16, 0, 8);
        world_put(&f->world, ARG + 12, 1, 4);
        assert_int_equal(call(f, compat, OP_ACQUIRE), -EINVAL);
    }
}

static void as_4_17_answers(void **state)
{
    struct fixture *f = *state;

    hcall_domain_set_version(f->d, 0x40011);
    f->world.page[1].unmapped = true;
    for (int compat = 0; compat <= 1; compat++) {
        world_put(&f->world, ARG, SELF, 2);
        assert_int_equal(call(f, compat, OP_ACQUIRE), -EACCES);
        assert_int_equal(call_memory_op(f->d, compat, OP_ACQUIRE, WORLD_PAGE(1)),
                         compat ? -EFAULT : -EACCES);
        assert_int_equal(call(f, compat, OP_MACHINE_MAP), -ENOSYS);
    }
    hcall_domain_set_version(f->d, 0x40012);
    assert_int_equal(call(f, false, OP_ACQUIRE), -EPERM);
    assert_int_equal(call(f, false, OP_MACHINE_MAP), -EPERM);
}

/* --- increase_reservation ------------------------------------------------------------ */

static void increased_pages_have_no_gfn(void **state)
{
    struct fixture *f = *state;
    struct reservation_args args = {.nr = 3, .order = 9, .domid = SELF};

    for (int compat = 0; compat <= 1; compat++) {
        pages_t before = hcall_domain_tot_pages(f->d);

        call_put_reservation(&f->world, compat, &args);
        assert_int_equal(call(f, compat, OP_INCREASE), 3);
        assert_int_equal(hcall_domain_tot_pages(f->d), before + 3 * 512);
        assert_int_equal(hcall_domain_p2m(f->d, 0, NULL), HCALL_P2M_RAM);
        assert_int_equal(hcall_domain_p2m(f->d, HOLE_GFN, NULL), HCALL_P2M_HOLE);
    }
    /* 4096 at most: 1024 + 3072 are there. */
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_INCREASE), 0);
    assert_string_equal(f->world.line, "d5v3 Over-allocation for d5: 4608 > 4096");
}

/* A list is neither read nor written, unless Xen's translation for 32 bits writes it. */
static void an_increase_has_a_list_for_nothing(void **state)
{
    struct fixture *f = *state;
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    f->world.page[2].unmapped = true;
    call_put_reservation(&f->world, false, &args);
    assert_int_equal(call(f, false, OP_INCREASE), 1);
    f->world.page[2].unmapped = false;
    f->world.page[2].read_only = true;
    call_put_reservation(&f->world, true, &args);
    assert_int_equal(call(f, true, OP_INCREASE), 0);
    assert_int_equal(hcall_domain_tot_pages(f->d), RAM_PAGES + 2);
}

/* --- exchange ------------------------------------------------------------------------- */

struct exchange_args {
    struct reservation_args in, out;
    uint64_t nr_exchanged;
};

static long exchange(struct fixture *f, bool compat, const struct exchange_args *args)
{
    const size_t size = compat ? 20 : 32;
    uint8_t out[32];

    call_put_reservation(&f->world, compat, &args->out);
    memcpy(out, f->world.mem, size);
    call_put_reservation(&f->world, compat, &args->in);
    memcpy(f->world.mem + size, out, size);
    put(f, compat, 64, 8, 40, 4, args->nr_exchanged);
    return call(f, compat, OP_EXCHANGE);
}

static void exchanges_come_to_nothing(void **state)
{
    const struct reservation_args one = {.list = LIST, .nr = 1, .domid = SELF};
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        struct exchange_args x = {one, one, 0};

        call_put_frame(&f->world, compat, LIST, 0, 0x10);
        assert_int_equal(exchange(f, compat, &x), -EOPNOTSUPP);
        call_put_frame(&f->world, compat, LIST, 0, HOLE_GFN);
        assert_int_equal(exchange(f, compat, &x), -EINVAL);
        x.nr_exchanged = 1;
        assert_int_equal(exchange(f, compat, &x), 0);
        x.nr_exchanged = 2;
        assert_int_equal(exchange(f, compat, &x), -EINVAL);
        x = (struct exchange_args){one, one, 0};
        x.in.list = 8; /* nothing is mapped there */
        assert_int_equal(exchange(f, compat, &x), -EFAULT);
        x = (struct exchange_args){one, one, 0};
        x.in.domid = x.out.domid = STRANGER;
        assert_int_equal(exchange(f, compat, &x), -ESRCH);
        x.in.domid = x.out.domid = 0;
        assert_int_equal(exchange(f, compat, &x), -EPERM);
        x.out.domid = SELF;
        assert_int_equal(exchange(f, compat, &x), -EINVAL);
        x = (struct exchange_args){one, one, 0};
        call_put_frame(&f->world, compat, LIST, 0, 0x10);
        x.in.flags = FLAG_NODE(0) | FLAG_EXACT_NODE;
        x.out.flags = 5;
        assert_int_equal(exchange(f, compat, &x), -EOPNOTSUPP);
        x.out.flags = FLAG_NODE(0) | FLAG_EXACT_NODE;
        assert_int_equal(exchange(f, compat, &x), -EINVAL);
        call_put_frame(&f->world, compat, LIST, 0, HOLE_GFN);
        x = (struct exchange_args){one, one, 0};
        x.out.nr = 2;
        assert_int_equal(exchange(f, compat, &x), -EINVAL);
        /* A 32-bit caller's totals are compared first, and its second list is looked at. */
        x.out.order = 10;
        assert_int_equal(exchange(f, compat, &x), compat ? -EINVAL : -EPERM);
        x = (struct exchange_args){one, one, 0};
        x.in.order = x.out.order = 10;
        assert_int_equal(exchange(f, compat, &x), -EPERM);
        x = (struct exchange_args){one, one, 0};
        x.out.list = 8;
        assert_int_equal(exchange(f, compat, &x), compat ? -EFAULT : -EINVAL);
    }
}

static void exchanges_whose_totals_wrap(void **state)
{
    struct fixture *f = *state;
    struct exchange_args x = {.in = {.list = LIST, .nr = 1ull << 60, .order = 9, .domid = SELF}};

    x.out = x.in;
    assert_int_equal(exchange(f, false, &x), -EINVAL);
}

/* How far it came is written back, if it did not come to its end. */
static void an_exchange_tells_how_far_it_came(void **state)
{
    const struct reservation_args one = {.list = LIST, .nr = 1, .domid = SELF};
    struct fixture *f = *state;
    struct exchange_args x = {one, one, 0};

    f->world.page[0].read_only = true;
    assert_int_equal(exchange(f, false, &x), -EFAULT);
    call_put_frame(&f->world, true, LIST, 0, HOLE_GFN);
    assert_int_equal(exchange(f, true, &x), -EINVAL);
    x.nr_exchanged = 1;
    assert_int_equal(exchange(f, false, &x), 0);
}

/* --- remove_from_physmap --------------------------------------------------------------- */

static long remove_gfn(struct fixture *f, bool compat, unsigned domid, gfn_t gfn)
{
    world_put(&f->world, ARG, domid, 2);
    put(f, compat, 8, 8, 4, 4, gfn);
    return call(f, compat, OP_REMOVE);
}

static void a_removed_page_stays_the_domain_s(void **state)
{
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        gfn_t gfn = 0x200 + compat;

        assert_int_equal(remove_gfn(f, compat, SELF, gfn), 0);
        assert_int_equal(hcall_domain_p2m(f->d, gfn, NULL), HCALL_P2M_HOLE);
        assert_int_equal(hcall_domain_tot_pages(f->d), RAM_PAGES);
        world_check(&f->world, f->d);
        assert_int_equal(remove_gfn(f, compat, SELF, gfn), -ENOENT);
        assert_int_equal(remove_gfn(f, compat, STRANGER, 0x10), -ESRCH);
        assert_int_equal(remove_gfn(f, compat, 0, 0x10), -EACCES);
    }
    assert_int_equal(remove_gfn(f, false, SELF, UINT64_MAX), -ENOENT);
    oom_after(0);
    assert_int_equal(remove_gfn(f, false, SELF, 0x3ff), 0); /* a leaf that was split already */
    oom_stop();
}

/* --- set_memory_map --------------------------------------------------------------------- */

static long set_map(struct fixture *f, bool compat, unsigned domid, uint32_t nr, uint64_t buffer)
{
    world_put(&f->world, ARG, domid, 2);
    put(f, compat, 8, 4, 4, 4, nr);
    put(f, compat, 16, 8, 8, 4, buffer);
    return call(f, compat, OP_SET_MAP);
}

static long get_map(struct fixture *f, bool compat, uint64_t buffer)
{
    world_put(&f->world, ARG, 9, 4);
    put(f, compat, 8, 8, 4, 4, buffer);
    return call(f, compat, OP_MEMORY_MAP);
}

static void a_guest_may_set_its_own_map(void **state)
{
    const uint64_t back = WORLD_PAGE(4);
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        assert_int_equal(set_map(f, compat, SELF, 0, 0), 0);
        assert_int_equal(get_map(f, compat, back), -ENOSYS);
        world_put(&f->world, LIST, 0x1000, 8);
        world_put(&f->world, LIST + 8, 0x2000, 8);
        world_put(&f->world, LIST + 16, 7, 4);
        world_put(&f->world, LIST + 36, 3, 4);
        assert_int_equal(set_map(f, compat, OWN, 2, LIST), 0);
        assert_int_equal(get_map(f, compat, back), 0);
        assert_int_equal(world_get(&f->world, ARG, 4), 2);
        assert_memory_equal(f->world.mem + back - WORLD_BASE, f->world.mem + LIST - WORLD_BASE, 40);
    }
}

static void maps_that_are_refused_change_nothing(void **state)
{
    struct fixture *f = *state;

    for (int compat = 0; compat <= 1; compat++) {
        assert_int_equal(set_map(f, compat, SELF, 1, LIST), 0);
        assert_int_equal(set_map(f, compat, SELF, 1025, LIST), -EINVAL);
        assert_int_equal(set_map(f, compat, STRANGER, 1, LIST), -ESRCH);
        assert_int_equal(set_map(f, compat, 0, 1, LIST), -EPERM);
        assert_int_equal(set_map(f, compat, SELF, 2, 8), -EFAULT);
        oom_after(0);
        assert_int_equal(set_map(f, compat, SELF, 2, LIST), -ENOMEM);
        assert_true(oom_stop());
        assert_int_equal(get_map(f, compat, LIST), 0);
        assert_int_equal(world_get(&f->world, ARG, 4), 1);
    }
}

#define CALL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALL_TEST(unreadable_structures_fault),
        CALL_TEST(start_extents_are_refused),
        CALL_TEST(what_anyone_may_ask),
        CALL_TEST(maximum_gpfn_never_gets_smaller),
        CALL_TEST(pod_targets_are_the_control_domain_s),
        CALL_TEST(a_claim_is_refused),
        CALL_TEST(what_there_is_not),
        CALL_TEST(resources_of_others_only),
        CALL_TEST(as_4_17_answers),
        CALL_TEST(increased_pages_have_no_gfn),
        CALL_TEST(an_increase_has_a_list_for_nothing),
        CALL_TEST(exchanges_come_to_nothing),
        CALL_TEST(exchanges_whose_totals_wrap),
        CALL_TEST(an_exchange_tells_how_far_it_came),
        CALL_TEST(a_removed_page_stays_the_domain_s),
        CALL_TEST(a_guest_may_set_its_own_map),
        CALL_TEST(maps_that_are_refused_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
