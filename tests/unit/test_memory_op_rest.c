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

static struct world world;

static int setup(void **state)
{
    world_open(&world, MAX_PAGES, 0, 0);
    world_build_ram(&world, 0, RAM_PAGES);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    world_check(*state);
    world_close(*state);
    return 0;
}

/* A field of the structure at ARG: where it is and how wide, by the caller's width. */
static void put(struct world *w, bool compat, unsigned wide_at, unsigned wide, unsigned narrow_at,
                unsigned narrow, uint64_t value)
{
    world_put(w, ARG + (compat ? narrow_at : wide_at), value, compat ? narrow : wide);
}

static long call(struct world *w, bool compat, uint64_t cmd)
{
    return call_memory_op(w->d, compat, cmd, ARG);
}

static void unreadable_structures_fault(void **state)
{
    static const unsigned ops[] = {OP_EXCHANGE, OP_SET_MAP, OP_REMOVE,
                                   OP_VNUMA,    OP_RDM,     OP_ACQUIRE};
    struct world *w = *state;

    w->page[0].unmapped = true;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        assert_int_equal(call(w, false, ops[i]), -EFAULT);
        assert_int_equal(call(w, true, ops[i]), -EFAULT);
    }
    assert_int_equal(call(w, false, OP_CLAIM), -EFAULT);
}

/* Where start_extent is no index it is refused, or makes another operation of it. */
static void start_extents_are_refused(void **state)
{
    static const unsigned invalid[] = {OP_MAXIMUM_RAM_PAGE, OP_EXCHANGE, OP_REMOVE, OP_VNUMA,
                                       OP_RDM};
    static const unsigned unknown[] = {OP_MACHINE_MAP, OP_SET_MAP, OP_FREED, OP_SHARED};
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        assert_int_equal(call(w, false, invalid[i] | START(1)), -EINVAL);
        assert_int_equal(call(w, true, invalid[i] | START(1)), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(call(w, false, unknown[i] | START(1)), -ENOSYS);
    }
    assert_int_equal(call(w, false, OP_CLAIM | START(1)), -EINVAL);
}

static void what_anyone_may_ask(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        assert_int_equal(call_memory_op(w->d, compat, OP_MAXIMUM_RAM_PAGE, 0), WORLD_MAX_PAGE);
        assert_int_equal(call_memory_op(w->d, compat, OP_FREED, 0), 0);
        assert_int_equal(call_memory_op(w->d, compat, OP_SHARED, 0), 0);
        assert_int_equal(call_memory_op(w->d, compat, OP_MACHINE_MAP, 0), -EPERM);
        assert_int_equal(call_memory_op(w->d, compat, OP_COMPAT_MFN_LIST, 0), -EOPNOTSUPP);
    }
}

static void populate(struct world *w, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    call_put_reservation(w, false, &args);
    call_put_frame(w, false, LIST, 0, gfn);
    assert_int_equal(call(w, false, OP_POPULATE), 1);
}

static void decrease(struct world *w, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    call_put_reservation(w, false, &args);
    call_put_frame(w, false, LIST, 0, gfn);
    assert_int_equal(call(w, false, OP_DECREASE), 1);
}

static void maximum_gpfn_never_gets_smaller(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        gfn_t above = HOLE_GFN + compat;

        populate(w, above);
        world_put(w, ARG, SELF, 2);
        assert_int_equal(call(w, compat, OP_MAXIMUM_GPFN), above);
        decrease(w, above);
        world_put(w, ARG, SELF, 2);
        assert_int_equal(call(w, compat, OP_MAXIMUM_GPFN), above);
        world_put(w, ARG, 0, 2);
        assert_int_equal(call(w, compat, OP_MAXIMUM_GPFN), -EPERM);
        world_put(w, ARG, STRANGER, 2);
        assert_int_equal(call(w, compat, OP_MAXIMUM_GPFN), -ESRCH);
    }
}

