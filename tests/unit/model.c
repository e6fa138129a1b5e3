/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The naive implementation of model.h.
 */
#include <errno.h>
#include <string.h>

#include "model.h"

static const gfn_t far_gfn[MODEL_FAR] = {WORLD_SHARED_INFO, WORLD_APIC, UINT32_MAX, MODEL_END - 1};

enum who { NOBODY, CONTROL, GUEST };

void model_open(struct model *m, pages_t max_pages, pages_t pool, uint32_t version)
{
    *m = (struct model){
        .old = version != 0 && version <= 0x40011,
        .very_old = version != 0 && version <= 0x40002,
        .max_pages = max_pages < UINT32_MAX ? max_pages : UINT32_MAX,
        .free_pages = pool ? pool : WORLD_POOL,
    };
    for (unsigned i = 0; i < MODEL_SPECIALS; i++) {
        m->special[i] = HCALL_NO_GFN;
    }
}

gfn_t model_gfn_of(unsigned i)
{
    return i < WORLD_GFNS ? i : far_gfn[i - WORLD_GFNS];
}

static struct model_gfn *at(struct model *m, gfn_t gfn)
{
    if (gfn < WORLD_GFNS) {
        return &m->gfn[gfn];
    }
    for (unsigned i = 0; i < MODEL_FAR; i++) {
        if (far_gfn[i] == gfn) {
            return &m->gfn[WORLD_GFNS + i];
        }
    }
    return NULL;
}

bool model_backable(gfn_t first, pages_t count)
{
    return (first < WORLD_BACKABLE && count <= WORLD_BACKABLE - first) ||
           (count == 1 && (first == WORLD_SHARED_INFO || first == WORLD_APIC));
}

const struct model_gfn *model_at(const struct model *m, gfn_t gfn)
{
    return at((struct model *)m, gfn);
}

static enum hcall_p2m_type type_at(const struct model *m, gfn_t gfn)
{
    const struct model_gfn *g = model_at(m, gfn);

    return g ? g->type : HCALL_P2M_HOLE;
}

/* A dying domain gets no memory for its p2m: a gfn in a larger leaf cannot change. */
static bool stuck(const struct model *m, gfn_t gfn)
{
    const struct model_gfn *g = model_at(m, gfn);

    return m->dying && g && g->stuck;
}

/* --- Pages ------------------------------------------------------------------------------ */

static void take(struct model *m, pages_t count)
{
    pages_t claimed = count < m->claim ? count : m->claim;

    m->tot_pages += count;
    m->free_pages -= count;
    m->claim -= claimed;
    m->claims -= claimed;
}

static void give(struct model *m, pages_t count)
{
    m->tot_pages -= count;
    m->free_pages += count;
    if (m->old && m->claim > 0) {
        m->claim += count;
        m->claims += count;
    }
}

static bool pool_has(const struct model *m, pages_t count)
{
    return count <= m->claim || count + m->claims <= m->free_pages;
}

static bool may_allocate(struct model *m, pages_t count)
{
    if (!pool_has(m, count) || m->dying) {
        return false;
    }
    if (m->tot_pages + count > m->max_pages) {
        m->logs++;
        return false;
    }
    return true;
}

/* --- Gfns ------------------------------------------------------------------------------- */

static void set_type(struct model *m, gfn_t gfn, enum hcall_p2m_type type)
{
    struct model_gfn *g = at(m, gfn);

    if (g->type == HCALL_P2M_SPECIAL) {
        m->special[g->special] = HCALL_NO_GFN;
    }
    g->type = type;
    if (type != HCALL_P2M_HOLE && gfn > m->max_gfn) {
        m->max_gfn = gfn;
    }
}

static void set_ram(struct model *m, gfn_t gfn, unsigned stamp)
{
    set_type(m, gfn, HCALL_P2M_RAM);
    at(m, gfn)->stamp = stamp;
}

static void set_special(struct model *m, gfn_t gfn, unsigned special)
{
    set_type(m, gfn, HCALL_P2M_SPECIAL);
    at(m, gfn)->special = special;
    m->special[special] = gfn;
}

