/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pod: populate-on-demand, every rule as a row: what the domain is like, what is done, what
 * comes of it, and the three counters: pages the domain owns, pages in its cache, gfns that
 * are populate-on-demand.
 *
 * Fixtures are those of acts.h.  Case numbers are those of the project's list of
 * conformance cases, which were run on real Xen.  Rows run for 64-bit and 32-bit callers, and
 * preempted at every chance or not: only the sweep for pages of zeroes can tell.  What a
 * dying domain is like has its own file, test_pod_dying.c.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "acts.h"
#include "domain.h"

#define SHARED_INFO 0
#define GRANT_TABLE 1
#define GMFN 2
#define GMFN_RANGE 3
#define HOLE HCALL_P2M_HOLE
#define RAM HCALL_P2M_RAM
#define POD HCALL_P2M_POD
#define GRANT HCALL_P2M_GRANT
#define SPECIAL HCALL_P2M_SPECIAL

enum what { CALL, READ, WRITE, ZERO, MAP_GRANT, LOOK };
/* How the domain is found crashed: it is the first time, or it was crashed before. */
enum crash { NO, CRASHED, AGAIN };
enum when { ALWAYS, CALM, PREEMPTED };

struct leaf {
    gfn_t gfn;
    enum hcall_p2m_type type;
    unsigned order;
};

struct row {
    const char *name;
    bool then; /* goes on where the row above ended */
    enum fixture from;
    pages_t pool; /* pages of the host; 0: plenty */
    enum when when;
    bool only_64;
    bool io; /* it has been given a device */

    /* What is done, by whom, to how many gfns from first on; they end when one fails. */
    enum what what;
    enum by by;
    gfn_t first;
    pages_t count; /* 0 is one */
    /* The call. */
    unsigned cmd;
    gfn_t list[4];
    unsigned nr;
    unsigned order;
    uint32_t flags;
    pages_t target;
    unsigned space, size;
    uint64_t idx;
    gfn_t gpfn;

    /* What comes of it. */
    long ret;
    struct {
        pages_t tot, count, entries;
    } is;
    struct {
        pages_t super, single;
    } cache;         /* if the row says so */
    gfn_t max_guest; /* the same */
    bool swept;      /* the next sweep begins at reclaim_single */
    gfn_t reclaim_single;
    struct leaf leaf[5];
    /* Lines of the log: one, and those of the crash. */
    const char *log;
    enum crash crash;
};

#define LIST_OF(...) .list = {__VA_ARGS__}, .nr = sizeof((gfn_t[]){__VA_ARGS__}) / sizeof(gfn_t)
#define DECREASE(...) .cmd = OP_DECREASE, LIST_OF(__VA_ARGS__)
#define POPULATE(...) .cmd = OP_POPULATE, LIST_OF(__VA_ARGS__)
#define MARK(...) .by = CONTROL, .cmd = OP_POPULATE, .flags = FLAG_POD, LIST_OF(__VA_ARGS__)
#define TARGET(n) .by = CONTROL, .cmd = OP_SET_POD_TARGET, .target = (n)
#define ADD(s, i, g) .cmd = OP_ADD, .space = (s), .idx = (i), .gpfn = (g)
#define ADD_RANGE(i, g, n) ADD(GMFN_RANGE, i, g), .size = (n)
#define REMOVE(g) .cmd = OP_REMOVE, .gpfn = (g)
#define EXCHANGE(g) .cmd = OP_EXCHANGE, .gpfn = (g)
#define CURRENT .cmd = OP_CURRENT

#define OUT "p2m_pod_demand_populate: Dom5 out of PoD memory! "
#define NO_PAGE "p2m_pod_set_cache_target: Unable to allocate page for PoD cache "