/* Its structure has 36 bytes in 32 bits, 40 in 64: the last 4 are not read then. */
static void pod_targets_are_the_control_domain_s(void **state)
{
    struct world *w = *state;
    const uint64_t end_of_page = WORLD_PAGE(1) - 36;

    w->page[1].unmapped = true;
    for (unsigned op = OP_SET_POD_TARGET; op <= OP_GET_POD_TARGET; op++) {
        world_put(w, ARG + 32, SELF, 2);
        assert_int_equal(call(w, false, op), -EPERM);
        world_put(w, ARG + 32, STRANGER, 2);
        assert_int_equal(call(w, false, op), -ESRCH);
        world_put(w, ARG + 32, 0, 2);
        assert_int_equal(call(w, false, op), -EINVAL);
        assert_int_equal(call(w, false, op | START(1)), -ENOSYS);
        world_put(w, end_of_page + 32, SELF, 2);
        assert_int_equal(call_memory_op(w->d, true, op, end_of_page), -EPERM);
        assert_int_equal(call_memory_op(w->d, false, op, end_of_page), -EFAULT);
    }
}

static void a_claim_is_refused(void **state)
{
    struct world *w = *state;
    struct reservation_args args = {.nr = 10, .domid = OWN};

    call_put_reservation(w, true, &args);
    assert_int_equal(call(w, true, OP_CLAIM), -ENOSYS);
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_CLAIM), -EPERM);
    args.domid = SELF;
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_CLAIM), -EINVAL);
    args.domid = STRANGER;
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_CLAIM), -EINVAL);
    args = (struct reservation_args){.nr = 10, .domid = OWN, .order = 1};
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_CLAIM), -EINVAL);
    args = (struct reservation_args){.nr = 10, .domid = OWN, .flags = 1};
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_CLAIM), -EINVAL);
    args = (struct reservation_args){.nr = 10, .domid = OWN, .list = LIST};
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_CLAIM), -EINVAL);
}

static void what_there_is_not(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        memset(w->mem, 0, sizeof(w->mem));
        world_put(w, ARG, SELF, 2);
        assert_int_equal(call(w, compat, OP_VNUMA), -EOPNOTSUPP);
        world_put(w, ARG, STRANGER, 2);
        assert_int_equal(call(w, compat, OP_VNUMA), -ESRCH);
        world_put(w, ARG + 2, 1, 2);
        assert_int_equal(call(w, compat, OP_VNUMA), -EINVAL);

        world_put(w, ARG, 1, 4);
        world_put(w, ARG + 4, 9, 4);
        assert_int_equal(call(w, compat, OP_RDM), 0);
        assert_int_equal(world_get(w, ARG + 4, 4), 0);
        world_put(w, ARG, 2, 4);
        assert_int_equal(call(w, compat, OP_RDM), -EINVAL);
    }
    w->page[0].read_only = true;
    world_put(w, ARG, 0, 4);
    assert_int_equal(call(w, false, OP_RDM), -EFAULT);
}

static void resources_of_others_only(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        memset(w->mem, 0, sizeof(w->mem));
        world_put(w, ARG, SELF, 2);
        assert_int_equal(call(w, compat, OP_ACQUIRE), -EPERM);
        world_put(w, ARG, STRANGER, 2);
        assert_int_equal(call(w, compat, OP_ACQUIRE), -ESRCH);
        world_put(w, ARG + 16, UINT32_MAX, 8);
        world_put(w, ARG + 8, 1, 4);
        assert_int_equal(call(w, compat, OP_ACQUIRE), -EINVAL);
        world_put(w, ARG + 16, 0, 8);
        world_put(w, ARG + 12, 1, 4);
        assert_int_equal(call(w, compat, OP_ACQUIRE), -EINVAL);
    }
}

static void as_4_17_answers(void **state)
{
    struct world *w = *state;

    for (uint32_t version = 0x40011; version <= 0x40012; version++) {
        const bool old = version == 0x40011;

        world_close(w);
        world_open(w, MAX_PAGES, 0, version);
        w->page[1].unmapped = true;
        for (int compat = 0; compat <= 1; compat++) {
            world_put(w, ARG, SELF, 2);
            assert_int_equal(call(w, compat, OP_ACQUIRE), old ? -EACCES : -EPERM);
            assert_int_equal(call_memory_op(w->d, compat, OP_ACQUIRE, WORLD_PAGE(1)),
                             old && !compat ? -EACCES : -EFAULT);
            assert_int_equal(call(w, compat, OP_MACHINE_MAP), old ? -ENOSYS : -EPERM);
        }
    }
}

/* --- increase_reservation ------------------------------------------------------------ */

