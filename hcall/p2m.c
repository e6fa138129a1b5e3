/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The radix behind p2m.h.  A slot of order n covers 2^n gfns; the children of a
 * slot of order 9 are the 4 KiB entries, and their table is an array of bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2m.h"

static pages_t order_pages(unsigned order)
{
    return (pages_t)1 << order;
}

static pages_t min_pages(pages_t a, pages_t b)
{
    return a < b ? a : b;
}

static bool is_table(p2m_slot_t slot)
{
    return slot > UINT8_MAX;
}

/* Size of a table whose slots are of this order. */
static size_t table_size(unsigned order)
{
    return P2M_TABLE_SLOTS * (order == 0 ? sizeof(uint8_t) : sizeof(p2m_slot_t));
}

/* A table whose slots, of this order, are all the same leaf; 0 when out of memory. */
static p2m_slot_t table_new(struct p2m *p2m, unsigned order, p2m_slot_t leaf)
{
    void *table = p2m->frozen ? NULL : malloc(table_size(order));

    if (!table) {
        return 0;
    }
    if (order == 0) {
        memset(table, (int)leaf, P2M_TABLE_SLOTS);
    } else {
        for (unsigned i = 0; i < P2M_TABLE_SLOTS; i++) {
            ((p2m_slot_t *)table)[i] = leaf;
        }
    }
    p2m->table_bytes += table_size(order);
    return (p2m_slot_t)table;
}

/* Free what hangs below a slot of this order, if anything does. */
static void slot_free(struct p2m *p2m, p2m_slot_t slot, unsigned order)
{
    unsigned below = order - P2M_TABLE_ORDER;

    if (!is_table(slot)) {
        return;
    }
    if (below > 0) {
        for (unsigned i = 0; i < P2M_TABLE_SLOTS; i++) {
            slot_free(p2m, ((p2m_slot_t *)slot)[i], below);
        }
    }
    if ((uint8_t *)slot == p2m->near_table) {
        p2m->near_table = NULL;
    }
    free((void *)slot);
    p2m->table_bytes -= table_size(below);
}

void p2m_clear(struct p2m *p2m)
{
    for (unsigned i = 0; i < P2M_ROOT_SLOTS; i++) {
        slot_free(p2m, p2m->root[i], P2M_ROOT_ORDER);
        p2m->root[i] = HCALL_P2M_HOLE;
    }
}

static bool is_near(const struct p2m *p2m, gfn_t gfn)
{
    return p2m->near_table && gfn - p2m->near_first < P2M_TABLE_SLOTS;
}

/* Remember the table of 4 KiB leaves that this gfn is in, if it is in one. */
static void remember(struct p2m *p2m, gfn_t gfn)
{
    unsigned order = P2M_ROOT_ORDER;
    p2m_slot_t slot = p2m->root[gfn >> order];

    while (is_table(slot) && order > P2M_TABLE_ORDER) {
        order -= P2M_TABLE_ORDER;
        slot = ((const p2m_slot_t *)slot)[(gfn >> order) % P2M_TABLE_SLOTS];
    }
    if (is_table(slot)) {
        p2m->near_table = (uint8_t *)slot;
        p2m->near_first = gfn - gfn % P2M_TABLE_SLOTS;
    }
}

/* The leaf that holds gfn; as p2m_get(). */
static p2m_slot_t get_leaf(const struct p2m *p2m, gfn_t gfn, unsigned *order)
{
    unsigned at = gfn < P2M_GFNS ? P2M_ROOT_ORDER : 0;
    p2m_slot_t slot = gfn < P2M_GFNS ? p2m->root[gfn >> P2M_ROOT_ORDER] : HCALL_P2M_HOLE;

    if (is_near(p2m, gfn)) {
        slot = p2m->near_table[gfn - p2m->near_first];
        at = 0;
    }
    while (is_table(slot)) {
        size_t index;

        at -= P2M_TABLE_ORDER;
        index = (gfn >> at) % P2M_TABLE_SLOTS;
        slot = at == 0 ? ((const uint8_t *)slot)[index] : ((const p2m_slot_t *)slot)[index];
    }
    *order = at;
    return slot;
}

enum hcall_p2m_type p2m_get(const struct p2m *p2m, gfn_t gfn, unsigned *order)
{
    unsigned unused;

    return (enum hcall_p2m_type)(get_leaf(p2m, gfn, order ? order : &unused) & P2M_TYPE_MASK);
}

