/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: every rule as a row: a domain, a call, and what the guest, the
 * counters and every gfn look like afterwards.
 *
 * The fixture is "FA": domain 5, max_pages 4096, gfns 0x000-0x3ff RAM.  Case
 * numbers are those of the project's list of conformance cases, which were run on
 * real Xen.  Each row runs for 64-bit and 32-bit callers, and with RAM in 4 KiB
 * and in 2 MiB leaves: a guest cannot tell the leaves apart.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "oom.h"

#define FA_PAGES 0x400
#define MAX_NR_EXTENTS 0x3ffffff

struct span {
    gfn_t first;
    pages_t count;
};

enum caller { BOTH, ONLY_64, ONLY_32 };

struct row {
    const char *name;
    bool then; /* goes on where the row above ended */
    enum caller caller;
    pages_t max_pages; /* set before the call, if not 0 */

    /* The call. */
    uint64_t cmd;
    bool arg_unmapped;
    uint16_t domid;
    uint64_t nr;
    unsigned order;
    uint32_t flags;
    /* Its list: these, or as many as nr says from first on. */
    gfn_t list[8];
    gfn_t first;
    uint64_t fault_at;   /* this element lies at the start of an unmapped page ... */
    uint64_t fault_skew; /* ... or so many bytes into it */
    uint64_t list_at;    /* address of the list, if it matters */
    bool list_read_only;
    gfn_t list_gfn; /* the list lies in this gfn */

    /* What comes of it; all else stays as it was. */
    long ret;
    long delta;              /* of tot_pages */
    struct span gone[3];     /* RAM before, holes now */
    struct span new[3];      /* holes before, RAM now */
    struct span replaced[3]; /* RAM before and after, but another page */
    const char *log;
};

#define DECREASE .cmd = OP_DECREASE, .domid = SELF
#define POPULATE .cmd = OP_POPULATE, .domid = SELF
#define CURRENT .cmd = OP_CURRENT
#define MAXIMUM .cmd = OP_MAXIMUM

