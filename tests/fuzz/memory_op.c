/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes hcall_memory_op() and hcall_domain_touch(): guests and the control domain make calls
 * whose arguments, pointers and memory come from the input, guests touch their memory, backends
 * hold pages of it, and a toolstack does its part, too.  Whatever they do, host, domains and
 * world agree, no lock stays held, no domain changes another, and no page with anything in it
 * is taken from a guest that did not give it away.
 *
 * The input is one stream.  It begins with what the host is like; then come the steps.
 * Guest memory is one of two things, as a step wants it:
 *
 *   raw      every copy is the next part of the stream, wherever it is from: so what is
 *            read twice has changed, and where the stream ends nothing is mapped;
 *   built    a few pages with a structure and its lists, made from few bytes of the stream,
 *            so that calls get far.  No byte of them may be read twice by one call, and
 *            the hostile kind of them changes behind every read.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hcall.h"
#include "ops.h"

/* LLVMFuzzerTestOneInput - the one function that a fuzzer is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The gfns that the world follows, and the first that no page can be put at. */
#define GFNS 0x1000
#define BACKABLE 0xc00
#define P2M_END ((gfn_t)1 << 36)

#define GRANT_FRAMES 4
#define SPECIALS (1 + GRANT_FRAMES)
#define SELF 0x7ff0
#define POD_ORDER 9
#define MAX_STEPS 16
/* More than any call can be interrupted, or a domain torn down by steps, before it is done. */
#define MAX_ROUNDS 4000
/* A sweep that has found nothing goes on until an interrupt comes: that is after so long. */
#define PATIENCE 0x3000
/* Gfns that were marked in one run, in all; after that no memory is mapped any more. */
#define MAX_MARKED 0x80000
#define MAX_HOLDS 8

/* Built guest memory: an argument, two lists and room for results, and nothing else. */
#define MEM 0x100000
#define MEM_SIZE 0x8000u
#define MEM_END (MEM + MEM_SIZE)
#define ARG MEM
#define LIST (MEM + 0x1000)
#define OTHER_LIST (MEM + 0x3000)
#define RESULTS (MEM + 0x5000)
#define MAX_LIST 0x400u

enum { SPACE_SHARED_INFO, SPACE_GRANT_TABLE, SPACE_GMFN, SPACE_GMFN_RANGE };

/* What is left of the input; zeros follow it. */
struct input {
    const uint8_t *data;
    size_t left;
};

struct world;

/* What a gfn is to the world. */
enum { NOTHING, BACKED, MARKED };

/* A reference to a page, and where the page is; no page: none. */
struct hold {
    struct hcall_page *page;
    gfn_t gfn;
};

/* A domain and what its world knows of it. */
struct guest {
    struct world *w;
    struct hcall_domain *d;
    unsigned nr_special;
    bool io;
    bool dying;

    bool torn_down;      /* nothing is left of it but what is held */
    pages_t dying_cache; /* what was cached when it last was looked at */

    uint8_t state[GFNS];
    uint8_t nonzero[GFNS];
    unsigned touched[GFNS]; /* in which section it was last */
    bool far;               /* gfns where no page could be put have been marked */
    gfn_t special[SPECIALS];
    struct hold hold[MAX_HOLDS];

    bool exclusive;
    unsigned asked; /* by a section: for an interrupt */
    unsigned sections;
    pages_t section_pages; /* different ones that this section has touched */

    unsigned crashes;
    bool crash_asked; /* by the toolstack, so the world may not have been told */
};

enum { CONTROL, HOSTILE, BYSTANDER, GUESTS };

/* Which addresses a guest cannot reach, by the input's choice. */
enum rule { ALL_MAPPED, SOME_PAGES, READ_ONLY, END_OF_LUCK, RULES };

struct world {
    struct input in;
    struct hcall_host *host;
    bool old; /* 4.17, not the newest */
    struct guest guest[GUESTS];
    gfn_t backable_end;

    enum rule rule;
    unsigned rule_number;
    unsigned copies; /* made so far, failed ones too */

    uint8_t preempt; /* a bit for each time it is asked, over and over */
    unsigned asked;
    bool preempted; /* it was told so, by this call */

    bool locked;
    unsigned section; /* the number of the last one */
    pages_t marked;

    const struct hcall_domain *dumped;

    struct guest *caller; /* whose call is under way */
    bool raw;
    bool hostile;
    bool overlaps;    /* built memory may have one thing inside another */
    bool reads_again; /* this call may read a byte twice */

    bool meddles;  /* others act while a call is under way */
    bool meddling; /* one does just now */
    bool meddled;  /* one did while this step's call was under way */

    size_t at; /* where the builder is */
    size_t start;
    uint8_t mem[MEM_SIZE];
    uint8_t was_read[MEM_SIZE]; /* by this call */
};

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

/* --- Input ------------------------------------------------------------------------------ */

static uint8_t take_byte(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

static unsigned take_below(struct input *in, unsigned n)
{
    return take_byte(in) % n;
}

static uint64_t take_number(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)take_byte(in) << (8 * i);
    }
    return value;
}

/* Mostly one that the world follows, else one at an end of what there is. */
static gfn_t take_gfn(struct input *in)
{
    unsigned value = (unsigned)take_number(in, 2);
    gfn_t gfn = value % GFNS;

    switch (value / GFNS) {
    case 13:
        return gfn << 18;
    case 14:
        return P2M_END - GFNS / 2 + gfn;
    case 15:
        return UINT64_MAX - gfn;
    default:
        return gfn;
    }
}

static struct guest *take_guest(struct world *w)
{
    return &w->guest[take_below(&w->in, 4) == 3 ? BYSTANDER : HOSTILE];
}

/* --- The world ---------------------------------------------------------------------------- */

static void meddle(struct world *w);
static void pod_step(struct world *w);

static void lock(void *world)
{
    struct world *w = world;

    must(!w->locked, "the lock is free when it is taken");
    w->locked = true;
}

static void unlock(void *world)
{
    struct world *w = world;

    must(w->locked, "the lock is held when it is released");
    for (unsigned i = 0; i < GUESTS; i++) {
        must(!w->guest[i].exclusive, "a section is left by its own function");
    }
    w->locked = false;
}

static void log_line(void *world, const char *line)
{
    const struct world *w = world;
    unsigned long long entries, cache;

    must(strlen(line) < 128 && !strchr(line, '\n'), "a log line is one short line");
    if (w->dumped && sscanf(line, " PoD entries=%llu cachesize=%llu", &entries, &cache) == 2) {
        must(entries == hcall_domain_pod_entries(w->dumped) &&
                 cache == hcall_domain_pod_cache(w->dumped),
             "a dump has the numbers there are");
    }
}

/* How many of these bytes the input's rule lets through. */
static size_t reachable(struct world *w, uint64_t addr, size_t len, bool write)
{
    size_t n = 0;

    w->copies++;
    if (w->marked > MAX_MARKED || (w->rule == READ_ONLY && write) ||
        (w->rule == END_OF_LUCK && w->copies > w->rule_number)) {
        return 0;
    }
    if (w->rule != SOME_PAGES) {
        return len;
    }
    while (n < len && (addr + n) / HCALL_PAGE_SIZE % 16 != w->rule_number % 16) {
        n += HCALL_PAGE_SIZE - (addr + n) % HCALL_PAGE_SIZE;
    }
    return n < len ? n : len;
}

