/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a balloon driver is here: the policy in a file of its own, with what all of them need.
 *
 * A policy hears of a target and then is asked to go a step towards it again and again, one
 * hypercall or so at a time, until it says that it has arrived.
 */
#ifndef TINY_BALLOON_H
#define TINY_BALLOON_H

#include <stddef.h>
#include <stdint.h>

#include "upcall.h"

#define KIB_PER_PAGE 4

/* What a step returns if nothing more is to be done before there is a new target. */
#define ARRIVED UINT64_MAX

struct target {
    unsigned long pages;      /* memory/target */
    unsigned long static_max; /* memory/static-max, in pages; 0: there is no such node */
    unsigned long video_ram;  /* memory/videoram, in pages */
};

struct policy {
    const char *name;

    /* What that system does before drivers are started; NULL: nothing. */
    void (*boot)(void);

    /* The driver starts; NULL: nothing is to be done.  Returns NULL, or what went wrong. */
    const char *(*start)(void);

    /* There is a target, for the first time or a new one. */
    void (*retarget)(const struct target *target);

    /* A step towards it; returns after how many nanoseconds there may be another, or ARRIVED. */
    uint64_t (*step)(void);
};

extern const struct policy linux_policy, solaris_policy, windows_policy, freebsd_policy, no_policy;

/* As many frame numbers as fit a page: the most in one call of some drivers. */
#define PAGEFUL 512
/* The most of any driver. */
#define BATCH_MAX 8192

static inline unsigned at_most(unsigned most, unsigned long n)
{
    return n < most ? n : most;
}

/*
 * decrease_reservation of these pages, and populate_physmap, one extent each.  Returns what Xen
 * returns: how many of them it did, or an error.
 */
long balloon_give(const unsigned long gfns[], unsigned n);
long balloon_take(const unsigned long gfns[], unsigned n);

/* Up to n pages at the ends of what is free, or absent; the array is valid until the next call. */
const unsigned long *balloon_find_free(unsigned *n);
const unsigned long *balloon_find_absent(unsigned *n);

/* A page of zeroes. */
void balloon_scrub(unsigned long gfn);

/* The guest cannot go on: says why and ends as crashed. */
__attribute__((noreturn)) void balloon_panic(const char *why, long got, long wanted);

#endif
