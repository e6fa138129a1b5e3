/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine has of what guests need, and what they run on because of it.
 */
#ifndef HOST_H
#define HOST_H

#include <glib.h>
#include <stdbool.h>

/* Without it no guest runs; none runs on kvm; there is no debugger. */
enum need { NEED_GUESTS, NEED_KVM, NEED_GDB };

typedef struct Finding {
    const char *name;
    enum need need;
    bool ok;
    char *found;  /* what is there, or what is wrong */
    char *remedy; /* what mends it; NULL if nothing has to or is known to */
} Finding;

void finding_free(Finding *finding);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Finding, finding_free)

/* All there is to find out, of Finding: what comes first is to be mended first. */
GPtrArray *host_examine(void);

/* Looks at no more than it takes to find the first thing that NEED lacks; NULL if there is none. */
Finding *host_find_lack(enum need need);

/*
 * What guests run on, "kvm" or "tcg", when WANTED (that, or "auto") is asked for and LACK is what
 * NEED_KVM lacks.  Sets *why to the reason, NULL for kvm.  Refuses, with NULL, kvm where it lacks
 * something.
 */
const char *host_accel(const char *wanted, const Finding *lack, const char **why, GError **error);

#endif
