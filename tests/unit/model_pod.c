/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's populate-on-demand, see model_parts.h.
 */
#include <errno.h>
#include <inttypes.h>

#include "model_parts.h"

/* The sweep looks at more gfns than these, if there are any, and at so many at a time. */
#define SWEEP_WINDOW 1024
#define SWEEP_BATCH 16
/* What a step of a domain's end does at most. */
#define TEARDOWN_PAGES 512

void model_pod_clear(struct model *m)
{
    m->pod = (struct model_pod){.super = 0};
    m->entries = 0;
    for (unsigned i = 0; i < MODEL_MRP; i++) {
        m->pod.mrp[i].gfn = HCALL_NO_GFN;
    }
}

pages_t model_cache(const struct model *m)
{
    return m->pod.super * SUPERPAGE + m->pod.single;
}

/* --- The cache --------------------------------------------------------------------------- */

static void add_to_cache(struct model *m, unsigned order)
{
    if (order < SUPERPAGE_ORDER) {
        m->pod.single += 1ull << order;
    } else {
        m->pod.super += 1ull << (order - SUPERPAGE_ORDER);
    }
}

/* There is a page. */
static void take_single(struct model *m)
{
    if (m->pod.single == 0) {
        m->pod.super--;
        m->pod.single = SUPERPAGE;
    }
    m->pod.single--;
}

static long grow(struct model *m, pages_t size)
{
    if (size - model_cache(m) >= SUPERPAGE && model_pool_has(m, SUPERPAGE)) {
        model_take(m, SUPERPAGE);
        m->pod.super++;
    } else if (model_pool_has(m, 1)) {
        model_take(m, 1);
        m->pod.single++;
    } else {
        model_log(m,
                  "p2m_pod_set_cache_target: Unable to allocate page for PoD cache "
                  "(target=%" PRIu64 " cache=%" PRIu64 ")",
                  size, model_cache(m));
        return -ENOMEM;
    }
    return 0;
}

static void shrink(struct model *m, pages_t size)
{
    while (model_cache(m) > size) {
        if (model_cache(m) - size > SUPERPAGE && m->pod.super > 0) {
            m->pod.super--;
            model_give(m, SUPERPAGE);
        } else {
            take_single(m);
            model_give(m, 1);
        }
    }
}

long model_set_target(struct model *m, pages_t target)
{
    pages_t populated = m->tot_pages - model_cache(m);
    pages_t size = target - populated;
    long rc = 0;

    if ((populated > 0 && m->entries == 0) || m->dying || target < m->tot_pages) {
        return 0;
    }
    if (populated > 0 && size > m->entries) {
        size = m->entries;
    }
    if (m->io) {
        return -ENOTEMPTY;
    }
    shrink(m, size);
    while (model_cache(m) < size && rc == 0) {
        rc = grow(m, size);
    }
    return rc;
}

/* --- Marking ----------------------------------------------------------------------------- */

/* The extent is cut into chunks that are all aligned, and as large as that allows. */
static pages_t chunk_of(gfn_t base, unsigned order)
{
    uint64_t bits = base | 1ull << order;

    return bits & -bits;
}

static unsigned order_of(pages_t count)
{
    unsigned order = 0;

    while (1ull << order < count) {
        order++;
    }
    return order;
}

static bool mark_chunk(struct model *m, const struct step *s, gfn_t base, pages_t count)
{
    int failed = base >= MODEL_END ? -EINVAL : model_can_set(m, base, count) ? 0 : -ENOMEM;

    for (pages_t i = 0; i < count; i++) {
        enum hcall_p2m_type type = model_type(m, base + i);

        if (type != HCALL_P2M_HOLE && type != HCALL_P2M_POD) {
            return false;
        }
    }
    if (failed == 0) {
        model_set(m, base, count, HCALL_P2M_POD);
    } else if (count > 1) {
        model_log(m, "d5: marking GFN %#" PRIx64 " (order %u) as PoD failed: %d", base,
                  order_of(count), failed);
        model_crash(m, s);
    }
    return failed == 0;
}

bool model_mark(struct model *m, const struct step *s, gfn_t base, unsigned order)
{
    pages_t chunk = chunk_of(base, order);

    if (m->io) {
        return false;
    }
    for (pages_t i = 0; i < 1ull << order; i += chunk) {
        if (!mark_chunk(m, s, base + i, chunk)) {
            return false;
        }
    }
    return true;
}

/* --- Reclaim ----------------------------------------------------------------------------- */

/* A page of the domain's alone, of zeroes. */
static bool is_unused(const struct model *m, gfn_t gfn)
{
    const struct model_gfn *g = model_at(m, gfn);

    return g && g->type == HCALL_P2M_RAM && !g->nonzero && !model_pinned(m, gfn);
}