static void crash(struct model *m)
{
    /* That it is not permitted and where it crashes; and that it crashes, once. */
    m->logs += 2;
    if (!m->crashed) {
        m->crashed = true;
        m->crashes++;
        m->logs++;
    }
}

/* --- Who calls and who is meant ----------------------------------------------------------- */

static enum who who_is(const struct step *s, uint16_t domid)
{
    switch (domid) {
    case SELF:
        return s->control ? CONTROL : GUEST;
    case STEP_GUEST:
        return GUEST;
    case 0:
        return CONTROL;
    default:
        return NOBODY;
    }
}

static long find(const struct step *s)
{
    switch (who_is(s, s->in.domid)) {
    case NOBODY:
        return -ESRCH;
    case CONTROL:
        return s->control ? 0 : -EPERM;
    default:
        return 0;
    }
}

static unsigned max_order(const struct model *m, const struct step *s)
{
    if (s->control || (m->io && m->very_old)) {
        return 18;
    }
    return m->io ? 12 : 9;
}

static bool node_flags_valid(const struct step *s, uint32_t flags)
{
    unsigned node = flags >> 8 & 0xff; /* and one */

    if (node == 0 || (flags & FLAG_VNODE)) {
        return true;
    }
    return s->control ? node - 1 < 64 : !(flags & FLAG_EXACT_NODE);
}

/* --- Extents ---------------------------------------------------------------------------- */

static bool decrease_gfn(struct model *m, gfn_t gfn)
{
    struct model_gfn *g = at(m, gfn);

    switch (g && !stuck(m, gfn) ? g->type : HCALL_P2M_HOLE) {
    case HCALL_P2M_RAM:
        give(m, 1);
        break;
    case HCALL_P2M_SPECIAL:
        if (m->released[g->special]) {
            return false;
        }
        m->released[g->special] = true;
        break;
    case HCALL_P2M_OWN_GRANT:
        break;
    default:
        return false;
    }
    set_type(m, gfn, HCALL_P2M_HOLE);
    return true;
}

static bool decrease_extent(struct model *m, const struct step *s, gfn_t base)
{
    for (gfn_t i = 0; i < 1ull << s->in.order; i++) {
        if (!decrease_gfn(m, base + i)) {
            return false;
        }
    }
    return true;
}

static bool forbids_ram(const struct model *m, gfn_t gfn)
{
    switch (type_at(m, gfn)) {
    case HCALL_P2M_OWN_GRANT:
    case HCALL_P2M_GRANT:
    case HCALL_P2M_FOREIGN:
    case HCALL_P2M_MMIO:
        return true;
    default:
        return false;
    }
}

static bool any_forbids_ram(const struct model *m, gfn_t base, pages_t count)
{
    for (unsigned i = 0; i < MODEL_FAR; i++) {
        if (far_gfn[i] - base < count && forbids_ram(m, far_gfn[i])) {
            return true;
        }
    }
    for (gfn_t gfn = base; gfn < WORLD_GFNS && gfn - base < count; gfn++) {
        if (forbids_ram(m, gfn)) {
            return true;
        }
    }
    return false;
}

static bool populate_extent(struct model *m, const struct step *s, gfn_t base)
{
    pages_t count = 1ull << s->in.order;

    if ((s->in.flags & FLAG_POD) || !may_allocate(m, count)) {
        return false;
    }
    /* What is allocated by now stays the domain's whatever comes. */
    if (base >= MODEL_END || base + count > MODEL_END) {
        take(m, count);
        return false;
    }
    if (any_forbids_ram(m, base, count)) {
        take(m, count);
        crash(m);
        return false;
    }
    /* The library's own limit. */
    if (!model_backable(base, count)) {
        return false;
    }
    take(m, count);
    for (gfn_t i = 0; i < count; i++) {
        set_ram(m, base + i, m->now);
    }
    return true;
}

static bool increase_extent(struct model *m, const struct step *s)
{
    pages_t count = 1ull << s->in.order;

    if (!may_allocate(m, count)) {
        return false;
    }
    take(m, count);
    return true;
}