/* How many of these bytes are in built memory. */
static size_t in_memory(uint64_t addr, size_t len)
{
    if (addr < MEM || addr >= MEM_END) {
        return 0;
    }
    return len < MEM_END - addr ? len : MEM_END - addr;
}

static void check_copy(const struct guest *g)
{
    must(!g->w->locked, "guest memory is copied without the lock");
    must(g == g->w->caller, "guest memory is that of who calls");
}

static size_t copy_from_guest(void *world, void *dst, uint64_t addr, size_t len)
{
    struct guest *g = world;
    struct world *w = g->w;

    check_copy(g);
    meddle(w);
    len = reachable(w, addr, len, false);
    if (w->raw) {
        len = len < w->in.left ? len : w->in.left;
        if (len > 0) {
            memcpy(dst, w->in.data, len);
        }
        w->in.data += len;
        w->in.left -= len;
        return len;
    }
    len = in_memory(addr, len);
    for (size_t i = 0; i < len; i++) {
        size_t offset = addr - MEM + i;

        must(w->reads_again || !w->was_read[offset], "a guest's value is read once");
        w->was_read[offset] = 1;
        ((uint8_t *)dst)[i] = w->mem[offset];
        w->mem[offset] ^= w->hostile ? 5 : 0;
    }
    return len;
}

static size_t copy_to_guest(void *world, uint64_t addr, const void *src, size_t len)
{
    struct guest *g = world;
    struct world *w = g->w;
    unsigned sum = 0;

    check_copy(g);
    meddle(w);
    /* All of it has to be there, and to have a value, whether it arrives or not. */
    for (size_t i = 0; i < len; i++) {
        sum += ((const uint8_t *)src)[i];
    }
    must(sum <= len * UINT8_MAX, "what is written can be read");
    len = reachable(w, addr, len, true);
    if (w->raw) {
        return len;
    }
    len = in_memory(addr, len);
    if (len > 0) {
        memcpy(&w->mem[addr - MEM], src, len);
    }
    return len;
}

static bool preempt(void *world)
{
    struct guest *g = world;
    struct world *w = g->w;
    bool yes = w->preempt >> w->asked++ % 8 & 1;

    if (w->locked) {
        must(g->exclusive, "what takes long with the lock is in a section");
        return yes || ++g->asked > PATIENCE;
    }
    must(g == w->caller, "it is the caller that may be interrupted");
    meddle(w);
    w->preempted |= yes;
    return yes;
}

static void begin_exclusive(void *world)
{
    struct guest *g = world;

    must(g != &g->w->guest[CONTROL], "gfns of the control domain do not change");
    lock(g->w);
    g->exclusive = true;
    g->sections++;
    g->w->section++;
    g->section_pages = 0;
    g->asked = 0;
}

static void end_exclusive(void *world)
{
    struct guest *g = world;
    const struct guest *caller = g->w->caller;

    must(g->exclusive, "a section that is left was entered");
    /* An extent is never divided, and some callers may have large ones. */
    must(g->section_pages <= HCALL_PAGES_PER_SECTION ||
             (caller && (caller->io || caller == &g->w->guest[CONTROL])) || g->w->meddled,
         "a section does not touch too many pages");
    g->exclusive = false;
    unlock(g->w);
}

static bool backable(void *world, gfn_t first, pages_t count)
{
    const struct guest *g = world;
    gfn_t end = g->w->backable_end;

    must(g->exclusive, "backable is asked inside a section");
    return first < end && count <= end - first;
}

/* Of a range, where what the world follows ends. */
static gfn_t end_of(gfn_t first, pages_t count)
{
    return first < GFNS && count < GFNS - first ? first + count : first < GFNS ? GFNS : first;
}

static void set(struct guest *g, gfn_t first, pages_t count, uint8_t state, uint8_t nonzero)
{
    gfn_t end = end_of(first, count);

    if (first < end) {
        memset(&g->state[first], state, end - first);
        memset(&g->nonzero[first], nonzero, end - first);
    }
}

/* Those at these gfns are elsewhere, or nowhere. */
static void move_holds(struct guest *g, gfn_t first, pages_t count, gfn_t to)
{
    for (unsigned i = 0; i < MAX_HOLDS; i++) {
        if (g->hold[i].gfn >= first && g->hold[i].gfn - first < count) {
            g->hold[i].gfn = to;
        }
    }
}

static bool is_held(const struct guest *g, gfn_t gfn)
{
    bool held = false;

    for (unsigned i = 0; i < MAX_HOLDS; i++) {
        held |= g->hold[i].page && g->hold[i].gfn == gfn;
    }
    return held;
}

static void touch(struct guest *g, gfn_t first, pages_t count)
{
    must(g->exclusive, "pages change inside a section");
    must(count > 0, "no range is empty");
    must(g->far || (first < BACKABLE && count <= BACKABLE - first), "pages are where they can be");
    for (gfn_t gfn = first; gfn < end_of(first, count); gfn++) {
        g->section_pages += g->touched[gfn] != g->w->section;
        g->touched[gfn] = g->w->section;
    }
}

static void discard(void *world, gfn_t first, pages_t count)
{
    struct guest *g = world;

    touch(g, first, count);
    for (gfn_t gfn = first; gfn < end_of(first, count); gfn++) {
        must(g->state[gfn] != NOTHING, "what is given back was there");
    }
    set(g, first, count, NOTHING, 0);
    move_holds(g, first, count, HCALL_NO_GFN);
}

static void back(void *world, gfn_t first, pages_t count)
{
    struct guest *g = world;

    touch(g, first, count);
    must(backable(g, first, count), "only what is backable is backed");
    set(g, first, count, BACKED, 1);
    move_holds(g, first, count, HCALL_NO_GFN);
}

static void move(void *world, gfn_t from, gfn_t to)
{
    struct guest *g = world;
    bool nonzero = from >= GFNS || g->nonzero[from];

    touch(g, from, 1);
    touch(g, to, 1);
    must(from != to && (from >= GFNS || g->state[from] == BACKED), "a page that moves was there");
    set(g, to, 1, BACKED, nonzero);
    set(g, from, 1, NOTHING, 0);
    move_holds(g, to, 1, HCALL_NO_GFN);
    move_holds(g, from, 1, to);
}

static bool is_zero(void *world, gfn_t first, pages_t count)
{
    const struct guest *g = world;
    /* Of what the world does not follow, some are. */
    uint8_t nonzero = first >= GFNS && first % 2;

    must(g->exclusive, "pages are looked at inside a section");
    must(count > 0, "there is something to look at");
    for (gfn_t gfn = first; gfn < end_of(first, count); gfn++) {
        must(g->state[gfn] == BACKED, "what is looked at is there");
        nonzero |= g->nonzero[gfn];
    }
    return !nonzero;
}

