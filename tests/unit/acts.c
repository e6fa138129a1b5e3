/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The acts of acts.h.
 */
#include "cmocka_all.h"

#include <string.h>

#include "acts.h"

#define MAX_PAGES 4096
#define OWN 5

static struct hcall_domain *domain_of(struct world *w, enum by by)
{
    return by == CONTROL ? w->control : w->d;
}

/* --- Touches ------------------------------------------------------------------------------ */

int act_read(struct world *w, enum by by, gfn_t gfn)
{
    return call_touch(w, domain_of(w, by), gfn);
}

int act_write(struct world *w, enum by by, gfn_t gfn)
{
    int rc = act_read(w, by, gfn);

    if (rc == 0) {
        assert_true(w->gfn[gfn].backed);
        w->gfn[gfn].nonzero = true;
    }
    return rc;
}

void act_write_all(struct world *w, gfn_t first, pages_t count)
{
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        assert_int_equal(act_write(w, GUEST, gfn), 0);
    }
}

void act_zero(struct world *w, gfn_t gfn)
{
    assert_true(w->gfn[gfn].backed);
    w->gfn[gfn].nonzero = false;
}

int act_map_grant(struct world *w, gfn_t gfn)
{
    int rc = hcall_domain_map(w->d, gfn, 1, HCALL_P2M_GRANT);

    if (rc == 0) {
        w->gfn[gfn].pod = false;
    }
    return rc;
}

/* --- Calls --------------------------------------------------------------------------------- */

long act_call(struct world *w, enum by by, bool compat, uint64_t cmd)
{
    return call_memory_op(domain_of(w, by), compat, cmd, ARG);
}

long act_extents(struct world *w, enum by by, bool compat, unsigned cmd, unsigned order,
                 uint32_t flags, const gfn_t *gfns, unsigned nr)
{
    const struct reservation_args args = {
        .list = LIST,
        .nr = nr,
        .order = order,
        .flags = flags,
        .domid = by == CONTROL ? OWN : SELF,
    };

    call_put_reservation(w, compat, &args);
    for (unsigned i = 0; i < nr; i++) {
        call_put_frame(w, compat, LIST, i, gfns[i]);
    }
    return act_call(w, by, compat, cmd);
}

long act_extent(struct world *w, enum by by, unsigned cmd, unsigned order, gfn_t gfn)
{
    return act_extents(w, by, false, cmd, order, 0, &gfn, 1);
}

long act_mark(struct world *w, unsigned order, gfn_t gfn)
{
    return act_extents(w, CONTROL, false, OP_POPULATE, order, FLAG_POD, &gfn, 1);
}

long act_target(struct world *w, unsigned cmd, pages_t target)
{
    world_put(w, ARG, target, 8);
    world_put(w, ARG + 8, 0, 8);
    world_put(w, ARG + 16, 0, 8);
    world_put(w, ARG + 24, 0, 8);
    world_put(w, ARG + 32, OWN, 2);
    return act_call(w, CONTROL, false, cmd);
}

long act_add(struct world *w, enum by by, bool compat, unsigned space, uint64_t idx, gfn_t gpfn)
{
    call_put_physmap(w, compat, by == CONTROL ? OWN : SELF, space, idx, gpfn, 1);
    return act_call(w, by, compat, OP_ADD);
}

long act_remove(struct world *w, enum by by, bool compat, gfn_t gfn)
{
    size_t width = call_frame_size(compat);

    world_put(w, ARG, by == CONTROL ? OWN : SELF, 2);
    world_put(w, ARG + width, gfn, width);
    return act_call(w, by, compat, OP_REMOVE);
}

long act_query(struct world *w, unsigned cmd)
{
    world_put(w, ARG, OWN, 2);
    return act_call(w, CONTROL, false, cmd);
}

/* --- The end -------------------------------------------------------------------------------- */

void act_die(struct world *w)
{
    w->locked = true;
    hcall_domain_set_dying(w->d);
    w->locked = false;
}

bool act_teardown(struct world *w)
{
    bool done;

    world_ops.begin_exclusive(w);
    done = hcall_domain_teardown(w->d);
    memset(w->gfn, 0, sizeof(w->gfn));
    hcall_domain_end_exclusive(w->d);
    return done;
}

/* --- Fixtures -------------------------------------------------------------------------------- */

static void mark_all(struct world *w, bool compat, unsigned order, gfn_t first, unsigned nr)
{
    gfn_t gfns[256];

    for (unsigned i = 0; i < nr; i++) {
        gfns[i] = first + ((gfn_t)i << order);
    }
    assert_int_equal(act_extents(w, CONTROL, compat, OP_POPULATE, order, FLAG_POD, gfns, nr), nr);
}

static void make_fa(struct world *w)
{
    for (gfn_t gfn = 0; gfn < 0x400; gfn++) {
        world_build_ram(w, gfn, 1);
    }
    assert_int_equal(act_map_grant(w, 0x800), 0);
    assert_int_equal(hcall_domain_map(w->d, WORLD_APIC, 1, HCALL_P2M_MMIO), 0);
}

static void make_fb(struct world *w, bool compat, pages_t target)
{
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, target), 0);
    mark_all(w, compat, 9, 0, 4);
}

static void make_fc(struct world *w, bool compat)
{
    assert_int_equal(act_target(w, OP_SET_POD_TARGET, 64), 0);
    mark_all(w, compat, 0, 0x1000, 256);
}

void act_open(struct world *w, enum fixture fixture, bool compat, pages_t pool, uint32_t version)
{
    world_open(w, MAX_PAGES, pool, version);
    if (fixture == FA) {
        make_fa(w);
    } else if (fixture == FC || fixture == FC64) {
        make_fc(w, compat);
    } else if (fixture != NEW) {
        make_fb(w, compat, fixture == FB300 ? 300 : 1024);
    }
    if (fixture == FB1) {
        act_write_all(w, 0, 0x200);
    } else if (fixture == FB2) {
        act_write_all(w, 0x010, 1);
        act_write_all(w, 0x200, 1);
    } else if (fixture == FB3) {
        act_write_all(w, 0, 0x400);
    } else if (fixture == FC64) {
        act_write_all(w, 0x1000, 64);
    }
}

void act_check(const struct world *w, const char *what, pages_t tot, pages_t count, pages_t entries)
{
    pages_t is_tot = hcall_domain_tot_pages(w->d);
    pages_t is_count = hcall_domain_pod_cache(w->d);
    pages_t is_entries = hcall_domain_pod_entries(w->d);

    if (is_tot != tot || is_count != count || is_entries != entries) {
        fail_msg("%s: expected (%llu, %llu, %llu), got (%llu, %llu, %llu)", what,
                 (unsigned long long)tot, (unsigned long long)count, (unsigned long long)entries,
                 (unsigned long long)is_tot, (unsigned long long)is_count,
                 (unsigned long long)is_entries);
    }
    world_check(w);
}