static void reclaim_page(struct model *m, gfn_t gfn)
{
    if (is_unused(m, gfn)) {
        model_set(m, gfn, 1, HCALL_P2M_POD);
        m->pod.single++;
    }
}

/* The block that begins at base. */
static bool reclaim_superpage(struct model *m, gfn_t base)
{
    uint64_t frame;

    if (!model_at(m, base)) {
        return false;
    }
    frame = model_at(m, base)->frame;
    for (gfn_t i = 0; i < SUPERPAGE; i++) {
        if (!is_unused(m, base + i) || model_at(m, base + i)->frame != frame + i) {
            return false;
        }
    }
    if (frame % SUPERPAGE != 0) {
        return false;
    }
    model_set(m, base, SUPERPAGE, HCALL_P2M_POD);
    m->pod.super++;
    return true;
}

static void examine(struct model *m, struct model_populated *p)
{
    if (p->gfn == HCALL_NO_GFN) {
        return;
    }
    if (p->order == 0) {
        reclaim_page(m, p->gfn);
    } else if (!reclaim_superpage(m, p->gfn)) {
        for (gfn_t i = 0; i < SUPERPAGE; i++) {
            reclaim_page(m, p->gfn + i);
        }
    }
    p->gfn = HCALL_NO_GFN;
}

static void eager_reclaim(struct model *m)
{
    unsigned i = m->pod.next;

    do {
        examine(m, &m->pod.mrp[i]);
        i = (i + 1) % MODEL_MRP;
    } while (model_cache(m) == 0 && i != m->pod.next);
}

/* For the sweep the hypervisor's pages are RAM, too, though none that it takes. */
static bool is_swept(const struct model *m, gfn_t gfn)
{
    enum hcall_p2m_type type = model_type(m, gfn);

    return type == HCALL_P2M_RAM || type == HCALL_P2M_SPECIAL;
}

static void reclaim_pages(struct model *m, const gfn_t *gfns, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        reclaim_page(m, gfns[i]);
    }
}

static void sweep(struct model *m, bool preempted)
{
    gfn_t start = m->pod.reclaim_single ? m->pod.reclaim_single : m->pod.max_guest;
    gfn_t limit = start > SWEEP_WINDOW ? start - SWEEP_WINDOW : 0;
    gfn_t batch[SWEEP_BATCH];
    unsigned nr = 0;
    gfn_t gfn = start;

    for (; gfn > 0; gfn--) {
        if (is_swept(m, gfn)) {
            batch[nr++] = gfn;
        }
        if (nr == SWEEP_BATCH) {
            reclaim_pages(m, batch, nr);
            nr = 0;
        }
        if (gfn < limit && (model_cache(m) > 0 || preempted)) {
            break;
        }
    }
    reclaim_pages(m, batch, nr);
    m->pod.reclaim_single = gfn > 0 ? gfn - 1 : 0;
}

/* --- Demand ------------------------------------------------------------------------------ */

static long out_of_memory(struct model *m, const struct step *s)
{
    model_log(m,
              "p2m_pod_demand_populate: Dom5 out of PoD memory! (tot=%" PRIu64 " ents=%" PRIu64
              " dom%u)",
              m->tot_pages, m->entries, s->control ? 0 : STEP_GUEST);
    model_crash(m, s);
    return -ENOMEM;
}

/* Are there pages, if need be some that were taken back? */
static bool find_pages(struct model *m, const struct step *s)
{
    if (m->entries > model_cache(m) && !s->cached) {
        eager_reclaim(m);
    }
    if (model_cache(m) == 0 && !s->cached) {
        sweep(m, s->preempt);
    }
    return model_cache(m) > 0;
}

static void remember(struct model *m, gfn_t gfn, unsigned order)
{
    m->pod.mrp[m->pod.next] = (struct model_populated){gfn, order};
    m->pod.next = (m->pod.next + 1) % MODEL_MRP;
}

static void populate(struct model *m, gfn_t base, unsigned order)
{
    uint64_t frame = order > 0 ? model_frames(m, SUPERPAGE) : model_frame(m);

    model_set(m, base, 1ull << order, HCALL_P2M_RAM);
    for (gfn_t i = 0; i < 1ull << order; i++) {
        model_new_page(m, base + i, frame + i, false);
    }
    remember(m, base, order);
}

long model_touch(struct model *m, const struct step *s, gfn_t gfn)
{
    if (model_type(m, gfn) != HCALL_P2M_POD) {
        return 0;
    }
    if (m->dying) {
        return -EINVAL;
    }
    if (model_order(m, gfn) > SUPERPAGE_ORDER) {
        model_split(m, gfn);
    }
    for (;;) {
        if (!find_pages(m, s)) {
            return s->cached ? -EAGAIN : out_of_memory(m, s);
        }
        if (gfn > m->pod.max_guest) {
            m->pod.max_guest = gfn;
        }
        if (model_order(m, gfn) == 0) {
            take_single(m);
            populate(m, gfn, 0);
            return 0;
        }
        if (m->pod.super > 0) {
            m->pod.super--;
            populate(m, gfn / SUPERPAGE * SUPERPAGE, SUPERPAGE_ORDER);
            return 0;
        }
        model_split(m, gfn);
    }
}