static void mark_pod(void *world, gfn_t first, pages_t count)
{
    struct guest *g = world;

    must(g->exclusive, "gfns are marked inside a section");
    must(count > 0, "something is marked");
    for (gfn_t gfn = first; gfn < end_of(first, count); gfn++) {
        must(!g->nonzero[gfn] && !is_held(g, gfn), "what is taken back is zero and nobody's");
        must(g->state[gfn] == BACKED || g->w->caller == &g->w->guest[CONTROL],
             "who marks a hole is the control domain");
    }
    g->far |= first >= BACKABLE || count > BACKABLE - first;
    g->w->marked += count < 0x1000 ? count : 0x1000;
    set(g, first, count, MARKED, 0);
}

static void back_zeroed(void *world, gfn_t first, pages_t count)
{
    struct guest *g = world;

    must(g->w->locked, "pages are given with the lock");
    must(count == 1 || (count == 1 << POD_ORDER && first % count == 0),
         "a page is given, or a superpage");
    for (gfn_t gfn = first; gfn < end_of(first, count); gfn++) {
        must(g->state[gfn] == MARKED, "who gets a page of zeroes was marked");
    }
    set(g, first, count, BACKED, 0);
}

static void special_moved(void *world, unsigned special)
{
    struct guest *g = world;

    must(!g->w->locked, "the hypervisor's pages follow without the lock");
    must(special < g->nr_special, "the page exists");
    g->special[special] = hcall_domain_special(g->d, special);
}

static void crash(void *world)
{
    struct guest *g = world;

    must(!g->w->locked, "the world hears of a crash without the lock");
    must(hcall_domain_crashed(g->d), "who is said to have crashed has");
    must(g->crashes == 0, "a domain crashes once");
    g->crashes++;
}

static const struct hcall_host_ops host_ops = {
    .lock = lock,
    .unlock = unlock,
    .log = log_line,
};

static const struct hcall_ops guest_ops = {
    .copy_from_guest = copy_from_guest,
    .copy_to_guest = copy_to_guest,
    .preempt = preempt,
    .begin_exclusive = begin_exclusive,
    .end_exclusive = end_exclusive,
    .is_zero = is_zero,
    .backable = backable,
    .discard = discard,
    .mark_pod = mark_pod,
    .back = back,
    .back_zeroed = back_zeroed,
    .move = move,
    .special_moved = special_moved,
    .crash = crash,
};

/* --- Checks ------------------------------------------------------------------------------- */

/* Many bytes, after every step: they need no looking after. */
__attribute__((no_sanitize("address", "undefined", "coverage"))) static bool
all_are(const uint8_t *bytes, size_t n, uint8_t value)
{
    uint8_t odd = 0;

    for (size_t i = 0; i < n; i++) {
        odd |= bytes[i] ^ value;
    }
    return odd == 0;
}

static uint8_t state_for(enum hcall_p2m_type type)
{
    switch (type) {
    case HCALL_P2M_RAM:
    case HCALL_P2M_OWN_GRANT:
        return BACKED;
    case HCALL_P2M_POD:
        return MARKED;
    default:
        return NOTHING;
    }
}

/* The p2m and what the world has been told to do. */
static void check_gfns(const struct guest *g)
{
    enum hcall_p2m_type type;
    pages_t run;

    for (gfn_t gfn = 0; gfn < GFNS; gfn += run) {
        run = hcall_domain_next(g->d, gfn, &type);
        must(run > 0, "every gfn is something");
        run = run < GFNS - gfn ? run : GFNS - gfn;
        must(hcall_domain_p2m(g->d, gfn, NULL) == type &&
                 hcall_domain_p2m(g->d, gfn + run - 1, NULL) == type,
             "both ways to ask what a gfn is agree");
        must(all_are(&g->state[gfn], run, state_for(type)),
             "gfns that are a page of the domain's, and no others, are backed; the same of PoD");
    }
}

/* Different pages that are held. */
static unsigned held_pages(const struct guest *g)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MAX_HOLDS; i++) {
        unsigned j = 0;

        while (j < i && g->hold[j].page != g->hold[i].page) {
            j++;
        }
        n += g->hold[i].page && j == i;
    }
    return n;
}

static void check_dying(struct guest *g)
{
    pages_t cache = hcall_domain_pod_cache(g->d);

    must(!g->dying || cache <= g->dying_cache, "the cache of who is dying does not grow");
    g->dying_cache = cache;
    must(!g->dying || g->w->old || hcall_domain_outstanding_pages(g->d) == 0,
         "who is dying claims nothing, after 4.17");
    must(!g->torn_down || hcall_domain_tot_pages(g->d) <= held_pages(g),
         "what is left of a dead domain is held");
}

static void check_world(struct world *w)
{
    const struct hcall_domain *control = w->guest[CONTROL].d;
    const char *wrong = hcall_host_check(w->host);

    if (wrong) {
        fprintf(stderr, "hcall_host_check: %s\n", wrong);
        abort();
    }
    must(!w->locked, "no lock stays held");
    for (unsigned i = HOSTILE; i < GUESTS; i++) {
        struct guest *g = &w->guest[i];

        check_gfns(g);
        check_dying(g);
        for (unsigned j = 0; j < g->nr_special; j++) {
            must(g->special[j] == hcall_domain_special(g->d, j),
                 "the world knows where the hypervisor's pages are");
        }
        must(g->crash_asked || hcall_domain_crashed(g->d) == (g->crashes > 0),
             "the world hears of every crash");
    }
    must(hcall_domain_tot_pages(control) == 0, "the control domain owns nothing");
    must(hcall_domain_p2m_bytes(control) < 2 * HCALL_PAGE_SIZE, "it has no p2m");
}

/* --- The toolstack ---------------------------------------------------------------------------- */

static void forget_gfns(struct guest *g)
{
    set(g, 0, GFNS, NOTHING, 0);
    move_holds(g, 0, UINT64_MAX, HCALL_NO_GFN);
    for (unsigned i = 0; i < g->nr_special; i++) {
        g->special[i] = HCALL_NO_GFN;
    }
}

/* A domain that owns nothing; the world is not asked. */
static void forget(struct guest *g)
{
    forget_gfns(g);
    memset(g->hold, 0, sizeof(g->hold));
    g->far = false;
    g->torn_down = false;
    g->crashes = 0;
    g->crash_asked = false;
    g->dying = false;
}

static void build_ram(struct guest *g, gfn_t first, pages_t count)
{
    pages_t before = hcall_domain_tot_pages(g->d);
    int rc;

    /* The domain builder puts no pages where none can be; numbers that are no gfns it may try. */
    if (first < P2M_END) {
        first %= BACKABLE;
        count = count < BACKABLE - first ? count : BACKABLE - first;
    }
    rc = hcall_domain_build_ram(g->d, first, count);
    must(rc == 0 || rc == -ENOMEM || rc == -EINVAL || rc == -EBUSY, "building has a result");
    must(hcall_domain_tot_pages(g->d) == before + (rc == 0 ? count : 0), "all is built or nothing");
    if (rc == 0 && count > 0) {
        must(first < P2M_END, "what is built has gfns");
        set(g, first, count, BACKED, 0);
    }
}

