/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done to the model without a hypercall, see model_parts.h: by the toolstack, and by
 * whoever uses the domain's memory.
 */
#include <errno.h>
#include <inttypes.h>

#include "model_parts.h"

bool model_leaves_space(gfn_t first, pages_t count)
{
    return first > MODEL_END || count > MODEL_END - first;
}

static bool all_of_type(const struct model *m, const struct step *s, enum hcall_p2m_type also)
{
    for (gfn_t i = 0; i < s->count; i++) {
        enum hcall_p2m_type type = model_type(m, s->gpfn + i);

        if (type != HCALL_P2M_HOLE && type != also) {
            return false;
        }
    }
    return true;
}

static long build_ram(struct model *m, const struct step *s)
{
    if (model_leaves_space(s->gpfn, s->count)) {
        return -EINVAL;
    }
    if (!all_of_type(m, s, HCALL_P2M_HOLE)) {
        return -EBUSY;
    }
    if (m->dying || m->tot_pages + s->count > m->max_pages || !model_pool_has(m, s->count)) {
        return -ENOMEM;
    }
    model_take(m, s->count);
    model_set(m, s->gpfn, s->count, HCALL_P2M_RAM);
    for (gfn_t gfn = s->gpfn; gfn < s->gpfn + s->count;) {
        pages_t count = model_order(m, gfn) > 0 ? SUPERPAGE : 1;
        uint64_t frame = count > 1 ? model_frames(m, count) : model_frame(m);

        for (gfn_t i = 0; i < count; i++, gfn++) {
            model_new_page(m, gfn, frame + i, false);
        }
    }
    return 0;
}

static long build_pod(struct model *m, const struct step *s)
{
    if (model_leaves_space(s->gpfn, s->count)) {
        return -EINVAL;
    }
    if (!all_of_type(m, s, HCALL_P2M_HOLE)) {
        return -EBUSY;
    }
    if (!model_can_set(m, s->gpfn, s->count)) {
        return -ENOMEM;
    }
    model_set(m, s->gpfn, s->count, HCALL_P2M_POD);
    return 0;
}

static long map_foreign(struct model *m, const struct step *s)
{
    if (s->type < HCALL_P2M_GRANT || s->type > HCALL_P2M_BROKEN ||
        model_leaves_space(s->gpfn, s->count)) {
        return -EINVAL;
    }
    if (!all_of_type(m, s, HCALL_P2M_POD)) {
        return -EBUSY;
    }
    if (!model_can_set(m, s->gpfn, s->count)) {
        return -ENOMEM;
    }
    model_set(m, s->gpfn, s->count, s->type);
    return 0;
}

static long map_own_grant(struct model *m, const struct step *s)
{
    enum hcall_p2m_type to = model_type(m, s->gpfn);

    if (model_type(m, s->idx) != HCALL_P2M_RAM || s->idx == s->gpfn || s->gpfn >= MODEL_END ||
        (to != HCALL_P2M_RAM && to != HCALL_P2M_POD && to != HCALL_P2M_HOLE)) {
        return -EINVAL;
    }
    if (model_stuck(m, s->idx) || model_stuck(m, s->gpfn)) {
        return -ENOMEM;
    }
    model_move_page(m, s->idx, s->gpfn);
    model_set(m, s->gpfn, 1, HCALL_P2M_OWN_GRANT);
    model_set(m, s->idx, 1, HCALL_P2M_HOLE);
    m->orphans += to == HCALL_P2M_RAM ? 2 : 1;
    return 0;
}

static long unmap_own_grant(struct model *m, const struct step *s)
{
    if (model_type(m, s->gpfn) != HCALL_P2M_OWN_GRANT) {
        return -EINVAL;
    }
    model_set(m, s->gpfn, 1, HCALL_P2M_HOLE);
    return 0;
}

/* Somebody goes through gfns, and stops at the first that there is no page for. */
static long touch_range(struct model *m, const struct step *s, struct outcome *o)
{
    long rc = 0;

    for (o->numbers[0] = 0; o->numbers[0] < s->count && rc == 0; o->numbers[0]++) {
        gfn_t gfn = s->gpfn + o->numbers[0];
        enum hcall_p2m_type type;

        rc = model_touch(m, s, gfn);
        type = model_type(m, gfn);
        if (s->write && (type == HCALL_P2M_RAM || type == HCALL_P2M_OWN_GRANT)) {
            model_find(m, gfn)->nonzero = true;
        }
    }
    return rc;
}

static long zero_range(struct model *m, const struct step *s)
{
    for (gfn_t i = 0; i < s->count; i++) {
        struct model_gfn *g = model_find(m, s->gpfn + i);

        if (g) {
            g->nonzero = false;
        }
    }
    return 0;
}

static long dump(struct model *m)
{
    model_log(m, "    nr_pages=%" PRIu64 " max_pages=%" PRIu64, m->tot_pages, m->max_pages);
    model_log(m, "    PoD entries=%" PRIu64 " cachesize=%" PRIu64, m->entries, model_cache(m));
    return 0;
}

static void drop_claim(struct model *m)
{
    m->claims -= m->claim;
    m->claim = 0;
}

static void reset(struct model *m)
{
    if (m->old && m->dying) {
        m->claim = 0; /* and the host keeps it */
    } else {
        drop_claim(m);
    }
    model_give(m, m->tot_pages);
    model_clear(m);
    model_pod_clear(m);
    for (unsigned i = 0; i < MODEL_SPECIALS; i++) {
        m->released[i] = false;
    }
    for (unsigned i = 0; i < WORLD_PINS; i++) {
        m->pin[i].used = false;
    }
    m->orphans = 0;
    m->grant_frames = 0;
    m->max_gfn = 0;
    m->dying = false;
    m->torn = false;
    m->crashed = false;
}

long model_toolstack(struct model *m, const struct step *s, struct outcome *o)
{
    switch (s->op) {
    case TOOL_SET_MAX_PAGES:
        m->max_pages = s->count < UINT32_MAX ? s->count : UINT32_MAX;
        return 0;
    case TOOL_SET_IO:
        m->io = s->io;
        return 0;
    case TOOL_SET_DYING:
        m->dying = true;
        drop_claim(m);
        return 0;
    case TOOL_RESET:
        reset(m);
        return 0;
    case TOOL_BUILD_RAM:
        return build_ram(m, s);
    case TOOL_MAP:
        return map_foreign(m, s);
    case TOOL_MAP_OWN_GRANT:
        return map_own_grant(m, s);
    case TOOL_UNMAP_OWN_GRANT:
        return unmap_own_grant(m, s);
    case TOOL_BUILD_POD:
        return build_pod(m, s);
    case TOOL_SET_POD_TARGET:
        return s->count > m->max_pages ? -EINVAL : model_set_target(m, s->count);
    case TOOL_TOUCH:
        return touch_range(m, s, o);
    case TOOL_ZERO:
        return zero_range(m, s);
    case TOOL_GET_PAGE:
        return model_get_page(m, s);
    case TOOL_PUT_PAGE:
        return model_put_page(m, s);
    case TOOL_TEARDOWN:
        return model_teardown(m);
    default:
        return dump(m);
    }
}
