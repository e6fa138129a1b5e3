/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generate: random steps, most of them sensible for the state that the model is in.
 */
#ifndef TESTS_GENERATE_H
#define TESTS_GENERATE_H

#include "model.h"

/* How the world begins. */
struct opening {
    pages_t max_pages;
    pages_t pool; /* 0: WORLD_POOL */
    uint32_t version;
};

/* All that follows depends on the seed alone, and on the models. */
void generate_seed(uint64_t seed);
void generate_opening(struct opening *opening);
void generate_step(const struct model *m, struct step *s);

#endif
