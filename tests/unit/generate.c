/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random steps, see generate.h.
 */
#include <string.h>

#include "generate_parts.h"

static uint64_t random_state;

uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % n;
}

bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

void generate_seed(uint64_t seed)
{
    /* Seeds next to each other are to have nothing in common. */
    seed += 0x9e3779b97f4a7c15;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111eb;
    random_state = (seed ^ seed >> 31) | 1;
}

void generate_opening(struct opening *opening)
{
    static const uint32_t versions[] = {0, 0, 0x40002, 0x40003, 0x40011, 0x40011, 0x40012};

    opening->version = PICK(versions);
    opening->pool = one_in(3) ? 1 + random_below(3 * MODEL_NEAR) : 0;
    opening->max_pages = one_in(8) ? UINT64_MAX : random_below(3 * MODEL_NEAR);
    generate_pod_opening(opening);
}

/* --- Gfns ------------------------------------------------------------------------------- */

/* Few, so that steps meet: around the edges of a superpage and of what can be backed. */
static gfn_t near_gfn(void)
{
    static const gfn_t first[] = {0, 0x1f0, 0x3f8, WORLD_BACKABLE - 16, WORLD_BACKABLE};

    return PICK(first) + random_below(16);
}

static gfn_t weird_gfn(void)
{
    static const gfn_t weird[] = {MODEL_NEAR, MODEL_END,  MODEL_END + 0x20, MODEL_END - 3,
                                  1ull << 40, 1ull << 63, UINT64_MAX,       UINT64_MAX - 3};

    return one_in(3) ? model_gfn_of(MODEL_NEAR + (unsigned)random_below(MODEL_FAR)) : PICK(weird);
}

static gfn_t any_gfn(void)
{
    if (one_in(40)) {
        return weird_gfn();
    }
    if (one_in(20)) {
        return random_below(MODEL_NEAR);
    }
    return one_in(2) ? near_gfn() : random_below(WORLD_BACKABLE);
}

/* One of this type, if it is easily found. */
static gfn_t gfn_of_type(const struct model *m, enum hcall_p2m_type type)
{
    gfn_t gfn = 0;

    for (int tries = 0; tries < 6; tries++) {
        const struct model_gfn *g;

        gfn = type == HCALL_P2M_SPECIAL ? m->special[random_below(MODEL_SPECIALS)] : any_gfn();
        g = model_at(m, gfn);
        if (g && g->type == type) {
            return gfn;
        }
    }
    return gfn == HCALL_NO_GFN ? any_gfn() : gfn;
}

static gfn_t source_gfn(const struct model *m)
{
    if (one_in(6)) {
        return gfn_of_type(m, HCALL_P2M_SPECIAL);
    }
    return one_in(8) ? any_gfn() : gfn_of_type(m, HCALL_P2M_RAM);
}

/* Where a page of the hypervisor's may go: not where the model cannot follow. */
static gfn_t destination_gfn(const struct model *m)
{
    gfn_t gfn = one_in(3) ? gfn_of_type(m, HCALL_P2M_HOLE) : any_gfn();

    return gfn < MODEL_END && !model_at(m, gfn) ? near_gfn() : gfn;
}

static gfn_t extent_gfn(const struct model *m, const struct step *s)
{
    if (one_in(12)) {
        return any_gfn();
    }
    if (one_in(20)) {
        return gfn_of_type(m, HCALL_P2M_SPECIAL);
    }
    return gfn_of_type(m, s->op == OP_POPULATE ? HCALL_P2M_HOLE : HCALL_P2M_RAM);
}

/* --- Operations on extents ---------------------------------------------------------------- */

static unsigned random_order(const struct model *m, const struct step *s)
{
    unsigned most = s->control || (m->io && one_in(4)) ? 18 : m->io ? 12 : 9;

    if (one_in(12)) {
        return one_in(3) ? most + one_in(4) : 9;
    }
    if (one_in(24)) {
        return (unsigned)random_below(19);
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
        FLAG_NODE(64),
        FLAG_EXACT_NODE,
        FLAG_EXACT_NODE | FLAG_NODE(1),
        FLAG_VNODE,
        FLAG_VNODE | FLAG_NODE(200),
        FLAG_POD,
        FLAG_EXACT_NODE | FLAG_NODE(1) | FLAG_VNODE,
        1u << 31,
    };

    return one_in(12) ? PICK(flags) : 0;
}

static uint16_t random_domid(bool control)
{
    static const uint16_t others[] = {0, SELF, STEP_GUEST, STEP_NOBODY, STEP_RESERVED};

    if (one_in(20)) {
        return PICK(others);
    }
    return control || one_in(2) ? STEP_GUEST : SELF;
}

