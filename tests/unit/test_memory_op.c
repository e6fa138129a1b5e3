/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory_op: every rule as a row: a domain, a call, and what the guest, the
 * counters and every gfn look like afterwards.
 *
 * The fixture is "FA": domain 5, max_pages 4096, gfns 0x000-0x3ff RAM, shared_info at
 * 0xfe700, a device's page at 0xfee00, a mapped grant at 0x800 and a foreign page at 0x801.
 * Case numbers are those of the project's list of conformance cases, which were run on
 * real Xen.  Each row runs for 64-bit and 32-bit callers, with RAM in 4 KiB
 * and in 2 MiB leaves, and preempted at every chance or not: a guest cannot tell.
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

struct move {
    gfn_t from, to;
    pages_t count;
};

enum caller { BOTH, ONLY_64, ONLY_32 };
enum by { GUEST, CONTROL };

/* The fields of an add_to_physmap, and for a remove_from_physmap its gpfn. */
struct physmap_args {
    unsigned space;
    uint64_t idx;
    gfn_t gpfn;
    unsigned size;
};

struct row {
    const char *name;
    bool then; /* goes on where the row above ended */
    enum caller caller;
    enum by by;
    uint32_t version; /* 0: the newest */
    /* Set before the call. */
    pages_t max_pages; /* if not 0 */
    bool io;
    bool dying;
    bool small_leaves, large_leaves; /* RAM is in these, if only one of them will do */

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
    bool no_list;   /* its address is 0 */
    struct physmap_args map;

    /* What comes of it; all else stays as it was. */
    long ret;
    long delta;              /* of tot_pages */
    struct span gone[3];     /* RAM before, holes now */
    struct span new[3];      /* holes before, RAM now */
    struct span replaced[3]; /* RAM before and after, but another page */
    struct move moved[2];    /* RAM that is elsewhere now, with what it held */
    gfn_t shared_info;       /* where it is now, if it is not where it was */
    pages_t claim;           /* held afterwards */
    bool writes;             /* the structure has been written to */
    bool crashed;            /* and the last two log lines say so */
    const char *log;         /* its first line */
};