/* clang-format off */
static const struct row rows[] = {
    /* Dispatch. */
    {.name = "case 1: cmd 8 was removed", .cmd = 8, .ret = -ENOSYS},
    {.name = "case 1: cmd 29 is not known yet", .cmd = 29, .ret = -ENOSYS},
    {.name = "case 1: cmd 63 is the last there is", .cmd = 63, .ret = -ENOSYS},
    {.name = "case 3: a query has no start_extent",
     .cmd = OP_CURRENT | START(1), .domid = SELF,
     .ret = -EINVAL},
    {.name = "case 6: an unreadable structure is no error",
     DECREASE, .arg_unmapped = true,
     .ret = 0},
    {.name = "case 7: ... and counts what was skipped",
     .cmd = OP_DECREASE | START(7), .arg_unmapped = true,
     .ret = 7},
    {.name = "case 11: nr_extents 0", DECREASE, .nr = 0, .ret = 0},
    {.name = "case 13: start_extent equal to nr_extents",
     .cmd = OP_DECREASE | START(5), .domid = SELF, .nr = 5, .first = 0x10,
     .ret = 5},
    {.name = "case 14: start_extent above nr_extents",
     .cmd = OP_DECREASE | START(5), .domid = SELF, .nr = 3, .first = 0x10,
     .ret = 5},
    {.name = "case 15: start_extent skips",
     .cmd = OP_DECREASE | START(2), .domid = SELF, .nr = 4, .first = 0x10,
     .ret = 4, .delta = -2, .gone = {{0x12, 2}}},
    {.name = "a populate skips alike",
     .cmd = OP_POPULATE | START(2), .domid = SELF, .nr = 4, .first = 0x400,
     .ret = 4, .delta = 2, .new = {{0x402, 2}}},
    {.name = "case 17: no alignment rule for lists",
     DECREASE, .nr = 3, .first = 0x10, .list_at = LIST + 3,
     .ret = 3, .delta = -3, .gone = {{0x10, 3}}},
    {.name = "case 18: a list that faults at element 512",
     DECREASE, .nr = 1024, .fault_at = 512,
     .ret = 512, .delta = -512, .gone = {{0, 512}}},
    {.name = "a list that faults at its first element",
     DECREASE, .nr = 3, .first = 0x10, .list_at = WORLD_PAGE(FAULT_PAGE),
     .ret = 0},
    {.name = "an element that lies half in the page that faults",
     DECREASE, .nr = 4, .first = 0x10, .fault_at = 3, .fault_skew = 1,
     .ret = 2, .delta = -2, .gone = {{0x10, 2}}},
    {.name = "case 19 before: give the list's gfn away",
     DECREASE, .nr = 1, .first = 0x300,
     .ret = 1, .delta = -1, .gone = {{0x300, 1}}},
    {.name = "case 19: a list in a ballooned-out gfn", .then = true,
     DECREASE, .nr = 1, .first = 0x10, .list_gfn = 0x300,
     .ret = 0},
    {.name = "case 21: 1024 gfns in one call",
     DECREASE, .nr = 1024,
     .ret = 1024, .delta = -1024, .gone = {{0, 1024}}},
    {.name = "case 22: maximum_reservation, clamped for 32 bits", .caller = ONLY_32,
     .max_pages = 0xffffffff,
     MAXIMUM, .domid = SELF,
     .ret = 0x7fffffff},
    {.name = "case 22: maximum_reservation, in full for 64 bits", .caller = ONLY_64,
     .max_pages = 0xffffffff,
     MAXIMUM, .domid = SELF,
     .ret = 0xffffffff},
    {.name = "case 25a: decrease, list at an address nothing is mapped to", DECREASE, .nr = 1, .list_at = 8, .ret = 0},
    {.name = "case 25a: populate, list at an address nothing is mapped to", POPULATE, .nr = 1, .list_at = 8, .ret = 0},
    {.name = "case 25b: nr_extents 2^63", .caller = ONLY_64,
     DECREASE, .nr = 1ull << 63, .first = 0x10,
     .ret = 0},
    {.name = "nr_extents one above the most",
     DECREASE, .nr = MAX_NR_EXTENTS + 1, .first = 0x10,
     .ret = 0},
    {.name = "nr_extents at the most",
     DECREASE, .nr = MAX_NR_EXTENTS, .first = 0x10, .fault_at = 3,
     .ret = 3, .delta = -3, .gone = {{0x10, 3}}},
    {.name = "a start_extent of more than 32 bits", .caller = ONLY_64,
     .cmd = OP_DECREASE | START(1ull << 40), .domid = SELF, .nr = 4,
     .ret = 1l << 40},
    {.name = "case 25d: a list that faults at element 600",
     DECREASE, .nr = 1024, .fault_at = 600,
     .ret = 600, .delta = -600, .gone = {{0, 600}}},
    {.name = "case 25e: populate never writes the list of a 64-bit caller", .caller = ONLY_64,
     POPULATE, .nr = 1, .first = 0x400, .list_read_only = true,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "case 25f: populate does write that of a 32-bit caller, too late to undo",
     .caller = ONLY_32,
     POPULATE, .nr = 1, .first = 0x400, .list_read_only = true,
     .ret = 0, .delta = 1, .new = {{0x400, 1}}},
    {.name = "decrease writes no list",
     DECREASE, .nr = 2, .first = 0x10, .list_read_only = true,
     .ret = 2, .delta = -2, .gone = {{0x10, 2}}},

    /* Domain ids, flags, orders. */
    {.name = "case 27: no such domain", CURRENT, .domid = 99, .ret = -ESRCH},
    {.name = "case 28: dom0 is there, but not for us", CURRENT, .domid = 0, .ret = -EPERM},
    {.name = "case 29: decrease of dom0",
     .cmd = OP_DECREASE, .domid = 0, .nr = 1, .first = 0x10,
     .ret = 0},
    {.name = "decrease of no such domain",
     .cmd = OP_DECREASE, .domid = 99, .nr = 1, .first = 0x10,
     .ret = 0},
    {.name = "populate of dom0", .cmd = OP_POPULATE, .domid = 0, .nr = 1, .first = 0x400, .ret = 0},
    {.name = "one's own number is oneself",
     .cmd = OP_DECREASE, .domid = 5, .nr = 1, .first = 0x10,
     .ret = 1, .delta = -1, .gone = {{0x10, 1}}},
    {.name = "one's own number in a query", CURRENT, .domid = 5, .ret = 1024},
    {.name = "case 31: reserved domids are not found", CURRENT, .domid = 0x7ff1, .ret = -ESRCH},
    {.name = "a query that cannot be read", CURRENT, .arg_unmapped = true, .ret = -EFAULT},
    {.name = "case 32: order 9",
     DECREASE, .nr = 1, .order = 9,
     .ret = 1, .delta = -512, .gone = {{0, 512}}},
    {.name = "order 9, twice",
     DECREASE, .nr = 2, .order = 9, .list = {0x200, 0x000},
     .ret = 2, .delta = -1024, .gone = {{0, 1024}}},
    {.name = "order 9, not aligned",
     DECREASE, .nr = 1, .order = 9, .first = 0x101,
     .ret = 1, .delta = -512, .gone = {{0x101, 512}}},
    {.name = "case 33: order 10 is too much", DECREASE, .nr = 1, .order = 10, .ret = 0},
    {.name = "case 35: populate with order 19",
     POPULATE, .nr = 1, .order = 19, .first = 0x400,
     .ret = 0},
    {.name = "populate with order 10", POPULATE, .nr = 1, .order = 10, .first = 0x400, .ret = 0},
    {.name = "an order that would be lost in a shift", DECREASE, .nr = 1, .order = 64, .ret = 0},
    {.name = "case 36: an address width no page fits into",
     POPULATE, .nr = 1, .first = 0x400, .flags = 12,
     .ret = 0},
    {.name = "an address width one page fits into",
     POPULATE, .nr = 1, .first = 0x400, .flags = 13,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "flags are checked for decrease too",
     DECREASE, .nr = 1, .first = 0x10, .flags = 12,
     .ret = 0},
    {.name = "case 37: an exact node",
     POPULATE, .nr = 1, .first = 0x400, .flags = FLAG_EXACT_NODE | FLAG_NODE(0),
     .ret = 0},
    {.name = "exact, but no node named",
     POPULATE, .nr = 1, .first = 0x400, .flags = FLAG_EXACT_NODE,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "exact, but the node is virtual",
     POPULATE, .nr = 1, .first = 0x400, .flags = FLAG_EXACT_NODE | FLAG_NODE(0) | FLAG_VNODE,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "a node, not exact",
     POPULATE, .nr = 1, .first = 0x400, .flags = FLAG_NODE(7),
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "case 39: a virtual node",
     POPULATE, .nr = 1, .first = 0x400, .flags = FLAG_VNODE,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "case 40: unknown flags",
     POPULATE, .nr = 1, .first = 0x400, .flags = 1u << 25,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "case 41: populate-on-demand for oneself",
     POPULATE, .nr = 1, .first = 0x400, .flags = FLAG_POD,
     .ret = 0},
    {.name = "decrease does not look at that flag",
     DECREASE, .nr = 1, .first = 0x10, .flags = FLAG_POD,
     .ret = 1, .delta = -1, .gone = {{0x10, 1}}},

    /* Reservations. */
    {.name = "case 43: decrease",
     DECREASE, .nr = 1, .first = 0x10,
     .ret = 1, .delta = -1, .gone = {{0x10, 1}}},
    {.name = "case 44: decrease again", .then = true, DECREASE, .nr = 1, .first = 0x10, .ret = 0},
    {.name = "case 45: a hole in the list", .then = true,
     DECREASE, .nr = 4, .list = {0x11, 0x12, 0x10, 0x13},
     .ret = 2, .delta = -2, .gone = {{0x11, 2}}},
    {.name = "decrease of one gfn twice",
     DECREASE, .nr = 4, .list = {0x10, 0x11, 0x10, 0x12},
     .ret = 2, .delta = -2, .gone = {{0x10, 2}}},
    {.name = "decrease at the edge of RAM",
     DECREASE, .nr = 1, .order = 3, .first = 0x3fc,
     .ret = 0, .delta = -4, .gone = {{0x3fc, 4}}},
    {.name = "decrease beyond the p2m", .caller = ONLY_64,
     DECREASE, .nr = 1, .order = 1, .first = 1ull << 40,
     .ret = 0},
    {.name = "decrease of the last gfn there could be", .caller = ONLY_64,
     DECREASE, .nr = 1, .order = 9, .first = UINT64_MAX,
     .ret = 0},
    {.name = "case 47: populate on RAM",
     POPULATE, .nr = 1, .first = 0x20,
     .ret = 1, .delta = 1, .replaced = {{0x20, 1}}},
    {.name = "case 48: the orphan never comes back", .then = true,
     DECREASE, .nr = 1, .first = 0x20,
     .ret = 1, .delta = -1, .gone = {{0x20, 1}}},
    {.name = "case 49 before: a hole",
     DECREASE, .nr = 1, .first = 0x100,
     .ret = 1, .delta = -1, .gone = {{0x100, 1}}},
    {.name = "case 49: what lies before a hole is gone", .then = true,
     DECREASE, .nr = 1, .order = 9,
     .ret = 0, .delta = -256, .gone = {{0, 256}}},
    {.name = "populate over that: half old, half new", .then = true,
     POPULATE, .nr = 1, .order = 9,
     .ret = 1, .delta = 512, .new = {{0, 257}}, .replaced = {{257, 255}}},
    {.name = "case 55: two pages are left", .max_pages = 1026,
     POPULATE, .nr = 4, .first = 0x400,
     .ret = 2, .delta = 2, .new = {{0x400, 2}}, .log = "d5v3 Over-allocation for d5: 1027 > 1026"},
    {.name = "case 56: max_pages below tot_pages", .max_pages = 512,
     POPULATE, .nr = 1, .first = 0x400,
     .ret = 0, .log = "d5v3 Inconsistent allocation for d5: 1024 > 512"},
    {.name = "case 56: decrease still works", .then = true,
     DECREASE, .nr = 1, .first = 0x10,
     .ret = 1, .delta = -1, .gone = {{0x10, 1}}},
    {.name = "case 57: an extent is populated whole or not", .max_pages = 1300,
     POPULATE, .nr = 1, .order = 9, .first = 0x400,
     .ret = 0, .log = "d5v3 Over-allocation for d5: 1536 > 1300"},
    {.name = "exactly max_pages", .max_pages = 1536,
     POPULATE, .nr = 1, .order = 9, .first = 0x400,
     .ret = 1, .delta = 512, .new = {{0x400, 512}}},
    {.name = "case 64: current_reservation", CURRENT, .domid = SELF, .ret = 1024},
    {.name = "case 64: maximum_reservation", MAXIMUM, .domid = SELF, .ret = 4096},
    {.name = "populate, not aligned",
     POPULATE, .nr = 1, .order = 9, .first = 0x401,
     .ret = 1, .delta = 512, .new = {{0x401, 512}}},
    {.name = "populate of one gfn twice",
     POPULATE, .nr = 3, .list = {0x400, 0x400, 0x401},
     .ret = 3, .delta = 3, .new = {{0x400, 2}}},
    {.name = "one of the two is an orphan", .then = true,
     DECREASE, .nr = 3, .first = 0x400,
     .ret = 2, .delta = -2, .gone = {{0x400, 2}}},
    {.name = "populate of extents that overlap",
     POPULATE, .nr = 2, .order = 2, .list = {0x402, 0x400},
     .ret = 2, .delta = 8, .new = {{0x400, 6}}},
    {.name = "populate of what cannot be backed costs nothing",
     POPULATE, .nr = 3, .list = {0x400, WORLD_BACKABLE, 0x401},
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "populate of what cannot be backed to the end",
     POPULATE, .nr = 1, .order = 2, .first = WORLD_BACKABLE - 2,
     .ret = 0},
    {.name = "populate of the last gfn there could be", .caller = ONLY_64,
     POPULATE, .nr = 1, .order = 9, .first = UINT64_MAX,
     .ret = 0},
};
/* clang-format on */

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