/* clang-format off */
static const struct row rows[] = {
    /* The target. */
    {.name = "case 91: a target for a domain without memory", .from = NEW,
     TARGET(700), .ret = 0, .is = {700, 700, 0}, .cache = {1, 188}},
    {.name = "case 91: ... is not made smaller", .then = true,
     TARGET(600), .ret = 0, .is = {700, 700, 0}, .cache = {1, 188}},
    {.name = "case 91: ... nor made again", .then = true,
     TARGET(700), .ret = 0, .is = {700, 700, 0}, .cache = {1, 188}},
    {.name = "before it has gfns it may grow", .then = true,
     TARGET(1300), .ret = 0, .is = {1300, 1300, 0}, .cache = {2, 276}},
    {.name = "case 92: a target below what it has", .from = FB,
     TARGET(512), .ret = 0, .is = {1024, 1024, 2048}, .cache = {2, 0}},
    {.name = "case 93: a target above", .from = FB,
     TARGET(1536), .ret = 0, .is = {1536, 1536, 2048}, .cache = {3, 0}},
    {.name = "a target a little above", .from = FB,
     TARGET(1535), .ret = 0, .is = {1535, 1535, 2048}, .cache = {2, 511}},
    {.name = "a target of what it has", .from = FB1,
     TARGET(1024), .ret = 0, .is = {1024, 512, 1536}},
    {.name = "case 95: no more than there are gfns for", .from = FB1,
     TARGET(3000), .ret = 0, .is = {2048, 1536, 1536}, .cache = {3, 0}},
    {.name = "with nothing populated there is no such limit", .from = FB,
     TARGET(3000), .ret = 0, .is = {3000, 3000, 2048}, .cache = {5, 440}},
    {.name = "... but once something is, the next target sees to it", .then = true,
     .what = WRITE, .first = 0x010, .is = {3000, 2488, 1536}, .cache = {4, 440}},
    {.name = "... which takes a superpage, and single pages for the rest", .then = true,
     TARGET(3000), .ret = 0, .is = {2048, 1536, 1536}, .cache = {3, 0}},
    {.name = "512 pages too many are single pages", .from = NEW,
     TARGET(1023), .ret = 0, .is = {1023, 1023, 0}, .cache = {1, 511}},
    {.name = "... if there are so many", .then = true,
     TARGET(1024), .ret = 0, .is = {1024, 1024, 0}, .cache = {1, 512}},
    {.name = "... of 2 MiB", .then = true,
     MARK(0), .order = 9, .ret = 1, .is = {1024, 1024, 512}},
    {.name = "... and a gfn", .then = true,
     MARK(0x200), .ret = 1, .is = {1024, 1024, 513}},
    {.name = "... that goes", .then = true,
     DECREASE(0x200), .ret = 1, .is = {512, 512, 512}, .cache = {1, 0}},
    {.name = "case 96: a target above max_pages", .from = FB,
     TARGET(4097), .ret = -EINVAL, .is = {1024, 1024, 2048}},
    {.name = "a target of max_pages", .from = FB,
     TARGET(4096), .ret = 0, .is = {4096, 4096, 2048}, .cache = {8, 0}},
    {.name = "case 97: a domain without PoD", .from = FA,
     TARGET(2048), .ret = 0, .is = {1024, 0, 0}},
    {.name = "case 99: a domain with a device", .from = FB, .io = true,
     TARGET(1536), .ret = -ENOTEMPTY, .is = {1024, 1024, 2048}},
    {.name = "case 99: ... gets no gfns either", .from = FB, .io = true,
     MARK(0x900), .ret = 0, .is = {1024, 1024, 2048}, .leaf = {{0x900, HOLE, 9}}},
    {.name = "... a target that does nothing is none of its business", .from = FB, .io = true,
     TARGET(512), .ret = 0, .is = {1024, 1024, 2048}},
    {.name = "... nor is one when PoD is over", .from = FA, .io = true,
     TARGET(2048), .ret = 0, .is = {1024, 0, 0}},
    {.name = "... what it has it may use", .from = FB, .io = true,
     .what = WRITE, .first = 0x010, .is = {1024, 512, 1536}},
    {.name = "a host that is full", .from = FB, .pool = 1124,
     TARGET(1536), .ret = -ENOMEM, .is = {1124, 1124, 2048}, .cache = {2, 100},
     .log = NO_PAGE "(target=1536 cache=1124)"},
    {.name = "a host with less than 2 MiB, which is enough", .from = FB1, .pool = 1324,
     TARGET(1324), .ret = 0, .is = {1324, 812, 1536}, .cache = {1, 300}},
    {.name = "a guest cannot set it", .from = FB,
     .cmd = OP_SET_POD_TARGET, .target = 1536, .ret = -EPERM, .is = {1024, 1024, 2048}},
    {.name = "get_pod_target", .from = FB1, .by = CONTROL,
     .cmd = OP_GET_POD_TARGET, .target = 9999, .ret = 0, .is = {1024, 512, 1536}},

    /* Marking. */
    {.name = "case 100: gfns that are marked already", .from = FB,
     MARK(0x400), .order = 9, .ret = 1, .is = {1024, 1024, 2048}, .leaf = {{0x400, POD, 9}}},
    {.name = "case 101: gfns that are RAM", .from = FB1,
     MARK(0x000), .order = 9, .ret = 0, .is = {1024, 512, 1536}, .leaf = {{0x000, RAM, 9}}},
    {.name = "case 41: a guest cannot mark its own", .from = FB,
     POPULATE(0x900), .flags = FLAG_POD, .ret = 0, .is = {1024, 1024, 2048}},
    {.name = "a new leaf of 2 MiB", .from = FB,
     MARK(0x800), .order = 9, .ret = 1, .is = {1024, 1024, 2560}, .leaf = {{0x800, POD, 9}}},
    {.name = "single gfns, as many as were holes", .from = FB,
     MARK(0x7ff, 0x800, 0x801, 0x800), .ret = 4, .is = {1024, 1024, 2050},
     .leaf = {{0x7fe, POD, 0}, {0x801, POD, 0}, {0x802, HOLE, 0}}},
    {.name = "not aligned: in aligned chunks, some of it marked already", .from = FB,
     MARK(0x7f0), .order = 9, .ret = 1, .is = {1024, 1024, 2544},
     .leaf = {{0x7ff, POD, 0}, {0x800, POD, 0}, {0x9ef, POD, 0}, {0x9f0, HOLE, 0}}},
    {.name = "not aligned: chunks before the one that fails stay", .from = FA,
     MARK(0x7f0), .order = 9, .ret = 0, .is = {1024, 0, 16},
     .leaf = {{0x7f0, POD, 0}, {0x7ff, POD, 0}, {0x800, GRANT, 0}, {0x801, HOLE, 0}}},
    {.name = "... but not chunks before one that is RAM within", .from = FA,
     MARK(0x3fe, 0x500), .order = 2, .ret = 0, .is = {1024, 0, 0},
     .leaf = {{0x3ff, RAM, 0}, {0x400, HOLE, 9}}},
    {.name = "an address space that ends", .from = FB, .only_64 = true,
     MARK(1ull << 36), .ret = 0, .is = {1024, 1024, 2048}},
    {.name = "1 GiB at once", .from = NEW,
     MARK(0), .order = 18, .ret = 1, .is = {0, 0, 0x40000}, .leaf = {{0x12345, POD, 18}}},
    {.name = "... gets its cache, which has no limit yet", .then = true,
     TARGET(1024), .ret = 0, .is = {1024, 1024, 0x40000}},
    {.name = "... is populated 2 MiB at a time", .then = true,
     .what = READ, .first = 0x210, .is = {1024, 512, 0x3fe00}, .max_guest = 0x210,
     .leaf = {{0x000, POD, 9}, {0x200, RAM, 9}, {0x400, POD, 9}}},
    {.name = "1 GiB and no cache at all", .from = NEW,
     MARK(0), .order = 18, .ret = 1, .is = {0, 0, 0x40000}},
    {.name = "... is in leaves of 2 MiB before that is found out", .then = true,
     .what = READ, .first = 0x210, .ret = -ENOMEM, .is = {0, 0, 0x40000},
     .leaf = {{0x000, POD, 9}, {0x210, POD, 9}},
     .log = OUT "(tot=0 ents=262144 dom5)", .crash = CRASHED},
    {.name = "1 GiB and no superpage: 4 KiB at a time", .from = NEW,
     TARGET(100), .ret = 0, .is = {100, 100, 0}},
    {.name = "... 1 GiB", .then = true,
     MARK(0), .order = 18, .ret = 1, .is = {100, 100, 0x40000}},
    {.name = "... and one page of it", .then = true,
     .what = WRITE, .first = 0x210, .is = {100, 99, 0x3ffff},
     .leaf = {{0x000, POD, 9}, {0x210, RAM, 0}, {0x211, POD, 0}, {0x400, POD, 9}}},

    /* Demand. */
    {.name = "case 103: a write", .from = FB,
     .what = WRITE, .first = 0x010, .is = {1024, 512, 1536}, .cache = {1, 0}, .max_guest = 0x010,
     .leaf = {{0x000, RAM, 9}, {0x200, POD, 9}}},
    {.name = "... another, to the same leaf", .then = true,
     .what = WRITE, .first = 0x1ff, .is = {1024, 512, 1536}, .max_guest = 0x010},
    {.name = "case 104: a read", .from = FB,
     .what = READ, .first = 0x010, .is = {1024, 512, 1536}, .max_guest = 0x010,
     .leaf = {{0x000, RAM, 9}}},
    {.name = "case 105: no superpage in the cache", .from = FB300,
     .what = WRITE, .first = 0x010, .is = {300, 299, 2047}, .max_guest = 0x010,
     .leaf = {{0x00f, POD, 0}, {0x010, RAM, 0}, {0x011, POD, 0}, {0x200, POD, 9}}},
    {.name = "a single page out of a superpage", .from = FC,
     TARGET(1024), .ret = 0, .is = {1024, 1024, 256}, .cache = {1, 512}},
    {.name = "... is not needed yet", .then = true,
     .what = WRITE, .first = 0x1000, .is = {1024, 1023, 255}, .cache = {1, 511}},
    {.name = "a superpage for single gfns", .from = NEW,
     TARGET(512), .ret = 0, .is = {512, 512, 0}, .cache = {1, 0}},
    {.name = "... three of them", .then = true,
     MARK(0x10, 0x11, 0x12), .ret = 3, .is = {512, 512, 3}, .cache = {1, 0}},
    {.name = "... is broken up when one is touched", .then = true,
     .what = WRITE, .first = 0x11, .is = {512, 511, 2}, .cache = {0, 511}},
    {.name = "holes, RAM and grants are not populated", .from = FA,
     .what = READ, .first = 0x3ff, .count = 0x500, .is = {1024, 0, 0}},
    {.name = "nor is what lies above everything", .from = FB,
     .what = READ, .first = 1ull << 40, .is = {1024, 1024, 2048}},
    {.name = "the other domain touches alike", .from = FB,
     .what = READ, .by = CONTROL, .first = 0x010, .is = {1024, 512, 1536}, .max_guest = 0x010},
    {.name = "a leaf whose gfns were marked one by one is populated one by one", .from = FC,
     .what = WRITE, .first = 0x1000, .count = 3, .is = {64, 61, 253}, .max_guest = 0x1002,
     .leaf = {{0x1002, RAM, 0}, {0x1003, POD, 0}}},

    /* Exhaustion. */
    {.name = "case 106: nothing left", .from = FB3,
     .what = READ, .first = 0x400, .ret = -ENOMEM, .is = {1024, 0, 1024}, .max_guest = 0x200,
     .leaf = {{0x400, POD, 9}}, .log = OUT "(tot=1024 ents=1024 dom5)", .crash = CRASHED},
    {.name = "... is said again, and the crash is not", .then = true,
     .what = READ, .by = CONTROL, .first = 0x401, .ret = -ENOMEM, .is = {1024, 0, 1024},
     .log = OUT "(tot=1024 ents=1024 dom0)", .crash = AGAIN},
    {.name = "... a crashed domain is not dying", .then = true,
     TARGET(1536), .ret = 0, .is = {1536, 512, 1024}, .crash = NO},
    {.name = "... and can be looked at", .then = true,
     .what = READ, .by = CONTROL, .first = 0x401, .is = {1536, 0, 512}},
    /* Whoever maps it gets -EINVAL then: that is not the library's. */
    {.name = "case 107: nothing left for the other domain", .from = FB3,
     .what = READ, .by = CONTROL, .first = 0x400, .ret = -ENOMEM, .is = {1024, 0, 1024},
     .log = OUT "(tot=1024 ents=1024 dom0)", .crash = CRASHED},

    /* Pages of zeroes are taken back: those populated longest ago first. */
    {.name = "case 108: from a superpage, one by one", .from = FB2,
     .what = READ, .first = 0x400, .is = {1024, 510, 1534}, .cache = {0, 510},
     .leaf = {{0x010, RAM, 0}, {0x011, POD, 0}, {0x200, RAM, 9}, {0x400, RAM, 0}, {0x401, POD, 0}}},
    {.name = "case 109: pages that are written to", .from = FC,
     .what = WRITE, .first = 0x1000, .count = 5, .is = {64, 59, 251}},
    {.name = "case 109: ... one that is only read", .then = true,
     .what = READ, .first = 0x1005, .is = {64, 58, 250}},
    {.name = "case 109: ... the 31 that follow", .then = true,
     .what = WRITE, .first = 0x1006, .count = 0x1f, .is = {64, 27, 219},
     .leaf = {{0x1005, RAM, 0}}},
    {.name = "case 109: ... and the 32nd", .then = true,
     .what = WRITE, .first = 0x1025, .is = {64, 27, 219}, .leaf = {{0x1005, POD, 0}}},
    {.name = "case 109: ... to the end", .then = true,
     .what = WRITE, .first = 0x1026, .count = 0x1a, .is = {64, 1, 193}, .leaf = {{0x1005, POD, 0}}},
    {.name = "a superpage comes back whole if all of it is zero", .from = FB,
     .what = READ, .first = 0x000, .count = 0x400, .is = {1024, 0, 1024}},
    {.name = "... for another", .then = true,
     .what = READ, .first = 0x400, .is = {1024, 0, 1024},
     .leaf = {{0x000, POD, 9}, {0x200, RAM, 9}, {0x400, RAM, 9}, {0x600, POD, 9}}},
    {.name = "with as many pages as gfns nothing is taken back", .from = FB,
     TARGET(2048), .ret = 0, .is = {2048, 2048, 2048}},
    {.name = "... whatever is read", .then = true,
     .what = READ, .first = 0, .count = 0x800, .is = {2048, 0, 0},
     .leaf = {{0x000, RAM, 9}, {0x600, RAM, 9}}},
    {.name = "case 133: a save reads everything", .from = FB,
     .what = READ, .by = CONTROL, .first = 0, .count = 0x800, .is = {1024, 0, 1024},
     .leaf = {{0x000, POD, 9}, {0x200, POD, 9}, {0x400, RAM, 9}, {0x600, RAM, 9}}},
    {.name = "case 133: ... until there is nothing left", .from = FB3,
     .what = READ, .by = CONTROL, .first = 0, .count = 0x800, .ret = -ENOMEM,
     .is = {1024, 0, 1024}, .log = OUT "(tot=1024 ents=1024 dom0)", .crash = CRASHED},

    {.name = "the last that was populated is looked at, too", .from = FC64,
     .what = ZERO, .first = 0x103f, .is = {64, 0, 192}},
    {.name = "... before anything else is", .then = true,
     .what = READ, .first = 0x1040, .is = {64, 0, 192}, .swept = true, .reclaim_single = 0,
     .leaf = {{0x103f, POD, 0}, {0x1040, RAM, 0}}},
    {.name = "what was looked at once is not remembered", .from = FC64,
     .what = READ, .first = 0x1040, .when = CALM, .ret = -ENOMEM, .is = {64, 0, 192},
     .swept = true, .reclaim_single = 0,
     .log = OUT "(tot=64 ents=192 dom5)", .crash = CRASHED},
    {.name = "... when it is zero", .then = true,
     .what = ZERO, .first = 0x1030, .when = CALM, .is = {64, 0, 192}},
    {.name = "... and has to be searched for", .then = true,
     .what = READ, .by = CONTROL, .first = 0x1040, .when = CALM, .is = {64, 0, 192},
     .swept = true, .reclaim_single = 0xc3d, .leaf = {{0x1030, POD, 0}, {0x1040, RAM, 0}}},

    /* ... and then all there are, from the top down. */
    {.name = "case 110: a page that became zero", .from = FC64,
     .what = ZERO, .first = 0x1010, .is = {64, 0, 192}},
    {.name = "case 110: ... is found", .then = true,
     .what = WRITE, .first = 0x1040, .is = {64, 0, 192}, .max_guest = 0x1040,
     .swept = true, .reclaim_single = 0xc3d, .leaf = {{0x1010, POD, 0}, {0x1040, RAM, 0}}},
    {.name = "case 111: ... another one", .then = true,
     .what = ZERO, .first = 0x1011, .is = {64, 0, 192}},
    {.name = "case 111: ... is not, as the search goes on further down", .then = true, .when = CALM,
     .what = WRITE, .first = 0x1041, .ret = -ENOMEM, .is = {64, 0, 192}, .max_guest = 0x1040,
     .swept = true, .reclaim_single = 0,
     .log = OUT "(tot=64 ents=192 dom5)", .crash = CRASHED, .leaf = {{0x1011, RAM, 0}}},
    {.name = "case 111: ... a window at a time if an interrupt waits",
     .then = true, .when = PREEMPTED,
     .what = WRITE, .first = 0x1041, .ret = -ENOMEM, .is = {64, 0, 192}, .max_guest = 0x1040,
     .swept = true, .reclaim_single = 0x83b,
     .log = OUT "(tot=64 ents=192 dom5)", .crash = CRASHED, .leaf = {{0x1011, RAM, 0}}},
    {.name = "... until it begins at the top again", .then = true, .when = CALM,
     .what = READ, .by = CONTROL, .first = 0x1041, .is = {64, 0, 192}, .max_guest = 0x1041,
     .swept = true, .reclaim_single = 0xc3e, .leaf = {{0x1011, POD, 0}}},
    {.name = "what lies above all that was touched: two pages", .from = NEW,
     TARGET(2), .ret = 0, .is = {2, 2, 0}},
    {.name = "... three gfns", .then = true,
     MARK(0x10, 0x11, 0x12), .ret = 3, .is = {2, 2, 3}},
    {.name = "... two of them written to", .then = true,
     .what = WRITE, .first = 0x10, .count = 2, .is = {2, 0, 1}},
    {.name = "... RAM above", .then = true,
     POPULATE(0x500), .ret = 1, .is = {3, 0, 1}},
    {.name = "... that is zero", .then = true,
     .what = ZERO, .first = 0x500, .is = {3, 0, 1}},
    {.name = "... is not looked at", .then = true,
     .what = READ, .first = 0x12, .ret = -ENOMEM, .is = {3, 0, 1}, .max_guest = 0x11,
     .log = OUT "(tot=3 ents=1 dom5)", .crash = CRASHED},
    {.name = "case 112: a page far below", .from = FC64,
     POPULATE(0x5), .ret = 1, .is = {65, 0, 192}},
    {.name = "case 112: ... that is zero", .then = true,
     .what = ZERO, .first = 0x5, .is = {65, 0, 192}},
    {.name = "case 112: ... is found", .then = true, .when = CALM,
     .what = READ, .first = 0x1040, .is = {65, 0, 192}, .swept = true, .reclaim_single = 0,
     .leaf = {{0x5, POD, 0}, {0x1040, RAM, 0}}},
    {.name = "case 113: ... if no interrupt waits", .then = true, .when = PREEMPTED,
     .what = READ, .first = 0x1040, .ret = -ENOMEM, .is = {65, 0, 192},
     .swept = true, .reclaim_single = 0xc3d,
     .log = OUT "(tot=65 ents=192 dom5)", .crash = CRASHED, .leaf = {{0x5, RAM, 0}}},
    {.name = "... a window further down each time", .then = true, .when = PREEMPTED,
     .what = READ, .by = CONTROL, .first = 0x1040, .ret = -ENOMEM, .is = {65, 0, 192},
     .swept = true, .reclaim_single = 0x83b,
     .log = OUT "(tot=65 ents=192 dom0)", .crash = AGAIN},
    {.name = "case 115: gfn 0", .from = FC64,
     POPULATE(0), .ret = 1, .is = {65, 0, 192}},
    {.name = "case 115: ... that is zero", .then = true,
     .what = ZERO, .first = 0, .is = {65, 0, 192}},
    {.name = "case 115: ... is never looked at", .then = true, .when = CALM,
     .what = READ, .first = 0x1040, .ret = -ENOMEM, .is = {65, 0, 192},
     .swept = true, .reclaim_single = 0,
     .log = OUT "(tot=65 ents=192 dom5)", .crash = CRASHED},
    {.name = "the search breaks a superpage up", .from = FB3,
     .what = ZERO, .first = 0x123, .is = {1024, 0, 1024}},
    {.name = "... the first time by what was populated last", .then = true,
     .what = READ, .first = 0x400, .is = {1024, 0, 1024},
     .leaf = {{0x122, RAM, 0}, {0x123, POD, 0}, {0x400, RAM, 0}, {0x401, POD, 0}}},
    {.name = "... this one is remembered no more", .then = true,
     .what = ZERO, .first = 0x321, .is = {1024, 0, 1024}},
    {.name = "... and written to", .then = true,
     .what = WRITE, .first = 0x400, .is = {1024, 0, 1024}},
    {.name = "... the second by the search", .then = true,
     .what = WRITE, .first = 0x401, .is = {1024, 0, 1024}, .swept = true, .reclaim_single = 0,
     .leaf = {{0x320, RAM, 0}, {0x321, POD, 0}, {0x401, RAM, 0}, {0x402, POD, 0}}},

    {.name = "the hypervisor's pages are among the 16 looked at at once", .from = NEW,
     TARGET(15), .ret = 0, .is = {15, 15, 0}},
    {.name = "... 16 gfns", .then = true,
     MARK(0x600), .order = 4, .ret = 1, .is = {15, 15, 16}},
    {.name = "... 15 of them written to", .then = true,
     .what = WRITE, .first = 0x600, .count = 15, .is = {15, 0, 1}},
    {.name = "... shared_info below", .then = true,
     ADD(SHARED_INFO, 0, 0x100), .ret = 0, .is = {15, 0, 1}},
    {.name = "... nothing is remembered", .then = true, .when = CALM,
     .what = READ, .first = 0x60f, .ret = -ENOMEM, .is = {15, 0, 1}, .swept = true,
     .reclaim_single = 0, .log = OUT "(tot=15 ents=1 dom5)", .crash = CRASHED},
    {.name = "... one is zero", .then = true, .when = CALM,
     .what = ZERO, .first = 0x600, .is = {15, 0, 1}},
    {.name = "... and is found there", .then = true, .when = CALM,
     .what = READ, .by = CONTROL, .first = 0x60f, .is = {15, 0, 1}, .swept = true,
     .reclaim_single = 0xff, .leaf = {{0x600, POD, 0}, {0x60f, RAM, 0}}},

    /* Decrease. */
    {.name = "case 116: a gfn without a page", .from = FB,
     DECREASE(0x600), .ret = 1, .is = {1024, 1024, 2047},
     .leaf = {{0x600, HOLE, 0}, {0x601, POD, 0}}},
    {.name = "case 117: 2 MiB", .from = FB,
     DECREASE(0x600), .order = 9, .ret = 1, .is = {1024, 1024, 1536}, .leaf = {{0x600, HOLE, 9}}},
    {.name = "case 117: ... again", .then = true,
     DECREASE(0x600), .order = 9, .ret = 0, .is = {1024, 1024, 1536}},
    {.name = "case 118: so much that the cache is too large", .from = FB,
     DECREASE(0x600, 0x400, 0x200), .order = 9, .ret = 3, .is = {512, 512, 512}, .cache = {1, 0}},
    {.name = "case 119: ... and its last superpage", .then = true,
     DECREASE(0x000), .ret = 1, .is = {511, 511, 511}, .cache = {0, 511}},
    {.name = "case 120: a hole, and ...", .from = FB,
     DECREASE(0x600), .ret = 1, .is = {1024, 1024, 2047}},
    {.name = "case 120: ... all around it", .then = true,
     DECREASE(0x600), .order = 9, .ret = 0, .is = {1024, 1024, 1536}, .leaf = {{0x7ff, HOLE, 0}}},
    {.name = "case 121: RAM goes into the cache", .from = FB1,
     DECREASE(0x20), .ret = 1, .is = {1024, 513, 1536}, .cache = {1, 1},
     .leaf = {{0x1f, RAM, 0}, {0x20, HOLE, 0}}},
    {.name = "... and comes out of it", .then = true,
     .what = READ, .first = 0x400, .is = {1024, 1, 1024}, .cache = {0, 1}},
    {.name = "case 122: a superpage that is zero", .from = FB,
     .what = READ, .first = 0x10, .is = {1024, 512, 1536}},
    {.name = "case 122: ... is taken back whole", .then = true,
     DECREASE(0x20), .ret = 1, .is = {1024, 1024, 2047}, .cache = {2, 0},
     .leaf = {{0x1f, POD, 0}, {0x20, HOLE, 0}, {0x21, POD, 0}}},
    {.name = "some of a superpage that is zero", .from = FB,
     .what = READ, .first = 0x10, .is = {1024, 512, 1536}},
    {.name = "... by an extent that lies in it", .then = true,
     DECREASE(0x20), .order = 4, .ret = 1, .is = {1024, 1024, 2032}, .cache = {2, 0}},
    {.name = "all of a superpage that is zero is stolen as it is", .from = FB,
     .what = READ, .first = 0x10, .is = {1024, 512, 1536}},
    {.name = "... with the same outcome", .then = true,
     DECREASE(0x000), .order = 9, .ret = 1, .is = {1024, 1024, 1536}, .cache = {2, 0},
     .leaf = {{0x000, HOLE, 9}}},
    {.name = "a superpage that was broken up is none", .from = FB,
     .what = READ, .first = 0x10, .is = {1024, 512, 1536}},
    {.name = "... one page of it is another now", .then = true,
     POPULATE(0x30), .ret = 1, .is = {1025, 512, 1536}},
    {.name = "... so that single pages are stolen", .then = true,
     .what = ZERO, .first = 0x30, .is = {1025, 512, 1536}},
    {.name = "... though all is zero", .then = true,
     DECREASE(0x20), .ret = 1, .is = {1025, 513, 1536}, .cache = {1, 1}},
    {.name = "case 123: less and less", .from = FB1,
     DECREASE(0x600, 0x400), .order = 9, .ret = 2, .is = {1024, 512, 512}},
    {.name = "case 123: ... until nothing is missing, and RAM goes to the host", .then = true,
     DECREASE(0x30), .ret = 1, .is = {1023, 512, 512}},
    {.name = "... POD takes a page along", .then = true,
     DECREASE(0x200), .ret = 1, .is = {1022, 511, 511}},
    {.name = "case 124: not aligned", .from = FB,
     DECREASE(0x100), .order = 9, .ret = 1, .is = {1024, 1024, 1536},
     .leaf = {{0x0ff, POD, 0}, {0x100, HOLE, 0}, {0x2ff, HOLE, 0}, {0x300, POD, 0}}},
    {.name = "case 125: order 4", .from = FB,
     DECREASE(0x1f8), .order = 4, .ret = 1, .is = {1024, 1024, 2032},
     .leaf = {{0x1f7, POD, 0}, {0x1f8, HOLE, 0}, {0x207, HOLE, 0}, {0x208, POD, 0}}},
    {.name = "case 126: a page of the hypervisor's among RAM", .from = FB1,
     ADD(SHARED_INFO, 0, 0x22), .ret = 0, .is = {1023, 512, 1536}, .leaf = {{0x22, SPECIAL, 0}}},
    {.name = "case 126: ... is not stolen", .then = true,
     DECREASE(0x20), .order = 3, .ret = 1, .is = {1023, 519, 1536}, .cache = {1, 7},
     .leaf = {{0x22, HOLE, 0}}},
    {.name = "2 MiB of RAM are stolen at once", .from = FB1,
     DECREASE(0x000), .order = 9, .ret = 1, .is = {1024, 1024, 1536}, .cache = {2, 0},
     .leaf = {{0x000, HOLE, 9}}},
    {.name = "RAM is stolen as long as pages are missing", .from = FC64,
     DECREASE(0x1080), .order = 6, .ret = 1, .is = {64, 0, 128}},
    {.name = "... 62 gfns of 128", .then = true,
     DECREASE(0x10c0), .order = 5, .ret = 1, .is = {64, 0, 96}},
    {.name = "... of 96", .then = true,
     DECREASE(0x10e0), .order = 5, .ret = 1, .is = {64, 0, 64}},
    {.name = "... of 64", .then = true,
     DECREASE(0x1060), .order = 5, .ret = 1, .is = {64, 0, 32}},
    {.name = "... 32 are enough, the others are freed", .then = true,
     DECREASE(0x1000), .order = 6, .ret = 1, .is = {32, 32, 32}},
    {.name = "POD and RAM in one extent: POD first, as it comes", .from = FC64,
     DECREASE(0x1030), .order = 5, .ret = 1, .is = {64, 16, 176},
     .leaf = {{0x102f, RAM, 0}, {0x1030, HOLE, 0}, {0x104f, HOLE, 0}, {0x1050, POD, 0}}},
    {.name = "a hole before what is done is made up for", .from = FC,
     DECREASE(0xff8), .order = 4, .ret = 0, .is = {64, 64, 248}, .leaf = {{0x1007, HOLE, 0}}},
    {.name = "a list as balloon drivers give it", .from = FB1,
     DECREASE(0x20, 0x400, 0x1ff, 0x900), .ret = 3, .is = {1024, 514, 1535}},
    {.name = "without any gfn on demand RAM is freed, and the cache stays", .from = FA,
     DECREASE(0x10), .ret = 1, .is = {1023, 0, 0}},

    /* Populate, and what else is done to a gfn on demand. */
    {.name = "case 127: populate", .from = FB,
     POPULATE(0x700), .ret = 1, .is = {1025, 1024, 2047},
     .leaf = {{0x6ff, POD, 0}, {0x700, RAM, 0}}},
    {.name = "populate of 2 MiB, half of it RAM", .from = FB1,
     POPULATE(0x100), .order = 9, .ret = 1, .is = {1536, 512, 1280}},
    {.name = "a cache larger than what can be asked of it", .from = NEW,
     TARGET(3), .ret = 0, .is = {3, 3, 0}},
    {.name = "... two gfns", .then = true,
     MARK(0x10, 0x11), .ret = 2, .is = {3, 3, 2}},
    {.name = "... and one", .then = true,
     POPULATE(0x10), .ret = 1, .is = {4, 3, 1}},
    {.name = "... is left alone by a decrease that has no use for it", .then = true,
     DECREASE(0x10), .ret = 1, .is = {3, 3, 1}},
    {.name = "... stays until something is decreased", .then = true,
     DECREASE(0x11), .ret = 1, .is = {0, 0, 0}},
    {.name = "... or a target is set", .from = NEW,
     TARGET(3), .ret = 0, .is = {3, 3, 0}},
    {.name = "... one gfn", .then = true,
     MARK(0x11), .ret = 1, .is = {3, 3, 1}},
    {.name = "... RAM besides", .then = true,
     POPULATE(0x10), .ret = 1, .is = {4, 3, 1}},
    {.name = "... and the target", .then = true,
     TARGET(4), .ret = 0, .is = {2, 1, 1}},
    {.name = "case 128: a grant is mapped there", .from = FB,
     .what = MAP_GRANT, .first = 0x700, .ret = 0, .is = {1024, 1024, 2047},
     .leaf = {{0x700, GRANT, 0}, {0x701, POD, 0}}},
    {.name = "case 129: remove_from_physmap", .from = FB,
     REMOVE(0x700), .ret = 0, .is = {1024, 512, 1536},
     .leaf = {{0x600, RAM, 0}, {0x700, HOLE, 0}}},
    {.name = "remove_from_physmap, and there is no page", .from = FB3,
     REMOVE(0x700), .ret = -ENOENT, .is = {1024, 0, 1024}, .leaf = {{0x700, POD, 9}},
     .log = OUT "(tot=1024 ents=1024 dom5)", .crash = CRASHED},
    {.name = "case 131: looking at a gfn leaves it alone", .from = FB,
     .what = LOOK, .is = {1024, 1024, 2048}, .leaf = {{0x600, POD, 9}, {0x900, HOLE, 9}}},
    {.name = "case 132: current_reservation", .from = FB,
     CURRENT, .ret = 1024, .is = {1024, 1024, 2048}},
    {.name = "maximum_gpfn knows them", .from = FB,
     .cmd = OP_MAXIMUM_GPFN, .ret = 0x7ff, .is = {1024, 1024, 2048}},
    {.name = "add_to_physmap: the source gets its page first", .from = FB,
     ADD(GMFN, 0x010, 0x900), .ret = 0, .is = {1024, 512, 1536},
     .leaf = {{0x00f, RAM, 0}, {0x010, HOLE, 0}, {0x900, RAM, 0}}},
    {.name = "... so does the destination, and loses it", .from = FB1,
     ADD(GMFN, 0x020, 0x400), .ret = 0, .is = {1023, 0, 1024},
     .leaf = {{0x020, HOLE, 0}, {0x400, RAM, 0}, {0x401, RAM, 0}}},
    {.name = "... of single pages", .from = FB300,
     ADD(GMFN, 0x010, 0x011), .ret = 0, .is = {299, 298, 2046},
     .leaf = {{0x010, HOLE, 0}, {0x011, RAM, 0}, {0x012, POD, 0}}},
    {.name = "... by the control domain", .from = FB300, .by = CONTROL,
     ADD(GMFN, 0x010, 0x900), .ret = 0, .is = {300, 299, 2047}},
    {.name = "... of a gfn onto itself", .from = FB300,
     ADD(GMFN, 0x010, 0x010), .ret = 0, .is = {300, 299, 2047}, .leaf = {{0x010, RAM, 0}}},
    {.name = "... a range", .from = FB300,
     ADD_RANGE(0x010, 0x900, 4), .ret = 0, .is = {300, 296, 2044},
     .leaf = {{0x010, HOLE, 0}, {0x013, HOLE, 0}, {0x014, POD, 0}, {0x903, RAM, 0}}},
    {.name = "... a range onto itself", .from = FB300,
     ADD_RANGE(0x010, 0x012, 4), .ret = 0, .is = {298, 294, 2042},
     .leaf = {{0x011, HOLE, 0}, {0x012, RAM, 0}, {0x015, RAM, 0}, {0x016, POD, 0}}},
    {.name = "... a page of the hypervisor's", .from = FB300,
     ADD(SHARED_INFO, 0, 0x010), .ret = 0, .is = {299, 299, 2047},
     .leaf = {{0x010, SPECIAL, 0}, {0x011, POD, 0}}},
    {.name = "... a grant table frame", .from = FB300,
     ADD(GRANT_TABLE, 1, 0x010), .ret = 0, .is = {299, 299, 2047}},
    {.name = "... a source that is a hole leaves the destination alone", .from = FB,
     ADD(GMFN, 0x900, 0x010), .ret = -EACCES, .is = {1024, 1024, 2048}, .leaf = {{0x010, POD, 9}}},
    {.name = "... nor is it touched for what there is not", .from = FB,
     ADD(SHARED_INFO, 1, 0x010), .ret = -EINVAL, .is = {1024, 1024, 2048}},
    {.name = "... nor for a grant table frame too many", .from = FB,
     ADD(GRANT_TABLE, WORLD_GRANT_FRAMES, 0x010), .ret = -EINVAL, .is = {1024, 1024, 2048}},
    {.name = "... nor for a space that is not", .from = FB,
     ADD(6, 0x11, 0x010), .ret = -EINVAL, .is = {1024, 1024, 2048}},
    {.name = "... a source without a page is a hole", .from = FB3,
     ADD(GMFN, 0x400, 0x900), .ret = -EACCES, .is = {1024, 0, 1024},
     .log = OUT "(tot=1024 ents=1024 dom5)", .crash = CRASHED},
    {.name = "... a destination without a page is replaced all the same", .from = FB3,
     ADD(GMFN, 0x020, 0x400), .ret = 0, .is = {1024, 0, 1023},
     .leaf = {{0x020, HOLE, 0}, {0x400, RAM, 0}, {0x401, POD, 0}},
     .log = OUT "(tot=1024 ents=1024 dom5)", .crash = CRASHED},
    {.name = "... nor does a page of the hypervisor's need one there", .from = FB3,
     ADD(SHARED_INFO, 0, 0x400), .ret = 0, .is = {1024, 0, 1023},
     .leaf = {{0x400, SPECIAL, 0}, {0x401, POD, 0}},
     .log = OUT "(tot=1024 ents=1024 dom5)", .crash = CRASHED},
    {.name = "... a source of zeroes is in use, so not what the destination gets", .from = NEW,
     TARGET(2), .ret = 0, .is = {2, 2, 0}},
    {.name = "... three gfns", .then = true,
     MARK(0x10, 0x11, 0x12), .ret = 3, .is = {2, 2, 3}},
    {.name = "... one of them written to", .then = true,
     .what = WRITE, .first = 0x10, .is = {2, 1, 2}},
    {.name = "... then there is none left", .then = true,
     ADD(GMFN, 0x11, 0x12), .ret = 0, .is = {2, 0, 0},
     .leaf = {{0x11, HOLE, 0}, {0x12, RAM, 0}},
     .log = OUT "(tot=2 ents=1 dom5)", .crash = CRASHED},
    {.name = "exchange populates before it refuses", .from = FB,
     EXCHANGE(0x600), .ret = -EOPNOTSUPP, .is = {1024, 512, 1536}, .leaf = {{0x600, RAM, 9}}},
    {.name = "... and finds a hole where there is no page", .from = FB3,
     EXCHANGE(0x600), .ret = -EINVAL, .is = {1024, 0, 1024},
     .log = OUT "(tot=1024 ents=1024 dom5)", .crash = CRASHED},
};
/* clang-format on */

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