#define DECREASE .cmd = OP_DECREASE, .domid = SELF
#define POPULATE .cmd = OP_POPULATE, .domid = SELF
#define CURRENT .cmd = OP_CURRENT
#define MAXIMUM .cmd = OP_MAXIMUM
#define ADD .cmd = OP_ADD, .domid = SELF
#define REMOVE .cmd = OP_REMOVE, .domid = SELF
#define CLAIM .cmd = OP_CLAIM, .caller = ONLY_64, .no_list = true
#define SHARED_INFO 0
#define GRANT_TABLE 1
#define GMFN 2
#define GMFN_RANGE 3
#define GMFN_FOREIGN 4
#define DEV_MMIO 5
#define NOWHERE HCALL_NO_GFN

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
     DECREASE, .nr = 1, .order = 1, .first = 1ull << 36,
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
     .ret = 0, .delta = 512},
    /* The control domain, about another and about nobody. */
    {.name = "the control domain asks about a guest", .by = CONTROL, CURRENT, .domid = 5, .ret = 1024},
    {.name = "... about itself, which owns nothing here", .by = CONTROL, CURRENT, .domid = SELF, .ret = 0},
    {.name = "... about nobody", .by = CONTROL, CURRENT, .domid = 99, .ret = -ESRCH},
    {.name = "the control domain decreases a guest", .by = CONTROL,
     .cmd = OP_DECREASE, .domid = 5, .nr = 2, .first = 0x10,
     .ret = 2, .delta = -2, .gone = {{0x10, 2}}},
    {.name = "its own memory is not modelled", .by = CONTROL,
     .cmd = OP_DECREASE, .domid = SELF, .nr = 2, .first = 0x10,
     .ret = 0},
    {.name = "case 34: the control domain may use order 10", .by = CONTROL,
     .cmd = OP_POPULATE, .domid = 5, .nr = 1, .order = 10, .first = 0x400,
     .ret = 1, .delta = 1024, .new = {{0x400, 0x400}}},
    {.name = "case 35: populate order 19", .by = CONTROL,
     .cmd = OP_POPULATE, .domid = 5, .nr = 1, .order = 19, .first = 0x400,
     .ret = 0},
    {.name = "an over-allocation names who asked", .by = CONTROL, .max_pages = 1024,
     .cmd = OP_POPULATE, .domid = 5, .nr = 1, .first = 0x400,
     .ret = 0, .log = "d0v3 Over-allocation for d5: 1025 > 1024"},
    {.name = "a node that Xen is not built for", .by = CONTROL,
     .cmd = OP_POPULATE, .domid = 5, .nr = 1, .first = 0x400, .flags = FLAG_NODE(64),
     .ret = 0},
    {.name = "the control domain may insist on a node", .by = CONTROL,
     .cmd = OP_POPULATE, .domid = 5, .nr = 1, .first = 0x400, .flags = FLAG_NODE(0) | FLAG_EXACT_NODE,
     .ret = 1, .delta = 1, .new = {{0x400, 1}}},
    {.name = "a guest with I/O resources may use order 12", .io = true, .max_pages = 8192,
     POPULATE, .nr = 1, .order = 12, .first = 1ull << 31,
     .ret = 0},
    {.name = "... and order 10", .io = true,
     POPULATE, .nr = 1, .order = 10, .first = 0x400,
     .ret = 1, .delta = 1024, .new = {{0x400, 0x400}}},
    {.name = "... but not 13", .io = true, .max_pages = 100000,
     POPULATE, .nr = 1, .order = 13, .first = 0x400,
     .ret = 0},
    {.name = "... up to 4.2 any", .io = true, .max_pages = 100000, .version = 0x40002, .caller = ONLY_64,
     POPULATE, .nr = 1, .order = 13, .first = 1ull << 36,
     .ret = 0, .delta = 1 << 13},

    /* Gfns that are no RAM. */
    {.name = "case 50: decrease of shared_info", DECREASE, .nr = 1, .first = 0xfe700, .ret = 1, .shared_info = NOWHERE},
    {.name = "case 51: ... again", .then = true, DECREASE, .nr = 1, .first = 0xfe700, .ret = 0},
    {.name = "... mapped anew", .then = true,
     ADD, .map = {SHARED_INFO, 0, 0xfe700},
     .ret = 0, .shared_info = 0xfe700},
    {.name = "... it cannot be decreased", .then = true, DECREASE, .nr = 1, .first = 0xfe700, .ret = 0},
    {.name = "... nor removed", .then = true, REMOVE, .map = {.gpfn = 0xfe700}, .ret = -ENOENT},
    {.name = "... nor moved as a page", .then = true, ADD, .map = {GMFN, 0xfe700, 0x500}, .ret = -EINVAL},
    {.name = "... but as shared_info", .then = true,
     ADD, .map = {SHARED_INFO, 0, 0x500},
     .ret = 0, .shared_info = 0x500},
    {.name = "case 52: decrease of a device's page", DECREASE, .nr = 1, .first = 0xfee00, .ret = 0},
    {.name = "case 53: decrease of a mapped grant", DECREASE, .nr = 1, .first = 0x800, .ret = 0},
    {.name = "case 53: decrease of a foreign page", DECREASE, .nr = 1, .first = 0x801, .ret = 0},
    {.name = "case 59: populate on a mapped grant",
     POPULATE, .nr = 3, .list = {0x400, 0x800, 0x402},
     .ret = 1, .delta = 2, .new = {{0x400, 1}}, .crashed = true,
     .log = "d5: GFN 0x800 (0x800,7,7) -> (0x800,0,7) not permitted"},
    {.name = "populate on a foreign page", POPULATE, .nr = 1, .first = 0x801,
     .ret = 0, .delta = 1, .crashed = true,
     .log = "d5: GFN 0x801 (0x801,14,7) -> (0x801,0,7) not permitted"},
    {.name = "case 60: populate on a device's page", POPULATE, .nr = 1, .first = 0xfee00,
     .ret = 0, .delta = 1, .crashed = true,
     .log = "d5: GFN 0xfee00 (0xfee00,5,7) -> (0xfee00,0,7) not permitted"},
    {.name = "nothing of an extent that has a grant in it", .max_pages = 8192,
     POPULATE, .nr = 1, .order = 2, .first = 0x7fe,
     .ret = 0, .delta = 4, .crashed = true,
     .log = "d5: GFN 0x800 (0x800,7,7) -> (0x800,0,7) not permitted"},
    {.name = "case 61: populate on shared_info", POPULATE, .nr = 1, .first = 0xfe700,
     .ret = 1, .delta = 1, .new = {{0xfe700, 1}}, .shared_info = NOWHERE},
    {.name = "case 62: above the p2m's reach pages are lost", .caller = ONLY_64,
     POPULATE, .nr = 1, .order = 3, .first = 1ull << 36,
     .ret = 0, .delta = 8},
    {.name = "case 63: increase_reservation",
     .cmd = OP_INCREASE, .domid = SELF, .nr = 3, .no_list = true,
     .ret = 3, .delta = 3},
    {.name = "case 64: maximum_gpfn", .cmd = OP_MAXIMUM_GPFN, .domid = SELF, .ret = 0xfee00},

    /* Moving and mapping. */
    {.name = "case 70: shared_info over RAM",
     ADD, .map = {SHARED_INFO, 0, 0x20},
     .ret = 0, .delta = -1, .gone = {{0x20, 1}}, .shared_info = 0x20},
    {.name = "case 71: there is one shared_info", ADD, .map = {SHARED_INFO, 1, 0x20}, .ret = -EINVAL},
    {.name = "shared_info where it is", ADD, .map = {SHARED_INFO, 0, 0xfe700}, .ret = 0},
    {.name = "shared_info above all else", ADD, .map = {SHARED_INFO, 0, 0xff000}, .ret = 0, .shared_info = 0xff000},
    {.name = "... is the highest gfn there is", .then = true, .cmd = OP_MAXIMUM_GPFN, .domid = SELF, .ret = 0xff000},
    {.name = "shared_info over a mapped grant", ADD, .map = {SHARED_INFO, 0, 0x800}, .ret = -ENXIO},
    {.name = "case 72: a page moves", ADD, .map = {GMFN, 0x21, 0x500}, .ret = 0, .moved = {{0x21, 0x500, 1}}},
    {.name = "case 73: ... onto RAM",
     ADD, .map = {GMFN, 0x21, 0x22},
     .ret = 0, .delta = -1, .moved = {{0x21, 0x22, 1}}},
    {.name = "case 74: a hole does not", ADD, .map = {GMFN, 0x700, 0x500}, .ret = -EACCES},
    {.name = "case 74: ... by 4.17", .version = 0x40011, ADD, .map = {GMFN, 0x700, 0x500}, .ret = -EINVAL},
    {.name = "a mapped grant does not", ADD, .map = {GMFN, 0x800, 0x500}, .ret = -EACCES},
    {.name = "case 75: ... onto a device's page", ADD, .map = {GMFN, 0x21, 0xfee00}, .ret = -EPERM},
    {.name = "... onto a foreign page", ADD, .map = {GMFN, 0x21, 0x801}, .ret = -ENXIO},
    {.name = "... onto shared_info",
     ADD, .map = {GMFN, 0x21, 0xfe700},
     .ret = 0, .moved = {{0x21, 0xfe700, 1}}, .shared_info = NOWHERE},
    {.name = "... onto itself", ADD, .map = {GMFN, 0x21, 0x21}, .ret = 0},
    {.name = "... above the p2m's reach", .caller = ONLY_64, ADD, .map = {GMFN, 0x21, 1ull << 36}, .ret = -EINVAL},
    {.name = "... where nothing can be backed", ADD, .map = {GMFN, 0x21, 0xd00}, .ret = -ENOMEM},
    {.name = "shared_info moves as a page", ADD, .map = {GMFN, 0xfe700, 0x500}, .ret = 0, .shared_info = 0x500},
    {.name = "case 76: gpfn all ones", .caller = ONLY_64, ADD, .map = {GMFN, 0x21, UINT64_MAX}, .ret = -EINVAL},
    {.name = "... is a gfn for 32 bits", .caller = ONLY_32, ADD, .map = {GMFN, 0x21, UINT32_MAX}, .ret = -ENOMEM},
    {.name = "case 77: foreign pages are for batches", ADD, .map = {GMFN_FOREIGN, 0x21, 0x500}, .ret = -ENOSYS},
    {.name = "devices' pages are the hardware domain's", ADD, .map = {DEV_MMIO, 0x21, 0x500}, .ret = -EACCES},
    {.name = "a space that is not", ADD, .map = {6, 0x21, 0x500}, .ret = -EINVAL},
    {.name = "single pages ignore start_extent",
     .cmd = OP_ADD | START(5), .domid = SELF, .map = {GMFN, 0x21, 0x500},
     .ret = 0, .moved = {{0x21, 0x500, 1}}},
    {.name = "... that fits 16 bits", .cmd = OP_ADD | START(0x10000), .domid = SELF, .map = {GMFN, 0x21, 0x500}, .ret = -EDOM},
    {.name = "add_to_physmap that cannot be read", ADD, .arg_unmapped = true, .ret = -EFAULT},
    {.name = "... of dom0", .cmd = OP_ADD, .domid = 0, .map = {GMFN, 0x21, 0x500}, .ret = -EACCES},
    {.name = "... of nobody", .cmd = OP_ADD, .domid = 99, .map = {GMFN, 0x21, 0x500}, .ret = -ESRCH},
    {.name = "... by the control domain", .by = CONTROL,
     .cmd = OP_ADD, .domid = 5, .map = {GMFN, 0x21, 0x500},
     .ret = 0, .moved = {{0x21, 0x500, 1}}},
    {.name = "case 78: a grant table frame", ADD, .map = {GRANT_TABLE, 1, 0x20}, .ret = 0, .delta = -1, .gone = {{0x20, 1}}},
    {.name = "... beyond the table", ADD, .map = {GRANT_TABLE, WORLD_GRANT_FRAMES, 0x20}, .ret = -EINVAL},
    {.name = "... gone for good", ADD, .map = {GRANT_TABLE, 0, 0x500}, .ret = 0},
    {.name = "... once it was decreased", .then = true, DECREASE, .nr = 1, .first = 0x500, .ret = 1},
    {.name = "... cannot come back", .then = true, ADD, .map = {GRANT_TABLE, 0, 0x500}, .ret = -EBUSY},
    {.name = "a frame that is removed", ADD, .map = {GRANT_TABLE, 0, 0x500}, .ret = 0},
    {.name = "... is gone from there", .then = true, REMOVE, .map = {.gpfn = 0x500}, .ret = 0},
    {.name = "... and can come back", .then = true, ADD, .map = {GRANT_TABLE, 0, 0x500}, .ret = 0},
    {.name = "case 79: a range that overlaps upwards", .version = 0x40011,
     ADD, .map = {GMFN_RANGE, 0x100, 0x102, 4},
     .ret = 0, .delta = -4, .gone = {{0x100, 4}}, .moved = {{0x100, 0x104, 1}, {0x101, 0x105, 1}}},
    {.name = "case 79: ... from the top down",
     ADD, .map = {GMFN_RANGE, 0x100, 0x140, 0x80},
     .ret = 0, .delta = -64, .gone = {{0x100, 0x40}}, .moved = {{0x100, 0x140, 0x80}}},
    {.name = "a range that overlaps downwards",
     ADD, .map = {GMFN_RANGE, 0x140, 0x100, 0x80},
     .ret = 0, .delta = -64, .gone = {{0x180, 0x40}}, .moved = {{0x140, 0x100, 0x80}}},
    {.name = "a range of more than a section",
     ADD, .map = {GMFN_RANGE, 0, 0x500, 0x300},
     .ret = 0, .moved = {{0, 0x500, 0x300}}},
    {.name = "a range, some of it done",
     .cmd = OP_ADD | START(2), .domid = SELF, .map = {GMFN_RANGE, 0x100, 0x500, 4},
     .ret = 0, .moved = {{0x102, 0x502, 2}}},
    {.name = "... all of it", .cmd = OP_ADD | START(4), .domid = SELF, .map = {GMFN_RANGE, 0x100, 0x500, 4}, .ret = 0},
    {.name = "... and more", .cmd = OP_ADD | START(5), .domid = SELF, .map = {GMFN_RANGE, 0x100, 0x500, 4}, .ret = -EILSEQ},
    {.name = "a range of nothing, to all ones", .caller = ONLY_64,
     ADD, .map = {GMFN_RANGE, 0x100, UINT64_MAX, 0},
     .ret = -EINVAL},
    {.name = "a range of nothing", ADD, .map = {GMFN_RANGE, 0x100, 0x500, 0}, .ret = 0},
    {.name = "a range stops at a hole",
     ADD, .map = {GMFN_RANGE, 0x3fe, 0x500, 4},
     .ret = -EACCES, .moved = {{0x3fe, 0x500, 2}}},
    {.name = "a range that wraps", .caller = ONLY_64, ADD, .map = {GMFN_RANGE, UINT64_MAX, 0x500, 3}, .ret = -EOVERFLOW},
    {.name = "a range to where it wraps", .caller = ONLY_64,
     ADD, .map = {GMFN_RANGE, 0x100, UINT64_MAX - 1, 3},
     .ret = -EOVERFLOW},
    {.name = "... for 32 bits it does not", .caller = ONLY_32, ADD, .map = {GMFN_RANGE, UINT32_MAX, 0x500, 3}, .ret = -EACCES},
    {.name = "case 82: remove_from_physmap", REMOVE, .map = {.gpfn = 0x21}, .ret = 0, .gone = {{0x21, 1}}},
    {.name = "case 83: ... of a hole", REMOVE, .map = {.gpfn = 0x700}, .ret = -ENOENT},
    {.name = "case 83: ... of a mapped grant", REMOVE, .map = {.gpfn = 0x800}, .ret = -ENOENT},
    {.name = "case 83: ... of a device's page", REMOVE, .map = {.gpfn = 0xfee00}, .ret = -ENOENT},
    {.name = "... of a foreign page", REMOVE, .map = {.gpfn = 0x801}, .ret = 0},
    {.name = "... of shared_info", REMOVE, .map = {.gpfn = 0xfe700}, .ret = 0, .shared_info = NOWHERE},
    {.name = "... which can be mapped again, and decreased", .then = true,
     ADD, .map = {SHARED_INFO, 0, 0xfe700},
     .ret = 0, .shared_info = 0xfe700},
    {.name = "... as its reference is still there", .then = true,
     DECREASE, .nr = 1, .first = 0xfe700,
     .ret = 1, .shared_info = NOWHERE},
    {.name = "case 87: machine_memory_map asks who calls first", .cmd = OP_MACHINE_MAP, .arg_unmapped = true, .ret = -EPERM},
    {.name = "case 87: ... not by 4.17", .version = 0x40011, .cmd = OP_MACHINE_MAP, .arg_unmapped = true, .ret = -ENOSYS},

    /* Claims. */
    {.name = "case 88: a claim of what it has", .by = CONTROL, CLAIM, .domid = 5, .nr = 1024, .ret = -EINVAL},
    {.name = "case 88: a claim", .by = CONTROL, CLAIM, .domid = 5, .nr = 1025, .ret = 0, .claim = 1},
    {.name = "case 88: ... another", .then = true, .by = CONTROL, CLAIM, .domid = 5, .nr = 1026, .ret = -EINVAL, .claim = 1},
    {.name = "case 88: ... given back", .then = true, .by = CONTROL, CLAIM, .domid = 5, .nr = 0, .ret = 0},
    {.name = "case 89: claims are not for oneself", .by = CONTROL, CLAIM, .domid = SELF, .nr = 1025, .ret = -EINVAL},
    {.name = "case 89: nor for nobody", .by = CONTROL, CLAIM, .domid = 99, .nr = 1025, .ret = -EINVAL},
    {.name = "nor a guest's business", CLAIM, .domid = 5, .nr = 1025, .ret = -EPERM},
    {.name = "a claim above max_pages", .by = CONTROL, CLAIM, .domid = 5, .nr = 4097, .ret = -EINVAL},
    {.name = "a claim of more than there is", .by = CONTROL, .max_pages = 0xffffffff,
     CLAIM, .domid = 5, .nr = WORLD_POOL + 1,
     .ret = -ENOMEM},
    {.name = "a claim of all there is", .by = CONTROL, .max_pages = 0xffffffff,
     CLAIM, .domid = 5, .nr = WORLD_POOL,
     .ret = 0, .claim = WORLD_POOL - 1024},
    {.name = "... is used up by allocating", .then = true, .caller = ONLY_64,
     POPULATE, .nr = 4, .first = 0x400,
     .ret = 4, .delta = 4, .new = {{0x400, 4}}, .claim = WORLD_POOL - 1028},
    {.name = "... and not restored by freeing", .then = true, .caller = ONLY_64,
     DECREASE, .nr = 4, .first = 0x400,
     .ret = 4, .delta = -4, .gone = {{0x400, 4}}, .claim = WORLD_POOL - 1028},
    {.name = "by 4.17 it is", .by = CONTROL, .version = 0x40011, CLAIM, .domid = 5, .nr = 1026, .ret = 0, .claim = 2},
    {.name = "... as long as there is one", .then = true, .caller = ONLY_64,
     DECREASE, .nr = 1, .first = 0x10,
     .ret = 1, .delta = -1, .gone = {{0x10, 1}}, .claim = 3},
    {.name = "case 141: a claim for a dying domain", .by = CONTROL, .dying = true, CLAIM, .domid = 5, .nr = 2000, .ret = -EINVAL},

    /* A dying domain. */
    {.name = "case 139: decrease works", .dying = true, .small_leaves = true,
     DECREASE, .nr = 1, .first = 0x10,
     .ret = 1, .delta = -1, .gone = {{0x10, 1}}},
    {.name = "... but cannot split a leaf", .dying = true, .large_leaves = true, DECREASE, .nr = 1, .first = 0x10, .ret = 0},
    {.name = "case 140: populate does not", .dying = true, POPULATE, .nr = 1, .first = 0x400, .ret = 0},
    {.name = "case 144: it still answers", .dying = true, CURRENT, .domid = SELF, .ret = 1024},

    /* PoD, as far as it is there. */
    {.name = "case 69: get_pod_target on oneself", .cmd = OP_GET_POD_TARGET, .domid = SELF, .ret = -EPERM},
    {.name = "case 97: a target for a domain without PoD", .by = CONTROL,
     .cmd = OP_SET_POD_TARGET, .domid = 5, .nr = 2048,
     .ret = 0, .writes = true},
    {.name = "case 96: a target above max_pages", .by = CONTROL, .cmd = OP_SET_POD_TARGET, .domid = 5, .nr = 4097, .ret = -EINVAL},
    {.name = "case 5: start_extent makes it another operation", .by = CONTROL, .cmd = OP_GET_POD_TARGET | START(1), .domid = 5, .ret = -ENOSYS},
};
/* clang-format on */

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