static void map(struct guest *g, struct input *in)
{
    gfn_t first = take_gfn(in);
    pages_t count = take_byte(in);
    unsigned type = take_below(in, 10);
    int rc;

    /* Types that can be mapped, and some that cannot. */
    type = type < 8 ? HCALL_P2M_GRANT + type % 4 : type == 8 ? HCALL_P2M_RAM : HCALL_P2M_TYPES;
    count = count < 0xf0 ? count % 16 : (count & 15) << 5;
    rc = hcall_domain_map(g->d, first, count, type);
    must(rc == 0 || rc == -ENOMEM || rc == -EINVAL || rc == -EBUSY, "mapping has a result");
    must(rc < 0 || (type >= HCALL_P2M_GRANT && type < HCALL_P2M_TYPES), "not every type is mapped");
    if (rc == 0) {
        set(g, first, count, NOTHING, 0);
    }
}

static void set_memory_map(struct guest *g, struct input *in)
{
    struct hcall_e820 entries[4];
    unsigned nr = take_byte(in) % 5;

    for (unsigned i = 0; i < nr; i++) {
        entries[i].addr = take_byte(in);
        entries[i].size = take_byte(in);
        entries[i].type = take_byte(in);
    }
    must(hcall_domain_set_memory_map(g->d, nr ? entries : NULL, nr) == 0, "a memory map is set");
}

/* As GNTTABOP_map_grant_ref and its opposite do, in a section of their own. */
static void change_own_grant(struct guest *g, struct input *in)
{
    gfn_t gfn = take_gfn(in);
    gfn_t to = take_gfn(in);
    int rc;

    begin_exclusive(g);
    if (take_byte(in) & 1) {
        rc = hcall_domain_map_own_grant(g->d, gfn, to >= P2M_END ? to : to % BACKABLE);
    } else {
        rc = hcall_domain_unmap_own_grant(g->d, gfn);
    }
    must(rc == 0 || rc == -EINVAL || rc == -ENOMEM, "own grants have a result");
    end_exclusive(g);
}

static void set_dying(struct guest *g)
{
    hcall_domain_set_dying(g->d);
    if (!g->dying) {
        g->dying_cache = hcall_domain_pod_cache(g->d);
    }
    g->dying = true;
}

static void toolstack_step(struct world *w)
{
    struct guest *g = take_guest(w);
    struct input *in = &w->in;
    unsigned what = take_below(in, 10);
    const struct hcall_caller caller = {.domain = g->d, .vcpu = 1};

    if (what < 3) {
        change_own_grant(g, in);
        return;
    }
    lock(w);
    switch (what) {
    case 3:
        hcall_domain_set_max_pages(g->d, take_byte(in) & 1 ? take_number(in, 2) % 0x1800
                                                           : take_number(in, 8));
        break;
    case 4:
        set_dying(g);
        break;
    case 5:
        g->io = take_byte(in) & 1;
        hcall_domain_set_io(g->d, g->io);
        break;
    case 6:
        hcall_domain_reset(g->d);
        forget(g);
        break;
    case 7: {
        gfn_t first = take_gfn(in);

        build_ram(g, first, take_number(in, 2) % BACKABLE);
        break;
    }
    case 8:
        map(g, in);
        break;
    default:
        if (take_byte(in) & 3) {
            set_memory_map(g, in);
        } else {
            hcall_domain_crash(g->d, &caller, "here:1");
            g->crash_asked = true;
        }
    }
    unlock(w);
}

/* --- Calls -------------------------------------------------------------------------------- */

/* What nobody but the domain itself and the control domain may change. */
struct state {
    pages_t tot_pages, max_pages, claim, cache, entries;
    size_t p2m_bytes;
    unsigned sections;
    bool crashed;
};

static struct state state_of(const struct guest *g)
{
    return (struct state){
        .tot_pages = hcall_domain_tot_pages(g->d),
        .max_pages = hcall_domain_max_pages(g->d),
        .claim = hcall_domain_outstanding_pages(g->d),
        .cache = hcall_domain_pod_cache(g->d),
        .entries = hcall_domain_pod_entries(g->d),
        .p2m_bytes = hcall_domain_p2m_bytes(g->d),
        .sections = g->sections,
        .crashed = hcall_domain_crashed(g->d),
    };
}

/* Pages that the cache would need to populate all that is marked. */
static pages_t missing(const struct state *s)
{
    return s->entries > s->cache ? s->entries - s->cache : 0;
}

static void check_change(const struct world *w, const struct guest *g, unsigned op,
                         const struct state *before)
{
    struct state after = state_of(g);

    must(after.max_pages == before->max_pages, "no call changes max_pages");
    must(after.tot_pages <= before->tot_pages || (after.tot_pages <= after.max_pages && !g->dying),
         "who lives gets pages up to max_pages");
    must(op != OP_DECREASE || after.tot_pages <= before->tot_pages,
         "who decreases gets no pages by it");
    must(op != OP_DECREASE || after.entries >= before->entries || after.cache <= after.entries,
         "a cache is no larger than what a decrease leaves to populate");
    must(missing(&after) <= missing(before) || w->caller == &w->guest[CONTROL],
         "a guest does not get more gfns to populate");
    if (w->caller == g || w->caller == &w->guest[CONTROL]) {
        return;
    }
    must(after.tot_pages == before->tot_pages && after.claim == before->claim &&
             after.cache == before->cache && after.entries == before->entries &&
             after.p2m_bytes == before->p2m_bytes && after.sections == before->sections &&
             after.crashed == before->crashed,
         "a domain changes no other");
}

static bool has_number(unsigned op)
{
    switch (op) {
    case OP_INCREASE:
    case OP_DECREASE:
    case OP_POPULATE:
    case OP_MAXIMUM_RAM_PAGE:
    case OP_CURRENT:
    case OP_MAXIMUM:
    case OP_MAXIMUM_GPFN:
        return true;
    default:
        return false;
    }
}

static void check_result(bool compat, unsigned op, long rc)
{
    must(rc >= -4095, "an error is an errno");
    must(!compat || rc <= INT_MAX, "a 32-bit caller can hold its result");
    must(rc <= 0 || has_number(op), "who has no number to tell says 0");
    must(rc >= 0 || (op != OP_INCREASE && op != OP_DECREASE && op != OP_POPULATE),
         "lists of extents have no errors");
}

