/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of idle_world.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "idle_world.h"

void *idle_memory;

static size_t copy_from_guest(void *world, void *dst, uint64_t addr, size_t len)
{
    (void)world;
    memcpy(dst, (const uint8_t *)idle_memory + addr, len);
    return len;
}

static size_t copy_to_guest(void *world, uint64_t addr, const void *src, size_t len)
{
    (void)world;
    memcpy((uint8_t *)idle_memory + addr, src, len);
    return len;
}

static void nothing(void *world)
{
    (void)world;
}

static bool no(void *world)
{
    (void)world;
    return false;
}

static bool yes(void *world, gfn_t first, pages_t count)
{
    (void)world;
    (void)first;
    (void)count;
    return true;
}

static void range(void *world, gfn_t first, pages_t count)
{
    (void)world;
    (void)first;
    (void)count;
}

static void log_line(void *world, const char *line)
{
    (void)world;
    fprintf(stderr, "(XEN) %s\n", line);
}

const struct hcall_host_ops idle_host_ops = {nothing, nothing, log_line};

const struct hcall_ops idle_ops = {
    .copy_from_guest = copy_from_guest,
    .copy_to_guest = copy_to_guest,
    .preempt = no,
    .begin_exclusive = nothing,
    .end_exclusive = nothing,
    .backable = yes,
    .discard = range,
    .mark_pod = range,
    .back = range,
    .back_zeroed = range,
    .crash = nothing,
};

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

void shuffle(gfn_t *list, size_t n)
{
    uint64_t state = 1;

    for (size_t i = n - 1; i > 0; i--) {
        size_t j;
        gfn_t kept = list[i];

        state = state * 6364136223846793005u + 1442695040888963407u;
        j = (state >> 33) % (i + 1);
        list[i] = list[j];
        list[j] = kept;
    }
}
