/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random steps of a domain that is populated on demand, see generate_parts.h.
 */
#include "generate_parts.h"

/* Where an episode has its populate-on-demand, if it does. */
static enum {
    NOWHERE,
    BLOCKS,  /* superpages, from 0 on */
    SINGLES, /* single pages, further up than a sweep goes */
    BOTH,
    WHOLE_GIB,
} style;

#define BLOCKS_END 0x800
#define SINGLES_FIRST 0x1000
#define SINGLES_END 0x1100

/* A few gfns to which an episode comes back. */
static gfn_t hot_gfn[6];

/* --- Gfns ---------------------------------------------------------------------------------- */

static gfn_t style_gfn(void)
{
    bool single = style == SINGLES || (style == BOTH && one_in(2));

    if (single && !one_in(8)) {
        return SINGLES_FIRST + random_below(SINGLES_END - SINGLES_FIRST);
    }
    if (style == WHOLE_GIB && one_in(4)) {
        return random_below(MODEL_NEAR);
    }
    /* Near the edges of superpages, as often as not. */
    return one_in(2) ? random_below(BLOCKS_END)
                     : 0x200 * random_below(BLOCKS_END / 0x200) + random_below(12);
}

static gfn_t region_gfn(void)
{
    return one_in(4) ? PICK(hot_gfn) : style_gfn();
}

void generate_pod_opening(struct opening *opening)
{
    style = NOWHERE;
    if (one_in(3)) {
        style = one_in(16) ? WHOLE_GIB : BLOCKS + (unsigned)random_below(3);
        opening->max_pages = 0x200 + random_below(0x1000);
        opening->pool = one_in(8) ? 1 + random_below(0x1000) : 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(hot_gfn); i++) {
        hot_gfn[i] = style_gfn();
    }
}

/* One of this type, if it is easily found. */
static gfn_t region_gfn_of(const struct model *m, enum hcall_p2m_type type)
{
    gfn_t gfn = region_gfn();

    for (int tries = 0; tries < 6 && model_type(m, gfn) != type; tries++) {
        gfn = region_gfn();
    }
    return gfn;
}

/* One of this type, if there is any. */
static gfn_t some_gfn_of(const struct model *m, enum hcall_p2m_type type)
{
    gfn_t first = random_below(MODEL_NEAR);

    for (gfn_t i = 0; i < MODEL_NEAR; i++) {
        if (model_type(m, (first + i) % MODEL_NEAR) == type) {
            return (first + i) % MODEL_NEAR;
        }
    }
    return region_gfn();
}

/* RAM that someone else uses, if there is any. */
static gfn_t pinned_gfn(const struct model *m)
{
    const struct model_pin *pin = &m->pin[random_below(WORLD_PINS)];

    for (gfn_t gfn = 0; gfn < MODEL_NEAR && pin->used; gfn++) {
        if (m->gfn[gfn].type == HCALL_P2M_RAM && m->gfn[gfn].frame == pin->frame) {
            return gfn;
        }
    }
    return region_gfn_of(m, HCALL_P2M_RAM);
}

static gfn_t pod_or_ram(const struct model *m)
{
    if (one_in(16)) {
        return one_in(2) ? pinned_gfn(m) : some_gfn_of(m, HCALL_P2M_OWN_GRANT);
    }
    return region_gfn_of(m, one_in(2) ? HCALL_P2M_POD : HCALL_P2M_RAM);
}

/* A single gfn, a few, or a whole superpage. */
static void random_range(struct step *s, gfn_t gfn)
{
    s->gpfn = gfn;
    s->count = one_in(4) ? 1 + random_below(48) : 1;
    if (one_in(8) && gfn < BLOCKS_END) {
        s->gpfn -= gfn % 0x200;
        s->count = one_in(3) ? 0x1ff : 0x200;
    }
    if (s->gpfn + s->count > MODEL_NEAR) {
        s->count = 1;
    }
}

/* --- The toolstack ------------------------------------------------------------------------- */

static void extents(struct step *s, unsigned op, unsigned order, gfn_t base, uint64_t nr)
{
    s->op = op;
    s->in.list = LIST;
    s->in.order = order;
    s->in.nr = nr;
    for (uint64_t i = 0; i < nr; i++) {
        s->list[i] = base + (i << order);
    }
}