/* One call, made again until it has an end. */
static long call(struct world *w, struct guest *g, bool compat, uint64_t cmd, uint64_t arg)
{
    const struct hcall_caller who = {.domain = g->d, .vcpu = 3, .compat = compat};
    struct guest *outer = w->caller;
    const unsigned op = cmd % 64;
    struct state before[GUESTS];
    unsigned rounds = 0;
    uint64_t was;
    long rc;

    w->caller = g;
    w->reads_again = w->overlaps;
    for (unsigned i = 0; i < GUESTS; i++) {
        before[i] = state_of(&w->guest[i]);
    }
    do {
        was = cmd;
        w->preempted = false;
        memset(w->was_read, 0, sizeof(w->was_read));
        rc = hcall_memory_op(&who, &cmd, arg);
        must(!w->locked, "the lock is free after a call");
        if (rc != -ERESTART) {
            must(cmd == was, "a call that is done is left alone");
            break;
        }
        was = compat ? (uint32_t)was : was;
        must(w->preempted, "only who is to let an interrupt in does");
        /* How far a PoD target has got is in the cache. */
        must((op == OP_SET_POD_TARGET && cmd == was) || (cmd > was && (cmd - was) % 64 == 0),
             "a call that was interrupted has got on");
        must(!compat || cmd <= UINT32_MAX, "a 32-bit caller can hold its call");
    } while (++rounds < MAX_ROUNDS);
    must(rc != -ERESTART, "every call has an end");
    check_result(compat, op, rc);
    for (unsigned i = 0; i < GUESTS && !w->meddled && !w->meddling; i++) {
        check_change(w, &w->guest[i], op, &before[i]);
    }
    w->caller = outer;
    return rc;
}

/* A guest, mostly, else the control domain; 64 bits, or 32. */
static struct guest *take_caller(struct world *w, bool *compat)
{
    static const unsigned callers[] = {HOSTILE, HOSTILE, CONTROL, BYSTANDER};
    unsigned value = take_byte(&w->in);

    *compat = value & 4;
    return &w->guest[callers[value % 4]];
}

/* Mostly from the start; not every operation can be begun elsewhere. */
static uint64_t take_start_extent(struct input *in)
{
    unsigned how = take_byte(in);

    if (how < 0xc0) {
        return 0;
    }
    return how < 0xf0 ? how % 16 : how < 0xf8 ? take_number(in, 2) : take_number(in, 8);
}

static void raw_step(struct world *w)
{
    struct input *in = &w->in;
    bool compat;
    struct guest *g = take_caller(w, &compat);
    uint64_t cmd = take_below(in, 64);

    cmd |= take_start_extent(in) << 6;
    w->raw = true;
    call(w, g, compat, cmd, take_number(in, 4) * 0x10001);
}

/*
 * Wherever the lock is free, others may act: the toolstack, and another vCPU.
 */
static void meddle(struct world *w)
{
    struct guest *caller = w->caller;
    bool raw = w->raw, preempted = w->preempted, reads_again = w->reads_again;
    unsigned who;

    if (!w->meddles || w->meddling || w->in.left < 8 || take_below(&w->in, 8) != 0) {
        return;
    }
    w->meddling = true;
    w->meddled = true;
    w->caller = NULL;
    who = take_byte(&w->in);
    if (who >= 0xc0) {
        pod_step(w);
    } else if (who & 1) {
        toolstack_step(w);
    } else {
        raw_step(w);
    }
    w->meddling = false;
    w->caller = caller;
    w->raw = raw;
    w->preempted = preempted;
    w->reads_again = reads_again;
    /* What was read before may be read by what this call is now. */
    memset(w->was_read, 0, sizeof(w->was_read));
}

/* --- Built memory --------------------------------------------------------------------------- */

static void begin(struct world *w, uint64_t addr)
{
    w->at = w->start = addr - MEM;
}

static void put(struct world *w, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++, w->at++) {
        if (w->at < MEM_SIZE) {
            w->mem[w->at] = (uint8_t)(value >> (8 * i));
        }
    }
}

/* Up to where a field of this size may begin. */
static void align(struct world *w, unsigned size)
{
    w->at += (size - (w->at - w->start) % size) % size;
}

/* A C long, or a pointer. */
static void put_long(struct world *w, bool compat, uint64_t value)
{
    unsigned size = compat ? 4 : 8;

    align(w, size);
    put(w, size, value);
}

static unsigned take_domid(struct input *in)
{
    static const unsigned odd[] = {0, 7, 6, SELF + 1, 0x7ff4, 0xffff};
    unsigned value = take_byte(in);

    return value < 0x60 ? SELF : value < 0xd0 ? 5 : odd[value % 6];
}

static unsigned take_order(struct input *in)
{
    static const unsigned orders[] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 9, 9, 10, 12, 13, 18, 19};
    unsigned value = take_byte(in);

    return value < 0xf0 ? orders[value % 16] : value - 0xe0;
}

static uint32_t take_flags(struct input *in)
{
    static const uint32_t flags[] = {
        20, 12, 13, 1 << 8, 64 << 8, 65 << 8, 1 << 16, 1 << 17, 1 << 18, (1 << 17) | (2 << 8),
    };
    unsigned value = take_byte(in);

    return value < 0xc0 ? 0 : value < 0xf0 ? flags[value % 10] : (uint32_t)take_number(in, 4);
}

static uint64_t take_count(struct input *in)
{
    unsigned value = take_byte(in);

    if (value < 0xc0) {
        return value % 12;
    }
    return value < 0xfc ? (value - 0xc0) * 14u : take_number(in, 4);
}

/* Where a list is: its place, or so that it leaves memory after some elements, or nowhere. */
static uint64_t take_list(struct input *in, uint64_t place, unsigned size)
{
    unsigned how = take_byte(in);

    if (how < 0xd0) {
        return place;
    }
    if (how < 0xf0) {
        return MEM_END - (how - 0xd0) * size;
    }
    return how < 0xf4 ? 0 : how < 0xf8 ? UINT64_MAX - 7 * (how - 0xf4) : take_number(in, 4);
}

/*
 * Gfns one by one, or in a row that goes up or down: an extent after the other, or every
 * second one, or so that they overlap.
 */
static void put_list(struct world *w, bool compat, uint64_t list, uint64_t nr, unsigned order)
{
    struct input *in = &w->in;
    unsigned how = take_byte(in);
    gfn_t gfn = take_gfn(in);
    uint64_t step = how & 4 || order > HCALL_MAX_ORDER ? 1 : (uint64_t)1 << order;

    step <<= how & 8 ? 1 : 0;

    if (list < MEM || list > MEM_END) {
        return;
    }
    begin(w, list);
    for (uint64_t i = 0; i < nr && i < MAX_LIST; i++) {
        put_long(w, compat, gfn);
        if (how & 1 && nr <= 16) {
            gfn = take_gfn(in);
        } else {
            gfn += how & 2 ? -step : step;
        }
    }
}

struct extents {
    uint64_t list, nr;
    unsigned order;
};

/* A memory_reservation, where the builder is. */
static struct extents put_reservation(struct world *w, bool compat, uint64_t place)
{
    struct input *in = &w->in;
    struct extents x;

    x.nr = take_count(in);
    x.order = take_order(in);
    x.list = take_list(in, place, compat ? 4 : 8);
    put_long(w, compat, x.list);
    put_long(w, compat, x.nr);
    put(w, 4, x.order);
    put(w, 4, take_flags(in));
    put(w, 2, take_domid(in));
    align(w, compat ? 4 : 8);
    return x;
}

static void build_extents(struct world *w, bool compat)
{
    struct extents x = put_reservation(w, compat, LIST);

    put_list(w, compat, x.list, x.nr, x.order);
}

