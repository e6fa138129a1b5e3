/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps done to the library, see step.h: the structures are written down here, as the
 * library is not asked for them.
 */
#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "step.h"

/* The last page that a short structure begins in; what is behind it is unmapped. */
#define SHORT_PAGE 0
#define IDXS_PAGE 2
#define GPFNS_PAGE 4
#define ERRS_PAGE 6
/* No structure is longer. */
#define MAX_STRUCTURE 80

#define ERR_BEFORE 77

static bool has_numbers(const struct step *s)
{
    return s->op == OP_SET_POD_TARGET || s->op == OP_GET_POD_TARGET;
}

void outcome_init(struct outcome *o, const struct step *s)
{
    memset(o, 0, sizeof(*o));
    for (unsigned i = 0; i < STEP_BATCH; i++) {
        o->errs[i] = ERR_BEFORE;
    }
    if (has_numbers(s)) {
        o->numbers[0] = s->count;
        for (unsigned i = 1; i < 4; i++) {
            o->numbers[i] = ERR_BEFORE + i;
        }
    }
}

uint64_t step_writable(const struct step *s)
{
    if (s->read_only) {
        return 0;
    }
    return s->fault == FAULT_LIST ? s->usable : UINT64_MAX;
}

/* --- Guest memory ----------------------------------------------------------------------- */

static void prepare_pages(struct world *w, const struct step *s)
{
    memset(w->page, 0, sizeof(w->page));
    w->page[SHORT_PAGE + 1].unmapped = s->arg_short;
    w->page[0].read_only = s->arg_read_only;
    for (unsigned i = SHORT_PAGE + 2; i < WORLD_PAGES; i++) {
        w->page[i].read_only = s->read_only;
        w->page[i].unmapped = i >= FAULT_PAGE && s->fault != FAULT_NONE;
    }
    /* Errors that cannot be written may well be read. */
    if (s->fault == FAULT_ERRS) {
        w->page[FAULT_PAGE].unmapped = false;
        w->page[FAULT_PAGE].read_only = true;
    }
}

/* Field by field, as wide as the caller's. */
static void put_add(struct world *w, const struct step *s)
{
    unsigned size = s->compat ? 4 : 8;

    world_put(w, ARG + 0, s->in.domid, 2);
    world_put(w, ARG + 2, s->size, 2);
    world_put(w, ARG + 4, s->space, 4);
    world_put(w, ARG + 8, s->idx, size);
    world_put(w, ARG + 8 + size, s->gpfn, size);
}

static void put_remove(struct world *w, const struct step *s)
{
    world_put(w, ARG + 0, s->in.domid, 2);
    world_put(w, ARG + (s->compat ? 4 : 8), s->gpfn, s->compat ? 4 : 8);
}

static uint64_t batch_list(const struct step *s, enum step_fault fault, unsigned page, size_t size)
{
    return s->fault == fault ? WORLD_PAGE(FAULT_PAGE) - s->usable * size : WORLD_PAGE(page);
}

static uint64_t errs_at(const struct step *s)
{
    return batch_list(s, FAULT_ERRS, ERRS_PAGE, 4);
}

static void put_batch(struct world *w, const struct step *s)
{
    unsigned size = s->compat ? 4 : 8;
    uint64_t idxs = batch_list(s, FAULT_LIST, IDXS_PAGE, size);
    uint64_t gpfns = batch_list(s, FAULT_GPFNS, GPFNS_PAGE, size);

    world_put(w, ARG + 0, s->in.domid, 2);
    world_put(w, ARG + 2, s->space, 2);
    world_put(w, ARG + 4, s->size, 2);
    world_put(w, ARG + 6, s->res0, 2);
    world_put(w, ARG + 8, idxs, size);
    world_put(w, ARG + 8 + size, gpfns, size);
    world_put(w, ARG + 8 + 2 * size, errs_at(s), size);
    for (unsigned i = 0; i < s->size; i++) {
        call_put_frame(w, s->compat, idxs, i, s->idxs[i]);
        call_put_frame(w, s->compat, gpfns, i, s->list[i]);
    }
    for (unsigned i = 0; i < STEP_BATCH; i++) {
        world_put(w, errs_at(s) + i * 4, ERR_BEFORE, 4);
    }
}

static uint64_t extents_at(const struct step *s)
{
    return s->fault == FAULT_LIST ? call_list_fault_at(s->compat, s->usable) : s->in.list;
}