static void random_list(const struct model *m, struct step *s)
{
    unsigned shape = (unsigned)random_below(3);
    gfn_t base = extent_gfn(m, s);

    for (uint64_t i = 0; i < s->in.nr; i++) {
        uint64_t far = i << s->in.order;

        s->list[i] = shape == 0 ? extent_gfn(m, s) : shape == 1 ? base + far : base - far;
    }
}

static uint64_t random_nr(void)
{
    if (one_in(60)) {
        return random_below(STEP_LIST);
    }
    return one_in(3) ? random_below(24) : 1 + random_below(4);
}

static void random_list_fault(struct step *s)
{
    if (s->in.nr == 0 || s->in.list == 0) {
        return;
    }
    if (one_in(10)) {
        s->fault = FAULT_LIST;
        s->usable = random_below(s->in.nr);
    } else if (one_in(10)) {
        s->read_only = true;
    }
}

static void extents_step(const struct model *m, struct step *s)
{
    static const uint64_t too_many[] = {0x4000000, 1ull << 32, 1ull << 63};

    s->op = one_in(10) ? OP_INCREASE : one_in(2) ? OP_DECREASE : OP_POPULATE;
    s->in = (struct reservation_args){
        .list = s->op == OP_INCREASE && one_in(2) ? 0 : LIST + random_below(9),
        .nr = random_nr(),
        .order = random_order(m, s),
        .flags = random_flags(),
        .domid = s->in.domid,
    };
    s->start = one_in(10) ? random_below(s->in.nr + 2) : 0;
    random_list(m, s);
    random_list_fault(s);
    if (one_in(100)) {
        s->in.nr = PICK(too_many);
        s->fault = FAULT_NONE;
        s->in.list = 0;
    }
}

/* Totals that match, mostly; also at the end of 32 and 64 bits. */
static void exchange_step(const struct model *m, struct step *s)
{
    unsigned less = (unsigned)random_below(4);

    s->op = OP_EXCHANGE;
    s->in = (struct reservation_args){
        .list = LIST,
        .nr = 1 + random_below(4),
        .order = one_in(8) ? random_order(m, s) : less,
        .flags = random_flags(),
        .domid = s->in.domid,
    };
    s->out = s->in;
    s->out.list = WORLD_PAGE(5);
    s->out.flags = random_flags();
    if (one_in(6)) {
        s->in.nr = one_in(2) ? 1ull << (31 - less) : 1ull << (63 - less);
        s->in.nr <<= one_in(2);
        s->out.nr = s->in.nr;
    } else if (s->in.order == less && one_in(3)) {
        s->out.nr = s->in.nr << less;
        s->out.order = 0;
    }
    s->nr_exchanged = one_in(2) ? 0 : random_below(6);
    for (unsigned i = 0; i < 8; i++) {
        s->list[i] = one_in(3) ? any_gfn() : source_gfn(m);
    }
    if (one_in(12)) {
        s->out.domid = STEP_NOBODY;
    }
    if (one_in(12)) {
        s->out.nr++;
    }
    if (one_in(8)) {
        s->fault = FAULT_LIST;
        s->usable = random_below(5);
    }
    s->arg_read_only = one_in(12);
    s->start = one_in(30);
}

/* --- Physmap ---------------------------------------------------------------------------- */

static uint32_t random_space(void)
{
    if (one_in(20)) {
        return (uint32_t)random_below(8);
    }
    if (one_in(2)) {
        return SPACE_GMFN;
    }
    return one_in(2) ? SPACE_SHARED_INFO : SPACE_GRANT_TABLE;
}

static uint64_t random_idx(const struct model *m, uint32_t space)
{
    static const uint64_t weird[] = {1, WORLD_GRANT_FRAMES, 1ull << 31, UINT32_MAX, UINT64_MAX};

    if (space != SPACE_SHARED_INFO && space != SPACE_GRANT_TABLE) {
        return source_gfn(m);
    }
    if (one_in(20)) {
        return PICK(weird);
    }
    return space == SPACE_SHARED_INFO ? 0 : random_below(WORLD_GRANT_FRAMES);
}

static uint64_t random_done(uint64_t size)
{
    static const uint64_t weird[] = {UINT16_MAX, UINT16_MAX + 1, 1ull << 30};

    if (one_in(100)) {
        return PICK(weird);
    }
    return one_in(10) ? random_below(size + 2) : 0;
}

static void range_step(const struct model *m, struct step *s)
{
    s->space = SPACE_GMFN_RANGE;
    s->size = (uint16_t)(one_in(8) ? random_below(700) : random_below(24));
    s->idx = source_gfn(m);
    if (one_in(3)) {
        s->gpfn = s->idx + random_below(2 * s->size + 2) - s->size;
    } else {
        s->gpfn = one_in(10) ? weird_gfn() : random_below(WORLD_BACKABLE - s->size);
    }
}

