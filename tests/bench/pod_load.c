/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ./bench pod-logic runs: populate-on-demand of hcall/ in a world that does nothing but
 * look for zeroes in real memory, when it is asked to.  Prints one JSON object.
 *
 * Rounds are short, and those of what is compared take turns, so that whatever else the
 * host does meets all of it; what is printed are medians.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "idle_world.h"

#define SUPERPAGE_ORDER 9
#define SUPERPAGE 512
/* As many populations are remembered, to be looked at again. */
#define RING 32

#define ROUNDS 21
/* Pages and superpages that one round populates. */
#define SINGLES (1u << 16)
#define BLOCKS (1u << 12)
#define SHORT_RUNS 1000

#define SCAN_ROUNDS 9
/* Pages that a sweep looks at, or some more. */
#define SWEPT 1024
/* Pages of zeroes at the guest's first gfns. */
#define RESIDENT (1u << 17)
#define RESIDENT_WORDS (RESIDENT * (size_t)HCALL_PAGE_SIZE / sizeof(uint64_t))

enum { OP_POPULATE = 6, OP_SET_POD_TARGET = 16 };
enum { ON_DEMAND = 1 << 16 };

struct reservation {
    uint64_t list, nr;
    uint32_t order, flags;
    uint16_t domid;
};

struct pod_target {
    uint64_t target, tot, cache, entries;
    uint16_t domid;
};

/* All that the control domain has: its argument, and behind it the list. */
static struct {
    union {
        struct reservation reservation;
        struct pod_target target;
    };
    gfn_t list[RESIDENT];
} memory;

static uint64_t *resident;
static uint64_t pages_read;

/* --- The world ---------------------------------------------------------------------------- */

/* A page is small enough to be read to its end, and a loop that has no way out is a fast one. */
static bool page_is_zero(const uint64_t *page)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < HCALL_PAGE_SIZE / sizeof(*page); i++) {
        any |= page[i];
    }
    return any == 0;
}

static bool is_zero(void *world, gfn_t first, pages_t count)
{
    (void)world;
    /* What lies above has been written to. */
    if (first >= RESIDENT) {
        return false;
    }
    pages_read += count;
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        if (!page_is_zero(&resident[gfn * (HCALL_PAGE_SIZE / sizeof(*resident))])) {
            return false;
        }
    }
    return true;
}

/* --- A guest, and the control domain that builds it ------------------------------------------ */

static struct hcall_host *host;
static struct hcall_domain *control, *guest;

static void open_domains(void)
{
    const struct hcall_host_params pool = {.pages = 1u << 24};
    struct hcall_domain_params params = {.max_pages = 1u << 24};
    struct hcall_ops ops = idle_ops;

    ops.is_zero = is_zero;
    idle_memory = &memory;
    host = hcall_host_new(&pool, &idle_host_ops, NULL);
    must(host != NULL, "no memory for a host");
    control = hcall_domain_new(host, &params, &ops, NULL);
    params.domid = 1;
    guest = hcall_domain_new(host, &params, &ops, NULL);
    must(control && guest, "no memory for a domain");
}

static void close_domains(void)
{
    hcall_domain_free(guest);
    hcall_domain_free(control);
    hcall_host_free(host);
}

static long control_call(uint64_t op)
{
    const struct hcall_caller caller = {.domain = control};

    return hcall_memory_op(&caller, &op, 0);
}

/* Extents from first on, one after the other, become populate-on-demand. */
static void mark(gfn_t first, unsigned nr, unsigned order)
{
    for (unsigned i = 0; i < nr; i++) {
        memory.list[i] = first + ((gfn_t)i << order);
    }
    memory.reservation = (struct reservation){
        .list = offsetof(typeof(memory), list),
        .nr = nr,
        .order = order,
        .flags = ON_DEMAND,
        .domid = 1,
    };
    must(control_call(OP_POPULATE) == nr, "an extent was not marked");
}

/* The cache gets so many pages more. */
static void fill(pages_t pages)
{
    pages_t cache = hcall_domain_pod_cache(guest) + pages;

    memory.target = (struct pod_target){
        .target = hcall_domain_tot_pages(guest) + pages,
        .domid = 1,
    };
    must(control_call(OP_SET_POD_TARGET) == 0 && hcall_domain_pod_cache(guest) == cache,
         "the cache was not filled");
}

/* Seconds that it takes to touch nr gfns, which all have to get their page. */
static double touch(const gfn_t *list, unsigned nr)
{
    const struct hcall_caller culprit = {.domain = guest};
    double start = now(), seconds;
    int rc = 0;

    for (unsigned i = 0; i < nr; i++) {
        rc |= hcall_domain_touch(guest, &culprit, list[i]);
    }
    seconds = now() - start;
    must(rc == 0, "a gfn was not populated");
    return seconds;
}

static double touch_one(gfn_t gfn)
{
    return touch(&gfn, 1);
}

/* --- Rounds ------------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof(values[0]), compare);
    return values[n / 2];
}

/* --- Population, with the cache full ---------------------------------------------------------- */

/* Nanoseconds for each. */
static double populate(unsigned order, bool shuffled)
{
    unsigned nr = order == 0 ? SINGLES : BLOCKS;
    double seconds;

    open_domains();
    /* The list that this leaves is what will be touched. */
    mark(0, nr, order);
    fill((pages_t)nr << order);
    if (shuffled) {
        shuffle(memory.list, nr);
    }
    seconds = touch(memory.list, nr);
    must(hcall_domain_pod_cache(guest) == 0 && hcall_domain_pod_entries(guest) == 0,
         "what was populated was something else");
    close_domains();
    return seconds * 1e9 / nr;
}