/* How many elements there are to read. */
static uint64_t extents_put(const struct step *s)
{
    uint64_t nr = s->fault == FAULT_LIST ? s->usable : s->in.nr;

    return s->in.list == 0 ? 0 : nr < STEP_LIST ? nr : STEP_LIST;
}

static void put_extents(struct world *w, const struct step *s)
{
    struct reservation_args args = s->in;

    args.list = extents_at(s);
    call_put_reservation(w, s->compat, &args);
    for (uint64_t i = 0; i < extents_put(s); i++) {
        call_put_frame(w, s->compat, args.list, i, s->list[i]);
    }
}

/* Two reservations and a number. */
static void put_exchange(struct world *w, const struct step *s)
{
    size_t size = s->compat ? 20 : 32;

    call_put_reservation(w, s->compat, &s->out);
    memcpy(w->mem + size, w->mem, size);
    put_extents(w, s);
    world_put(w, ARG + 2 * size, s->nr_exchanged, s->compat ? 4 : 8);
}

static void put_pod_target(struct world *w, const struct step *s, const struct outcome *before)
{
    for (unsigned i = 0; i < 4; i++) {
        world_put(w, ARG + i * 8, before->numbers[i], 8);
    }
    world_put(w, ARG + 32, s->in.domid, 2);
}

static void put_structure(struct world *w, const struct step *s, const struct outcome *before)
{
    switch (s->op) {
    case OP_EXCHANGE:
        put_exchange(w, s);
        break;
    case OP_ADD:
        put_add(w, s);
        break;
    case OP_ADD_BATCH:
        put_batch(w, s);
        break;
    case OP_REMOVE:
        put_remove(w, s);
        break;
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        put_pod_target(w, s, before);
        break;
    case OP_MAXIMUM_RAM_PAGE:
    case OP_CURRENT:
    case OP_MAXIMUM:
    case OP_MAXIMUM_GPFN:
        world_put(w, ARG, s->in.domid, 2);
        break;
    default:
        put_extents(w, s);
        break;
    }
}

/* Only a 32-bit caller's list of an increase is what it happens to be. */
static bool list_changed(const struct world *w, const struct step *s)
{
    size_t size = call_frame_size(s->compat);
    uint64_t list = extents_at(s);

    if (s->op != OP_POPULATE && s->op != OP_DECREASE && (s->op != OP_INCREASE || s->compat)) {
        return false;
    }
    for (uint64_t i = 0; i < extents_put(s); i++) {
        if (world_get(w, list + i * size, size) != s->list[i]) {
            return true;
        }
    }
    return false;
}

/* --- Doing it --------------------------------------------------------------------------- */

static void hypercall(struct world *w, const struct step *s, struct outcome *o)
{
    uint64_t arg = s->arg_short ? WORLD_PAGE(SHORT_PAGE + 1) - s->arg_bytes : ARG;

    prepare_pages(w, s);
    put_structure(w, s, o);
    if (s->arg_short) {
        memmove(w->mem + (arg - WORLD_BASE), w->mem, MAX_STRUCTURE);
    }
    o->rc = call_memory_op(s->control ? w->control : w->d, s->compat, s->op | START(s->start), arg);
    o->list_changed = list_changed(w, s);
    if (s->op == OP_ADD_BATCH) {
        for (unsigned i = 0; i < STEP_BATCH; i++) {
            o->errs[i] = (int32_t)world_get(w, errs_at(s) + i * 4, 4);
        }
    }
    for (unsigned i = 0; i < 4 && has_numbers(s); i++) {
        o->numbers[i] = world_get(w, arg + i * 8, 8);
    }
}

static long build_ram(struct world *w, const struct step *s)
{
    long rc = hcall_domain_build_ram(w->d, s->gpfn, s->count);

    for (pages_t i = 0; i < s->count && rc == 0; i++) {
        w->gfn[world_slot(s->gpfn + i)] = (struct world_gfn){.backed = true, .stamp = w->now};
    }
    return rc;
}

static long map(struct world *w, const struct step *s)
{
    long rc = hcall_domain_map(w->d, s->gpfn, s->count, s->type);

    /* The world is not asked for what it has no page of. */
    for (pages_t i = 0; i < s->count && rc == 0; i++) {
        if (world_slot(s->gpfn + i) < WORLD_GFNS) {
            w->gfn[world_slot(s->gpfn + i)].pod = false;
        }
    }
    return rc;
}

