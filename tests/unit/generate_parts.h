/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generate_parts: what the files that make up steps have in common, see generate.h.
 */
#ifndef TESTS_GENERATE_PARTS_H
#define TESTS_GENERATE_PARTS_H

#include "generate.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(array) ((array)[random_below(ARRAY_SIZE(array))])

/* --- generate.c ---------------------------------------------------------------------------- */

uint64_t random_below(uint64_t n);
bool one_in(unsigned n);

/* --- generate_pod.c -------------------------------------------------------------------------- */

/* Is the episode to be about populate-on-demand?  Then it begins in another way. */
void generate_pod_opening(struct opening *opening);

/* Returns false if the step is not to be about populate-on-demand. */
bool generate_pod_step(const struct model *m, struct step *s);

#endif