/* One row or more: a row and those that go on from it, for one caller and leaf size. */
struct story {
    const struct row *row;
    bool compat;
    bool small_leaves;
};

struct fixture {
    struct world world;
    struct hcall_domain *d;
};

static void make_fixture(struct fixture *f, bool small_leaves)
{
    pages_t step = small_leaves ? 1 : FA_PAGES;

    world_init(&f->world);
    f->d = hcall_domain_new(5, 4096, &world_ops, &f->world);
    assert_non_null(f->d);
    for (gfn_t gfn = 0; gfn < FA_PAGES; gfn += step) {
        world_build_ram(&f->world, f->d, gfn, step);
    }
}

static bool is_query(const struct row *row)
{
    return (row->cmd & 63) == OP_CURRENT || (row->cmd & 63) == OP_MAXIMUM;
}

static uint64_t list_address(const struct row *row, bool compat)
{
    if (row->fault_at) {
        return call_list_fault_at(compat, row->fault_at) + row->fault_skew;
    }
    return row->list_at ? row->list_at : LIST;
}

static void put_list(struct world *w, const struct row *row, bool compat, uint64_t list)
{
    uint64_t nr = row->nr < 1024 ? row->nr : 1024;

    for (uint64_t i = 0; i < nr; i++) {
        uint64_t end = list + (i + 1) * call_frame_size(compat);
        gfn_t gfn = row->list[0] || row->list[1] ? row->list[i] : row->first + i;

        if (list >= WORLD_BASE && end <= WORLD_PAGE(WORLD_PAGES)) {
            call_put_frame(w, compat, list, i, gfn);
        }
    }
}

