/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fake world of world.h.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "world.h"

unsigned world_slot(gfn_t gfn)
{
    return gfn == WORLD_SHARED_INFO ? WORLD_GFNS - 2
           : gfn == WORLD_APIC      ? WORLD_GFNS - 1
                                    : (unsigned)gfn;
}

gfn_t world_gfn(unsigned slot)
{
    return slot == WORLD_GFNS - 2 ? WORLD_SHARED_INFO : slot == WORLD_GFNS - 1 ? WORLD_APIC : slot;
}

/* NULL: the world does not follow it. */
static struct world_gfn *at(struct world *w, gfn_t gfn)
{
    bool follows = gfn < WORLD_GFNS - 2 || gfn == WORLD_SHARED_INFO || gfn == WORLD_APIC;

    return follows ? &w->gfn[world_slot(gfn)] : NULL;
}

static bool can_be_backed(gfn_t first, pages_t count)
{
    return (first < WORLD_BACKABLE && count <= WORLD_BACKABLE - first) ||
           (count == 1 && (first == WORLD_SHARED_INFO || first == WORLD_APIC));
}

static bool accessible(const struct world *w, uint64_t addr, bool write)
{
    const struct world_page *page;

    if (addr < WORLD_BASE || addr >= WORLD_PAGE(WORLD_PAGES)) {
        return false;
    }
    page = &w->page[(addr - WORLD_BASE) / HCALL_PAGE_SIZE];
    if (page->unmapped || (write && page->read_only)) {
        return false;
    }
    return !page->is_gfn || w->gfn[world_slot(page->gfn)].backed;
}

static size_t accessible_bytes(const struct world *w, uint64_t addr, size_t len, bool write)
{
    size_t i = 0;

    while (i < len && accessible(w, addr + i, write)) {
        i++;
    }
    return i;
}

static size_t copy_from_guest(void *world, void *dst, uint64_t addr, size_t len)
{
    struct world *w = world;

    assert_false(w->locked);
    len = accessible_bytes(w, addr, len, false);
    if (len > 0) {
        memcpy(dst, &w->mem[addr - WORLD_BASE], len);
    }
    return len;
}

static size_t copy_to_guest(void *world, uint64_t addr, const void *src, size_t len)
{
    struct world *w = world;

    assert_false(w->locked);
    len = accessible_bytes(w, addr, len, true);
    if (len > 0) {
        memcpy(&w->mem[addr - WORLD_BASE], src, len);
    }
    return len;
}

static void lock(void *world)
{
    struct world *w = world;

    assert_false(w->locked);
    w->locked = true;
}

static void unlock(void *world)
{
    struct world *w = world;

    assert_true(w->locked);
    assert_false(w->exclusive);
    w->locked = false;
}

static bool preempt(void *world)
{
    const struct world *w = world;

    return w->preempt;
}

static void begin_exclusive(void *world)
{
    struct world *w = world;

    lock(w);
    w->exclusive = true;
    w->section_pages = 0;
    w->section_ranges = 0;
    w->sections++;
}

static void end_exclusive(void *world)
{
    struct world *w = world;

    assert_true(w->exclusive);
    /* An extent is never divided, however large. */
    assert_true(w->section_pages <= HCALL_PAGES_PER_SECTION || w->section_ranges == 1 ||
                w->large_extent);
    w->exclusive = false;
    unlock(w);
}

static bool backable(void *world, gfn_t first, pages_t count)
{
    const struct world *w = world;

    assert_true(w->exclusive);
    return can_be_backed(first, count);
}

static void touch(struct world *w, pages_t count)
{
    assert_true(w->exclusive);
    assert_int_not_equal(count, 0);
    w->section_pages += count;
    w->section_ranges++;
}

static void discard(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    touch(w, count);
    w->discards++;
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        if (at(w, gfn)) {
            assert_true(at(w, gfn)->backed || at(w, gfn)->pod);
            *at(w, gfn) = (struct world_gfn){.backed = false};
        }
    }
}

static bool is_zero(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    assert_true(w->exclusive);
    w->zero_checks++;
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        if (at(w, gfn)) {
            assert_true(at(w, gfn)->backed);
        }
        if (at(w, gfn) && at(w, gfn)->nonzero) {
            return false;
        }
    }
    return true;
}

static void set(struct world *w, gfn_t first, pages_t count, struct world_gfn to)
{
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        if (at(w, gfn)) {
            *at(w, gfn) = to;
        }
    }
}

static void mark_pod(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    assert_true(w->exclusive);
    set(w, first, count, (struct world_gfn){.pod = true});
}