enum { COMPAT = 1, IS_PREEMPTED = 2, WAYS = 4 };

struct story {
    const struct row *row;
    unsigned way;
};

/* --- What is done ----------------------------------------------------------------------- */

static int do_one(struct world *w, const struct row *row, gfn_t gfn)
{
    switch (row->what) {
    case READ:
        return act_read(w, row->by, gfn);
    case WRITE:
        return act_write(w, row->by, gfn);
    case MAP_GRANT:
        return act_map_grant(w, gfn);
    case ZERO:
        act_zero(w, gfn);
        return 0;
    default:
        return 0;
    }
}

static long do_gfns(struct world *w, const struct row *row)
{
    pages_t count = row->count > 0 ? row->count : 1;
    int rc = 0;

    for (pages_t i = 0; i < count && rc == 0; i++) {
        rc = do_one(w, row, row->first + i);
    }
    return rc;
}

/* One extent each way; the one that goes out is not looked at. */
static long exchange(struct world *w, bool compat, gfn_t gfn)
{
    const struct reservation_args args = {.list = LIST, .nr = 1, .domid = SELF};
    size_t size = compat ? 20 : 32;

    memset(w->mem, 0, 128);
    call_put_reservation(w, compat, &args);
    memcpy(w->mem + size, w->mem, size);
    call_put_frame(w, compat, LIST, 0, gfn);
    return act_call(w, GUEST, compat, OP_EXCHANGE);
}