static void increased_pages_have_no_gfn(void **state)
{
    struct world *w = *state;
    struct reservation_args args = {.nr = 3, .order = 9, .domid = SELF};

    for (int compat = 0; compat <= 1; compat++) {
        pages_t before = hcall_domain_tot_pages(w->d);

        call_put_reservation(w, compat, &args);
        assert_int_equal(call(w, compat, OP_INCREASE), 3);
        assert_int_equal(hcall_domain_tot_pages(w->d), before + 3 * 512);
        assert_int_equal(hcall_domain_p2m(w->d, 0, NULL), HCALL_P2M_RAM);
        assert_int_equal(hcall_domain_p2m(w->d, HOLE_GFN, NULL), HCALL_P2M_HOLE);
    }
    /* 4096 at most: 1024 + 3072 are there. */
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_INCREASE), 0);
    assert_string_equal(w->line, "d5v3 Over-allocation for d5: 4608 > 4096");
}

/* A list is neither read nor written, unless Xen's translation for 32 bits writes it. */
static void an_increase_has_a_list_for_nothing(void **state)
{
    struct world *w = *state;
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};

    w->page[2].unmapped = true;
    call_put_reservation(w, false, &args);
    assert_int_equal(call(w, false, OP_INCREASE), 1);
    w->page[2].unmapped = false;
    w->page[2].read_only = true;
    call_put_reservation(w, true, &args);
    assert_int_equal(call(w, true, OP_INCREASE), 0);
    assert_int_equal(hcall_domain_tot_pages(w->d), RAM_PAGES + 2);
}

/* --- exchange ------------------------------------------------------------------------- */

struct exchange_args {
    struct reservation_args in, out;
    uint64_t nr_exchanged;
};

static long exchange(struct world *w, bool compat, const struct exchange_args *args)
{
    const size_t size = compat ? 20 : 32;
    uint8_t out[32];

    call_put_reservation(w, compat, &args->out);
    memcpy(out, w->mem, size);
    call_put_reservation(w, compat, &args->in);
    memcpy(w->mem + size, out, size);
    put(w, compat, 64, 8, 40, 4, args->nr_exchanged);
    return call(w, compat, OP_EXCHANGE);
}

static void exchanges_come_to_nothing(void **state)
{
    const struct reservation_args one = {.list = LIST, .nr = 1, .domid = SELF};
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        struct exchange_args x = {one, one, 0};

        call_put_frame(w, compat, LIST, 0, 0x10);
        assert_int_equal(exchange(w, compat, &x), -EOPNOTSUPP);
        call_put_frame(w, compat, LIST, 0, HOLE_GFN);
        assert_int_equal(exchange(w, compat, &x), -EINVAL);
        x.nr_exchanged = 1;
        assert_int_equal(exchange(w, compat, &x), 0);
        x.nr_exchanged = 2;
        assert_int_equal(exchange(w, compat, &x), -EINVAL);
        x = (struct exchange_args){one, one, 0};
        x.in.list = 8; /* nothing is mapped there */
        assert_int_equal(exchange(w, compat, &x), -EFAULT);
        x = (struct exchange_args){one, one, 0};
        x.in.domid = x.out.domid = STRANGER;
        assert_int_equal(exchange(w, compat, &x), -ESRCH);
        x.in.domid = x.out.domid = 0;
        assert_int_equal(exchange(w, compat, &x), -EPERM);
        x.out.domid = SELF;
        assert_int_equal(exchange(w, compat, &x), -EINVAL);
        x = (struct exchange_args){one, one, 0};
        call_put_frame(w, compat, LIST, 0, 0x10);
        x.in.flags = FLAG_NODE(0) | FLAG_EXACT_NODE;
        x.out.flags = 5;
        assert_int_equal(exchange(w, compat, &x), -EOPNOTSUPP);
        x.out.flags = FLAG_NODE(0) | FLAG_EXACT_NODE;
        assert_int_equal(exchange(w, compat, &x), -EINVAL);
        call_put_frame(w, compat, LIST, 0, HOLE_GFN);
        x = (struct exchange_args){one, one, 0};
        x.out.nr = 2;
        assert_int_equal(exchange(w, compat, &x), -EINVAL);
        /* A 32-bit caller's totals are compared first, and its second list is looked at. */
        x.out.order = 10;
        assert_int_equal(exchange(w, compat, &x), compat ? -EINVAL : -EPERM);
        x = (struct exchange_args){one, one, 0};
        x.in.order = x.out.order = 10;
        assert_int_equal(exchange(w, compat, &x), -EPERM);
        x = (struct exchange_args){one, one, 0};
        x.out.list = 8;
        assert_int_equal(exchange(w, compat, &x), compat ? -EFAULT : -EINVAL);
    }
}