/* One row or more: a row and those that go on from it, in one of the ways rows are run. */
enum { COMPAT = 1, SMALL_LEAVES = 2, PREEMPTED = 4, WAYS = 8 };

struct story {
    const struct row *row;
    unsigned way;
};

static void make_fixture(struct world *w, const struct row *row, unsigned way)
{
    pages_t step = way & SMALL_LEAVES ? 1 : FA_PAGES;

    world_open(w, 4096, 0, row->version);
    for (gfn_t gfn = 0; gfn < FA_PAGES; gfn += step) {
        world_build_ram(w, gfn, step);
    }
    assert_int_equal(hcall_domain_map(w->d, 0x800, 1, HCALL_P2M_GRANT), 0);
    assert_int_equal(hcall_domain_map(w->d, 0x801, 1, HCALL_P2M_FOREIGN), 0);
    assert_int_equal(hcall_domain_map(w->d, WORLD_APIC, 1, HCALL_P2M_MMIO), 0);
    call_put_physmap(w, false, SELF, SHARED_INFO, 0, WORLD_SHARED_INFO, 0);
    assert_int_equal(call_memory_op(w->d, false, OP_ADD, ARG), 0);
    w->preempt = way & PREEMPTED;
}

static uint64_t list_address(const struct row *row, bool compat)
{
    if (row->fault_at) {
        return call_list_fault_at(compat, row->fault_at) + row->fault_skew;
    }
    if (row->no_list) {
        return 0;
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

static void put_structure(struct world *w, const struct row *row, bool compat)
{
    const struct reservation_args args = {
        .list = list_address(row, compat),
        .nr = row->nr,
        .order = row->order,
        .flags = row->flags,
        .domid = row->domid,
    };

    switch (row->cmd & 63) {
    case OP_CURRENT:
    case OP_MAXIMUM:
    case OP_MAXIMUM_GPFN:
        world_put(w, ARG, row->domid, 2);
        break;
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        world_put(w, ARG, row->nr, 8);
        world_put(w, ARG + 32, row->domid, 2);
        break;
    case OP_ADD:
        call_put_physmap(w, compat, row->domid, row->map.space, row->map.idx, row->map.gpfn,
                         row->map.size);
        break;
    case OP_REMOVE:
        world_put(w, ARG, row->domid, 2);
        world_put(w, ARG + (compat ? 4 : 8), row->map.gpfn, compat ? 4 : 8);
        break;
    default:
        call_put_reservation(w, compat, &args);
        put_list(w, row, compat, args.list);
        break;
    }
}

/* Put the call's arguments into guest memory, which is then as the row wants it. */
static void put_arguments(struct world *w, const struct row *row, bool compat)
{
    memset(w->page, 0, sizeof(w->page));
    put_structure(w, row, compat);
    w->page[0].unmapped = row->arg_unmapped;
    w->page[FAULT_PAGE].unmapped = true;
    w->page[2].read_only = row->list_read_only;
    w->page[2].is_gfn = row->list_gfn != 0;
    w->page[2].gfn = row->list_gfn;
}

static void set_spans(struct world *want, const struct span *spans, size_t nr, bool backed)
{
    for (size_t i = 0; i < nr; i++) {
        for (pages_t j = 0; j < spans[i].count; j++) {
            want->gfn[world_slot(spans[i].first + j)] =
                (struct world_gfn){.backed = backed, .stamp = want->now};
        }
    }
}

#define SET_SPANS(want, spans, backed)                                                             \
    set_spans(want, spans, sizeof(spans) / sizeof((spans)[0]), backed)

/* What the row says comes of the world that was before. */
static void expect(struct world *want, const struct row *row, const struct world *before)
{
    *want = *before;
    SET_SPANS(want, row->gone, false);
    SET_SPANS(want, row->new, true);
    SET_SPANS(want, row->replaced, true);
    for (size_t i = 0; i < sizeof(row->moved) / sizeof(row->moved[0]); i++) {
        const struct move *m = &row->moved[i];

        for (pages_t j = 0; j < m->count; j++) {
            want->gfn[world_slot(m->from + j)].backed = false;
        }
    }
    for (size_t i = 0; i < sizeof(row->moved) / sizeof(row->moved[0]); i++) {
        const struct move *m = &row->moved[i];

        for (pages_t j = 0; j < m->count; j++) {
            want->gfn[world_slot(m->to + j)] = before->gfn[world_slot(m->from + j)];
        }
    }
    if (row->shared_info) {
        want->special[HCALL_SPECIAL_SHARED_INFO] = row->shared_info;
    }
}

static void check_gfns(const struct world *w, const struct row *row, const struct world *before)
{
    static struct world want;

    expect(&want, row, before);
    for (unsigned i = 0; i < WORLD_GFNS; i++) {
        const struct world_gfn *is = &w->gfn[i], *should = &want.gfn[i];

        if (is->backed != should->backed || (is->backed && is->stamp != should->stamp)) {
            fail_msg("%s: gfn %#llx: expected %s of step %u, got %s of step %u", row->name,
                     (unsigned long long)world_gfn(i), should->backed ? "RAM" : "a hole",
                     should->stamp, is->backed ? "RAM" : "a hole", is->stamp);
        }
    }
    if (w->special[HCALL_SPECIAL_SHARED_INFO] != want.special[HCALL_SPECIAL_SHARED_INFO]) {
        fail_msg("%s: shared_info is at %#llx, not at %#llx", row->name,
                 (unsigned long long)w->special[HCALL_SPECIAL_SHARED_INFO],
                 (unsigned long long)want.special[HCALL_SPECIAL_SHARED_INFO]);
    }
}

static void check_log(const struct world *w, const struct row *row, const struct world *before)
{
    unsigned lines = row->crashed ? 3 : row->log ? 1 : 0;

    assert_int_equal(w->logs - before->logs, lines);
    assert_int_equal(w->crashes - before->crashes, row->crashed);
    assert_int_equal(hcall_domain_crashed(w->d), row->crashed);
    if (row->log) {
        assert_string_equal(w->line[lines - 1], row->log);
    }
    if (row->crashed) {
        assert_memory_equal(w->line[1], "domain_crash called from hcall/", 31);
        assert_string_equal(w->line[0], "Domain 5 (vcpu#3) crashed on cpu#3:");
    }
}

/* Give every page a mark of its own, to be known again when it moves. */
static void mark_pages(struct world *w)
{
    for (unsigned i = 0; i < WORLD_GFNS; i++) {
        w->gfn[i].stamp = w->now + i;
    }
    w->now += WORLD_GFNS;
}

static void run_row(struct world *w, const struct row *row, bool compat)
{
    static struct world before;
    pages_t tot;
    long ret;

    if (row->max_pages) {
        hcall_domain_set_max_pages(w->d, row->max_pages);
    }
    hcall_domain_set_io(w->d, row->io);
    if (row->dying) {
        hcall_domain_set_dying(w->d);
    }
    put_arguments(w, row, compat);
    mark_pages(w);
    before = *w;
    tot = hcall_domain_tot_pages(w->d);

    ret = call_memory_op(row->by == CONTROL ? w->control : w->d, compat, row->cmd, ARG);
    if (ret != row->ret) {
        fail_msg("%s: expected %ld, got %ld", row->name, row->ret, ret);
    }
    if (hcall_domain_tot_pages(w->d) != tot + (pages_t)row->delta) {
        fail_msg("%s: tot_pages: expected %lld, got %lld", row->name, (long long)tot + row->delta,
                 (long long)hcall_domain_tot_pages(w->d));
    }
    assert_int_equal(hcall_domain_outstanding_pages(w->d), row->claim);
    check_gfns(w, row, &before);
    world_check(w);
    /* Hardly any of these operations changes what the guest passed. */
    if (!row->writes) {
        assert_memory_equal(w->mem, before.mem, sizeof(before.mem));
    }
    check_log(w, row, &before);
}

static void run_story(void **state)
{
    const struct story *story = *state;
    const struct row *row = story->row;
    static struct world w;

    make_fixture(&w, row, story->way);
    do {
        run_row(&w, row, story->way & COMPAT);
        row++;
    } while (row < rows + NR_ROWS && row->then);
    world_close(&w);
}

/* What a row cannot say. */

static struct world world;

static int setup(void **state)
{
    world_open(&world, 4096, 0, 0);
    world_build_ram(&world, 0, FA_PAGES);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    world_check(*state);
    world_close(*state);
    return 0;
}

/* A list of order-0 gfns for a 64-bit caller; returns what the call returns. */
static long call_with_list(struct world *w, unsigned op, const gfn_t *gfns, uint64_t nr)
{
    const struct reservation_args args = {.list = LIST, .nr = nr, .domid = SELF};

    call_put_reservation(w, false, &args);
    for (uint64_t i = 0; i < nr; i++) {
        call_put_frame(w, false, LIST, i, gfns[i]);
    }
    return call_memory_op(w->d, false, op, ARG);
}

/* Linux's balloon gives pages back from the top down. */
static void descending_gfns_are_one_discard(void **state)
{
    struct world *w = *state;
    gfn_t gfns[512];

    for (unsigned i = 0; i < 512; i++) {
        gfns[i] = 0x300 - i;
    }
    assert_int_equal(call_with_list(w, OP_DECREASE, gfns, 512), 512);
    assert_int_equal(w->sections, 1);
    assert_int_equal(w->discards, 1);
    assert_int_equal(call_with_list(w, OP_POPULATE, gfns, 512), 512);
    assert_int_equal(w->sections, 2);
    assert_int_equal(w->backs, 1);
}

static void shuffled_gfns_are_few_discards(void **state)
{
    struct world *w = *state;
    gfn_t gfns[1024];

    for (unsigned i = 0; i < 1024; i++) {
        gfns[i] = (i * 5) % 512 + i / 512 * 512;
    }
    assert_int_equal(call_with_list(w, OP_DECREASE, gfns, 1024), 1024);
    assert_int_equal(w->sections, 2);
    assert_int_equal(w->discards, 2);
}

static void a_call_refused_stops_no_vcpu(void **state)
{
    struct world *w = *state;
    const struct reservation_args foreign = {.list = LIST, .nr = 1, .domid = 0};

    call_put_reservation(w, false, &foreign);
    assert_int_equal(call_memory_op(w->d, false, OP_DECREASE, ARG), 0);
    w->page[2].unmapped = true;
    assert_int_equal(call_with_list(w, OP_DECREASE, (const gfn_t[]){1}, 1), 0);
    assert_int_equal(w->sections, 0);
}

static void a_superpage_goes_and_comes_as_one_leaf(void **state)
{
    struct world *w = *state;
    const struct reservation_args args = {.list = LIST, .nr = 1, .order = 9, .domid = SELF};
    size_t bytes = hcall_domain_p2m_bytes(w->d);
    unsigned order;

    call_put_reservation(w, false, &args);
    call_put_frame(w, false, LIST, 0, 0x200);
    assert_int_equal(call_memory_op(w->d, false, OP_DECREASE, ARG), 1);
    assert_int_equal(hcall_domain_p2m(w->d, 0x200, &order), HCALL_P2M_HOLE);
    assert_int_equal(order, 9);
    assert_int_equal(call_memory_op(w->d, false, OP_POPULATE, ARG), 1);
    assert_int_equal(hcall_domain_p2m(w->d, 0x200, &order), HCALL_P2M_RAM);
    assert_int_equal(order, 9);
    assert_int_equal(hcall_domain_p2m_bytes(w->d), bytes);
}

static void without_memory_for_the_p2m_extents_stop(void **state)
{
    struct world *w = *state;

    oom_after(0);
    assert_int_equal(call_with_list(w, OP_DECREASE, (const gfn_t[]){0x10}, 1), 0);
    assert_true(oom_stop());
    oom_after(0);
    assert_int_equal(call_with_list(w, OP_POPULATE, (const gfn_t[]){0x500, 0x501}, 2), 0);
    assert_true(oom_stop());
    /* Xen does not take the page back. */
    assert_int_equal(hcall_domain_tot_pages(w->d), FA_PAGES + 1);
    assert_int_equal(call_with_list(w, OP_DECREASE, (const gfn_t[]){0x10}, 1), 1);
}

/* Removed, for PV domains only, or not built into Xen by default. */
static void all_other_operations_are_unknown(void **state)
{
    static const unsigned unknown[] = {8, 12, 20, 22, 29, 30, 62, 63};
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(call_memory_op(w->d, false, unknown[i], ARG), -ENOSYS);
        assert_int_equal(call_memory_op(w->d, true, unknown[i] | START(3), ARG), -ENOSYS);
    }
}

/* Registers of a 32-bit caller may hold anything above bit 31. */
static void a_32_bit_caller_has_32_bit_registers(void **state)
{
    struct world *w = *state;
    const uint64_t above = 0xdeadull << 32;

    world_put(w, ARG, SELF, 2);
    assert_int_equal(call_memory_op(w->d, true, OP_CURRENT | above, ARG | above), FA_PAGES);
    assert_int_equal(call_memory_op(w->d, false, OP_CURRENT | above, ARG), -EINVAL);
    assert_int_equal(call_memory_op(w->d, false, OP_CURRENT, ARG | above), -EFAULT);
}

#define MAP_BUFFER LIST

static long call_memory_map(struct world *w, bool compat, uint32_t nr_entries)
{
    world_put(w, ARG, nr_entries, 4);
    world_put(w, ARG + (compat ? 4 : 8), MAP_BUFFER, compat ? 4 : 8);
    return call_memory_op(w->d, compat, OP_MEMORY_MAP, ARG);
}

static void set_map(struct world *w)
{
    const struct hcall_e820 map[] = {
        {.addr = 0, .size = 0xa0000, .type = 1},
        {.addr = 0xfc000000, .size = 0x4000000, .type = 2},
        {.addr = 1ull << 32, .size = 5ull << 32, .type = 1},
    };

    assert_int_equal(hcall_domain_set_memory_map(w->d, map, 3), 0);
}

static void memory_map_gives_what_fits(void **state)
{
    struct world *w = *state;

    set_map(w);
    for (int compat = 0; compat <= 1; compat++) {
        memset(w->mem, 0, sizeof(w->mem));
        assert_int_equal(call_memory_map(w, compat, 2), 0);
        assert_int_equal(world_get(w, ARG, 4), 2);
        assert_int_equal(world_get(w, MAP_BUFFER + 20, 8), 0xfc000000);
        assert_int_equal(world_get(w, MAP_BUFFER + 28, 8), 0x4000000);
        assert_int_equal(world_get(w, MAP_BUFFER + 36, 4), 2);
        assert_int_equal(world_get(w, MAP_BUFFER + 48, 8), 0);

        assert_int_equal(call_memory_map(w, compat, 0xffffffff), 0);
        assert_int_equal(world_get(w, ARG, 4), 3);
        assert_int_equal(world_get(w, MAP_BUFFER + 40, 8), 1ull << 32);
        assert_int_equal(world_get(w, MAP_BUFFER + 48, 8), 5ull << 32);
        assert_int_equal(world_get(w, MAP_BUFFER + 56, 4), 1);
        assert_int_equal(world_get(w, MAP_BUFFER + 60, 8), 0);

        w->page[2].unmapped = true;
        assert_int_equal(call_memory_map(w, compat, 0), 0);
        w->page[2].unmapped = false;
    }
}

static void memory_map_that_fails(void **state)
{
    struct world *w = *state;

    assert_int_equal(call_memory_map(w, false, 8), -ENOSYS);
    set_map(w);
    assert_int_equal(call_memory_op(w->d, false, OP_MEMORY_MAP | START(1), ARG), -ENOSYS);
    w->page[2].read_only = true;
    assert_int_equal(call_memory_map(w, false, 8), -EFAULT);
    w->page[2].read_only = false;
    w->page[0].read_only = true;
    assert_int_equal(call_memory_map(w, true, 8), -EFAULT);
    w->page[0].unmapped = true;
    assert_int_equal(call_memory_map(w, false, 8), -EFAULT);
    w->page[0] = (struct world_page){.unmapped = false};
    assert_int_equal(hcall_domain_set_memory_map(w->d, NULL, 0), 0);
    assert_int_equal(call_memory_map(w, false, 8), -ENOSYS);
}

static bool fits(const struct row *row, unsigned way)
{
    if (way & SMALL_LEAVES ? row->large_leaves : row->small_leaves) {
        return false;
    }
    return row->caller == BOTH || row->caller == (way & COMPAT ? ONLY_32 : ONLY_64);
}

static int run_stories(void)
{
    static struct CMUnitTest tests[WAYS * NR_ROWS];
    static struct story stories[WAYS * NR_ROWS];
    static char names[WAYS * NR_ROWS][128];
    size_t nr = 0;

    for (size_t i = 0; i < WAYS * NR_ROWS; i++) {
        const struct row *row = &rows[i / WAYS];
        unsigned way = i % WAYS;

        if (row->then || !fits(row, way)) {
            continue;
        }
        stories[nr] = (struct story){row, way};
        snprintf(names[nr], sizeof(names[nr]), "%s [%s, %s%s]", row->name,
                 way & COMPAT ? "32" : "64", way & SMALL_LEAVES ? "4K" : "2M",
                 way & PREEMPTED ? ", preempted" : "");
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