/* Both targets tell the three counters, and nothing when they fail. */
static long pod_target(struct world *w, const struct row *row, bool compat)
{
    long ret;

    memset(w->mem, 0x77, 64);
    world_put(w, ARG, row->target, 8);
    world_put(w, ARG + 32, row->by == CONTROL ? 5 : SELF, 2);
    ret = act_call(w, row->by, compat, row->cmd);
    assert_int_equal(world_get(w, ARG, 8), row->target);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t is[] = {row->is.tot, row->is.count, row->is.entries};

        assert_int_equal(world_get(w, ARG + 8 + 8ull * i, 8),
                         ret == 0 ? is[i] : 0x7777777777777777);
    }
    return ret;
}

static long do_call(struct world *w, const struct row *row, bool compat)
{
    switch (row->cmd) {
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        return pod_target(w, row, compat);
    case OP_ADD:
        call_put_physmap(w, compat, row->by == CONTROL ? 5 : SELF, row->space, row->idx, row->gpfn,
                         row->size);
        return act_call(w, row->by, compat, OP_ADD);
    case OP_REMOVE:
        return act_remove(w, row->by, compat, row->gpfn);
    case OP_EXCHANGE:
        return exchange(w, compat, row->gpfn);
    case OP_CURRENT:
    case OP_MAXIMUM_GPFN:
        world_put(w, ARG, SELF, 2);
        return act_call(w, row->by, compat, row->cmd);
    default:
        return act_extents(w, row->by, compat, row->cmd, row->order, row->flags, row->list,
                           row->nr);
    }
}