static void back_zeroed(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    assert_true(w->locked);
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        assert_true(!at(w, gfn) || at(w, gfn)->pod);
    }
    set(w, first, count, (struct world_gfn){.backed = true, .stamp = w->now});
}

static void back(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    touch(w, count);
    assert_true(can_be_backed(first, count));
    w->backs++;
    set(w, first, count, (struct world_gfn){.backed = true, .nonzero = true, .stamp = w->now});
}

static void move(void *world, gfn_t from, gfn_t to)
{
    struct world *w = world;

    touch(w, 2);
    assert_true(from != to && at(w, from) && at(w, from)->backed && at(w, to));
    *at(w, to) = *at(w, from);
    *at(w, from) = (struct world_gfn){.backed = false};
}

static void special_moved(void *world, unsigned special)
{
    struct world *w = world;

    assert_false(w->locked);
    assert_in_range(special, 0, WORLD_GRANT_FRAMES);
    w->special[special] = hcall_domain_special(w->d, special);
}

static void crash(void *world)
{
    struct world *w = world;

    assert_false(w->locked);
    w->crashes++;
}

static void log_line(void *world, const char *line)
{
    struct world *w = world;

    w->logs++;
    memmove(w->line[1], w->line[0], sizeof(w->line) - sizeof(w->line[0]));
    snprintf(w->line[0], sizeof(w->line[0]), "%s", line);
}

static const struct hcall_host_ops host_ops = {
    .lock = lock,
    .unlock = unlock,
    .log = log_line,
};

const struct hcall_ops world_ops = {
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

void world_open(struct world *w, pages_t max_pages, pages_t pool, uint32_t version)
{
    const struct hcall_host_params host = {
        .pages = pool ? pool : WORLD_POOL,
        .max_page = WORLD_MAX_PAGE,
        .version = version,
    };
    const struct hcall_domain_params control = {.domid = 0, .max_pages = UINT32_MAX};
    const struct hcall_domain_params guest = {
        .domid = 5,
        .max_pages = max_pages,
        .grant_frames = WORLD_GRANT_FRAMES,
    };

    memset(w, 0, sizeof(*w));
    for (unsigned i = 0; i < sizeof(w->special) / sizeof(w->special[0]); i++) {
        w->special[i] = HCALL_NO_GFN;
    }
    w->host = hcall_host_new(&host, &host_ops, w);
    assert_non_null(w->host);
    w->control = hcall_domain_new(w->host, &control, &world_ops, w);
    w->d = hcall_domain_new(w->host, &guest, &world_ops, w);
    assert_true(w->control && w->d);
}

void world_close(struct world *w)
{
    hcall_domain_free(w->d);
    hcall_domain_free(w->control);
    hcall_host_free(w->host);
}

void world_put(struct world *w, uint64_t addr, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        w->mem[addr - WORLD_BASE + i] = (uint8_t)(value >> (8 * i));
    }
}

uint64_t world_get(const struct world *w, uint64_t addr, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)w->mem[addr - WORLD_BASE + i] << (8 * i);
    }
    return value;
}

void world_build_ram(struct world *w, gfn_t first, pages_t count)
{
    assert_int_equal(hcall_domain_build_ram(w->d, first, count), 0);
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        w->gfn[gfn].backed = true;
        w->gfn[gfn].nonzero = true;
    }
}

void world_check(const struct world *w)
{
    const char *wrong = hcall_host_check(w->host);

    if (wrong) {
        fail_msg("hcall_host_check: %s", wrong);
    }
    assert_false(w->locked);
    assert_false(w->exclusive);
    for (unsigned slot = 0; slot < WORLD_GFNS; slot++) {
        gfn_t gfn = world_gfn(slot);
        enum hcall_p2m_type type = hcall_domain_p2m(w->d, gfn, NULL);
        bool backed = type == HCALL_P2M_RAM || type == HCALL_P2M_OWN_GRANT;

        if (w->gfn[slot].pod != (type == HCALL_P2M_POD)) {
            fail_msg("gfn %#llx is%s populate-on-demand, the p2m says otherwise",
                     (unsigned long long)gfn, w->gfn[slot].pod ? "" : " not");
        }
        if (w->gfn[slot].backed != backed) {
            fail_msg("gfn %#llx is%s backed, the p2m says otherwise", (unsigned long long)gfn,
                     w->gfn[slot].backed ? "" : " not");
        }
    }
    for (unsigned i = 0; i < sizeof(w->special) / sizeof(w->special[0]); i++) {
        assert_int_equal(w->special[i], hcall_domain_special(w->d, i));
    }
}