static void exchanges_whose_totals_wrap(void **state)
{
    struct world *w = *state;
    struct exchange_args x = {.in = {.list = LIST, .nr = 1ull << 60, .order = 9, .domid = SELF}};

    x.out = x.in;
    assert_int_equal(exchange(w, false, &x), -EINVAL);
}

/* How far it came is written back, if it did not come to its end. */
static void an_exchange_tells_how_far_it_came(void **state)
{
    const struct reservation_args one = {.list = LIST, .nr = 1, .domid = SELF};
    struct world *w = *state;
    struct exchange_args x = {one, one, 0};

    w->page[0].read_only = true;
    assert_int_equal(exchange(w, false, &x), -EFAULT);
    call_put_frame(w, true, LIST, 0, HOLE_GFN);
    assert_int_equal(exchange(w, true, &x), -EINVAL);
    x.nr_exchanged = 1;
    assert_int_equal(exchange(w, false, &x), 0);
}

/* --- remove_from_physmap --------------------------------------------------------------- */

static long remove_gfn(struct world *w, bool compat, unsigned domid, gfn_t gfn)
{
    world_put(w, ARG, domid, 2);
    put(w, compat, 8, 8, 4, 4, gfn);
    return call(w, compat, OP_REMOVE);
}

static void a_removed_page_stays_the_domain_s(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        gfn_t gfn = 0x200 + compat;

        assert_int_equal(remove_gfn(w, compat, SELF, gfn), 0);
        assert_int_equal(hcall_domain_p2m(w->d, gfn, NULL), HCALL_P2M_HOLE);
        assert_int_equal(hcall_domain_tot_pages(w->d), RAM_PAGES);
        world_check(w);
        assert_int_equal(remove_gfn(w, compat, SELF, gfn), -ENOENT);
        assert_int_equal(remove_gfn(w, compat, STRANGER, 0x10), -ESRCH);
        assert_int_equal(remove_gfn(w, compat, 0, 0x10), -EACCES);
    }
    assert_int_equal(remove_gfn(w, false, SELF, UINT64_MAX), -ENOENT);
    oom_after(0);
    assert_int_equal(remove_gfn(w, false, SELF, 0x3ff), 0); /* a leaf that was split already */
    oom_stop();
}

/* --- set_memory_map --------------------------------------------------------------------- */

static long set_map(struct world *w, bool compat, unsigned domid, uint32_t nr, uint64_t buffer)
{
    world_put(w, ARG, domid, 2);
    put(w, compat, 8, 4, 4, 4, nr);
    put(w, compat, 16, 8, 8, 4, buffer);
    return call(w, compat, OP_SET_MAP);
}

static long get_map(struct world *w, bool compat, uint64_t buffer)
{
    world_put(w, ARG, 9, 4);
    put(w, compat, 8, 8, 4, 4, buffer);
    return call(w, compat, OP_MEMORY_MAP);
}

static void a_guest_may_set_its_own_map(void **state)
{
    const uint64_t back = WORLD_PAGE(4);
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        assert_int_equal(set_map(w, compat, SELF, 0, 0), 0);
        assert_int_equal(get_map(w, compat, back), -ENOSYS);
        world_put(w, LIST, 0x1000, 8);
        world_put(w, LIST + 8, 0x2000, 8);
        world_put(w, LIST + 16, 7, 4);
        world_put(w, LIST + 36, 3, 4);
        assert_int_equal(set_map(w, compat, OWN, 2, LIST), 0);
        assert_int_equal(get_map(w, compat, back), 0);
        assert_int_equal(world_get(w, ARG, 4), 2);
        assert_memory_equal(w->mem + back - WORLD_BASE, w->mem + LIST - WORLD_BASE, 40);
    }
}

static void maps_that_are_refused_change_nothing(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        assert_int_equal(set_map(w, compat, SELF, 1, LIST), 0);
        assert_int_equal(set_map(w, compat, SELF, 1025, LIST), -EINVAL);
        assert_int_equal(set_map(w, compat, STRANGER, 1, LIST), -ESRCH);
        assert_int_equal(set_map(w, compat, 0, 1, LIST), -EPERM);
        assert_int_equal(set_map(w, compat, SELF, 2, 8), -EFAULT);
        oom_after(0);
        assert_int_equal(set_map(w, compat, SELF, 2, LIST), -ENOMEM);
        assert_true(oom_stop());
        assert_int_equal(get_map(w, compat, LIST), 0);
        assert_int_equal(world_get(w, ARG, 4), 1);
    }
}