/* --- What comes of it ------------------------------------------------------------------- */

static void check_value(const struct row *row, const char *what, uint64_t is, uint64_t want)
{
    if (is != want) {
        fail_msg("%s: %s: expected %#llx, got %#llx", row->name, what, (unsigned long long)want,
                 (unsigned long long)is);
    }
}

static void check_pod(const struct world *w, const struct row *row)
{
    const struct pod *pod = &w->d->pod;

    act_check(w, row->name, row->is.tot, row->is.count, row->is.entries);
    if (row->cache.super || row->cache.single) {
        check_value(row, "superpages in the cache", pod->super, row->cache.super);
        check_value(row, "single pages in the cache", pod->single, row->cache.single);
    }
    if (row->max_guest) {
        check_value(row, "max_guest", pod->max_guest, row->max_guest);
    }
    if (row->swept) {
        check_value(row, "reclaim_single", pod->reclaim_single, row->reclaim_single);
    }
}

static void check_leaves(const struct world *w, const struct row *row)
{
    for (size_t i = 0; i < sizeof(row->leaf) / sizeof(row->leaf[0]); i++) {
        const struct leaf *leaf = &row->leaf[i];
        char what[64];
        unsigned order;

        if (leaf->gfn || leaf->type || leaf->order) {
            snprintf(what, sizeof(what), "type of gfn %#llx", (unsigned long long)leaf->gfn);
            check_value(row, what, hcall_domain_p2m(w->d, leaf->gfn, &order), leaf->type);
            snprintf(what, sizeof(what), "order of gfn %#llx", (unsigned long long)leaf->gfn);
            check_value(row, what, order, leaf->order);
        }
    }
}