static void build_exchange(struct world *w, bool compat)
{
    struct extents in = put_reservation(w, compat, LIST);
    struct extents out = put_reservation(w, compat, OTHER_LIST);

    put_long(w, compat, take_byte(&w->in) % 8 / 6);
    w->overlaps |= in.list > RESULTS && out.list > RESULTS;
    put_list(w, compat, in.list, in.nr, in.order);
    put_list(w, compat, out.list, out.nr, out.order);
}

static void build_claim(struct world *w, bool compat)
{
    struct input *in = &w->in;
    unsigned odd = take_byte(in);

    put_long(w, compat, odd == 0xff ? LIST : 0);
    put_long(w, compat, odd & 1 ? take_number(in, 2) % 0x1000 : take_count(in));
    put(w, 4, odd == 0xfe);
    put(w, 4, odd == 0xfd);
    put(w, 2, take_domid(in));
}

static uint64_t take_index(struct input *in, unsigned space)
{
    switch (space) {
    case SPACE_SHARED_INFO:
        return take_byte(in) / 0xf0;
    case SPACE_GRANT_TABLE:
        return take_below(in, GRANT_FRAMES + 1);
    default:
        return take_gfn(in);
    }
}

static void build_add(struct world *w, bool compat)
{
    struct input *in = &w->in;
    unsigned space = take_below(in, 7);

    put(w, 2, take_domid(in));
    put(w, 2, take_count(in));
    put(w, 4, space);
    put_long(w, compat, take_index(in, space));
    put_long(w, compat, take_gfn(in));
}

static void build_add_batch(struct world *w, bool compat)
{
    const unsigned size = compat ? 4 : 8;
    struct input *in = &w->in;
    unsigned space = take_below(in, 7), nr = take_count(in) % MAX_LIST;
    uint64_t idxs, gpfns;

    put(w, 2, take_domid(in));
    put(w, 2, space);
    put(w, 2, nr);
    put(w, 2, take_byte(in) == 0xff);
    idxs = take_list(in, LIST, size);
    gpfns = take_list(in, OTHER_LIST, size);
    w->overlaps |= idxs > RESULTS && gpfns > RESULTS;
    put_long(w, compat, idxs);
    put_long(w, compat, gpfns);
    put_long(w, compat, take_list(in, RESULTS, 4));
    if (space == SPACE_GMFN) {
        put_list(w, compat, idxs, nr, 0);
    } else if (idxs >= MEM && idxs <= MEM_END) {
        begin(w, idxs);
        for (unsigned i = 0; i < nr; i++) {
            put_long(w, compat, space == SPACE_GRANT_TABLE ? i % (GRANT_FRAMES + 1) : 0);
        }
    }
    put_list(w, compat, gpfns, nr, 0);
}

static void build_set_map(struct world *w, bool compat)
{
    struct input *in = &w->in;
    unsigned nr = (unsigned)take_count(in);
    uint64_t buffer = take_list(in, LIST, 20);

    put(w, 2, take_domid(in));
    align(w, compat ? 4 : 8);
    put(w, 4, nr);
    put_long(w, compat, buffer);
    if (buffer >= MEM && buffer <= MEM_END) {
        begin(w, buffer);
        put(w, 8, take_byte(in));
        put(w, 8, take_byte(in));
        put(w, 4, take_byte(in));
    }
}

/* The structure of an operation at arg, and its lists. */
static void build(struct world *w, bool compat, unsigned op, uint64_t arg)
{
    struct input *in = &w->in;

    memset(w->mem, 0, sizeof(w->mem));
    begin(w, arg);
    switch (op) {
    case OP_INCREASE:
    case OP_DECREASE:
    case OP_POPULATE:
        build_extents(w, compat);
        break;
    case OP_EXCHANGE:
        build_exchange(w, compat);
        break;
    case OP_CLAIM:
        build_claim(w, compat);
        break;
    case OP_ADD:
        build_add(w, compat);
        break;
    case OP_ADD_BATCH:
        build_add_batch(w, compat);
        break;
    case OP_REMOVE:
        put(w, 2, take_domid(in));
        put_long(w, compat, take_gfn(in));
        break;
    case OP_MEMORY_MAP:
    case OP_MACHINE_MAP:
        put(w, 4, take_count(in));
        put_long(w, compat, take_list(in, RESULTS, 20));
        break;
    case OP_SET_MAP:
        build_set_map(w, compat);
        break;
    case OP_CURRENT:
    case OP_MAXIMUM:
    case OP_MAXIMUM_GPFN:
        put(w, 2, take_domid(in));
        break;
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        put(w, 8, take_number(in, 2));
        w->at += 24;
        put(w, 2, take_domid(in));
        break;
    case OP_ACCESS:
        put(w, 2, 0);
        put(w, 2, take_domid(in));
        break;
    case OP_VNUMA:
        put(w, 2, take_domid(in));
        put(w, 2, take_byte(in) / 0xf0);
        break;
    case OP_RDM:
        put(w, 4, take_byte(in) / 0x80);
        put(w, 4, take_byte(in));
        break;
    case OP_ACQUIRE:
        put(w, 2, take_domid(in));
        put(w, 2, take_below(in, 3));
        put(w, 4, 0);
        put(w, 4, take_byte(in));
        put(w, 4, take_byte(in) / 0xf0);
        put(w, 8, take_gfn(in));
        break;
    default:
        put(w, 8, take_number(in, 8));
    }
}

static void built_step(struct world *w)
{
    static const unsigned ops[] = {
        OP_DECREASE,
        OP_POPULATE,
        OP_DECREASE,
        OP_POPULATE,
        OP_ADD,
        OP_ADD_BATCH,
        OP_REMOVE,
        OP_INCREASE,
        OP_CLAIM,
        OP_EXCHANGE,
        OP_MEMORY_MAP,
        OP_SET_MAP,
        OP_MAXIMUM_GPFN,
        OP_CURRENT,
        OP_MAXIMUM,
        OP_ACCESS,
        OP_ACQUIRE,
        OP_SET_POD_TARGET,
        OP_GET_POD_TARGET,
        OP_MACHINE_MAP,
        OP_VNUMA,
        OP_RDM,
        OP_ADD,
        OP_ADD_BATCH,
    };
    struct input *in = &w->in;
    bool compat;
    struct guest *g = take_caller(w, &compat);
    unsigned what = take_byte(in), where = take_byte(in);
    unsigned op = ops[what % (sizeof(ops) / sizeof(ops[0]))];
    uint64_t start_extent = take_start_extent(in), arg = ARG;

    /* Who claims has to be this one to get anywhere. */
    if (op == OP_CLAIM && what & 0x80) {
        g = &w->guest[CONTROL];
    }
    /* Some arguments leave memory in their middle, or were never in it. */
    if (where >= 0xe0) {
        arg = where < 0xfc ? MEM_END - (where - 0xe0) * 4 : UINT64_MAX - 4 * (where - 0xfc);
    }
    w->raw = false;
    w->hostile = where & 1;
    w->overlaps = arg != ARG;
    build(w, compat, op, arg);
    call(w, g, compat, op | start_extent << 6, arg);
}

/* --- Populate-on-demand -------------------------------------------------------------------------
 */