/* --- add_to_physmap_batch --------------------------------------------------------------- */

#define IDXS WORLD_PAGE(2)
#define GPFNS WORLD_PAGE(3)
#define ERRS WORLD_PAGE(4)

struct batch_args {
    unsigned domid, space, size;
    gfn_t idx[4], gpfn[4];
};

static long batch(struct world *w, bool compat, uint64_t cmd, const struct batch_args *args)
{
    size_t width = call_frame_size(compat);

    world_put(w, ARG, args->domid, 2);
    world_put(w, ARG + 2, args->space, 2);
    world_put(w, ARG + 4, args->size, 2);
    world_put(w, ARG + 6, 0, 2);
    world_put(w, ARG + 8, IDXS, width);
    world_put(w, ARG + 8 + width, GPFNS, width);
    world_put(w, ARG + 8 + 2 * width, ERRS, width);
    for (unsigned i = 0; i < 4; i++) {
        call_put_frame(w, compat, IDXS, i, args->idx[i]);
        call_put_frame(w, compat, GPFNS, i, args->gpfn[i]);
        world_put(w, ERRS + 4 * i, 77, 4);
    }
    return call(w, compat, cmd);
}

static void assert_errs(const struct world *w, int a, int b, int c)
{
    assert_int_equal((int32_t)world_get(w, ERRS, 4), a);
    assert_int_equal((int32_t)world_get(w, ERRS + 4, 4), b);
    assert_int_equal((int32_t)world_get(w, ERRS + 8, 4), c);
}

static void each_element_of_a_batch_has_its_result(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        gfn_t from = 0x100 + 0x10 * compat, to = 0x500 + 0x10 * compat;
        /* Case 80. */
        struct batch_args b = {SELF, 2, 3, {from, 0x700, from + 1}, {to, to + 1, to + 2}};

        w->preempt = compat;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), 0);
        assert_errs(w, 0, -EACCES, 0);
        assert_int_equal(hcall_domain_p2m(w->d, to + 2, NULL), HCALL_P2M_RAM);
        assert_int_equal(hcall_domain_p2m(w->d, from, NULL), HCALL_P2M_HOLE);
        /* From the second on. */
        b = (struct batch_args){OWN, 2, 3, {0, from + 2, from + 3}, {0, to + 3, to + 4}};
        assert_int_equal(batch(w, compat, OP_ADD_BATCH | START(1), &b), 0);
        assert_errs(w, 77, 0, 0);
        b.space = 0;
        b.gpfn[0] = to + 5;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), 0);
        assert_errs(w, 0, -EINVAL, -EINVAL);
        assert_int_equal(hcall_domain_special(w->d, HCALL_SPECIAL_SHARED_INFO), to + 5);
        b.space = 4;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), 0);
        assert_errs(w, -EPERM, -EPERM, -EPERM);
        world_check(w);
    }
}

static void batches_that_are_refused(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        struct batch_args b = {SELF, 2, 3, {0x100, 0x101, 0x102}, {0x500, 0x501, 0x502}};

        assert_int_equal(batch(w, compat, OP_ADD_BATCH | START(0x10000), &b), -EDOM);
        assert_int_equal(batch(w, compat, OP_ADD_BATCH | START(3), &b), -EILSEQ);
        assert_int_equal(batch(w, compat, OP_ADD_BATCH | START(4), &b), -EILSEQ);
        b.size = 0;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), 0);
        b.size = 3;
        b.space = 3; /* case 81 */
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -EOPNOTSUPP);
        b.space = 5;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -EACCES);
        b.domid = STRANGER;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -ESRCH);
        b.domid = 0;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -EACCES);
        assert_errs(w, 77, 77, 77);
        w->page[0].unmapped = true;
        assert_int_equal(call(w, compat, OP_ADD_BATCH), -EFAULT);
        w->page[0].unmapped = false;
    }
}