static void add_step(const struct model *m, struct step *s)
{
    s->op = OP_ADD;
    if (one_in(4)) {
        range_step(m, s);
    } else {
        s->space = random_space();
        s->idx = random_idx(m, s->space);
        s->gpfn = one_in(20) ? s->idx : destination_gfn(m);
        s->size = (uint16_t)random_below(3);
    }
    s->start = random_done(s->size);
}

static void batch_step(const struct model *m, struct step *s)
{
    s->op = OP_ADD_BATCH;
    s->space = random_space();
    s->res0 = (uint16_t)one_in(8);
    s->size = (uint16_t)random_below(one_in(4) ? STEP_BATCH + 1 : 5);
    s->start = random_done(s->size);
    for (unsigned i = 0; i < s->size; i++) {
        s->idxs[i] = random_idx(m, s->space);
        s->list[i] = destination_gfn(m);
    }
    if (s->size > 0 && one_in(6)) {
        s->fault = FAULT_LIST + (enum step_fault)random_below(3);
        s->usable = random_below(s->size);
    }
}

static void remove_step(const struct model *m, struct step *s)
{
    s->op = OP_REMOVE;
    s->gpfn = one_in(3) ? any_gfn() : source_gfn(m);
    if (one_in(4)) {
        s->gpfn = gfn_of_type(m, HCALL_P2M_OWN_GRANT + (enum hcall_p2m_type)random_below(5));
    }
    s->start = one_in(30);
}

/* --- Numbers ---------------------------------------------------------------------------- */

static void query_step(struct step *s)
{
    static const unsigned ops[] = {OP_MAXIMUM_RAM_PAGE, OP_CURRENT, OP_MAXIMUM, OP_MAXIMUM_GPFN};

    s->op = PICK(ops);
    s->start = one_in(20);
}

static void claim_step(const struct model *m, struct step *s)
{
    s->op = OP_CLAIM;
    s->control = !one_in(8);
    s->compat = one_in(20);
    s->in.nr = one_in(3) ? 0 : m->tot_pages + random_below(one_in(2) ? 20 : 2 * MODEL_NEAR);
    s->in.list = one_in(30) ? LIST : 0;
    s->in.order = one_in(30);
    s->in.flags = one_in(30) ? 1u << 20 : 0;
    s->start = one_in(30);
}

static void pod_step(const struct model *m, struct step *s)
{
    s->op = one_in(2) ? OP_SET_POD_TARGET : OP_GET_POD_TARGET;
    s->control = !one_in(6);
    s->count = random_below(m->max_pages + 2);
    s->arg_read_only = one_in(10);
    s->start = one_in(30);
}

/* --- The toolstack ---------------------------------------------------------------------- */

static void range_of_holes(const struct model *m, struct step *s)
{
    s->gpfn = one_in(12) ? random_below(WORLD_BACKABLE) : gfn_of_type(m, HCALL_P2M_HOLE);
    s->count = one_in(3) ? 1 + random_below(600) : 1 + random_below(4);
    if (s->gpfn >= MODEL_END - 3) {
        s->count += 4;
    } else if (s->gpfn >= MODEL_NEAR) {
        s->count = 1;
    }
}

static void build_ram_step(const struct model *m, struct step *s)
{
    s->op = TOOL_BUILD_RAM;
    range_of_holes(m, s);
    if (one_in(3)) {
        s->gpfn = 0x200 * random_below(WORLD_BACKABLE / 0x200);
        s->count = 0x200 * (1 + random_below(4));
    }
    /* The world has its pages where they can be backed. */
    if (s->gpfn < MODEL_END - 3 && !model_backable(s->gpfn, s->count)) {
        s->gpfn %= WORLD_BACKABLE;
        s->count = 1;
    }
}

static void map_step(const struct model *m, struct step *s)
{
    s->op = TOOL_MAP;
    s->type = HCALL_P2M_GRANT + (enum hcall_p2m_type)random_below(4);
    range_of_holes(m, s);
    if (one_in(20)) {
        s->type = (enum hcall_p2m_type)random_below(HCALL_P2M_TYPES + 1);
    }
    if (s->gpfn < MODEL_NEAR && s->gpfn + s->count > MODEL_NEAR) {
        s->count = 1;
    }
    if (s->gpfn < MODEL_END - 3 && !model_at(m, s->gpfn)) {
        s->gpfn = near_gfn();
    }
}

