/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op against a model: random calls, each answered a second time by an
 * array of gfns that knows nothing of leaves, sections or ranges.
 *
 * XENBED_TEST_SEED and XENBED_TEST_STEPS repeat or prolong a run.
 */
#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

#define DEFAULT_SEED 20
#define DEFAULT_STEPS 300000
/* Steps between two comparisons of everything. */
#define CHECK_EVERY 256
#define MAX_LIST 1100

struct model_gfn {
    bool ram;
    unsigned stamp; /* the step that gave it its page */
};

struct model {
    struct model_gfn gfn[WORLD_GFNS];
    pages_t tot_pages;
    pages_t max_pages;
    unsigned now;
    unsigned logs;
};

/* A call of decrease or populate, with what can go wrong about it. */
struct request {
    bool compat;
    unsigned op;
    uint64_t start;
    struct reservation_args args;
    uint64_t readable; /* elements of the list that can be read */
    bool read_only;
    gfn_t list[MAX_LIST];
};

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % n;
}

static bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

/* The model. */

static bool model_decrease(struct model *m, const struct request *q, gfn_t base)
{
    for (gfn_t i = 0; i < 1ull << q->args.order; i++) {
        if (base + i >= WORLD_GFNS || !m->gfn[base + i].ram) {
            return false;
        }
        m->gfn[base + i].ram = false;
        m->tot_pages--;
    }
    return true;
}

static bool model_populate(struct model *m, const struct request *q, gfn_t base)
{
    pages_t count = 1ull << q->args.order;

    if (q->args.flags & FLAG_POD) {
        return false;
    }
    if (m->tot_pages + count > m->max_pages) {
        m->logs++;
        return false;
    }
    if (base >= WORLD_BACKABLE || base + count > WORLD_BACKABLE) {
        return false;
    }
    for (gfn_t i = 0; i < count; i++) {
        m->gfn[base + i] = (struct model_gfn){.ram = true, .stamp = m->now};
    }
    m->tot_pages += count;
    return true;
}

static bool model_refuses(const struct request *q)
{
    unsigned address_bits = q->args.flags & 0xff;
    bool node = q->args.flags & 0xff00;

    return q->start >= q->args.nr || q->args.nr > 0x3ffffff || q->args.order > 9 ||
           (q->args.domid != SELF && q->args.domid != 5) ||
           (address_bits != 0 && address_bits < 13) ||
           (node && (q->args.flags & FLAG_EXACT_NODE) && !(q->args.flags & FLAG_VNODE));
}

static long model_call(struct model *m, const struct request *q)
{
    uint64_t i = q->start;

    if (model_refuses(q)) {
        return (long)q->start;
    }
    while (i < q->args.nr && i < q->readable &&
           (q->op == OP_DECREASE ? model_decrease : model_populate)(m, q, q->list[i])) {
        i++;
    }
    /* A 32-bit caller's list is written back, and what cannot be is not counted. */
    return (long)(q->op == OP_POPULATE && q->compat && q->read_only ? q->start : i);
}

/* Random requests, most of them sensible. */

static gfn_t random_gfn(const struct model *m, unsigned op)
{
    gfn_t gfn;
    int tries = 6;

    if (one_in(500)) {
        return one_in(2) ? UINT32_MAX : WORLD_BACKABLE + random_below(2 * WORLD_GFNS);
    }
    do {
        gfn = random_below(WORLD_BACKABLE);
    } while (m->gfn[gfn].ram != (op == OP_DECREASE) && --tries > 0);
    return gfn;
}

static void random_list(const struct model *m, struct request *q, uint64_t nr)
{
    unsigned shape = (unsigned)random_below(3);
    gfn_t base = random_gfn(m, q->op);

    for (uint64_t i = 0; i < nr; i++) {
        uint64_t step = i << q->args.order;

        q->list[i] = shape == 0 ? random_gfn(m, q->op) : shape == 1 ? base + step : base - step;
        if (q->compat) {
            q->list[i] = (uint32_t)q->list[i];
        }
    }
}

static unsigned random_order(void)
{
    if (one_in(12)) {
        return 9 + one_in(8);
    }
    return one_in(4) ? (unsigned)random_below(6) : 0;
}

static uint32_t random_flags(void)
{
    static const uint32_t flags[] = {
        12,
        13,
        64,
        FLAG_NODE(0),
        FLAG_EXACT_NODE,
        FLAG_EXACT_NODE | FLAG_NODE(1),
        FLAG_VNODE,
        FLAG_POD,
        FLAG_EXACT_NODE | FLAG_NODE(1) | FLAG_VNODE,
        1u << 31,
    };

    return one_in(10) ? flags[random_below(sizeof(flags) / sizeof(flags[0]))] : 0;
}