/* --- Decrease ---------------------------------------------------------------------------- */

static bool wants_pages(const struct model *m)
{
    return m->entries > model_cache(m);
}

/* The leaf a gfn is in, as far as it is in the chunk; of the rest of the GiB all. */
static pages_t piece_at(const struct model *m, gfn_t gfn, unsigned order)
{
    unsigned leaf = model_order(m, gfn);

    if (gfn >= MODEL_NEAR && gfn < MODEL_REST_END) {
        return MODEL_REST_END - gfn;
    }
    return 1ull << (leaf < order ? leaf : order);
}

/* Leaf by leaf, for as long as there is something left to do. */
static pages_t decrease_leaves(struct model *m, gfn_t base, unsigned order)
{
    pages_t size = 1ull << order, handled = 0;
    pages_t pod = model_count(m, base, size, HCALL_P2M_POD);
    pages_t ram = model_count(m, base, size, HCALL_P2M_RAM);
    bool steal = wants_pages(m);

    for (gfn_t i = 0, piece; i < size && (pod > 0 || (steal && ram > 0)); i += piece) {
        enum hcall_p2m_type type = model_type(m, base + i);

        piece = piece_at(m, base + i, order);
        if (type == HCALL_P2M_POD) {
            model_set(m, base + i, piece, HCALL_P2M_HOLE);
            pod -= piece;
            handled += piece;
        } else if (type == HCALL_P2M_RAM && steal) {
            model_set(m, base + i, piece, HCALL_P2M_HOLE);
            add_to_cache(m, order_of(piece));
            ram -= piece;
            handled += piece;
            steal = wants_pages(m);
        }
    }
    return handled;
}

static pages_t decrease_chunk(struct model *m, gfn_t base, unsigned order)
{
    pages_t size = 1ull << order, handled = size;
    bool steal = wants_pages(m);

    if (m->entries == 0 || (!steal && model_count(m, base, size, HCALL_P2M_POD) == 0)) {
        return 0;
    }
    if (steal && order < SUPERPAGE_ORDER && model_count(m, base, size, HCALL_P2M_RAM) == size) {
        reclaim_superpage(m, base / SUPERPAGE * SUPERPAGE);
    }
    if (model_count(m, base, size, HCALL_P2M_POD) == size) {
        model_set(m, base, size, HCALL_P2M_HOLE);
    } else {
        handled = decrease_leaves(m, base, order);
    }
    shrink(m, m->entries);
    return handled;
}

pages_t model_pod_decrease(struct model *m, gfn_t base, unsigned order)
{
    pages_t chunk = chunk_of(base, order);
    pages_t handled = 0;

    for (pages_t i = 0; i < 1ull << order && !m->dying; i += chunk) {
        handled += decrease_chunk(m, base + i, order_of(chunk));
    }
    return handled;
}

/* --- The end ----------------------------------------------------------------------------- */

static void empty_cache(struct model *m)
{
    pages_t pages = m->pod.single < TEARDOWN_PAGES ? m->pod.single : TEARDOWN_PAGES;

    if (m->pod.super > 0) {
        m->pod.super--;
        pages = SUPERPAGE;
    } else {
        m->pod.single -= pages;
    }
    m->orphans += pages;
}

/*
 * What others use is the domain's until they have put it.  A page that was stolen may have been
 * given back since, and no one can tell which: it is taken to be one in use for long.
 */
static pages_t abandon_pages(struct model *m)
{
    pages_t kept = 0;

    for (unsigned page = m->pins; page > 0; page--) {
        bool used = false;

        for (unsigned i = 0; i < WORLD_PINS; i++) {
            if (m->pin[i].used && m->pin[i].page == page) {
                m->pin[i].freed = kept < m->orphans;
                used = true;
            }
        }
        kept += used && kept < m->orphans;
    }
    return kept;
}

static long give_pages(struct model *m)
{
    pages_t left = m->orphans - abandon_pages(m);
    pages_t pages = left < TEARDOWN_PAGES ? left : TEARDOWN_PAGES;

    m->orphans -= pages;
    model_give(m, pages);
    return pages == left;
}

long model_teardown(struct model *m)
{
    if (!m->torn) {
        m->torn = true;
        m->orphans += m->ram;
        model_clear(m);
        return 0;
    }
    if (model_cache(m) > 0) {
        empty_cache(m);
        return 0;
    }
    return give_pages(m);
}