static void mark_single(const struct model *m, struct step *s)
{
    gfn_t base = SINGLES_FIRST;
    unsigned order = one_in(2) ? 0 : (unsigned)random_below(6);
    uint64_t nr = 1 + random_below(SINGLES_END - SINGLES_FIRST);

    if (m->entries > 0) {
        base = one_in(2) ? region_gfn_of(m, HCALL_P2M_HOLE) : region_gfn();
        nr = 1 + random_below(16);
    }
    nr = nr << order > 0x100 ? 0x100ull >> order : nr;
    extents(s, OP_POPULATE, order, base, nr);
    if (one_in(20)) {
        /* As many leaves as there can be, with holes between them. */
        extents(s, OP_POPULATE, 0, 0, 1 + random_below(STEP_LIST));
        for (uint64_t i = 0; i < s->in.nr; i++) {
            s->list[i] = 2 * i;
        }
    }
}

static void mark_block(const struct model *m, struct step *s)
{
    uint64_t first = m->entries > 0 ? random_below(5) : 0;
    unsigned order = one_in(8) ? 10 : 9;
    uint64_t nr = 1 + random_below(order == 9 ? 4 : 2);

    extents(s, OP_POPULATE, order, 0x200 * first, nr);
    if (one_in(8)) {
        extents(s, OP_POPULATE, (unsigned)random_below(12), region_gfn(), 1);
    }
}

static void mark_step(const struct model *m, struct step *s)
{
    s->control = !one_in(30);
    if (style == WHOLE_GIB && one_in(2)) {
        extents(s, OP_POPULATE, 18, 0, 1);
    } else if (style == SINGLES || (style != BLOCKS && one_in(2)) || one_in(8)) {
        mark_single(m, s);
    } else {
        mark_block(m, s);
    }
    s->in.flags = FLAG_POD;
    s->in.domid = STEP_GUEST;
}

static void target_step(const struct model *m, struct step *s)
{
    s->op = one_in(6) ? OP_GET_POD_TARGET : OP_SET_POD_TARGET;
    s->control = !one_in(30);
    s->in.domid = STEP_GUEST;
    s->count = m->tot_pages + random_below(one_in(2) ? 12 : 1200);
    if (m->tot_pages == 0) {
        s->count = style == SINGLES || one_in(2) ? random_below(80) : 0x200 * random_below(5);
        s->count += one_in(3) ? random_below(30) : 0;
    }
    if (one_in(8)) {
        s->count = random_below(m->max_pages + 2);
    }
}

/* The same as a domain builder that is part of the host. */
static void build_step(const struct model *m, struct step *s)
{
    if (one_in(2)) {
        target_step(m, s);
        s->op = TOOL_SET_POD_TARGET;
        return;
    }
    s->op = TOOL_BUILD_POD;
    random_range(s, region_gfn_of(m, HCALL_P2M_HOLE));
    if (one_in(3) && s->gpfn < BLOCKS_END) {
        s->count = 1 + random_below(0x400);
    }
    if (one_in(20)) {
        s->gpfn = MODEL_END - random_below(3);
        s->count = 4;
    }
}

/* A domain's end is not worth more than a few steps. */
static void end_step(const struct model *m, struct step *s)
{
    s->op = TOOL_TEARDOWN;
    if (!m->dying) {
        s->op = TOOL_SET_DYING;
    } else if (one_in(m->torn ? 12 : 8)) {
        s->op = TOOL_RESET;
    }
}

/* --- The guest and its backends ------------------------------------------------------------ */

static void touch_step(const struct model *m, struct step *s)
{
    s->op = TOOL_TOUCH;
    random_range(s, one_in(8) ? region_gfn() : region_gfn_of(m, HCALL_P2M_POD));
    s->write = !one_in(3);
    s->control = one_in(4);
    s->cached = one_in(6);
    if (one_in(16)) {
        /* What was there before, with other contents. */
        random_range(s, region_gfn_of(m, HCALL_P2M_RAM));
    }
}

static void zero_step(const struct model *m, struct step *s)
{
    s->op = TOOL_ZERO;
    random_range(s, region_gfn_of(m, HCALL_P2M_RAM));
}

static void pin_step(const struct model *m, struct step *s)
{
    s->pin = (unsigned)random_below(WORLD_PINS);
    s->op = m->pin[s->pin].used ? TOOL_PUT_PAGE : TOOL_GET_PAGE;
    s->gpfn = region_gfn_of(m, HCALL_P2M_RAM);
}