/* A number of the argument, as the call has left it there. */
static uint64_t told(const struct world *w, unsigned offset)
{
    uint64_t value;

    memcpy(&value, &w->mem[ARG - MEM + offset], sizeof(value));
    return value;
}

static void set_target(struct world *w, struct guest *g, bool by_hand, bool compat, uint64_t target)
{
    const struct state before = state_of(g);
    struct state after;
    long rc;

    if (by_hand) {
        lock(w);
        rc = hcall_domain_set_pod_target(g->d, target);
        unlock(w);
    } else {
        begin(w, ARG);
        put(w, 8, target);
        w->at += 24;
        put(w, 2, hcall_domain_id(g->d));
        rc = call(w, &w->guest[CONTROL], compat, OP_SET_POD_TARGET, ARG);
    }
    if (rc != 0 || w->meddled) {
        return;
    }
    after = state_of(g);
    must(by_hand || (told(w, 8) == after.tot_pages && told(w, 16) == after.cache &&
                     told(w, 24) == after.entries),
         "the control domain is told the numbers there are");
    must(after.entries == before.entries, "a target marks nothing");
    if (g->dying || before.entries == 0 || target < before.tot_pages) {
        must(after.tot_pages == before.tot_pages || before.entries == 0, "some targets are none");
        return;
    }
    must(after.tot_pages == target || after.cache == after.entries, "a target is reached");
    must(before.tot_pages == before.cache || after.cache <= after.entries,
         "no target makes a cache larger than what can be asked of it");
}

/* What the domain builder does to a guest that is to have less than it sees. */
static void build_pod(struct world *w, struct guest *g, gfn_t first, pages_t count)
{
    const struct state before = state_of(g);
    int rc;

    begin_exclusive(g);
    w->caller = &w->guest[CONTROL];
    rc = hcall_domain_build_pod(g->d, first, count);
    w->caller = NULL;
    hcall_domain_end_exclusive(g->d);
    must(rc == 0 || rc == -EINVAL || rc == -EBUSY || rc == -ENOMEM, "building has a result");
    must(hcall_domain_pod_entries(g->d) == before.entries + (rc == 0 ? count : 0) &&
             hcall_domain_tot_pages(g->d) == before.tot_pages,
         "all is marked or nothing");
}

/* What the control domain wants of a guest, said as it should be. */
static void control_step(struct world *w, struct guest *g)
{
    struct input *in = &w->in;
    const unsigned what = take_byte(in);
    const bool compat = what & 2, by_hand = what & 0x80;
    const uint64_t nr = what & 4 ? take_number(in, 2) % MAX_LIST : 1;
    const unsigned order = what & 8 ? POD_ORDER : what & 0x10 ? take_below(in, 19) : 0;
    gfn_t gfn;

    memset(w->mem, 0, sizeof(w->mem));
    w->raw = false;
    w->hostile = false;
    w->overlaps = false;
    if (what & 1) {
        set_target(w, g, by_hand, compat,
                   hcall_domain_tot_pages(g->d) + take_number(in, 2) % 0x1000 - (what >> 6 & 1));
        return;
    }
    if (by_hand) {
        build_pod(w, g, take_gfn(in), nr << order);
        return;
    }
    begin(w, ARG);
    put_long(w, compat, LIST);
    put_long(w, compat, nr);
    put(w, 4, order);
    put(w, 4, what & 0x40 ? 0 : 1 << 16);
    put(w, 2, hcall_domain_id(g->d));
    begin(w, LIST);
    gfn = take_gfn(in);
    for (uint64_t i = 0; i < nr; i++) {
        put_long(w, compat, gfn);
        gfn += (what & 0x20 ? (gfn_t)2 : 1) << order;
    }
    call(w, &w->guest[CONTROL], compat, OP_POPULATE, ARG);
}

/* How a gfn is touched; alone: without a section, where none is needed. */
enum touching { IN_SECTION, ALONE, CACHED };

static int touch_gfn(struct guest *g, struct guest *culprit, gfn_t gfn, enum touching how)
{
    const struct hcall_caller who = {.domain = culprit->d, .vcpu = 2};
    int rc;

    if (how == CACHED || (how == ALONE && !hcall_domain_touch_reclaims(g->d))) {
        lock(g->w);
        rc = how == CACHED ? hcall_domain_touch_cached(g->d, &who, gfn)
                           : hcall_domain_touch(g->d, &who, gfn);
        unlock(g->w);
    } else {
        begin_exclusive(g);
        rc = hcall_domain_touch(g->d, &who, gfn);
        hcall_domain_end_exclusive(g->d);
    }
    return rc;
}

static void check_touch(struct guest *g, const struct state *before, enum hcall_p2m_type was,
                        gfn_t gfn, enum touching how, int rc)
{
    const struct state after = state_of(g);
    const enum hcall_p2m_type now = hcall_domain_p2m(g->d, gfn, NULL);

    must(after.tot_pages == before->tot_pages && after.claim == before->claim,
         "a touch changes nothing that is counted");
    must(after.entries - after.cache == before->entries - before->cache,
         "what is populated comes from the cache, and what is taken back goes there");
    if (was != HCALL_P2M_POD) {
        must(rc == 0 && now == was && after.cache == before->cache, "only PoD is touched");
        return;
    }
    must(rc == 0 ? now == HCALL_P2M_RAM : now == HCALL_P2M_POD, "a touch populates, or does not");
    must(rc == (g->dying ? -EINVAL : 0) || (rc == -EAGAIN && how == CACHED && after.cache == 0) ||
             (rc == -ENOMEM && how != CACHED && after.cache == 0 && after.crashed),
         "a touch of a domain that lives fails for want of pages");
    must(how != CACHED || after.cache <= before->cache, "who cannot stop vCPUs takes nothing");
}

/* A row of gfns is read; or written, something or zeroes. */
static void access_step(struct world *w, struct guest *g)
{
    struct input *in = &w->in;
    const unsigned how = take_byte(in);
    const gfn_t first = take_gfn(in), stride = how & 4 ? 1 + take_byte(in) : 1;
    const unsigned nr = how & 8 ? (unsigned)take_number(in, 2) % GFNS : 1;
    struct guest *culprit = how & 0x10 ? &w->guest[CONTROL] : g;
    const enum touching touching = how & 0x40 ? CACHED : how & 0x20 ? ALONE : IN_SECTION;

    for (unsigned i = 0; i < nr; i++) {
        const gfn_t gfn = first + i * stride;
        const struct state before = state_of(g);
        enum hcall_p2m_type was = hcall_domain_p2m(g->d, gfn, NULL);

        if (nr > 64 && gfn >= GFNS) {
            break;
        }
        check_touch(g, &before, was, gfn, touching, touch_gfn(g, culprit, gfn, touching));
        if (gfn < GFNS && g->state[gfn] == BACKED && how & 3) {
            g->nonzero[gfn] = how & 1;
        }
    }
}

/* What is there becomes zero, and nothing else happens. */
static void zero_step(struct world *w, struct guest *g)
{
    gfn_t first = take_gfn(&w->in) % GFNS;
    pages_t count = take_number(&w->in, 2) % GFNS;

    memset(&g->nonzero[first], 0, end_of(first, count) - first);
}

