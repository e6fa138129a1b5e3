/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idle_world: a world for hcall/ that does nothing, so that what is measured is hcall/.
 * Guest memory is one buffer.
 */
#ifndef IDLE_WORLD_H
#define IDLE_WORLD_H

#include "hcall.h"

/* What the guest's address 0 is, to be set before the first call. */
extern void *idle_memory;

extern const struct hcall_host_ops idle_host_ops;
/* All but is_zero, move and special_moved. */
extern const struct hcall_ops idle_ops;

/* Seconds, from some moment on. */
double now(void);

/* Ends the program with one line unless it holds. */
void must(bool holds, const char *what);

/* The same order each time. */
void shuffle(gfn_t *list, size_t n);

#endif
