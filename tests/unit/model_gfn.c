/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's gfns and pages, see model_parts.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model_parts.h"

/* Of what has never been mapped; no leaf is so large. */
#define ROOT_ORDER 27

static const gfn_t far_gfn[MODEL_FAR] = {WORLD_SHARED_INFO, WORLD_APIC, UINT32_MAX, MODEL_END - 1};

gfn_t model_gfn_of(unsigned i)
{
    return i < MODEL_NEAR ? i : far_gfn[i - MODEL_NEAR];
}

struct model_gfn *model_find(struct model *m, gfn_t gfn)
{
    if (gfn < MODEL_NEAR) {
        return &m->gfn[gfn];
    }
    for (unsigned i = 0; i < MODEL_FAR; i++) {
        if (far_gfn[i] == gfn) {
            return &m->gfn[MODEL_NEAR + i];
        }
    }
    return NULL;
}

const struct model_gfn *model_at(const struct model *m, gfn_t gfn)
{
    return model_find((struct model *)m, gfn);
}

enum hcall_p2m_type model_type(const struct model *m, gfn_t gfn)
{
    const struct model_gfn *g = model_at(m, gfn);

    if (gfn >= MODEL_NEAR && gfn < MODEL_REST_END) {
        return m->rest;
    }
    return g ? g->type : HCALL_P2M_HOLE;
}

bool model_backable(gfn_t first, pages_t count)
{
    return (first < WORLD_BACKABLE && count <= WORLD_BACKABLE - first) ||
           (count == 1 && (first == WORLD_SHARED_INFO || first == WORLD_APIC));
}

bool model_followed(gfn_t gfn)
{
    return gfn < MODEL_NEAR || gfn == WORLD_SHARED_INFO || gfn == WORLD_APIC;
}

/* --- Leaves ------------------------------------------------------------------------------ */

unsigned model_order(const struct model *m, gfn_t gfn)
{
    const struct model_gfn *g = model_at(m, gfn);

    return g ? g->order : 0;
}

bool model_stuck(const struct model *m, gfn_t gfn)
{
    return m->dying && model_order(m, gfn) > 0;
}

void model_split(struct model *m, gfn_t gfn)
{
    unsigned order = model_order(m, gfn);
    unsigned first = 0, end = MODEL_GFNS;

    /* Looking for them all takes long. */
    if (order == SUPERPAGE_ORDER && gfn < MODEL_NEAR) {
        first = (unsigned)(gfn >> order << order);
        end = first + (unsigned)SUPERPAGE;
    }
    for (unsigned i = first; i < end; i++) {
        if (model_gfn_of(i) >> order == gfn >> order) {
            m->gfn[i].order = order - SUPERPAGE_ORDER;
        }
    }
}

/* The largest leaf at first that [first, first + count) has room for. */
static unsigned fitting_order(gfn_t first, pages_t count)
{
    unsigned order = 2 * SUPERPAGE_ORDER;

    while (first % (1ull << order) != 0 || count < 1ull << order) {
        order -= SUPERPAGE_ORDER;
    }
    return order;
}

bool model_can_set(const struct model *m, gfn_t first, pages_t count)
{
    while (count > 0 && m->dying) {
        unsigned order = fitting_order(first, count);

        if (model_order(m, first) > order) {
            return false;
        }
        first += 1ull << order;
        count -= 1ull << order;
    }
    return true;
}

static void set_leaf(struct model *m, gfn_t first, unsigned order)
{
    while (model_order(m, first) > order) {
        model_split(m, first);
    }
    for (gfn_t gfn = first; order > 0 && gfn < MODEL_NEAR && gfn - first < 1ull << order; gfn++) {
        m->gfn[gfn].order = order;
    }
}

/* --- Types ------------------------------------------------------------------------------- */

static void set_type(struct model *m, struct model_gfn *g, gfn_t gfn, enum hcall_p2m_type type)
{
    if (g->type == HCALL_P2M_SPECIAL) {
        m->special[g->special] = HCALL_NO_GFN;
    }
    m->entries -= g->type == HCALL_P2M_POD;
    m->entries += type == HCALL_P2M_POD;
    m->ram -= g->type == HCALL_P2M_RAM;
    m->ram += type == HCALL_P2M_RAM;
    g->type = type;
    if (type != HCALL_P2M_HOLE && gfn > m->max_gfn) {
        m->max_gfn = gfn;
    }
}

static void set_rest(struct model *m, enum hcall_p2m_type type)
{
    pages_t count = MODEL_REST_END - MODEL_NEAR;

    m->entries -= m->rest == HCALL_P2M_POD ? count : 0;
    m->entries += type == HCALL_P2M_POD ? count : 0;
    m->rest = type;
    if (type != HCALL_P2M_HOLE && m->max_gfn < MODEL_REST_END - 1) {
        m->max_gfn = MODEL_REST_END - 1;
    }
}

static bool has_rest(gfn_t first, pages_t count)
{
    return first <= MODEL_NEAR && count >= MODEL_REST_END - first;
}

static void set_types(struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type)
{
    for (gfn_t gfn = first; gfn < MODEL_NEAR && gfn - first < count; gfn++) {
        set_type(m, &m->gfn[gfn], gfn, type);
    }
    for (unsigned i = 0; i < MODEL_FAR; i++) {
        if (far_gfn[i] - first < count) {
            set_type(m, &m->gfn[MODEL_NEAR + i], far_gfn[i], type);
        }
    }
    if (has_rest(first, count)) {
        set_rest(m, type);
    }
}