/* What cannot be passed on ends the batch; what came before is done. */
static void batches_that_end_early(void **state)
{
    struct world *w = *state;

    for (int compat = 0; compat <= 1; compat++) {
        gfn_t from = 0x100 + 0x10 * compat, to = 0x500 + 0x10 * compat;
        struct batch_args b = {SELF, 2, 3, {from, from + 1, from + 2}, {to, to + 1, to + 2}};

        for (unsigned page = 2; page <= 3; page++) {
            w->page[page].unmapped = true;
            assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -EFAULT);
            w->page[page].unmapped = false;
        }
        assert_int_equal(hcall_domain_p2m(w->d, to, NULL), HCALL_P2M_HOLE);
        w->page[4].read_only = true;
        assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -EFAULT);
        w->page[4].read_only = false;
        assert_int_equal(hcall_domain_p2m(w->d, to, NULL), HCALL_P2M_RAM);
        assert_int_equal(hcall_domain_p2m(w->d, to + 1, NULL), HCALL_P2M_HOLE);
        b = (struct batch_args){
            SELF, 2, 3, {from + 1, from + 2, from + 3}, {to + 1, UINT64_MAX, to + 3}};
        if (compat) {
            assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), 0);
            assert_errs(w, 0, -ENOMEM, 0);
        } else {
            assert_int_equal(batch(w, compat, OP_ADD_BATCH, &b), -EINVAL);
            assert_errs(w, 0, 77, 77);
        }
    }
}

/* --- Other domains -------------------------------------------------------------------------- */

static void one_guest_cannot_touch_another(void **state)
{
    const struct hcall_domain_params params = {.domid = 6, .max_pages = MAX_PAGES};
    struct world *w = *state;
    struct hcall_domain *other = hcall_domain_new(w->host, &params, &world_ops, w);
    struct reservation_args args = {.list = LIST, .nr = 1, .domid = 6};

    assert_non_null(other);
    assert_int_equal(hcall_domain_build_ram(other, 0, 16), 0);
    for (int compat = 0; compat <= 1; compat++) {
        call_put_frame(w, compat, LIST, 0, 3);
        call_put_reservation(w, compat, &args);
        assert_int_equal(call(w, compat, OP_DECREASE), 0);
        call_put_reservation(w, compat, &args);
        assert_int_equal(call(w, compat, OP_INCREASE), 0);
        assert_int_equal(remove_gfn(w, compat, 6, 3), -EPERM);
        call_put_physmap(w, compat, 6, 2, 3, 0x500, 0);
        assert_int_equal(call(w, compat, OP_ADD), -EPERM);
        assert_int_equal(set_map(w, compat, 6, 1, LIST), -EPERM);
        world_put(w, ARG, 6, 2);
        assert_int_equal(call(w, compat, OP_CURRENT), -EPERM);
        world_put(w, ARG + 32, 6, 2);
        assert_int_equal(call(w, compat, OP_GET_POD_TARGET), -EPERM);
        assert_int_equal(hcall_domain_tot_pages(other), 16);
    }
    hcall_domain_free(other);
}

/* What one domain has claimed the other cannot have. */
static void a_claim_keeps_others_away(void **state)
{
    const struct hcall_domain_params params = {.domid = 6, .max_pages = WORLD_POOL};
    struct world *w = *state;
    struct hcall_domain *other = hcall_domain_new(w->host, &params, &world_ops, w);
    struct reservation_args claim = {.nr = WORLD_POOL - RAM_PAGES - 10, .domid = 6};
    struct reservation_args take = {.nr = 11, .domid = SELF};

    call_put_reservation(w, false, &claim);
    assert_int_equal(call_memory_op(w->control, false, OP_CLAIM, ARG), 0);
    assert_int_equal(hcall_host_outstanding_claims(w->host), claim.nr);
    call_put_reservation(w, false, &take);
    assert_int_equal(call(w, false, OP_INCREASE), 10);
    assert_int_equal(w->logs, 0);
    assert_int_equal(hcall_domain_build_ram(other, 0, claim.nr), 0);
    assert_int_equal(hcall_host_outstanding_claims(w->host), 0);
    assert_int_equal(hcall_host_free_pages(w->host), 0);
    assert_null(hcall_host_check(w->host));
    hcall_domain_free(other);
    assert_int_equal(hcall_host_free_pages(w->host), claim.nr);
}