/* Put the call's arguments into guest memory, which is then as the row wants it. */
static void put_arguments(struct world *w, const struct row *row, bool compat)
{
    const struct reservation_args args = {
        .list = list_address(row, compat),
        .nr = row->nr,
        .order = row->order,
        .flags = row->flags,
        .domid = row->domid,
    };

    memset(w->page, 0, sizeof(w->page));
    if (is_query(row)) {
        world_put(w, ARG, row->domid, 2);
    } else {
        call_put_reservation(w, compat, &args);
        put_list(w, row, compat, args.list);
    }
    w->page[0].unmapped = row->arg_unmapped;
    w->page[FAULT_PAGE].unmapped = true;
    w->page[2].read_only = row->list_read_only;
    w->page[2].is_gfn = row->list_gfn != 0;
    w->page[2].gfn = row->list_gfn;
}

static bool in_spans(const struct span *spans, size_t nr, gfn_t gfn)
{
    for (size_t i = 0; i < nr; i++) {
        if (gfn >= spans[i].first && gfn - spans[i].first < spans[i].count) {
            return true;
        }
    }
    return false;
}

#define IN_SPANS(spans, gfn) in_spans(spans, sizeof(spans) / sizeof((spans)[0]), gfn)

static void check_gfns(const struct fixture *f, const struct row *row, const struct world *before)
{
    for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++) {
        bool was = before->gfn[gfn].backed;
        bool is = hcall_domain_p2m(f->d, gfn, NULL) == HCALL_P2M_RAM;
        bool fresh = f->world.gfn[gfn].stamp == f->world.now;
        bool want = (was && !IN_SPANS(row->gone, gfn)) || IN_SPANS(row->new, gfn);
        bool want_fresh = IN_SPANS(row->new, gfn) || IN_SPANS(row->replaced, gfn);

        if (is != want || fresh != want_fresh) {
            fail_msg("%s: gfn %#llx: expected %s%s, got %s%s", row->name, (unsigned long long)gfn,
                     want ? "RAM" : "a hole", want_fresh ? " with a fresh page" : "",
                     is ? "RAM" : "a hole", fresh ? " with a fresh page" : "");
        }
    }
}