bool p2m_is_superpage(const struct p2m *p2m, gfn_t base)
{
    const p2m_slot_t in_place = HCALL_P2M_RAM | P2M_IN_PLACE;
    unsigned order;
    pages_t i = 0;

    while (i < P2M_TABLE_SLOTS && get_leaf(p2m, base + i, &order) == in_place) {
        i += order_pages(order);
    }
    return i >= P2M_TABLE_SLOTS;
}

/* One pass of p2m_set: the first makes the tables, so that the second cannot fail. */
struct set_pass {
    struct p2m *p2m;
    p2m_slot_t leaf;
    bool write;
};

static int set_slot(const struct set_pass *pass, p2m_slot_t *slot, unsigned order, gfn_t first,
                    pages_t count);

/* The part [first, first + count) of a table whose slots are of this order. */
static int set_table(const struct set_pass *pass, p2m_slot_t *table, unsigned order, gfn_t first,
                     pages_t count)
{
    while (count > 0) {
        gfn_t offset = first % order_pages(order);
        pages_t part = min_pages(count, order_pages(order) - offset);
        int rc = set_slot(pass, &table[first >> order], order, offset, part);

        if (rc < 0) {
            return rc;
        }
        first += part;
        count -= part;
    }
    return 0;
}

/* The part [first, first + count) of what one slot covers; first counts from its start. */
static int set_slot(const struct set_pass *pass, p2m_slot_t *slot, unsigned order, gfn_t first,
                    pages_t count)
{
    unsigned below = order - P2M_TABLE_ORDER;

    if (*slot == pass->leaf) {
        return 0;
    }
    if (order <= HCALL_MAX_ORDER && count == order_pages(order)) {
        if (pass->write) {
            slot_free(pass->p2m, *slot, order);
            *slot = pass->leaf;
        }
        return 0;
    }
    if (!is_table(*slot)) {
        p2m_slot_t table = table_new(pass->p2m, below, *slot);

        if (!table) {
            return -ENOMEM;
        }
        *slot = table;
    }
    if (below > 0) {
        return set_table(pass, (p2m_slot_t *)*slot, below, first, count);
    }
    if (pass->write) {
        memset((uint8_t *)*slot + first, (int)pass->leaf, count);
    }
    return 0;
}

int p2m_set(struct p2m *p2m, gfn_t first, pages_t count, unsigned leaf)
{
    struct set_pass pass = {.p2m = p2m, .leaf = leaf};
    int rc;

    if (count == 1 && is_near(p2m, first)) {
        p2m->near_table[first - p2m->near_first] = (uint8_t)leaf;
        return 0;
    }
    if (first > P2M_GFNS || count > P2M_GFNS - first) {
        return -EINVAL;
    }
    rc = set_table(&pass, p2m->root, P2M_ROOT_ORDER, first, count);
    if (rc < 0) {
        return rc;
    }
    pass.write = true;
    rc = set_table(&pass, p2m->root, P2M_ROOT_ORDER, first, count);
    if (count < P2M_TABLE_SLOTS && first < P2M_GFNS) {
        remember(p2m, first);
    }
    return rc;
}

/* What the first pass of setting it to something else does. */
int p2m_split(struct p2m *p2m, gfn_t gfn)
{
    const struct set_pass pass = {.p2m = p2m, .leaf = HCALL_P2M_TYPES};

    return gfn < P2M_GFNS ? set_table(&pass, p2m->root, P2M_ROOT_ORDER, gfn, 1) : -EINVAL;
}

int p2m_split_huge(struct p2m *p2m, gfn_t gfn)
{
    const struct set_pass pass = {.p2m = p2m, .leaf = HCALL_P2M_TYPES};

    return set_table(&pass, p2m->root, P2M_ROOT_ORDER, gfn - gfn % P2M_TABLE_SLOTS,
                     P2M_TABLE_SLOTS);
}

pages_t p2m_run(const struct p2m *p2m, gfn_t first, pages_t max, enum hcall_p2m_type *type)
{
    pages_t run = 0;
    unsigned order;

    *type = p2m_get(p2m, first, &order);
    do {
        run += order_pages(order) - (first + run) % order_pages(order);
    } while (run < max && p2m_get(p2m, first + run, &order) == *type);
    return min_pages(run, max);
}

pages_t p2m_count(const struct p2m *p2m, gfn_t first, pages_t count, enum hcall_p2m_type type)
{
    pages_t found = 0;

    while (count > 0) {
        enum hcall_p2m_type here;
        pages_t run = p2m_run(p2m, first, count, &here);

        found += here == type ? run : 0;
        first += run;
        count -= run;
    }
    return found;
}