/* A backend maps a page; the same one if it has it already, wherever it was then. */
static void get_step(struct world *w, struct guest *g)
{
    const gfn_t gfn = take_gfn(&w->in);
    const bool ram = hcall_domain_p2m(g->d, gfn, NULL) == HCALL_P2M_RAM;
    struct hcall_page *page, *same = NULL;
    unsigned i = 0;

    while (i < MAX_HOLDS && g->hold[i].page) {
        i++;
    }
    if (i == MAX_HOLDS) {
        return;
    }
    for (unsigned j = 0; j < i; j++) {
        same = g->hold[j].gfn == gfn ? g->hold[j].page : same;
    }
    lock(w);
    page = hcall_domain_get_page(g->d, gfn);
    unlock(w);
    must((page != NULL) == ram, "what is RAM can be held");
    for (unsigned j = 0; j < i && page; j++) {
        must((g->hold[j].page == page) == (g->hold[j].page == same), "a page is one page");
    }
    g->hold[i] = (struct hold){page, page ? gfn : HCALL_NO_GFN};
}

static void put_step(struct world *w, struct guest *g)
{
    unsigned i = take_below(&w->in, MAX_HOLDS), last = MAX_HOLDS - 1;

    if (!g->hold[i].page) {
        return;
    }
    lock(w);
    hcall_domain_put_page(g->d, g->hold[i].page);
    unlock(w);
    while (!g->hold[last].page) {
        last--;
    }
    g->hold[i] = g->hold[last];
    g->hold[last] = (struct hold){0};
}

/* The p2m goes first. */
static bool teardown(struct guest *g)
{
    const pages_t before = hcall_domain_tot_pages(g->d);
    bool done;

    must(g->dying, "who is torn down is dying");
    begin_exclusive(g);
    done = hcall_domain_teardown(g->d);
    must(before >= hcall_domain_tot_pages(g->d) &&
             before - hcall_domain_tot_pages(g->d) <= HCALL_PAGES_PER_SECTION,
         "a step of a teardown gives so many pages back");
    forget_gfns(g);
    hcall_domain_end_exclusive(g->d);
    g->torn_down |= done;
    must(!done || hcall_domain_pod_cache(g->d) == 0, "a dead domain has no cache");
    return done;
}

static void teardown_step(struct world *w, struct guest *g)
{
    unsigned how = take_byte(&w->in), steps = how & 0x10 ? MAX_ROUNDS : how % 16;

    if (!g->dying && how & 0x80) {
        lock(w);
        set_dying(g);
        unlock(w);
    }
    while (g->dying && steps > 0 && !teardown(g)) {
        steps--;
        must(steps > 0 || !(how & 0x10), "every teardown has an end");
    }
}

static void dump_step(struct world *w, struct guest *g)
{
    lock(w);
    w->dumped = g->d;
    hcall_domain_dump(g->d);
    w->dumped = NULL;
    unlock(w);
}

static void pod_step(struct world *w)
{
    unsigned what = take_byte(&w->in);
    struct guest *g = &w->guest[what & 0x80 ? BYSTANDER : HOSTILE];

    switch (what % 16) {
    case 0:
        zero_step(w, g);
        break;
    case 1:
        get_step(w, g);
        break;
    case 2:
        put_step(w, g);
        break;
    case 3:
        teardown_step(w, g);
        break;
    case 4:
        dump_step(w, g);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        /* There is but one memory to build in. */
        if (!w->meddling) {
            control_step(w, g);
        }
        break;
    default:
        access_step(w, g);
    }
}

/* --- A run ---------------------------------------------------------------------------------- */

static void add_guest(struct world *w, unsigned i, uint16_t domid, pages_t max_pages)
{
    struct guest *g = &w->guest[i];
    const struct hcall_domain_params params = {
        .domid = domid,
        .max_pages = max_pages,
        .grant_frames = i == CONTROL ? 0 : GRANT_FRAMES,
    };

    g->w = w;
    g->nr_special = 1 + params.grant_frames;
    g->d = hcall_domain_new(w->host, &params, &guest_ops, g);
    must(g->d != NULL, "a domain is made");
    forget(g);
}

static void open_world(struct world *w)
{
    static const pages_t pools[] = {0x100000, 0x400, 0x1000, 0x2000};
    struct input *in = &w->in;
    unsigned flags = take_byte(in);
    const struct hcall_host_params params = {
        .pages = pools[flags >> 4 & 3],
        .max_page = 0x123456789,
        .version = flags & 1 ? 0x40011 : 0,
    };
    unsigned rule;

    w->old = flags & 1;
    w->host = hcall_host_new(&params, &host_ops, w);
    must(w->host != NULL, "a host is made");
    add_guest(w, CONTROL, 0, UINT32_MAX);
    add_guest(w, HOSTILE, 5, take_byte(in) * 16u);
    add_guest(w, BYSTANDER, 6, 64);
    w->guest[HOSTILE].io = flags & 2;
    hcall_domain_set_io(w->guest[HOSTILE].d, flags & 2);
    w->meddles = flags & 4;
    w->backable_end = flags & 8 ? BACKABLE / 3 : BACKABLE;
    build_ram(&w->guest[HOSTILE], 0, take_byte(in) * 8u);
    build_ram(&w->guest[BYSTANDER], 0x100, 16);
    w->preempt = take_byte(in);
    rule = take_byte(in);
    w->rule = rule < 0x80 ? ALL_MAPPED : rule % RULES;
    w->rule_number = take_byte(in);
    for (unsigned n = take_below(in, 8); n > 0; n--) {
        map(&w->guest[HOSTILE], in);
    }
    check_world(w);
}

static void step(struct world *w)
{
    unsigned what = take_byte(&w->in);

    w->meddled = false;
    if (what >= 0x80) {
        pod_step(w);
        check_world(w);
        return;
    }
    switch (what % 8) {
    case 0:
        toolstack_step(w);
        break;
    case 1:
    case 2:
    case 3:
        raw_step(w);
        break;
    default:
        built_step(w);
    }
    check_world(w);
}

/* The guest's end: what is held is put at last, and then it has nothing. */
static void end(struct world *w)
{
    struct guest *g = &w->guest[HOSTILE];
    unsigned steps = MAX_ROUNDS;

    set_dying(g);
    while (!teardown(g)) {
        must(--steps > 0, "every teardown has an end");
    }
    check_world(w);
    for (unsigned i = 0; i < MAX_HOLDS; i++) {
        if (g->hold[i].page) {
            hcall_domain_put_page(g->d, g->hold[i].page);
            g->hold[i] = (struct hold){0};
        }
        check_world(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct world *w = &world;

    memset(w, 0, sizeof(*w));
    w->in = (struct input){data, size};
    open_world(w);
    for (unsigned i = 0; i < MAX_STEPS && w->in.left > 0; i++) {
        step(w);
    }
    end(w);
    for (unsigned i = 0; i < GUESTS; i++) {
        hcall_domain_free(w->guest[i].d);
    }
    hcall_host_free(w->host);
    return 0;
}