static bool do_extent(struct model *m, const struct step *s, uint64_t i)
{
    if (s->op == OP_INCREASE) {
        return increase_extent(m, s);
    }
    if (s->fault == FAULT_LIST && i >= s->usable) {
        return false;
    }
    return (s->op == OP_DECREASE ? decrease_extent : populate_extent)(m, s, s->list[i]);
}

static bool extents_refused(const struct model *m, const struct step *s)
{
    bool pod = s->op == OP_POPULATE && (s->in.flags & FLAG_POD);
    unsigned address_bits = s->in.flags & 0xff;

    return s->arg_short || s->in.nr > 0x3ffffff || s->start >= s->in.nr ||
           who_is(s, s->in.domid) != GUEST || (address_bits != 0 && address_bits <= 12) ||
           !node_flags_valid(s, s->in.flags) || s->in.order > (pod ? 18 : max_order(m, s));
}

/* A 32-bit caller's list is written, if there is one, and what cannot be is not counted. */
static bool list_is_written(const struct step *s)
{
    return s->compat && (s->op == OP_POPULATE || (s->op == OP_INCREASE && s->in.list != 0));
}

static long extents(struct model *m, const struct step *s)
{
    uint64_t i = s->start;
    uint64_t writable = step_writable(s);

    if (extents_refused(m, s)) {
        return (long)i;
    }
    while (i < s->in.nr && do_extent(m, s, i)) {
        i++;
    }
    if (list_is_written(s) && i > writable) {
        i = writable > s->start ? writable : s->start;
    }
    return (long)i;
}

/* --- Exchange --------------------------------------------------------------------------- */

/* Number of pages; false: more than an unsigned long of the caller's can hold. */
static bool total(const struct step *s, const struct reservation_args *r, uint64_t *pages)
{
    uint64_t most = s->compat ? UINT32_MAX : UINT64_MAX;

    *pages = r->nr << r->order;
    return r->nr <= most >> r->order;
}

static bool totals_match(const struct step *s)
{
    uint64_t in, out;

    return total(s, &s->in, &in) && total(s, &s->out, &out) && in == out;
}

/* A 32-bit caller's lists are translated before anything else. */
static long check_translation(const struct step *s)
{
    if (s->in.order >= 32 || s->out.order >= 32) {
        return -EPERM;
    }
    if (!totals_match(s)) {
        return -EINVAL;
    }
    return s->nr_exchanged < s->in.nr && s->fault == FAULT_LIST && s->nr_exchanged >= s->usable
               ? -EFAULT
               : 0;
}

static long check_exchange(const struct model *m, const struct step *s)
{
    long rc = s->compat ? check_translation(s) : 0;

    if (rc < 0) {
        return rc;
    }
    if (s->in.order > max_order(m, s) || s->out.order > max_order(m, s)) {
        return -EPERM;
    }
    if (s->nr_exchanged > s->in.nr || s->in.domid != s->out.domid || !totals_match(s)) {
        return -EINVAL;
    }
    if (s->nr_exchanged == s->in.nr) {
        return 0;
    }
    if (!node_flags_valid(s, s->out.flags)) {
        return -EINVAL;
    }
    rc = find(s);
    if (rc < 0) {
        return rc;
    }
    if (s->fault == FAULT_LIST && s->nr_exchanged >= s->usable) {
        return -EFAULT;
    }
    return who_is(s, s->in.domid) == GUEST && type_at(m, s->list[s->nr_exchanged]) == HCALL_P2M_RAM
               ? -EOPNOTSUPP
               : -EINVAL;
}