static void run_row(struct fixture *f, const struct row *row, bool compat)
{
    static struct world before;
    pages_t tot;
    long ret;

    if (row->max_pages) {
        hcall_domain_set_max_pages(f->d, row->max_pages);
    }
    put_arguments(&f->world, row, compat);
    f->world.now++;
    before = f->world;
    tot = hcall_domain_tot_pages(f->d);

    ret = call_memory_op(f->d, compat, row->cmd, ARG);
    if (ret != row->ret) {
        fail_msg("%s: expected %ld, got %ld", row->name, row->ret, ret);
    }
    if (hcall_domain_tot_pages(f->d) != tot + (pages_t)row->delta) {
        fail_msg("%s: tot_pages: expected %lld, got %lld", row->name, (long long)tot + row->delta,
                 (long long)hcall_domain_tot_pages(f->d));
    }
    check_gfns(f, row, &before);
    world_check(&f->world, f->d);
    /* Not one of these operations changes what the guest passed. */
    assert_memory_equal(f->world.mem, before.mem, sizeof(before.mem));

    assert_int_equal(f->world.logs - before.logs, row->log ? 1 : 0);
    if (row->log) {
        assert_string_equal(f->world.line, row->log);
    }
}

static void run_story(void **state)
{
    const struct story *story = *state;
    const struct row *row = story->row;
    static struct fixture f;

    make_fixture(&f, story->small_leaves);
    do {
        run_row(&f, row, story->compat);
        row++;
    } while (row < rows + NR_ROWS && row->then);
    hcall_domain_free(f.d);
}