static void decrease_step(const struct model *m, struct step *s)
{
    static const unsigned orders[] = {0, 0, 0, 0, 0, 1, 2, 4, 8, 9, 9, 10};
    unsigned order = PICK(orders);
    gfn_t base = pod_or_ram(m);
    uint64_t nr = one_in(3) ? 1 + random_below(one_in(4) ? 600 : 20) : 1;

    s->control = order > 9 || one_in(4);
    s->in.domid = STEP_GUEST;
    if (order >= 8 && one_in(2)) {
        base -= base % 0x200;
        nr = 1 + random_below(2);
    }
    if (one_in(style == WHOLE_GIB ? 12 : 24)) {
        s->control = true;
        order = style == WHOLE_GIB && one_in(2) ? 18 : 10 + (unsigned)random_below(3);
        base = 0;
        nr = 1;
    }
    extents(s, OP_DECREASE, order, base, nr);
    for (uint64_t i = 0; i < nr && order == 0 && one_in(2); i++) {
        s->list[i] = one_in(4) ? pod_or_ram(m) : s->list[i];
    }
}

static void populate_step(const struct model *m, struct step *s)
{
    unsigned order = one_in(4) ? (unsigned)random_below(10) : 0;
    gfn_t base = region_gfn_of(m, one_in(3) ? HCALL_P2M_POD : HCALL_P2M_HOLE);

    s->in.domid = STEP_GUEST;
    extents(s, OP_POPULATE, order, order == 9 && one_in(2) ? base - base % 0x200 : base,
            1 + (order < 4 ? random_below(8) : 0));
}

/* What looks a gfn up, or maps over it. */
static void map_step(const struct model *m, struct step *s)
{
    static const unsigned ops[] = {
        OP_ADD, OP_ADD, OP_REMOVE, OP_EXCHANGE, TOOL_MAP, TOOL_MAP_OWN_GRANT, TOOL_UNMAP_OWN_GRANT};

    s->op = PICK(ops);
    s->in = (struct reservation_args){.list = LIST, .nr = 1, .domid = STEP_GUEST};
    s->out = s->in;
    s->out.list = WORLD_PAGE(5);
    s->count = 1;
    s->type = HCALL_P2M_GRANT + (enum hcall_p2m_type)random_below(4);
    s->space = one_in(4) ? (uint32_t)random_below(2) : SPACE_GMFN;
    s->idx = s->space == SPACE_GMFN ? pod_or_ram(m) : 0;
    s->gpfn = one_in(3) ? region_gfn() : pod_or_ram(m);
    s->list[0] = s->gpfn;
    if (s->op == OP_ADD && one_in(4)) {
        s->space = SPACE_GMFN_RANGE;
        s->idx = pod_or_ram(m);
        s->size = (uint16_t)random_below(one_in(4) ? 530 : 20);
        s->gpfn %= MODEL_NEAR - s->size;
    }
    if (s->op == TOOL_MAP_OWN_GRANT) {
        s->idx = pinned_gfn(m);
    } else if (s->op == TOOL_UNMAP_OWN_GRANT) {
        s->gpfn = some_gfn_of(m, HCALL_P2M_OWN_GRANT);
    }
}

/* --- All ------------------------------------------------------------------------------------ */

static void begin_step(const struct model *m, struct step *s)
{
    if (m->tot_pages == 0 && !one_in(6)) {
        target_step(m, s);
    } else if (m->tot_pages > 0 && m->pod.super + m->pod.single == 0 && one_in(16)) {
        s->op = TOOL_RESET;
    } else {
        mark_step(m, s);
    }
}

static void random_step(const struct model *m, struct step *s)
{
    unsigned kind = (unsigned)random_below(80);

    if (kind < 32) {
        touch_step(m, s);
    } else if (kind < 37) {
        mark_step(m, s);
    } else if (kind < 38) {
        build_step(m, s);
    } else if (kind < 50) {
        decrease_step(m, s);
    } else if (kind < 56) {
        target_step(m, s);
    } else if (kind < 62) {
        zero_step(m, s);
    } else if (kind < 67) {
        pin_step(m, s);
    } else if (kind < 77) {
        map_step(m, s);
    } else if (kind < 79) {
        populate_step(m, s);
    } else {
        s->op = TOOL_DUMP;
    }
}

bool generate_pod_step(const struct model *m, struct step *s)
{
    if (style == NOWHERE ? !one_in(40) : one_in(6)) {
        return false;
    }
    s->compat = one_in(2);
    s->preempt = one_in(2);
    if (m->dying ? one_in(3) : one_in(200)) {
        end_step(m, s);
    } else if (m->io && one_in(4)) {
        s->op = TOOL_SET_IO;
    } else if (style != NOWHERE && m->entries == 0 && one_in(2)) {
        begin_step(m, s);
    } else {
        random_step(m, s);
    }
    return true;
}