static void own_grant_step(const struct model *m, struct step *s)
{
    s->op = one_in(3) ? TOOL_UNMAP_OWN_GRANT : TOOL_MAP_OWN_GRANT;
    s->idx = one_in(8) ? any_gfn() : gfn_of_type(m, HCALL_P2M_RAM);
    if (s->op == TOOL_UNMAP_OWN_GRANT) {
        s->gpfn = gfn_of_type(m, HCALL_P2M_OWN_GRANT);
    } else {
        s->gpfn = one_in(2) ? gfn_of_type(m, HCALL_P2M_HOLE) : any_gfn();
    }
    if (s->op == TOOL_MAP_OWN_GRANT && s->gpfn < MODEL_END && !model_backable(s->gpfn, 1)) {
        s->gpfn %= WORLD_BACKABLE;
    }
}

static void limits_step(const struct model *m, struct step *s)
{
    static const uint64_t weird[] = {UINT64_MAX, UINT32_MAX, 1ull << 32, 0};

    s->op = TOOL_SET_MAX_PAGES;
    s->count = m->tot_pages + random_below(one_in(2) ? 40 : MODEL_NEAR);
    if (one_in(4)) {
        s->count = one_in(3) ? PICK(weird) : random_below(2 * WORLD_BACKABLE);
    }
}

static void tool_step(const struct model *m, struct step *s)
{
    switch (random_below(12)) {
    case 0:
    case 1:
        limits_step(m, s);
        break;
    case 2:
        s->op = TOOL_SET_IO;
        s->io = one_in(2);
        break;
    case 3:
        /* A long life, and not too long a death. */
        s->op = m->dying || m->crashed || one_in(5) ? TOOL_RESET : TOOL_SET_DYING;
        if (!one_in(4)) {
            limits_step(m, s);
        }
        break;
    case 4:
    case 5:
    case 6:
        build_ram_step(m, s);
        break;
    case 7:
    case 8:
        map_step(m, s);
        break;
    default:
        own_grant_step(m, s);
        break;
    }
}

/* --- All -------------------------------------------------------------------------------- */

/* Its numbers have 32 bits, but for those of a pod_target. */
static void narrow(struct step *s, uint64_t nr)
{
    s->idx = (uint32_t)s->idx;
    s->gpfn = (uint32_t)s->gpfn;
    s->in.nr = (uint32_t)s->in.nr;
    s->out.nr = (uint32_t)s->out.nr;
    s->start &= 0x3ffffff;
    for (uint64_t i = 0; i < nr; i++) {
        s->list[i] = (uint32_t)s->list[i];
        if (i < STEP_BATCH) {
            s->idxs[i] = (uint32_t)s->idxs[i];
        }
    }
}

static void call_step(const struct model *m, struct step *s)
{
    unsigned kind = (unsigned)random_below(100);

    if (kind < 50) {
        extents_step(m, s);
    } else if (kind < 73) {
        add_step(m, s);
    } else if (kind < 80) {
        batch_step(m, s);
    } else if (kind < 87) {
        remove_step(m, s);
    } else if (kind < 91) {
        exchange_step(m, s);
    } else if (kind < 94) {
        query_step(s);
    } else if (kind < 98) {
        claim_step(m, s);
    } else {
        pod_step(m, s);
    }
}

/* Shorter than any that is read. */
static unsigned short_bytes(const struct step *s)
{
    switch (s->op) {
    case OP_MAXIMUM_RAM_PAGE:
    case OP_CURRENT:
    case OP_MAXIMUM:
    case OP_MAXIMUM_GPFN:
        return (unsigned)random_below(2);
    case OP_REMOVE:
        return s->compat ? 7 : 15;
    case OP_ADD:
        return s->compat ? 15 : 23;
    case OP_ADD_BATCH:
        return s->compat ? 19 : 31;
    case OP_EXCHANGE:
        return s->compat ? 43 : 71;
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        return s->compat ? 35 : 39;
    default:
        return s->compat ? 19 : 31;
    }
}

void generate_step(const struct model *m, struct step *s)
{
    memset(s, 0, offsetof(struct step, list));
    if (generate_pod_step(m, s)) {
        return;
    }
    if (one_in(8)) {
        tool_step(m, s);
        return;
    }
    s->control = one_in(3);
    s->compat = one_in(2);
    s->preempt = one_in(2);
    s->in.domid = random_domid(s->control);
    call_step(m, s);
    if (s->compat) {
        narrow(s, STEP_BATCH > s->in.nr ? STEP_BATCH : s->in.nr < STEP_LIST ? s->in.nr : STEP_LIST);
    }
    if (one_in(100)) {
        s->arg_short = true;
        s->arg_bytes = short_bytes(s);
        s->arg_bytes -= one_in(2) ? (unsigned)random_below(s->arg_bytes + 1) : 0;
    }
}