static void population(void)
{
    static const char *const names[] = {"4k", "4k_shuffled", "2m", "2m_shuffled"};
    double ns[4][ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 4; i++) {
            ns[i][round] = populate(i < 2 ? 0 : SUPERPAGE_ORDER, i % 2 == 1);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        printf("\"%s_ns\": %.3f, ", names[i], median(ns[i], ROUNDS));
    }
}

/* --- Eager reclaim with nothing to do ------------------------------------------------------------
 */

/*
 * Nanoseconds for each of a ring's worth of populations, before which the ring is empty; when
 * a gfn more is marked than there are pages, each of them looks into it.
 */
static double populate_ring(bool eager)
{
    double seconds = 0;

    for (unsigned i = 0; i < SHORT_RUNS; i++) {
        hcall_domain_reset(guest);
        mark(0, RING + 1, 0);
        fill(RING + (eager ? 0 : 1));
        must(hcall_domain_touch_reclaims(guest) == eager, "the cache is of another size");
        seconds += touch(memory.list, RING);
        must(hcall_domain_pod_entries(guest) == 1, "pages were taken back");
    }
    return seconds * 1e9 / (SHORT_RUNS * RING);
}

static void eager_reclaim(void)
{
    double ns[2][ROUNDS], added[ROUNDS];

    open_domains();
    for (unsigned round = 0; round < ROUNDS; round++) {
        ns[0][round] = populate_ring(false);
        ns[1][round] = populate_ring(true);
        added[round] = ns[1][round] - ns[0][round];
    }
    close_domains();
    printf("\"lazy_ns\": %.3f, \"eager_ns\": %.3f, \"added_ns\": %.3f, ", median(ns[0], ROUNDS),
           median(ns[1], ROUNDS), median(added, ROUNDS));
}

/* --- The check for zeroes -----------------------------------------------------------------------
 */

static double rate(double seconds, uint64_t pages)
{
    return (double)pages * HCALL_PAGE_SIZE / seconds;
}

/* All that is resident, as fast as it can be read. */
static double read_plainly(void)
{
    double start = now(), seconds;
    uint64_t sum = 0;

    for (size_t i = 0; i < RESIDENT_WORDS; i++) {
        sum += resident[i];
    }
    seconds = now() - start;
    must(sum == 0, "what is resident is not zero");
    return rate(seconds, RESIDENT);
}

/*
 * Every gfn or block is touched in turn, and there are pages for no more than a ring's worth
 * of them: so each takes back what was populated longest ago.
 */
static double reclaim_eagerly(unsigned order)
{
    unsigned nr = RESIDENT >> order;
    double seconds;

    open_domains();
    mark(0, nr, order);
    fill((pages_t)RING << order);
    touch(memory.list, RING);
    pages_read = 0;
    seconds = touch(memory.list + RING, nr - RING) + touch(memory.list, RING);
    must(pages_read == (pages_t)nr << order, "other pages were taken back");
    close_domains();
    return rate(seconds, pages_read);
}

/* All is RAM the guest was built with, of which a gfn above it wants some when the cache is empty.
 */
static double sweep(void)
{
    const gfn_t top = RESIDENT;
    double seconds = 0;
    uint64_t swept = 0;

    open_domains();
    must(hcall_domain_build_ram(guest, 0, RESIDENT) == 0, "no memory for RAM");
    mark(top, RESIDENT, 0);
    /* A sweep begins at the highest gfn that was touched before. */
    fill(1);
    touch_one(top);
    for (gfn_t gfn = top + 1; swept < RESIDENT - 2 * SWEPT; gfn++) {
        bool empty = hcall_domain_pod_cache(guest) == 0;
        double took;

        pages_read = 0;
        took = touch_one(gfn);
        if (empty) {
            seconds += took;
            swept += pages_read;
        }
    }
    close_domains();
    return rate(seconds, swept);
}

static void zero_check(void)
{
    static const char *const names[] = {"plain", "superpages", "pages", "sweep"};
    double bytes[4][SCAN_ROUNDS], part[SCAN_ROUNDS];

    for (unsigned round = 0; round < SCAN_ROUNDS; round++) {
        bytes[0][round] = read_plainly();
        bytes[1][round] = reclaim_eagerly(SUPERPAGE_ORDER);
        bytes[2][round] = reclaim_eagerly(0);
        bytes[3][round] = sweep();
    }
    for (unsigned i = 1; i < 4; i++) {
        for (unsigned round = 0; round < SCAN_ROUNDS; round++) {
            part[round] = bytes[i][round] / bytes[0][round];
        }
        printf("\"%s_part\": %.4f, ", names[i], median(part, SCAN_ROUNDS));
    }
    for (unsigned i = 0; i < 4; i++) {
        printf("%s\"%s_bytes\": %.0f", i > 0 ? ", " : "", names[i], median(bytes[i], SCAN_ROUNDS));
    }
}

int main(void)
{
    size_t size = RESIDENT_WORDS * sizeof(*resident);

    resident = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(resident != MAP_FAILED, "no memory for the guest's");
    printf("{");
    population();
    eager_reclaim();
    /* Written, so that it is memory and not one page of zeroes again and again. */
    memset(resident, 1, size);
    memset(resident, 0, size);
    zero_check();
    printf("}\n");
    return 0;
}