static void check_log(const struct world *w, const struct row *row, unsigned before)
{
    unsigned crash = row->crash == CRASHED ? 2 : row->crash == AGAIN ? 1 : 0;
    unsigned lines = crash + (row->log ? 1 : 0);

    check_value(row, "lines in the log", w->logs - before, lines);
    if (row->log) {
        assert_string_equal(w->line[lines - 1], row->log);
    }
    if (row->crash != NO) {
        assert_memory_equal(w->line[crash - 1], "domain_crash called from hcall/pod.c:", 37);
        assert_true(hcall_domain_crashed(w->d));
        assert_int_equal(w->crashes, 1);
    }
    if (row->crash == CRASHED) {
        assert_string_equal(w->line[0], row->by == CONTROL
                                            ? "Domain 5 reported crashed by domain 0 on cpu#3:"
                                            : "Domain 5 (vcpu#3) crashed on cpu#3:");
    }
}

static void run_row(struct world *w, const struct row *row, bool compat)
{
    unsigned logs = w->logs;
    unsigned crashes = w->crashes;
    long ret;

    hcall_domain_set_io(w->d, row->io);
    ret = row->what == CALL ? do_call(w, row, compat) : do_gfns(w, row);
    check_value(row, "result", (uint64_t)ret, (uint64_t)row->ret);
    check_pod(w, row);
    check_leaves(w, row);
    check_log(w, row, logs);
    assert_int_equal(w->crashes - crashes, row->crash == CRASHED);
}

