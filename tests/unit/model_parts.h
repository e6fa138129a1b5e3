/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model_parts: what the files of the model have in common, see model.h.  model_gfn.c has the
 * gfns, their leaves and pages, model_pod.c populate-on-demand, model.c the operations, and
 * model_tool.c what is not a hypercall.
 */
#ifndef TESTS_MODEL_PARTS_H
#define TESTS_MODEL_PARTS_H

#include "model.h"

#define SUPERPAGE_ORDER 9
#define SUPERPAGE ((pages_t)1 << SUPERPAGE_ORDER)

/* --- model_gfn.c: gfns ------------------------------------------------------------------- */

struct model_gfn *model_find(struct model *m, gfn_t gfn);

/* Order of the leaf it is in. */
unsigned model_order(const struct model *m, gfn_t gfn);

/* A dying domain gets no memory for its p2m: a gfn in a larger leaf cannot change. */
bool model_stuck(const struct model *m, gfn_t gfn);

/* Can [first, first + count) be set?  Not if the domain is dying and a table is missing. */
bool model_can_set(const struct model *m, gfn_t first, pages_t count);

/* All of it becomes of one type, in the largest leaves that fit, or in those of one gfn each. */
void model_set(struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type);
void model_set_singly(struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type);

/* The leaf that gfn is in becomes 512 smaller ones. */
void model_split(struct model *m, gfn_t gfn);

pages_t model_count(const struct model *m, gfn_t first, pages_t count, enum hcall_p2m_type type);

/* Back to where nothing has ever been mapped. */
void model_clear(struct model *m);

/* --- model_gfn.c: pages ------------------------------------------------------------------ */

/* Frames: one like no other, and the first of a block whose frames follow each other. */
uint64_t model_frame(struct model *m);
uint64_t model_frames(struct model *m, pages_t count);

/* The page behind a gfn is a new one. */
void model_new_page(struct model *m, gfn_t gfn, uint64_t frame, bool nonzero);

/* It is where that of another gfn was. */
void model_move_page(struct model *m, gfn_t from, gfn_t to);

/* Does someone besides the domain use it? */
bool model_pinned(const struct model *m, gfn_t gfn);

bool model_pool_has(const struct model *m, pages_t count);
void model_take(struct model *m, pages_t count);
void model_give(struct model *m, pages_t count);

/* The page behind a gfn, which it is about to leave, is the domain's no more. */
void model_free_page(struct model *m, gfn_t gfn);

long model_get_page(struct model *m, const struct step *s);
long model_put_page(struct model *m, const struct step *s);

/* --- model_gfn.c: the log ---------------------------------------------------------------- */

/* An empty line is one of which the model does not know what it says. */
void model_log(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void model_crash(struct model *m, const struct step *s);

/* --- model_pod.c ------------------------------------------------------------------------- */

/* An empty cache, and nothing remembered. */
void model_pod_clear(struct model *m);

pages_t model_cache(const struct model *m);

/* Whoever does the step touches a gfn: 0, or it stays populate-on-demand. */
long model_touch(struct model *m, const struct step *s, gfn_t gfn);

/* The extent becomes populate-on-demand: all of it, or as far as it can. */
bool model_mark(struct model *m, const struct step *s, gfn_t base, unsigned order);

/* Returns how many gfns of the extent have become holes. */
pages_t model_pod_decrease(struct model *m, gfn_t base, unsigned order);

long model_set_target(struct model *m, pages_t target);

/* A step of a dying domain's end; 1: there are no more. */
long model_teardown(struct model *m);

/* --- model_tool.c ------------------------------------------------------------------------ */

/* A range that does not end where gfns do. */
bool model_leaves_space(gfn_t first, pages_t count);

/* Steps that are not hypercalls. */
long model_toolstack(struct model *m, const struct step *s, struct outcome *o);

#endif