/* What a row cannot say. */

static struct fixture fixture;

static int setup(void **state)
{
    make_fixture(&fixture, false);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    world_check(&f->world, f->d);
    hcall_domain_free(f->d);
    return 0;
}

/* A list of order-0 gfns for a 64-bit caller; returns what the call returns. */
static long call_with_list(struct fixture *f, unsigned op, const gfn_t *gfns, uint64_t nr)
{
    const struct reservation_args args = {.list = LIST, .nr = nr, .domid = SELF};

    call_put_reservation(&f->world, false, &args);
    for (uint64_t i = 0; i < nr; i++) {
        call_put_frame(&f->world, false, LIST, i, gfns[i]);
    }
    return call_memory_op(f->d, false, op, ARG);
}

/* Linux's balloon gives pages back from the top down. */
static void descending_gfns_are_one_discard(void **state)
{
    struct fixture *f = *state;
    gfn_t gfns[512];

    for (unsigned i = 0; i < 512; i++) {
        gfns[i] = 0x300 - i;
    }
    assert_int_equal(call_with_list(f, OP_DECREASE, gfns, 512), 512);
    assert_int_equal(f->world.sections, 1);
    assert_int_equal(f->world.discards, 1);
    assert_int_equal(call_with_list(f, OP_POPULATE, gfns, 512), 512);
    assert_int_equal(f->world.sections, 2);
    assert_int_equal(f->world.backs, 1);
}

static void shuffled_gfns_are_few_discards(void **state)
{
    struct fixture *f = *state;
    gfn_t gfns[1024];

    for (unsigned i = 0; i < 1024; i++) {
        gfns[i] = (i * 5) % 512 + i / 512 * 512;
    }
    assert_int_equal(call_with_list(f, OP_DECREASE, gfns, 1024), 1024);
    assert_int_equal(f->world.sections, 2);
    assert_int_equal(f->world.discards, 2);
}