/* Up to 4.17 one that is made when the domain is dying outlives it. */
static void a_claim_goes_with_its_domain(void **state)
{
    const struct hcall_domain_params params = {.domid = 6, .max_pages = WORLD_POOL};
    struct world *w = *state;

    for (uint32_t version = 0x40011; version <= 0x40012; version++) {
        const bool old = version == 0x40011;
        struct reservation_args claim = {.nr = 10, .domid = 6};
        struct hcall_domain *other;

        world_close(w);
        world_open(w, MAX_PAGES, 0, version);
        other = hcall_domain_new(w->host, &params, &world_ops, w);
        call_put_reservation(w, false, &claim);
        assert_int_equal(call_memory_op(w->control, false, OP_CLAIM, ARG), 0);
        hcall_domain_reset(other);
        assert_int_equal(hcall_host_outstanding_claims(w->host), 0);
        assert_int_equal(call_memory_op(w->control, false, OP_CLAIM, ARG), 0);
        hcall_domain_set_dying(other);
        assert_int_equal(hcall_domain_outstanding_pages(other), 0);
        assert_int_equal(call_memory_op(w->control, false, OP_CLAIM, ARG), old ? 0 : -EINVAL);
        hcall_domain_free(other);
        assert_int_equal(hcall_host_outstanding_claims(w->host), old ? 10 : 0);
    }
}

static void the_control_domain_asks_about_pod(void **state)
{
    struct world *w = *state;

    for (unsigned op = OP_SET_POD_TARGET; op <= OP_GET_POD_TARGET; op++) {
        for (int compat = 0; compat <= 1; compat++) {
            memset(w->mem, 0xff, 64);
            world_put(w, ARG, 2000, 8);
            world_put(w, ARG + 32, OWN, 2);
            assert_int_equal(call_memory_op(w->control, compat, op, ARG), 0);
            assert_int_equal(world_get(w, ARG, 8), 2000);
            assert_int_equal(world_get(w, ARG + 8, 8), RAM_PAGES);
            assert_int_equal(world_get(w, ARG + 16, 8), 0);
            assert_int_equal(world_get(w, ARG + 24, 8), 0);
            assert_int_equal(world_get(w, ARG + 32, 2), OWN);
            w->page[0].read_only = true;
            assert_int_equal(call_memory_op(w->control, compat, op, ARG), -EFAULT);
            w->page[0].read_only = false;
        }
    }
}

/* Xen looks at who is meant before it says that it was not built with it. */
static void access_op_is_refused(void **state)
{
    const struct hcall_domain_params params = {.domid = 6};
    struct world *w = *state;
    struct hcall_domain *other = hcall_domain_new(w->host, &params, &world_ops, w);

    for (int compat = 0; compat <= 1; compat++) {
        memset(w->mem, 0, 64);
        assert_int_equal(call(w, compat, OP_ACCESS), -EINVAL);
        world_put(w, ARG + 2, 6, 2);
        assert_int_equal(call(w, compat, OP_ACCESS | START(9)), -EPERM);
        world_put(w, ARG + 2, OWN, 2);
        assert_int_equal(call(w, compat, OP_ACCESS), -EPERM);
        assert_int_equal(call_memory_op(w->control, compat, OP_ACCESS, ARG), -EOPNOTSUPP);
        world_put(w, ARG + 2, SELF, 2);
        assert_int_equal(call(w, compat, OP_ACCESS), -EPERM);
        assert_int_equal(call_memory_op(w->control, compat, OP_ACCESS, ARG), -EPERM);
        world_put(w, ARG + 2, STRANGER, 2);
        assert_int_equal(call(w, compat, OP_ACCESS), -ESRCH);
        w->page[0].unmapped = true;
        assert_int_equal(call(w, compat, OP_ACCESS), -EFAULT);
        w->page[0].unmapped = false;
    }
    world_put(w, ARG + 2, 6, 2);
    hcall_domain_set_dying(other);
    assert_int_equal(call_memory_op(w->control, false, OP_ACCESS, ARG), -EINVAL);
    hcall_domain_free(other);
}

static void frames_are_not_told(void **state)
{
    struct world *w = *state;

    assert_int_equal(call(w, false, OP_MFN_LIST), -ENOSYS);
    assert_int_equal(call(w, true, OP_MFN_LIST), -EOPNOTSUPP);
    assert_int_equal(call(w, true, OP_MFN_LIST | START(1)), -ENOSYS);
    world_put(w, ARG, OWN, 2);
    assert_int_equal(call_memory_op(w->control, false, OP_ACQUIRE, ARG), -EOPNOTSUPP);
    assert_int_equal(call_memory_op(w->control, false, OP_MACHINE_MAP, ARG), -ENOSYS);
}

