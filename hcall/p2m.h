/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p2m: what every gfn of one domain is.
 *
 * A radix of 512-way tables, four levels as hardware has it, above leaves of 1 GiB, 2 MiB and 4
 * KiB.  A leaf is one byte, its type and a flag; it sits in the slot where a table would hang.  So
 * a fully fragmented 2 MiB costs 512 bytes, and 1 TiB of 1 GiB leaves costs a few tables.  Tables
 * are made where a leaf has to be split and are dropped when a larger leaf replaces them; leaves
 * are never merged back.
 */
#ifndef HCALL_P2M_H
#define HCALL_P2M_H

#include "hcall.h"

#define P2M_GFN_BITS 36
#define P2M_GFNS ((gfn_t)1 << P2M_GFN_BITS)

#define P2M_TABLE_ORDER 9
#define P2M_TABLE_SLOTS (1u << P2M_TABLE_ORDER)
/* Order of what one slot of the root covers. */
#define P2M_ROOT_ORDER 27
#define P2M_ROOT_SLOTS (1u << (P2M_GFN_BITS - P2M_ROOT_ORDER))

/* A leaf or the address of a table: no table lies below address 256. */
typedef uintptr_t p2m_slot_t;

/* All zeroes is an empty p2m: every gfn a hole. */
struct p2m {
    p2m_slot_t root[P2M_ROOT_SLOTS];
    size_t table_bytes; /* of host memory, below the root */
    /* The table of 4 KiB leaves that was asked for last, and the gfn it begins at: lists of
     * gfns tend to stay near each other.  NULL: none. */
    uint8_t *near_table;
    gfn_t near_first;
    bool frozen; /* no table can be made any more: those of a dying domain are being freed */
};

/* p2m_clear - every gfn becomes a hole, and every table is freed. */
void p2m_clear(struct p2m *p2m);

/*
 * p2m_get - the type of a gfn; one above the address space is a hole.
 * @order: if not NULL, gets the order of the slot the walk ended at: 0, 9 or
 *         18, or for a hole also 27
 */
enum hcall_p2m_type p2m_get(const struct p2m *p2m, gfn_t gfn, unsigned *order);

/*
 * RAM whose page is still the one it got with its whole 2 MiB block, in its place there:
 * what Xen would tell from machine frames.
 */
#define P2M_IN_PLACE 0x80
#define P2M_TYPE_MASK 0x7f

/* p2m_is_superpage - is all of the 2 MiB block that begins at base such RAM? */
bool p2m_is_superpage(const struct p2m *p2m, gfn_t base);

/*
 * p2m_set - make [first, first + count) be of one type, in the largest leaves
 * that fit.
 * @leaf: the type, or HCALL_P2M_RAM | P2M_IN_PLACE
 *
 * Returns 0; -EINVAL the range leaves the address space; -ENOMEM no memory for
 * a table.  On failure no gfn has changed its type, though a leaf may have been
 * split.
 */
int p2m_set(struct p2m *p2m, gfn_t first, pages_t count, unsigned leaf);

/* p2m_split - give gfn a leaf of its own, so that p2m_set() of it cannot fail; as p2m_set(). */
int p2m_split(struct p2m *p2m, gfn_t gfn);

/* p2m_split_huge - the same for a leaf of 1 GiB, which becomes leaves of 2 MiB. */
int p2m_split_huge(struct p2m *p2m, gfn_t gfn);

/*
 * p2m_run - how many gfns from first on have the type of the first one, but at
 * most max; max is not 0.
 */
pages_t p2m_run(const struct p2m *p2m, gfn_t first, pages_t max, enum hcall_p2m_type *type);

/* p2m_count - how many gfns in [first, first + count) are of this type. */
pages_t p2m_count(const struct p2m *p2m, gfn_t first, pages_t count, enum hcall_p2m_type type);

#endif