static void a_call_refused_stops_no_vcpu(void **state)
{
    struct fixture *f = *state;
    const struct reservation_args foreign = {.list = LIST, .nr = 1, .domid = 0};

    call_put_reservation(&f->world, false, &foreign);
    assert_int_equal(call_memory_op(f->d, false, OP_DECREASE, ARG), 0);
    f->world.page[2].unmapped = true;
    assert_int_equal(call_with_list(f, OP_DECREASE, (const gfn_t[]){1}, 1), 0);
    assert_int_equal(f->world.sections, 0);
}

static void a_superpage_goes_and_comes_as_one_leaf(void **state)
{
    struct fixture *f = *state;
    const struct reservation_args args = {.list = LIST, .nr = 1, .order = 9, .domid = SELF};
    size_t bytes = hcall_domain_p2m_bytes(f->d);
    unsigned order;

    call_put_reservation(&f->world, false, &args);
    call_put_frame(&f->world, false, LIST, 0, 0x200);
    assert_int_equal(call_memory_op(f->d, false, OP_DECREASE, ARG), 1);
    assert_int_equal(hcall_domain_p2m(f->d, 0x200, &order), HCALL_P2M_HOLE);
    assert_int_equal(order, 9);
    assert_int_equal(call_memory_op(f->d, false, OP_POPULATE, ARG), 1);
    assert_int_equal(hcall_domain_p2m(f->d, 0x200, &order), HCALL_P2M_RAM);
    assert_int_equal(order, 9);
    assert_int_equal(hcall_domain_p2m_bytes(f->d), bytes);
}

static void without_memory_for_the_p2m_extents_stop(void **state)
{
    struct fixture *f = *state;

    oom_after(0);
    assert_int_equal(call_with_list(f, OP_DECREASE, (const gfn_t[]){0x10}, 1), 0);
    assert_true(oom_stop());
    oom_after(0);
    assert_int_equal(call_with_list(f, OP_POPULATE, (const gfn_t[]){0x10, 0x500}, 2), 1);
    assert_true(oom_stop());
    assert_int_equal(hcall_domain_tot_pages(f->d), FA_PAGES + 1);
    assert_int_equal(call_with_list(f, OP_DECREASE, (const gfn_t[]){0x10}, 1), 1);
}

/* Removed, for PV domains only, or not built into Xen by default; and add_to_physmap, which is
 * answered elsewhere. */
static void all_other_operations_are_unknown(void **state)
{
    static const unsigned unknown[] = {5, 7, 8, 12, 20, 21, 22, 23, 29, 30, 62, 63};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(call_memory_op(f->d, false, unknown[i], ARG), -ENOSYS);
        assert_int_equal(call_memory_op(f->d, true, unknown[i] | START(3), ARG), -ENOSYS);
    }
}

/* Registers of a 32-bit caller may hold anything above bit 31. */
static void a_32_bit_caller_has_32_bit_registers(void **state)
{
    struct fixture *f = *state;
    const uint64_t above = 0xdeadull << 32;

    world_put(&f->world, ARG, SELF, 2);
    assert_int_equal(call_memory_op(f->d, true, OP_CURRENT | above, ARG | above), FA_PAGES);
    assert_int_equal(call_memory_op(f->d, false, OP_CURRENT | above, ARG), -EINVAL);
    assert_int_equal(call_memory_op(f->d, false, OP_CURRENT, ARG | above), -EFAULT);
}

#define MAP_BUFFER LIST

static long call_memory_map(struct fixture *f, bool compat, uint32_t nr_entries)
{
    world_put(&f->world, ARG, nr_entries, 4);
    world_put(&f->world, ARG + (compat ? 4 : 8), MAP_BUFFER, compat ? 4 : 8);
    return call_memory_op(f->d, compat, OP_MEMORY_MAP, ARG);
}

static void set_map(struct fixture *f)
{
    const struct hcall_e820 map[] = {
        {.addr = 0, .size = 0xa0000, .type = 1},
        {.addr = 0xfc000000, .size = 0x4000000, .type = 2},
        {.addr = 1ull << 32, .size = 5ull << 32, .type = 1},
    };

    assert_int_equal(hcall_domain_set_memory_map(f->d, map, 3), 0);
}

