/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's operations, see model.h.
 */
#include <errno.h>
#include <inttypes.h>

#include "model_parts.h"

enum who { NOBODY, CONTROL, GUEST };

void model_open(struct model *m, pages_t max_pages, pages_t pool, uint32_t version)
{
    *m = (struct model){
        .old = version != 0 && version <= 0x40011,
        .very_old = version != 0 && version <= 0x40002,
        .max_pages = max_pages < UINT32_MAX ? max_pages : UINT32_MAX,
        .free_pages = pool ? pool : WORLD_POOL,
        .source = HCALL_NO_GFN,
    };
    model_clear(m);
    model_pod_clear(m);
}

static bool may_allocate(struct model *m, const struct step *s, pages_t count)
{
    unsigned caller = s->control ? 0 : STEP_GUEST;

    if (!model_pool_has(m, count) || m->dying) {
        return false;
    }
    if (m->tot_pages > m->max_pages) {
        model_log(m, "d%uv3 Inconsistent allocation for d5: %" PRIu64 " > %" PRIu64, caller,
                  m->tot_pages, m->max_pages);
        return false;
    }
    if (m->tot_pages + count > m->max_pages) {
        model_log(m, "d%uv3 Over-allocation for d5: %" PRIu64 " > %" PRIu64, caller,
                  m->tot_pages + count, m->max_pages);
        return false;
    }
    return true;
}