static bool fits(const struct row *row, unsigned way)
{
    return row->when == ALWAYS || (row->when == PREEMPTED) == !!(way & IS_PREEMPTED);
}

static void run_story(void **state)
{
    const struct story *story = *state;
    const struct row *row = story->row;
    static struct world w;

    act_open(&w, row->from, story->way & COMPAT, row->pool, 0);
    w.preempt = story->way & IS_PREEMPTED;
    do {
        if (fits(row, story->way)) {
            run_row(&w, row, story->way & COMPAT);
        }
        row++;
    } while (row < rows + NR_ROWS && row->then);
    world_close(&w);
}

int main(void)
{
    static struct CMUnitTest tests[WAYS * NR_ROWS];
    static struct story stories[WAYS * NR_ROWS];
    static char names[WAYS * NR_ROWS][128];
    size_t nr = 0;

    for (size_t i = 0; i < WAYS * NR_ROWS; i++) {
        const struct row *row = &rows[i / WAYS];
        unsigned way = i % WAYS;

        if (row->then || (row->only_64 && way & COMPAT)) {
            continue;
        }
        stories[nr] = (struct story){row, way};
        snprintf(names[nr], sizeof(names[nr]), "%s [%s%s]", row->name, way & COMPAT ? "32" : "64",
                 way & IS_PREEMPTED ? ", preempted" : "");
        tests[nr] = (struct CMUnitTest){
            .name = names[nr], .test_func = run_story, .initial_state = &stories[nr]};
        nr++;
    }
    return _cmocka_run_group_tests("rows", tests, nr, NULL, NULL);
}
