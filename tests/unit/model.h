/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model: the memory of domain 5 a second time, from what the manual and Xen's interface say:
 * an array with one gfn in each element, and one gfn done at a time.  It knows nothing of
 * leaves, ranges, sections or lists read ahead.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "step.h"

/* Gfns that the world does not follow, and where a page of the hypervisor's can be. */
#define MODEL_FAR 4
#define MODEL_GFNS (WORLD_GFNS + MODEL_FAR)
#define MODEL_SPECIALS (1 + WORLD_GRANT_FRAMES)
/* The first gfn that no page can be at. */
#define MODEL_END ((gfn_t)1 << 36)

struct model_gfn {
    enum hcall_p2m_type type;
    unsigned stamp;   /* the step that got its page */
    unsigned special; /* which */
    bool stuck;       /* part of a larger leaf when the domain began to die */
};

struct model {
    bool old;      /* 4.17 or before */
    bool very_old; /* 4.2 or before */
    struct model_gfn gfn[MODEL_GFNS];
    gfn_t special[MODEL_SPECIALS];
    bool released[MODEL_SPECIALS];
    unsigned grant_frames;

    pages_t tot_pages, max_pages, claim;
    pages_t control_claim;
    pages_t free_pages, claims; /* the host's */
    gfn_t max_gfn;
    bool io, dying, crashed;

    unsigned now;
    unsigned logs;
    unsigned crashes;
};

void model_open(struct model *m, pages_t max_pages, pages_t pool, uint32_t version);

/* The gfn of an element of the array. */
gfn_t model_gfn_of(unsigned i);

/* Can there be pages? */
bool model_backable(gfn_t first, pages_t count);

/* NULL: a hole for ever. */
const struct model_gfn *model_at(const struct model *m, gfn_t gfn);

/* Is the step one that the model has no answer for? */
bool model_skips(const struct model *m, const struct step *s);

void model_do(struct model *m, const struct step *s, struct outcome *o);

#endif