static void set_special(struct model *m, gfn_t gfn, unsigned special)
{
    model_set(m, gfn, 1, HCALL_P2M_SPECIAL);
    model_find(m, gfn)->special = special;
    m->special[special] = gfn;
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
    struct model_gfn *g = model_find(m, gfn);

    switch (g && !model_stuck(m, gfn) ? g->type : HCALL_P2M_HOLE) {
    case HCALL_P2M_RAM:
        model_free_page(m, gfn);
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
    model_set(m, gfn, 1, HCALL_P2M_HOLE);
    return true;
}

/*
 * What populate-on-demand has made holes of is done, and each such hole stands for one that is
 * found, or for a gfn that is not looked at.
 */
static bool decrease_extent(struct model *m, const struct step *s, gfn_t base)
{
    pages_t pod_done = model_pod_decrease(m, base, s->in.order);

    for (pages_t i = 0; i + pod_done < 1ull << s->in.order; i++) {
        if (model_type(m, base + i) == HCALL_P2M_HOLE && pod_done > 0) {
            pod_done--;
        } else if (!decrease_gfn(m, base + i)) {
            return false;
        }
    }
    return true;
}

static bool forbids_ram(const struct model *m, gfn_t gfn)
{
    switch (model_type(m, gfn)) {
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
    for (gfn_t gfn = base; gfn < MODEL_NEAR && gfn - base < count; gfn++) {
        if (forbids_ram(m, gfn)) {
            return true;
        }
    }
    for (unsigned i = MODEL_NEAR; i < MODEL_GFNS; i++) {
        if (model_gfn_of(i) - base < count && forbids_ram(m, model_gfn_of(i))) {
            return true;
        }
    }
    return false;
}

/* What is allocated stays the domain's whatever comes. */
static bool leak(struct model *m, pages_t count)
{
    model_take(m, count);
    m->orphans += count;
    return false;
}

/* A superpage's frames follow each other; only where they are aligned do they get its leaf. */
static void put_ram(struct model *m, gfn_t base, pages_t count)
{
    uint64_t frame = count >= SUPERPAGE ? model_frames(m, count) : 0;

    m->orphans += model_count(m, base, count, HCALL_P2M_RAM);
    if (base % SUPERPAGE == 0) {
        model_set(m, base, count, HCALL_P2M_RAM);
    } else {
        model_set_singly(m, base, count, HCALL_P2M_RAM);
    }
    for (gfn_t i = 0; i < count; i++) {
        model_new_page(m, base + i, frame ? frame + i : model_frame(m), true);
    }
}

static bool populate_extent(struct model *m, const struct step *s, gfn_t base)
{
    pages_t count = 1ull << s->in.order;

    if (s->in.flags & FLAG_POD) {
        return s->control && model_mark(m, s, base, s->in.order);
    }
    if (!may_allocate(m, s, count)) {
        return false;
    }
    if (base >= MODEL_END || base + count > MODEL_END) {
        return leak(m, count);
    }
    if (any_forbids_ram(m, base, count)) {
        /* That it is not permitted. */
        model_log(m, "%s", "");
        model_crash(m, s);
        return leak(m, count);
    }
    /* The library's own limit. */
    if (!model_backable(base, count)) {
        return false;
    }
    model_take(m, count);
    put_ram(m, base, count);
    return true;
}

static bool increase_extent(struct model *m, const struct step *s)
{
    pages_t count = 1ull << s->in.order;

    if (!may_allocate(m, s, count)) {
        return false;
    }
    leak(m, count);
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

static long check_exchange(struct model *m, const struct step *s)
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
    if (who_is(s, s->in.domid) != GUEST) {
        return -EINVAL;
    }
    model_touch(m, s, s->list[s->nr_exchanged]);
    return model_type(m, s->list[s->nr_exchanged]) == HCALL_P2M_RAM ? -EOPNOTSUPP : -EINVAL;
}

static long exchange(struct model *m, const struct step *s)
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
    switch (model_type(m, gfn)) {
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
    if (model_type(m, gfn) == HCALL_P2M_RAM) {
        model_free_page(m, gfn);
    }
    model_set(m, gfn, 1, HCALL_P2M_HOLE);
}

static long add_special(struct model *m, const struct step *s, unsigned special, gfn_t to)
{
    gfn_t from = m->special[special];
    long rc;

    model_touch(m, s, to);
    rc = check_destination(m, to);
    if (rc < 0 || from == to) {
        return rc;
    }
    if (model_stuck(m, to)) {
        return -ENOMEM;
    }
    clear_destination(m, to);
    if (from != HCALL_NO_GFN) {
        model_set(m, from, 1, HCALL_P2M_HOLE);
    }
    set_special(m, to, special);
    return 0;
}

static long add_grant_frame(struct model *m, const struct step *s, uint64_t idx, gfn_t to)
{
    if (idx >= WORLD_GRANT_FRAMES) {
        return -EINVAL;
    }
    if (idx >= m->grant_frames) {
        m->grant_frames = (unsigned)idx + 1;
    }
    return m->released[1 + idx] ? -EBUSY : add_special(m, s, 1 + (unsigned)idx, to);
}

/* The page that is to be moved is in use until it has been. */
static long add_ram(struct model *m, const struct step *s, gfn_t from, gfn_t to)
{
    long rc;

    m->source = from;
    model_touch(m, s, to);
    m->source = HCALL_NO_GFN;
    rc = check_destination(m, to);
    if (rc < 0 || from == to) {
        return rc;
    }
    if (model_stuck(m, from) || model_stuck(m, to) || !model_backable(to, 1)) {
        return -ENOMEM;
    }
    clear_destination(m, to);
    model_move_page(m, from, to);
    model_set(m, from, 1, HCALL_P2M_HOLE);
    model_set(m, to, 1, HCALL_P2M_RAM);
    return 0;
}

static long add_gfn(struct model *m, const struct step *s, gfn_t from, gfn_t to)
{
    unsigned special;

    model_touch(m, s, from);
    switch (model_type(m, from)) {
    case HCALL_P2M_RAM:
        return add_ram(m, s, from, to);
    case HCALL_P2M_SPECIAL:
        special = model_find(m, from)->special;
        return m->released[special] ? -EINVAL : add_special(m, s, special, to);
    default:
        return m->old ? -EINVAL : -EACCES;
    }
}

static long add_one(struct model *m, const struct step *s, uint64_t idx, gfn_t gpfn)
{
    switch (s->space) {
    case SPACE_SHARED_INFO:
        return idx == 0 ? add_special(m, s, 0, gpfn) : -EINVAL;
    case SPACE_GRANT_TABLE:
        return add_grant_frame(m, s, idx, gpfn);
    case SPACE_GMFN:
        return add_gfn(m, s, idx, gpfn);
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
        long rc = add_gfn(m, s, s->idx + i, s->gpfn + i);

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
    return s->space == SPACE_GMFN_RANGE ? add_range(m, s) : add_one(m, s, s->idx, s->gpfn);
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
        err = s->space == SPACE_GMFN_FOREIGN ? -EPERM
                                             : (int32_t)add_one(m, s, s->idxs[i], s->list[i]);
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

static long unmap_gfn(struct model *m, const struct step *s)
{
    const struct model_gfn *g = model_find(m, s->gpfn);

    model_touch(m, s, s->gpfn);
    if (!g || !can_be_removed(g->type)) {
        return -ENOENT;
    }
    if (g->type == HCALL_P2M_SPECIAL && m->released[g->special]) {
        return -ENOENT;
    }
    if (model_stuck(m, s->gpfn)) {
        return -ENOMEM;
    }
    m->orphans += g->type == HCALL_P2M_RAM;
    model_set(m, s->gpfn, 1, HCALL_P2M_HOLE);
    return 0;
}

static long remove_gfn(struct model *m, const struct step *s)
{
    long rc;

    if (s->start != 0) {
        return -EINVAL;
    }
    if (s->arg_short) {
        return -EFAULT;
    }
    rc = find_translated(s, false);
    return rc < 0 ? rc : unmap_gfn(m, s);
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
    return s->count > m->max_pages ? -EINVAL : 0;
}

static long pod_target(struct model *m, const struct step *s, struct outcome *o)
{
    long rc = check_pod_target(m, s);

    if (rc == 0 && s->op == OP_SET_POD_TARGET) {
        rc = model_set_target(m, s->count);
    }
    if (rc < 0) {
        return rc;
    }
    if (s->arg_read_only) {
        return -EFAULT;
    }
    o->numbers[1] = m->tot_pages;
    o->numbers[2] = model_cache(m);
    o->numbers[3] = m->entries;
    return 0;
}

/* --- Steps that are left out ---------------------------------------------------------------- */

static bool unknown(const struct model *m, gfn_t first, pages_t count)
{
    for (pages_t i = 0; i < count; i++) {
        if (first + i < MODEL_END && !model_at(m, first + i)) {
            return true;
        }
    }
    return false;
}

/* Populate-on-demand goes where the world follows it, or is a whole GiB. */
static bool cannot_be_pod(const struct model *m, gfn_t base, unsigned order)
{
    if (base >= MODEL_END || (base == 0 && order == 18)) {
        return false;
    }
    return base >= MODEL_NEAR || unknown(m, base, 1ull << order);
}

/* Something could go where the model does not follow it. */
static bool leaves_array(const struct model *m, const struct step *s)
{
    bool leaves = false;

    switch (s->op) {
    case OP_ADD:
        return unknown(m, s->gpfn, s->space == SPACE_GMFN_RANGE ? s->size : 1);
    case OP_ADD_BATCH:
        for (unsigned i = 0; i < s->size; i++) {
            leaves |= unknown(m, s->list[i], 1);
        }
        return leaves;
    case OP_POPULATE:
        for (uint64_t i = 0; i < s->in.nr && i < STEP_LIST && s->in.order <= 18; i++) {
            leaves |= (s->in.flags & FLAG_POD) && cannot_be_pod(m, s->list[i], s->in.order);
        }
        return leaves;
    case TOOL_BUILD_RAM:
    case TOOL_BUILD_POD:
    case TOOL_MAP:
        return !model_leaves_space(s->gpfn, s->count) && unknown(m, s->gpfn, s->count);
    default:
        return false;
    }
}

static bool is_part_of_rest(gfn_t first, pages_t count)
{
    bool meets = first < MODEL_REST_END && first + count > MODEL_NEAR;

    return meets && !(first == 0 && count == MODEL_REST_END);
}

/* The rest of the GiB is populate-on-demand, or might become so, as a whole only. */
static bool names_part_of_rest(const struct model *m, const struct step *s)
{
    pages_t size = s->op == OP_DECREASE || s->op == OP_POPULATE ? 1ull << (s->in.order & 31) : 1;
    pages_t count = s->op == OP_ADD ? s->size : s->count;
    pages_t range = count > 0 ? count : 1;
    bool names = is_part_of_rest(s->gpfn, range) || is_part_of_rest(s->idx, range);

    for (uint64_t i = 0; i < s->size && i < STEP_BATCH; i++) {
        names |= is_part_of_rest(s->list[i], 1) || is_part_of_rest(s->idxs[i], 1);
    }
    for (uint64_t i = 0; i < s->in.nr && i < STEP_LIST; i++) {
        names |= is_part_of_rest(s->list[i], size);
    }
    return names && m->rest == HCALL_P2M_POD;
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

/* The domain's end comes when it dies; a page is got before it is put, and not twice. */
static bool has_no_sense(const struct model *m, const struct step *s)
{
    switch (s->op) {
    case TOOL_TEARDOWN:
        return !m->dying;
    case TOOL_GET_PAGE:
        return m->pin[s->pin].used;
    case TOOL_PUT_PAGE:
        return !m->pin[s->pin].used;
    default:
        return false;
    }
}

bool model_skips(const struct model *m, const struct step *s)
{
    return leaves_array(m, s) || names_part_of_rest(m, s) || depends_on_section(s) ||
           has_no_sense(m, s);
}

/* --- All -------------------------------------------------------------------------------- */

const char *model_check(const struct model *m)
{
    return m->tot_pages == m->ram + m->orphans + model_cache(m)
               ? NULL
               : "tot_pages is not RAM, orphans and cache";
}

const char *model_check_all(const struct model *m)
{
    if (!m->torn && m->entries != model_count(m, 0, UINT64_MAX, HCALL_P2M_POD)) {
        return "entry_count is not the gfns that are populate-on-demand";
    }
    return m->ram == model_count(m, 0, UINT64_MAX, HCALL_P2M_RAM) ? NULL : "RAM is miscounted";
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
        o->rc = model_toolstack(m, s, o);
        break;
    }
}