static void reset(struct world *w)
{
    hcall_domain_reset(w->d);
    memset(w->gfn, 0, sizeof(w->gfn));
    memset(w->pin, 0, sizeof(w->pin));
    for (unsigned i = 0; i < sizeof(w->special) / sizeof(w->special[0]); i++) {
        w->special[i] = HCALL_NO_GFN;
    }
}

static long grant(struct world *w, const struct step *s)
{
    long rc;

    world_ops.begin_exclusive(w);
    rc = s->op == TOOL_MAP_OWN_GRANT ? hcall_domain_map_own_grant(w->d, s->idx, s->gpfn)
                                     : hcall_domain_unmap_own_grant(w->d, s->gpfn);
    world_ops.end_exclusive(w);
    return rc;
}

/* NULL: the world does not follow it, or there is no page. */
static struct world_gfn *page_at(struct world *w, gfn_t gfn)
{
    unsigned slot = world_slot(gfn);

    return world_slot(gfn) < WORLD_GFNS && world_gfn(slot) == gfn && w->gfn[slot].backed
               ? &w->gfn[slot]
               : NULL;
}

static long touch(struct world *w, const struct step *s, gfn_t gfn)
{
    const struct hcall_caller who = {.domain = s->control ? w->control : w->d, .vcpu = 3};
    long rc;

    if (s->cached) {
        w->locked = true;
        rc = hcall_domain_touch_cached(w->d, &who, gfn);
        w->locked = false;
    } else {
        rc = call_touch(w, who.domain, gfn);
    }
    if (rc == 0 && s->write && page_at(w, gfn)) {
        page_at(w, gfn)->nonzero = true;
    }
    return rc;
}

static long touch_range(struct world *w, const struct step *s, struct outcome *o)
{
    long rc = 0;

    for (o->numbers[0] = 0; o->numbers[0] < s->count && rc == 0; o->numbers[0]++) {
        rc = touch(w, s, s->gpfn + o->numbers[0]);
    }
    return rc;
}

static void zero_range(struct world *w, const struct step *s)
{
    for (pages_t i = 0; i < s->count; i++) {
        if (page_at(w, s->gpfn + i)) {
            page_at(w, s->gpfn + i)->nonzero = false;
        }
    }
}

static long get_page(struct world *w, const struct step *s)
{
    w->pin[s->pin] = hcall_domain_get_page(w->d, s->gpfn);
    return w->pin[s->pin] != NULL;
}

static void put_page(struct world *w, const struct step *s)
{
    hcall_domain_put_page(w->d, w->pin[s->pin]);
    w->pin[s->pin] = NULL;
}

/* The p2m goes at once, so nothing is left that the world would have to discard. */
static long teardown(struct world *w)
{
    long rc;

    memset(w->gfn, 0, sizeof(w->gfn));
    world_ops.begin_exclusive(w);
    rc = hcall_domain_teardown(w->d);
    hcall_domain_end_exclusive(w->d);
    return rc;
}

static long build_pod(struct world *w, const struct step *s)
{
    long rc;

    world_ops.begin_exclusive(w);
    rc = hcall_domain_build_pod(w->d, s->gpfn, s->count);
    hcall_domain_end_exclusive(w->d);
    return rc;
}

static long set_pod_target(struct world *w, const struct step *s)
{
    long rc;

    w->locked = true;
    rc = hcall_domain_set_pod_target(w->d, s->count);
    w->locked = false;
    return rc;
}

static void use(struct world *w, const struct step *s, struct outcome *o)
{
    switch (s->op) {
    case TOOL_BUILD_POD:
        o->rc = build_pod(w, s);
        break;
    case TOOL_SET_POD_TARGET:
        o->rc = set_pod_target(w, s);
        break;
    case TOOL_TEARDOWN:
        o->rc = teardown(w);
        break;
    case TOOL_DUMP:
        hcall_domain_dump(w->d);
        break;
    case TOOL_TOUCH:
        o->rc = touch_range(w, s, o);
        break;
    case TOOL_ZERO:
        zero_range(w, s);
        break;
    case TOOL_GET_PAGE:
        o->rc = get_page(w, s);
        break;
    default:
        put_page(w, s);
        break;
    }
}