static long exchange(const struct model *m, const struct step *s)
{
    long rc;

    if (s->start != 0) {
        return -EINVAL;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    rc = check_exchange(m, s);
    /* How far it got is written back, but not for 32-bit callers. */
    return rc < 0 && !s->compat && s->arg_read_only ? -EFAULT : rc;
}

/* --- Physmap ---------------------------------------------------------------------------- */

static long check_destination(const struct model *m, gfn_t gfn)
{
    switch (type_at(m, gfn)) {
    case HCALL_P2M_MMIO:
        return -EPERM;
    case HCALL_P2M_GRANT:
    case HCALL_P2M_FOREIGN:
        return -ENXIO;
    default:
        return gfn < MODEL_END ? 0 : -EINVAL;
    }
}

static void clear_destination(struct model *m, gfn_t gfn)
{
    if (type_at(m, gfn) == HCALL_P2M_RAM) {
        give(m, 1);
    }
    set_type(m, gfn, HCALL_P2M_HOLE);
}

static long add_special(struct model *m, unsigned special, gfn_t to)
{
    gfn_t from = m->special[special];
    long rc = check_destination(m, to);

    if (rc < 0 || from == to) {
        return rc;
    }
    if (stuck(m, to)) {
        return -ENOMEM;
    }
    clear_destination(m, to);
    if (from != HCALL_NO_GFN) {
        set_type(m, from, HCALL_P2M_HOLE);
    }
    set_special(m, to, special);
    return 0;
}

static long add_grant_frame(struct model *m, uint64_t idx, gfn_t to)
{
    if (idx >= WORLD_GRANT_FRAMES) {
        return -EINVAL;
    }
    if (idx >= m->grant_frames) {
        m->grant_frames = (unsigned)idx + 1;
    }
    return m->released[1 + idx] ? -EBUSY : add_special(m, 1 + (unsigned)idx, to);
}

static long add_ram(struct model *m, gfn_t from, gfn_t to)
{
    unsigned stamp = at(m, from)->stamp;
    long rc = check_destination(m, to);

    if (rc < 0) {
        return rc;
    }
    if (stuck(m, from) || stuck(m, to) || !model_backable(to, 1)) {
        return -ENOMEM;
    }
    if (from != to) {
        clear_destination(m, to);
        set_type(m, from, HCALL_P2M_HOLE);
        set_ram(m, to, stamp);
    }
    return 0;
}

static long add_gfn(struct model *m, gfn_t from, gfn_t to)
{
    switch (type_at(m, from)) {
    case HCALL_P2M_RAM:
        return add_ram(m, from, to);
    case HCALL_P2M_SPECIAL:
        return m->released[at(m, from)->special] ? -EINVAL
                                                 : add_special(m, at(m, from)->special, to);
    default:
        return m->old ? -EINVAL : -EACCES;
    }
}

static long add_one(struct model *m, uint32_t space, uint64_t idx, gfn_t gpfn)
{
    switch (space) {
    case SPACE_SHARED_INFO:
        return idx == 0 ? add_special(m, 0, gpfn) : -EINVAL;
    case SPACE_GRANT_TABLE:
        return add_grant_frame(m, idx, gpfn);
    case SPACE_GMFN:
        return add_gfn(m, idx, gpfn);
    default:
        return -EINVAL;
    }
}

static long add_range(struct model *m, const struct step *s)
{
    bool down = !m->old && s->gpfn > s->idx && s->gpfn - s->idx < s->size;

    if (s->start > s->size) {
        return -EILSEQ;
    }
    if (s->idx + s->size < s->idx || s->gpfn + s->size < s->gpfn) {
        return -EOVERFLOW;
    }
    for (uint64_t done = s->start; done < s->size; done++) {
        uint64_t i = down ? s->size - done - 1 : done;
        long rc = add_gfn(m, s->idx + i, s->gpfn + i);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Whom a page can be added to. */
static long find_translated(const struct step *s, bool has_space)
{
    enum who who = who_is(s, s->in.domid);

    if (who == NOBODY) {
        return -ESRCH;
    }
    return who == CONTROL || (has_space && s->space == SPACE_DEV_MMIO) ? -EACCES : 0;
}

static long add(struct model *m, const struct step *s)
{
    long rc;

    if (s->start > UINT16_MAX) {
        return -EDOM;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    if (s->space == SPACE_GMFN_FOREIGN) {
        return -ENOSYS;
    }
    rc = find_translated(s, true);
    if (rc < 0) {
        return rc;
    }
    if (s->gpfn == UINT64_MAX) {
        return -EINVAL;
    }
    return s->space == SPACE_GMFN_RANGE ? add_range(m, s) : add_one(m, s->space, s->idx, s->gpfn);
}

static long add_elements(struct model *m, const struct step *s, struct outcome *o)
{
    for (uint64_t i = s->start; i < s->size; i++) {
        bool at_fault = s->fault != FAULT_NONE && i >= s->usable;
        int32_t err;

        if (at_fault && s->fault != FAULT_ERRS) {
            return -EFAULT;
        }
        if (s->list[i] == UINT64_MAX) {
            return -EINVAL;
        }
        err = s->space == SPACE_GMFN_FOREIGN
                  ? -EPERM
                  : (int32_t)add_one(m, s->space, s->idxs[i], s->list[i]);
        if (at_fault) {
            return -EFAULT;
        }
        o->errs[i] = err;
    }
    return 0;
}

static long add_batch(struct model *m, const struct step *s, struct outcome *o)
{
    long rc;

    if (s->start > UINT16_MAX) {
        return -EDOM;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    if (s->space == SPACE_GMFN_RANGE) {
        return -EOPNOTSUPP;
    }
    rc = find_translated(s, true);
    if (rc < 0) {
        return rc;
    }
    if (s->start >= s->size && (s->start != 0 || s->size != 0)) {
        return -EILSEQ;
    }
    return add_elements(m, s, o);
}

/* One's own page that one has mapped by a grant is found, another's is not. */
static bool can_be_removed(enum hcall_p2m_type type)
{
    switch (type) {
    case HCALL_P2M_RAM:
    case HCALL_P2M_SPECIAL:
    case HCALL_P2M_OWN_GRANT:
    case HCALL_P2M_FOREIGN:
        return true;
    default:
        return false;
    }
}

static long remove_gfn(struct model *m, const struct step *s)
{
    const struct model_gfn *g = at(m, s->gpfn);
    long rc;

    if (s->start != 0) {
        return -EINVAL;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    rc = find_translated(s, false);
    if (rc < 0) {
        return rc;
    }
    if (!g || !can_be_removed(g->type)) {
        return -ENOENT;
    }
    if (g->type == HCALL_P2M_SPECIAL && m->released[g->special]) {
        return -ENOENT;
    }
    if (stuck(m, s->gpfn)) {
        return -ENOMEM;
    }
    set_type(m, s->gpfn, HCALL_P2M_HOLE);
    return 0;
}

/* --- Numbers ---------------------------------------------------------------------------- */

static long query(const struct model *m, const struct step *s)
{
    bool guest = who_is(s, s->in.domid) == GUEST;
    long rc = s->arg_short && s->op != OP_MAXIMUM_RAM_PAGE ? -EFAULT : find(s);

    if (s->start != 0) {
        return -EINVAL;
    }
    if (s->op == OP_MAXIMUM_RAM_PAGE) {
        return WORLD_MAX_PAGE;
    }
    if (rc < 0) {
        return rc;
    }
    switch (s->op) {
    case OP_CURRENT:
        return guest ? (long)m->tot_pages : 0;
    case OP_MAXIMUM:
        return guest ? (long)m->max_pages : UINT32_MAX;
    default:
        return guest ? (long)m->max_gfn : 0;
    }
}

static long clamped_query(const struct model *m, const struct step *s)
{
    long rc = query(m, s);

    return s->compat && rc > INT32_MAX ? INT32_MAX : rc;
}

static long set_claim(struct model *m, pages_t n, pages_t tot_pages, pages_t max_pages,
                      pages_t *claimed)
{
    if (n == 0) {
        m->claims -= *claimed;
        *claimed = 0;
        return 0;
    }
    if (*claimed > 0 || n <= tot_pages || n > max_pages) {
        return -EINVAL;
    }
    if (n - tot_pages + m->claims > m->free_pages) {
        return -ENOMEM;
    }
    *claimed = n - tot_pages;
    m->claims += *claimed;
    return 0;
}

static long claim(struct model *m, const struct step *s)
{
    enum who who = s->in.domid == SELF ? NOBODY : who_is(s, s->in.domid);

    if (s->compat) {
        return -ENOSYS;
    }
    if (s->start != 0) {
        return -EINVAL;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    if (s->in.list != 0 || s->in.order != 0 || s->in.flags != 0 || who == NOBODY) {
        return -EINVAL;
    }
    if (!s->control) {
        return -EPERM;
    }
    if (who == CONTROL) {
        return set_claim(m, s->in.nr, 0, UINT32_MAX, &m->control_claim);
    }
    if (m->dying && !m->old) {
        return -EINVAL;
    }
    return set_claim(m, s->in.nr, m->tot_pages, m->max_pages, &m->claim);
}

static long check_pod_target(const struct model *m, const struct step *s)
{
    enum who who = who_is(s, s->in.domid);

    if (s->start != 0) {
        return -ENOSYS;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    if (who == NOBODY) {
        return -ESRCH;
    }
    if (who == CONTROL) {
        return -EINVAL;
    }
    if (!s->control) {
        return -EPERM;
    }
    if (s->op == OP_GET_POD_TARGET) {
        return 0;
    }
    if (s->count > m->max_pages) {
        return -EINVAL;
    }
    /* Of a dying domain nothing is changed, so nothing is missing. */
    return m->tot_pages == 0 && !m->dying ? -EOPNOTSUPP : 0;
}

static long pod_target(const struct model *m, const struct step *s, struct outcome *o)
{
    long rc = check_pod_target(m, s);

    if (rc < 0) {
        return rc;
    }
    if (s->arg_read_only) {
        return -EFAULT;
    }
    o->numbers[1] = m->tot_pages;
    o->numbers[2] = 0;
    o->numbers[3] = 0;
    return 0;
}

/* --- The toolstack ---------------------------------------------------------------------- */

static bool leaves_space(gfn_t first, pages_t count)
{
    return first > MODEL_END || count > MODEL_END - first;
}

static long map_range(struct model *m, const struct step *s, enum hcall_p2m_type type)
{
    if (leaves_space(s->gpfn, s->count)) {
        return -EINVAL;
    }
    for (gfn_t i = 0; i < s->count; i++) {
        if (type_at(m, s->gpfn + i) != HCALL_P2M_HOLE) {
            return -EBUSY;
        }
    }
    if (type == HCALL_P2M_RAM) {
        if (m->tot_pages + s->count > m->max_pages || !pool_has(m, s->count)) {
            return -ENOMEM;
        }
        take(m, s->count);
    }
    for (gfn_t i = 0; i < s->count; i++) {
        set_type(m, s->gpfn + i, type);
        at(m, s->gpfn + i)->stamp = m->now;
    }
    return 0;
}

static long map_foreign(struct model *m, const struct step *s)
{
    return s->type < HCALL_P2M_GRANT || s->type > HCALL_P2M_BROKEN ? -EINVAL
                                                                   : map_range(m, s, s->type);
}

static long map_own_grant(struct model *m, const struct step *s)
{
    enum hcall_p2m_type to = type_at(m, s->gpfn);

    if (type_at(m, s->idx) != HCALL_P2M_RAM || (to != HCALL_P2M_RAM && to != HCALL_P2M_HOLE) ||
        s->idx == s->gpfn || s->gpfn >= MODEL_END) {
        return -EINVAL;
    }
    if (stuck(m, s->idx) || stuck(m, s->gpfn)) {
        return -ENOMEM;
    }
    set_type(m, s->gpfn, HCALL_P2M_OWN_GRANT);
    at(m, s->gpfn)->stamp = at(m, s->idx)->stamp;
    set_type(m, s->idx, HCALL_P2M_HOLE);
    return 0;
}

static long unmap_own_grant(struct model *m, const struct step *s)
{
    if (type_at(m, s->gpfn) != HCALL_P2M_OWN_GRANT) {
        return -EINVAL;
    }
    set_type(m, s->gpfn, HCALL_P2M_HOLE);
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
    give(m, m->tot_pages);
    memset(m->gfn, 0, sizeof(m->gfn));
    for (unsigned i = 0; i < MODEL_SPECIALS; i++) {
        m->special[i] = HCALL_NO_GFN;
        m->released[i] = false;
    }
    m->grant_frames = 0;
    m->max_gfn = 0;
    m->dying = false;
    m->crashed = false;
}

static long toolstack(struct model *m, const struct step *s)
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
        return map_range(m, s, HCALL_P2M_RAM);
    case TOOL_MAP:
        return map_foreign(m, s);
    case TOOL_MAP_OWN_GRANT:
        return map_own_grant(m, s);
    default:
        return unmap_own_grant(m, s);
    }
}

/* --- Steps ------------------------------------------------------------------------------ */

static bool unknown(const struct model *m, gfn_t first, pages_t count)
{
    for (pages_t i = 0; i < count; i++) {
        if (first + i < MODEL_END && !model_at(m, first + i)) {
            return true;
        }
    }
    return false;
}

/* Something could go where the model does not follow it. */
static bool leaves_array(const struct model *m, const struct step *s)
{
    switch (s->op) {
    case OP_ADD:
        return unknown(m, s->gpfn, s->space == SPACE_GMFN_RANGE ? s->size : 1);
    case OP_ADD_BATCH:
        for (unsigned i = 0; i < s->size; i++) {
            if (unknown(m, s->list[i], 1)) {
                return true;
            }
        }
        return false;
    case TOOL_BUILD_RAM:
    case TOOL_MAP:
        return !leaves_space(s->gpfn, s->count) && unknown(m, s->gpfn, s->count);
    default:
        return false;
    }
}

/*
 * A list that is written is written a section's worth at once, so what is done before a
 * write fails depends on how long that is, in Xen as here: only what one section can do is
 * compared.
 */
static bool depends_on_section(const struct step *s)
{
    uint64_t section = s->in.order < 9 ? 512u >> s->in.order : 1;

    return list_is_written(s) && step_writable(s) < s->in.nr && s->in.nr > s->start &&
           s->in.nr - s->start > section;
}

/* Nobody builds a domain that is dying. */
static bool outlives(const struct model *m, const struct step *s)
{
    return m->dying && (s->op == TOOL_BUILD_RAM || s->op == TOOL_MAP);
}

/*
 * A page of the hypervisor's in an extent that is a section of its own divides it, for which
 * the world, who watches how long sections are, has no rule.
 */
static bool is_divided(const struct model *m, const struct step *s)
{
    if (s->op != OP_DECREASE || s->in.order <= 9) {
        return false;
    }
    for (uint64_t i = s->start; i < s->in.nr && i < STEP_LIST; i++) {
        for (unsigned special = 0; special < MODEL_SPECIALS; special++) {
            if (m->special[special] - s->list[i] < 1ull << s->in.order) {
                return true;
            }
        }
    }
    return false;
}

bool model_skips(const struct model *m, const struct step *s)
{
    return is_divided(m, s) || leaves_array(m, s) || depends_on_section(s) || outlives(m, s);
}

void model_do(struct model *m, const struct step *s, struct outcome *o)
{
    outcome_init(o, s);
    switch (s->op) {
    case OP_INCREASE:
    case OP_DECREASE:
    case OP_POPULATE:
        o->rc = extents(m, s);
        break;
    case OP_EXCHANGE:
        o->rc = exchange(m, s);
        break;
    case OP_ADD:
        o->rc = add(m, s);
        break;
    case OP_ADD_BATCH:
        o->rc = add_batch(m, s, o);
        break;
    case OP_REMOVE:
        o->rc = remove_gfn(m, s);
        break;
    case OP_CLAIM:
        o->rc = claim(m, s);
        break;
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        o->rc = pod_target(m, s, o);
        break;
    case OP_MAXIMUM_RAM_PAGE:
    case OP_CURRENT:
    case OP_MAXIMUM:
    case OP_MAXIMUM_GPFN:
        o->rc = clamped_query(m, s);
        break;
    default:
        o->rc = toolstack(m, s);
        break;
    }
}