static void memory_map_gives_what_fits(void **state)
{
    struct fixture *f = *state;

    set_map(f);
    for (int compat = 0; compat <= 1; compat++) {
        memset(f->world.mem, 0, sizeof(f->world.mem));
        assert_int_equal(call_memory_map(f, compat, 2), 0);
        assert_int_equal(world_get(&f->world, ARG, 4), 2);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 20, 8), 0xfc000000);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 28, 8), 0x4000000);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 36, 4), 2);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 48, 8), 0);

        assert_int_equal(call_memory_map(f, compat, 0xffffffff), 0);
        assert_int_equal(world_get(&f->world, ARG, 4), 3);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 40, 8), 1ull << 32);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 48, 8), 5ull << 32);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 56, 4), 1);
        assert_int_equal(world_get(&f->world, MAP_BUFFER + 60, 8), 0);

        f->world.page[2].unmapped = true;
        assert_int_equal(call_memory_map(f, compat, 0), 0);
        f->world.page[2].unmapped = false;
    }
}

static void memory_map_that_fails(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call_memory_map(f, false, 8), -ENOSYS);
    set_map(f);
    assert_int_equal(call_memory_op(f->d, false, OP_MEMORY_MAP | START(1), ARG), -ENOSYS);
    f->world.page[2].read_only = true;
    assert_int_equal(call_memory_map(f, false, 8), -EFAULT);
    f->world.page[2].read_only = false;
    f->world.page[0].read_only = true;
    assert_int_equal(call_memory_map(f, true, 8), -EFAULT);
    f->world.page[0].unmapped = true;
    assert_int_equal(call_memory_map(f, false, 8), -EFAULT);
    f->world.page[0] = (struct world_page){.unmapped = false};
    assert_int_equal(hcall_domain_set_memory_map(f->d, NULL, 0), 0);
    assert_int_equal(call_memory_map(f, false, 8), -ENOSYS);
}

static bool fits(const struct row *row, bool compat)
{
    return row->caller == BOTH || row->caller == (compat ? ONLY_32 : ONLY_64);
}

static int run_stories(void)
{
    static struct CMUnitTest tests[4 * NR_ROWS];
    static struct story stories[4 * NR_ROWS];
    static char names[4 * NR_ROWS][128];
    size_t nr = 0;

    for (size_t i = 0; i < 4 * NR_ROWS; i++) {
        const struct row *row = &rows[i / 4];
        bool compat = i & 1;
        bool small_leaves = i & 2;

        if (row->then || !fits(row, compat)) {
            continue;
        }
        stories[nr] = (struct story){row, compat, small_leaves};
        snprintf(names[nr], sizeof(names[nr]), "%s [%s, %s]", row->name, compat ? "32" : "64",
                 small_leaves ? "4K" : "2M");
        tests[nr] = (struct CMUnitTest){
            .name = names[nr], .test_func = run_story, .initial_state = &stories[nr]};
        nr++;
    }
    return _cmocka_run_group_tests("rows", tests, nr, NULL, NULL);
}

#define CALL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest calls[] = {
        CALL_TEST(descending_gfns_are_one_discard),
        CALL_TEST(shuffled_gfns_are_few_discards),
        CALL_TEST(a_call_refused_stops_no_vcpu),
        CALL_TEST(a_superpage_goes_and_comes_as_one_leaf),
        CALL_TEST(without_memory_for_the_p2m_extents_stop),
        CALL_TEST(all_other_operations_are_unknown),
        CALL_TEST(a_32_bit_caller_has_32_bit_registers),
        CALL_TEST(memory_map_gives_what_fits),
        CALL_TEST(memory_map_that_fails),
    };
    int failed = run_stories();

    return failed + cmocka_run_group_tests(calls, NULL, NULL);
}