static void random_request(const struct model *m, struct request *q)
{
    uint64_t nr = one_in(50) ? random_below(MAX_LIST) : 1 + random_below(24);

    q->compat = one_in(2);
    q->op = one_in(2) ? OP_DECREASE : OP_POPULATE;
    q->args = (struct reservation_args){
        .list = LIST + random_below(9),
        .nr = nr,
        .order = random_order(),
        .flags = random_flags(),
        .domid = one_in(30)  ? 0
                 : one_in(2) ? 5
                             : SELF,
    };
    q->start = one_in(10) ? random_below(nr + 2) : 0;
    q->readable = nr;
    q->read_only = false;
    random_list(m, q, nr);
    if (nr > 0 && one_in(8)) {
        q->readable = random_below(nr);
        q->args.list = call_list_fault_at(q->compat, q->readable);
    } else if (nr <= 512u >> q->args.order && one_in(8)) {
        /* One section: how far populate gets before it meets the list is then known. */
        q->read_only = true;
    }
}

static long real_call(struct world *w, struct hcall_domain *d, const struct request *q)
{
    call_put_reservation(w, q->compat, &q->args);
    for (uint64_t i = 0; i < q->args.nr; i++) {
        if (i < q->readable) {
            call_put_frame(w, q->compat, q->args.list, i, q->list[i]);
        }
    }
    for (unsigned page = 2; page < WORLD_PAGES; page++) {
        w->page[page].read_only = q->read_only;
        w->page[page].unmapped = page >= FAULT_PAGE && q->readable < q->args.nr;
    }
    return call_memory_op(d, q->compat, q->op | START(q->start), ARG);
}

static void print_request(const struct request *q)
{
    print_error("%s-bit %s start %" PRIu64 " nr %" PRIu64 " order %u flags %#x domid %u readable "
                "%" PRIu64 "%s, list",
                q->compat ? "32" : "64", q->op == OP_DECREASE ? "decrease" : "populate", q->start,
                q->args.nr, q->args.order, q->args.flags, q->args.domid, q->readable,
                q->read_only ? " read-only" : "");
    for (uint64_t i = 0; i < q->args.nr && i < 32; i++) {
        print_error(" %#" PRIx64, q->list[i]);
    }
    print_error("\n");
}

static void compare_gfns(const struct model *m, const struct world *w, const struct hcall_domain *d)
{
    world_check(w, d);
    for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++) {
        if (m->gfn[gfn].ram != w->gfn[gfn].backed ||
            (m->gfn[gfn].ram && m->gfn[gfn].stamp != w->gfn[gfn].stamp)) {
            fail_msg("gfn %#" PRIx64 ": expected %s of step %u, got %s of step %u", gfn,
                     m->gfn[gfn].ram ? "RAM" : "a hole", m->gfn[gfn].stamp,
                     w->gfn[gfn].backed ? "RAM" : "a hole", w->gfn[gfn].stamp);
        }
    }
}

/* What a toolstack does now and then. */
static void random_toolstack(struct model *m, struct world *w, struct hcall_domain *d)
{
    gfn_t first = random_below(WORLD_BACKABLE);
    pages_t count = random_below(WORLD_BACKABLE - first + 1);

    if (!one_in(10)) {
        m->max_pages = random_below(one_in(3) ? 2 * WORLD_BACKABLE : 100 * WORLD_BACKABLE);
        hcall_domain_set_max_pages(d, m->max_pages);
        return;
    }
    hcall_domain_reset(d);
    m->max_pages = count + random_below(WORLD_BACKABLE);
    hcall_domain_set_max_pages(d, m->max_pages);
    for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++) {
        w->gfn[gfn] = (struct world_gfn){.backed = false};
        m->gfn[gfn] = (struct model_gfn){.ram = gfn >= first && gfn < first + count};
    }
    world_build_ram(w, d, first, count);
    m->tot_pages = count;
}

static void step(struct model *m, struct world *w, struct hcall_domain *d)
{
    static struct request q;
    long want, got;

    if (one_in(50)) {
        random_toolstack(m, w, d);
    }
    random_request(m, &q);
    w->now = ++m->now;
    want = model_call(m, &q);
    got = real_call(w, d, &q);
    if (got != want || hcall_domain_tot_pages(d) != m->tot_pages || w->logs != m->logs) {
        print_request(&q);
        fail_msg("step %u: expected %ld, tot_pages %" PRIu64 ", %u log lines; got %ld, %" PRIu64
                 ", %u",
                 m->now, want, m->tot_pages, m->logs, got, hcall_domain_tot_pages(d), w->logs);
    }
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void random_calls_do_what_the_model_does(void **state)
{
    static struct model model;
    static struct world world;
    uint64_t seed = number_from("XENBED_TEST_SEED", DEFAULT_SEED);
    uint64_t steps = number_from("XENBED_TEST_STEPS", DEFAULT_STEPS);
    struct hcall_domain *d;

    (void)state;
    print_message("XENBED_TEST_SEED=%" PRIu64 " XENBED_TEST_STEPS=%" PRIu64 "\n", seed, steps);
    random_state = seed + 0x9e3779b97f4a7c15;
    world_init(&world);
    d = hcall_domain_new(5, 0, &world_ops, &world);
    assert_non_null(d);
    for (uint64_t i = 0; i < steps; i++) {
        step(&model, &world, d);
        if (i % CHECK_EVERY == 0) {
            compare_gfns(&model, &world, d);
        }
    }
    compare_gfns(&model, &world, d);
    hcall_domain_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_do_what_the_model_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