void model_set(struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type)
{
    set_types(m, first, count, type);
    while (count > 0) {
        unsigned order = fitting_order(first, count);

        set_leaf(m, first, order);
        first += 1ull << order;
        count -= 1ull << order;
    }
}

void model_set_singly(struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type)
{
    for (pages_t i = 0; i < count; i++) {
        model_set(m, first + i, 1, type);
    }
}

pages_t model_count(const struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type)
{
    pages_t found = 0;

    for (gfn_t gfn = first; gfn < MODEL_NEAR && gfn - first < count; gfn++) {
        found += m->gfn[gfn].type == type;
    }
    for (unsigned i = 0; i < MODEL_FAR; i++) {
        found += far_gfn[i] - first < count && m->gfn[MODEL_NEAR + i].type == type;
    }
    return found + (has_rest(first, count) && m->rest == type ? MODEL_REST_END - MODEL_NEAR : 0);
}

void model_clear(struct model *m)
{
    memset(m->gfn, 0, sizeof(m->gfn));
    for (unsigned i = 0; i < MODEL_GFNS; i++) {
        m->gfn[i].order = ROOT_ORDER;
    }
    m->rest = HCALL_P2M_HOLE;
    m->ram = 0;
    for (unsigned i = 0; i < MODEL_SPECIALS; i++) {
        m->special[i] = HCALL_NO_GFN;
    }
}

/* --- Pages ------------------------------------------------------------------------------- */

/* Neither next to another, nor where a superpage can begin. */
uint64_t model_frame(struct model *m)
{
    return m->frames++ * 2 + 1;
}

uint64_t model_frames(struct model *m, pages_t count)
{
    uint64_t frame = (m->frames + count) / count * count;

    m->frames = frame + count;
    return frame + (1ull << 40);
}

void model_new_page(struct model *m, gfn_t gfn, uint64_t frame, bool nonzero)
{
    struct model_gfn *g = model_find(m, gfn);

    g->frame = frame;
    g->stamp = m->now;
    g->nonzero = nonzero;
}

/*
 * A page that has moved counts as one that was never part of a superpage, even if it comes
 * back: that is as far as the library follows it.
 */
void model_move_page(struct model *m, gfn_t from, gfn_t to)
{
    const struct model_gfn *source = model_find(m, from);
    struct model_gfn *g = model_find(m, to);
    uint64_t frame = model_frame(m);

    for (unsigned i = 0; i < WORLD_PINS; i++) {
        if (m->pin[i].frame == source->frame) {
            m->pin[i].frame = frame;
        }
    }
    g->frame = frame;
    g->stamp = source->stamp;
    g->nonzero = source->nonzero;
}

static bool frame_pinned(const struct model *m, uint64_t frame)
{
    for (unsigned i = 0; i < WORLD_PINS; i++) {
        if (m->pin[i].used && m->pin[i].frame == frame) {
            return true;
        }
    }
    return false;
}

bool model_pinned(const struct model *m, gfn_t gfn)
{
    return gfn == m->source || frame_pinned(m, model_at(m, gfn)->frame);
}

bool model_pool_has(const struct model *m, pages_t count)
{
    return count <= m->claim || count + m->claims <= m->free_pages;
}

void model_take(struct model *m, pages_t count)
{
    pages_t claimed = count < m->claim ? count : m->claim;

    m->tot_pages += count;
    m->free_pages -= count;
    m->claim -= claimed;
    m->claims -= claimed;
}

void model_give(struct model *m, pages_t count)
{
    m->tot_pages -= count;
    m->free_pages += count;
    if (m->old && m->claim > 0) {
        m->claim += count;
        m->claims += count;
    }
}

void model_free_page(struct model *m, gfn_t gfn)
{
    uint64_t frame = model_find(m, gfn)->frame;

    if (!frame_pinned(m, frame)) {
        model_give(m, 1);
        return;
    }
    m->orphans++;
    for (unsigned i = 0; i < WORLD_PINS; i++) {
        m->pin[i].freed |= m->pin[i].frame == frame;
    }
}

long model_get_page(struct model *m, const struct step *s)
{
    struct model_pin pin = {.used = true, .page = m->pins + 1};

    if (model_type(m, s->gpfn) != HCALL_P2M_RAM) {
        return 0;
    }
    pin.frame = model_find(m, s->gpfn)->frame;
    for (unsigned i = 0; i < WORLD_PINS; i++) {
        if (m->pin[i].used && m->pin[i].frame == pin.frame) {
            pin.page = m->pin[i].page;
        }
    }
    m->pins++;
    m->pin[s->pin] = pin;
    return 1;
}

long model_put_page(struct model *m, const struct step *s)
{
    struct model_pin *pin = &m->pin[s->pin];

    pin->used = false;
    if (pin->freed && !frame_pinned(m, pin->frame)) {
        m->orphans--;
        model_give(m, 1);
    }
    return 0;
}

/* --- The log ----------------------------------------------------------------------------- */

void model_log(struct model *m, const char *format, ...)
{
    va_list args;

    m->logs++;
    memmove(m->line[1], m->line[0], sizeof(m->line) - sizeof(m->line[0]));
    va_start(args, format);
    vsnprintf(m->line[0], sizeof(m->line[0]), format, args);
    va_end(args);
}

/* Where it is called from is the library's business. */
void model_crash(struct model *m, const struct step *s)
{
    model_log(m, "%s", "");
    if (m->crashed) {
        return;
    }
    m->crashed = true;
    m->crashes++;
    if (s->control) {
        model_log(m, "Domain 5 reported crashed by domain 0 on cpu#3:");
    } else {
        model_log(m, "Domain 5 (vcpu#3) crashed on cpu#3:");
    }
}