void step_do(struct world *w, const struct step *s, struct outcome *o)
{
    outcome_init(o, s);
    w->preempt = s->preempt;
    w->large_extent = s->op == OP_DECREASE && s->in.order > 9;
    switch (s->op) {
    case TOOL_SET_MAX_PAGES:
        hcall_domain_set_max_pages(w->d, s->count);
        break;
    case TOOL_SET_IO:
        hcall_domain_set_io(w->d, s->io);
        break;
    case TOOL_SET_DYING:
        hcall_domain_set_dying(w->d);
        break;
    case TOOL_RESET:
        reset(w);
        break;
    case TOOL_BUILD_RAM:
        o->rc = build_ram(w, s);
        break;
    case TOOL_MAP:
        o->rc = map(w, s);
        break;
    case TOOL_MAP_OWN_GRANT:
    case TOOL_UNMAP_OWN_GRANT:
        o->rc = grant(w, s);
        break;
    default:
        if (s->op > TOOL_UNMAP_OWN_GRANT) {
            use(w, s, o);
        } else {
            hypercall(w, s, o);
        }
        break;
    }
}

/* --- Printing --------------------------------------------------------------------------- */

static const char *const op_names[] = {
    [OP_INCREASE] = "increase",
    [OP_DECREASE] = "decrease",
    [OP_MAXIMUM_RAM_PAGE] = "maximum_ram_page",
    [OP_CURRENT] = "current_reservation",
    [OP_MAXIMUM] = "maximum_reservation",
    [OP_POPULATE] = "populate",
    [OP_ADD] = "add_to_physmap",
    [OP_EXCHANGE] = "exchange",
    [OP_MAXIMUM_GPFN] = "maximum_gpfn",
    [OP_REMOVE] = "remove_from_physmap",
    [OP_SET_POD_TARGET] = "set_pod_target",
    [OP_GET_POD_TARGET] = "get_pod_target",
    [OP_ADD_BATCH] = "add_to_physmap_batch",
    [OP_CLAIM] = "claim_pages",
    [TOOL_SET_MAX_PAGES] = "set_max_pages",
    [TOOL_SET_IO] = "set_io",
    [TOOL_SET_DYING] = "set_dying",
    [TOOL_RESET] = "reset",
    [TOOL_BUILD_RAM] = "build_ram",
    [TOOL_MAP] = "map",
    [TOOL_MAP_OWN_GRANT] = "map_own_grant",
    [TOOL_UNMAP_OWN_GRANT] = "unmap_own_grant",
    [TOOL_BUILD_POD] = "build_pod",
    [TOOL_SET_POD_TARGET] = "set_pod_target",
    [TOOL_TEARDOWN] = "teardown",
    [TOOL_DUMP] = "dump",
    [TOOL_TOUCH] = "touch",
    [TOOL_ZERO] = "zero",
    [TOOL_GET_PAGE] = "get_page",
    [TOOL_PUT_PAGE] = "put_page",
};

static const char *const type_names[HCALL_P2M_TYPES] = {
    [HCALL_P2M_HOLE] = "HOLE",
    [HCALL_P2M_RAM] = "RAM",
    [HCALL_P2M_POD] = "POD",
    [HCALL_P2M_SPECIAL] = "SPECIAL",
    [HCALL_P2M_OWN_GRANT] = "OWN_GRANT",
    [HCALL_P2M_GRANT] = "GRANT",
    [HCALL_P2M_FOREIGN] = "FOREIGN",
    [HCALL_P2M_MMIO] = "MMIO",
    [HCALL_P2M_BROKEN] = "BROKEN",
};

const char *step_type_name(enum hcall_p2m_type type)
{
    return type < HCALL_P2M_TYPES ? type_names[type] : "no type";
}

static void print_list(const char *name, const gfn_t *list, uint64_t nr)
{
    const uint64_t most = 24;

    fprintf(stderr, " %s {", name);
    for (uint64_t i = 0; i < nr && i < most; i++) {
        fprintf(stderr, "%s%#" PRIx64, i > 0 ? ", " : "", list[i]);
    }
    fprintf(stderr, "%s}", nr > most ? ", ..." : "");
}

static void print_reservation(const char *name, const struct reservation_args *r)
{
    fprintf(stderr, " %snr %" PRIu64 " order %u flags %#x domid %#x", name, r->nr, r->order,
            r->flags, r->domid);
}

