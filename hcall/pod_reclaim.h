/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pod_reclaim: pages that hold nothing but zeroes go back into the cache, and their gfns are
 * POD again.  All of it in exclusive sections.
 */
#ifndef HCALL_POD_RECLAIM_H
#define HCALL_POD_RECLAIM_H

#include "pod.h"

/* A whole block of 2 MiB, which begins at base, as one superpage; false: nothing was done. */
bool pod_reclaim_superpage(struct hcall_domain *d, gfn_t base);

/* Looks at what was populated longest ago; and on and on while the cache is empty. */
void pod_eager_reclaim(struct hcall_domain *d);

/* Looks at gfns from the top down, until there is something in the cache. */
void pod_emergency_sweep(struct hcall_domain *d);

#endif
