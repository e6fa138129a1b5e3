/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fake world of world.h.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "world.h"

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
    return !page->is_gfn || w->gfn[page->gfn].backed;
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

static void begin_exclusive(void *world)
{
    struct world *w = world;

    lock(w);
    w->exclusive = true;
    w->section_end = 0;
    w->section_pages = 0;
    w->sections++;
}

static void end_exclusive(void *world)
{
    struct world *w = world;

    assert_true(w->exclusive);
    w->exclusive = false;
    unlock(w);
}

static bool backable(void *world, gfn_t gfn)
{
    const struct world *w = world;

    assert_true(w->locked);
    return gfn < WORLD_BACKABLE;
}

/* Ranges come in order and apart from each other: adjacent ones should have been one. */
static void settle(struct world *w, gfn_t first, pages_t count)
{
    assert_true(w->exclusive);
    assert_int_not_equal(count, 0);
    assert_true(first < WORLD_BACKABLE && count <= WORLD_BACKABLE - first);
    assert_true(w->section_pages == 0 || first > w->section_end);
    w->section_end = first + count;
    w->section_pages += count;
    assert_in_range(w->section_pages, 1, HCALL_PAGES_PER_SECTION);
}

static void discard(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    settle(w, first, count);
    w->discards++;
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        assert_true(w->gfn[gfn].backed);
        w->gfn[gfn].backed = false;
    }
}

static void back(void *world, gfn_t first, pages_t count)
{
    struct world *w = world;

    settle(w, first, count);
    w->backs++;
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        w->gfn[gfn] = (struct world_gfn){.backed = true, .stamp = w->now};
    }
}

static void log_line(void *world, const char *line)
{
    struct world *w = world;

    w->logs++;
    snprintf(w->line, sizeof(w->line), "%s", line);
}

const struct hcall_ops world_ops = {
    .copy_from_guest = copy_from_guest,
    .copy_to_guest = copy_to_guest,
    .lock = lock,
    .unlock = unlock,
    .begin_exclusive = begin_exclusive,
    .end_exclusive = end_exclusive,
    .backable = backable,
    .discard = discard,
    .back = back,
    .log = log_line,
};

void world_init(struct world *w)
{
    memset(w, 0, sizeof(*w));
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

void world_build_ram(struct world *w, struct hcall_domain *d, gfn_t first, pages_t count)
{
    assert_int_equal(hcall_domain_build_ram(d, first, count), 0);
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        w->gfn[gfn].backed = true;
    }
}

void world_check(const struct world *w, const struct hcall_domain *d)
{
    const char *wrong = hcall_domain_check(d);

    if (wrong) {
        fail_msg("hcall_domain_check: %s", wrong);
    }
    assert_false(w->locked);
    assert_false(w->exclusive);
    for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++) {
        if (w->gfn[gfn].backed != (hcall_domain_p2m(d, gfn, NULL) == HCALL_P2M_RAM)) {
            fail_msg("gfn %#llx is%s backed, the p2m says otherwise", (unsigned long long)gfn,
                     w->gfn[gfn].backed ? "" : " not");
        }
    }
}