static void print_faults(const struct step *s)
{
    static const char *const names[] = {
        [FAULT_LIST] = "first list", [FAULT_GPFNS] = "gpfns", [FAULT_ERRS] = "errs"};

    if (s->fault != FAULT_NONE) {
        fprintf(stderr, ", %s out of reach from element %" PRIu64, names[s->fault], s->usable);
    }
    fprintf(stderr, "%s%s", s->read_only ? ", lists read-only" : "",
            s->arg_read_only ? ", structure read-only" : "");
    if (s->arg_short) {
        fprintf(stderr, ", only %u bytes of the structure readable", s->arg_bytes);
    }
}

static void print_fields(const struct step *s)
{
    switch (s->op) {
    case OP_EXCHANGE:
        print_reservation("in ", &s->in);
        print_reservation("out ", &s->out);
        fprintf(stderr, " nr_exchanged %" PRIu64, s->nr_exchanged);
        print_list("in", s->list, s->nr_exchanged + 1);
        break;
    case OP_ADD:
        fprintf(stderr, " space %u idx %#" PRIx64 " gpfn %#" PRIx64 " size %u domid %#x", s->space,
                s->idx, s->gpfn, s->size, s->in.domid);
        break;
    case OP_ADD_BATCH:
        fprintf(stderr, " space %u res0 %u size %u domid %#x", s->space, s->res0, s->size,
                s->in.domid);
        print_list("idxs", s->idxs, s->size);
        print_list("gpfns", s->list, s->size);
        break;
    case OP_REMOVE:
        fprintf(stderr, " gpfn %#" PRIx64 " domid %#x", s->gpfn, s->in.domid);
        break;
    case OP_SET_POD_TARGET:
    case OP_GET_POD_TARGET:
        fprintf(stderr, " target %" PRIu64 " domid %#x", s->count, s->in.domid);
        break;
    case OP_INCREASE:
    case OP_DECREASE:
    case OP_POPULATE:
    case OP_CLAIM:
        print_reservation("", &s->in);
        if (s->in.list != 0) {
            print_list("list", s->list, s->op == OP_INCREASE || s->op == OP_CLAIM ? 0 : s->in.nr);
        }
        break;
    default:
        fprintf(stderr, " domid %#x", s->in.domid);
        break;
    }
}

static void print_tool(const struct step *s)
{
    switch (s->op) {
    case TOOL_SET_MAX_PAGES:
    case TOOL_SET_POD_TARGET:
        fprintf(stderr, " %" PRIu64, s->count);
        break;
    case TOOL_SET_IO:
        fprintf(stderr, " %d", s->io);
        break;
    case TOOL_TOUCH:
        fprintf(stderr, " %#" PRIx64 " count %#" PRIx64 "%s%s by %s%s", s->gpfn, s->count,
                s->cached ? " from the cache" : "", s->write ? " and write" : "",
                s->control ? "control" : "guest", s->preempt ? ", preempted" : "");
        break;
    case TOOL_GET_PAGE:
        fprintf(stderr, " %#" PRIx64 " as %u", s->gpfn, s->pin);
        break;
    case TOOL_PUT_PAGE:
        fprintf(stderr, " %u", s->pin);
        break;
    case TOOL_ZERO:
    case TOOL_BUILD_RAM:
    case TOOL_BUILD_POD:
        fprintf(stderr, " %#" PRIx64 " count %#" PRIx64, s->gpfn, s->count);
        break;
    case TOOL_MAP:
        fprintf(stderr, " %#" PRIx64 " count %#" PRIx64 " %s", s->gpfn, s->count,
                step_type_name(s->type));
        break;
    case TOOL_MAP_OWN_GRANT:
        fprintf(stderr, " %#" PRIx64 " to %#" PRIx64, s->idx, s->gpfn);
        break;
    case TOOL_UNMAP_OWN_GRANT:
        fprintf(stderr, " %#" PRIx64, s->gpfn);
        break;
    default:
        break;
    }
}

void step_print(const struct step *s)
{
    if (s->op >= TOOL_SET_MAX_PAGES) {
        fprintf(stderr, "toolstack: %s", op_names[s->op]);
        print_tool(s);
    } else {
        fprintf(stderr, "%s, %s-bit%s: %s", s->control ? "control" : "guest",
                s->compat ? "32" : "64", s->preempt ? ", preempted" : "", op_names[s->op]);
        if (s->start != 0) {
            fprintf(stderr, " start %" PRIu64, s->start);
        }
        print_fields(s);
        print_faults(s);
    }
    fprintf(stderr, "\n");
}
