/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model: the memory of domain 5 a second time, from what the manual and Xen's interface say:
 * an array with one gfn in each element, and one gfn done at a time.  It knows nothing of
 * ranges, sections or lists read ahead; of leaves it knows the order, and that is
 * written down for each gfn.  Its pages have numbers, as machine frames have.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "step.h"

/* Gfns from 0 on that model and world both follow, in whole superpages ... */
#define MODEL_NEAR (WORLD_GFNS - 2)
/* ... and others, of which the world follows two. */
#define MODEL_FAR 4
#define MODEL_GFNS (MODEL_NEAR + MODEL_FAR)
/*
 * The rest of the first GiB: no step names a part of it, but it can be populate-on-demand as
 * a whole, with all that is below it.
 */
#define MODEL_REST_END ((gfn_t)1 << 18)
#define MODEL_SPECIALS (1 + WORLD_GRANT_FRAMES)
/* The first gfn that no page can be at. */
#define MODEL_END ((gfn_t)1 << 36)
/* So many populations are remembered. */
#define MODEL_MRP 32

struct model_gfn {
    enum hcall_p2m_type type;
    unsigned order;   /* of its leaf: 0, 9, 18, or 27 */
    unsigned stamp;   /* the step that got its page */
    unsigned special; /* which */
    uint64_t frame;   /* its page's */
    bool nonzero;     /* somebody wrote to it */
};

struct model_populated {
    gfn_t gfn; /* or HCALL_NO_GFN */
    unsigned order;
};

struct model_pod {
    pages_t super, single; /* superpages and single pages in the cache */
    gfn_t max_guest, reclaim_single;
    struct model_populated mrp[MODEL_MRP];
    unsigned next;
};

/* Someone else's use of a page. */
struct model_pin {
    bool used;
    bool freed;    /* the domain has let go of it */
    unsigned page; /* the later it was first used, the higher */
    uint64_t frame;
};

struct model {
    bool old;      /* 4.17 or before */
    bool very_old; /* 4.2 or before */
    struct model_gfn gfn[MODEL_GFNS];
    enum hcall_p2m_type rest; /* a hole, or POD */
    gfn_t special[MODEL_SPECIALS];
    bool released[MODEL_SPECIALS];
    unsigned grant_frames;

    pages_t tot_pages, max_pages, claim;
    pages_t ram, entries; /* gfns of type RAM, and POD */
    pages_t orphans;      /* pages that are neither RAM nor in the cache */
    pages_t control_claim;
    pages_t free_pages, claims; /* the host's */
    gfn_t max_gfn;
    bool io, dying, torn, crashed;
    struct model_pod pod;

    struct model_pin pin[WORLD_PINS];
    unsigned pins;   /* there have been so far */
    gfn_t source;    /* whose page a step is about to move, or HCALL_NO_GFN */
    uint64_t frames; /* there have been so far */

    unsigned now;
    unsigned logs;
    unsigned crashes;
    char line[3][128]; /* of the log, the latest first; empty: any */
};

void model_open(struct model *m, pages_t max_pages, pages_t pool, uint32_t version);

/* The gfn of an element of the array. */
gfn_t model_gfn_of(unsigned i);

/* Can there be pages that are not from the cache? */
bool model_backable(gfn_t first, pages_t count);

/* Does the world follow what is behind it? */
bool model_followed(gfn_t gfn);

/* NULL: a hole for ever. */
const struct model_gfn *model_at(const struct model *m, gfn_t gfn);
enum hcall_p2m_type model_type(const struct model *m, gfn_t gfn);

/* Is the step one that the model has no answer for? */
bool model_skips(const struct model *m, const struct step *s);

void model_do(struct model *m, const struct step *s, struct outcome *o);

/* NULL, or which of the invariants does not hold. */
const char *model_check(const struct model *m);
/* The same of those for which all gfns have to be looked at. */
const char *model_check_all(const struct model *m);

#endif