static void a_reset_unmaps_and_forgets(void **state)
{
    struct world *w = *state;

    assert_int_equal(hcall_domain_grant_frames(w->d), 0);
    call_put_physmap(w, false, SELF, 1, 2, 0x500, 0);
    assert_int_equal(call(w, false, OP_ADD), 0);
    assert_int_equal(hcall_domain_grant_frames(w->d), 3);
    decrease(w, 0x500);
    call_put_physmap(w, false, SELF, 1, 2, 0x500, 0);
    assert_int_equal(call(w, false, OP_ADD), -EBUSY);
    hcall_domain_reset(w->d);
    memset(w->gfn, 0, sizeof(w->gfn));
    assert_int_equal(hcall_domain_grant_frames(w->d), 0);
    assert_int_equal(hcall_domain_special(w->d, HCALL_SPECIAL_GRANT_FRAME + 2), HCALL_NO_GFN);
    assert_int_equal(hcall_domain_special(w->d, 99), HCALL_NO_GFN);
    call_put_physmap(w, false, SELF, 1, 2, 0x500, 0);
    assert_int_equal(call(w, false, OP_ADD), 0);
}

/* --- A page mapped by a grant of the domain's own ------------------------------------------- */

static void map_own(struct world *w, gfn_t from, gfn_t to)
{
    world_ops.begin_exclusive(w);
    assert_int_equal(hcall_domain_map_own_grant(w->d, from, to), 0);
    world_ops.end_exclusive(w);
}

static void a_mapped_grant_is_decreased_for_good(void **state)
{
    struct world *w = *state;

    map_own(w, 0x20, 0x500);
    decrease(w, 0x500);
    assert_int_equal(hcall_domain_tot_pages(w->d), RAM_PAGES);
    assert_int_equal(hcall_domain_p2m(w->d, 0x500, NULL), HCALL_P2M_HOLE);
    map_own(w, 0x21, 0x501);
    assert_int_equal(remove_gfn(w, false, SELF, 0x501), 0);
    map_own(w, 0x22, 0x502);
    call_put_physmap(w, false, SELF, 2, 0x502, 0x600, 0);
    assert_int_equal(call(w, false, OP_ADD), -EACCES);
    call_put_physmap(w, false, SELF, 2, 0x23, 0x502, 0);
    assert_int_equal(call(w, false, OP_ADD), 0);
    assert_int_equal(hcall_domain_tot_pages(w->d), RAM_PAGES);
}

static void populating_over_a_mapped_grant_crashes(void **state)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};
    struct world *w = *state;

    map_own(w, 0x20, 0x500);
    call_put_reservation(w, false, &args);
    call_put_frame(w, false, LIST, 0, 0x500);
    assert_int_equal(call(w, false, OP_POPULATE), 0);
    assert_int_equal(w->crashes, 1);
    assert_string_equal(w->line[2], "d5: GFN 0x500 (0x500,7,7) -> (0x500,0,7) not permitted");
    /* Another time it is said again, but once it is crashed it is. */
    assert_int_equal(call_memory_op(w->control, false, OP_POPULATE, ARG), 0);
    world_put(w, ARG + 24, OWN, 2);
    assert_int_equal(call_memory_op(w->control, false, OP_POPULATE, ARG), 0);
    assert_int_equal(w->crashes, 1);
    assert_int_equal(w->logs, 5);
    assert_int_equal(hcall_domain_tot_pages(w->d), RAM_PAGES + 2);
}

/* From outside the guest Xen names both. */
static void who_crashes_a_guest_is_named(void **state)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = OWN};
    struct world *w = *state;

    map_own(w, 0x20, 0x500);
    call_put_reservation(w, false, &args);
    call_put_frame(w, false, LIST, 0, 0x500);
    assert_int_equal(call_memory_op(w->control, false, OP_POPULATE, ARG), 0);
    assert_string_equal(w->line[0], "Domain 5 reported crashed by domain 0 on cpu#3:");
    assert_int_equal(w->crashes, 1);
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
        CALL_TEST(a_mapped_grant_is_decreased_for_good),
        CALL_TEST(populating_over_a_mapped_grant_crashes),
        CALL_TEST(who_crashes_a_guest_is_named),
        CALL_TEST(each_element_of_a_batch_has_its_result),
        CALL_TEST(batches_that_are_refused),
        CALL_TEST(batches_that_end_early),
        CALL_TEST(one_guest_cannot_touch_another),
        CALL_TEST(a_claim_keeps_others_away),
        CALL_TEST(a_claim_goes_with_its_domain),
        CALL_TEST(the_control_domain_asks_about_pod),
        CALL_TEST(access_op_is_refused),
        CALL_TEST(frames_are_not_told),
        CALL_TEST(a_reset_unmaps_and_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
