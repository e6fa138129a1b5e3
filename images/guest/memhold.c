/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memhold: a guest program that holds memory and can tell whether it is intact.
 *
 * - fill MIB: fill, then verify or rewrite for each such line on stdin; at its end verify once more
 * - touch: touch all free memory once, then free it
 * - churn SECONDS THREADS MIB: threads take, fill, verify and free MIB in all, over and over
 * - race SECONDS THREADS MIB: threads write a word to pages of zeroes, verify it and clear it
 * - zero MIB: how long the kernel's way of clearing takes for MIB of touched memory
 *
 * Every word of a page is made from the page's number, the word's number and a
 * seed, so that a lost write, a page given to two users and a page that comes
 * back empty all show.  Exit status 1 when a page was bad.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096UL
#define WORDS (PAGE / sizeof(uint64_t))
#define MIB (1UL << 20)

static uint64_t word_at(uint64_t seed, uint64_t page, uint64_t word)
{
    uint64_t x = seed + page * 0x9e3779b97f4a7c15u + word * 0xbf58476d1ce4e5b9u;

    x ^= x >> 31;
    return x * 0x94d049bb133111ebu;
}

static void fill(uint64_t *mem, unsigned long pages, uint64_t seed)
{
    for (unsigned long p = 0; p < pages; p++) {
        for (unsigned long w = 0; w < WORDS; w++) {
            mem[p * WORDS + w] = word_at(seed, p, w);
        }
    }
}

static unsigned long count_bad(const uint64_t *mem, unsigned long pages, uint64_t seed)
{
    unsigned long bad = 0;

    for (unsigned long p = 0; p < pages; p++) {
        for (unsigned long w = 0; w < WORDS; w++) {
            if (mem[p * WORDS + w] != word_at(seed, p, w)) {
                bad++;
                break;
            }
        }
    }
    return bad;
}

static void *take(unsigned long bytes)
{
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mem == MAP_FAILED) {
        perror("memhold: mmap");
        exit(1);
    }
    return mem;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int cmd_fill(unsigned long mib)
{
    unsigned long pages = mib * MIB / PAGE, bad, bad_ever = 0;
    uint64_t *mem = take(pages * PAGE);
    uint64_t seed = 1;
    char line[64];
    bool more;

    fill(mem, pages, seed);
    printf("holding %lu MiB\n", mib);
    do {
        more = fgets(line, sizeof(line), stdin) != NULL;
        if (more && strcmp(line, "rewrite\n") == 0) {
            fill(mem, pages, ++seed);
            printf("rewrote %lu pages\n", pages);
        } else if (!more || strcmp(line, "verify\n") == 0) {
            bad = count_bad(mem, pages, seed);
            bad_ever += bad;
            printf("verified %lu pages, %lu bad\n", pages, bad);
        } else {
            printf("no such command: %s", line);
        }
    } while (more);
    return bad_ever != 0;
}

/* The number after KEY in a file of /proc, 0 when there is none. */
static unsigned long proc_number(const char *path, const char *key)
{
    FILE *f = fopen(path, "r");
    unsigned long number = 0;
    char line[128];

    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            number = strtoul(line + strlen(key), NULL, 10);
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return number;
}

/* Changes a setting of the kernel's memory management; returns what it was. */
static unsigned long set_vm(const char *name, unsigned long value)
{
    unsigned long before;
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
    before = proc_number(path, "");
    f = fopen(path, "w");
    if (!f || fprintf(f, "%lu\n", value) < 0 || fclose(f) != 0) {
        fprintf(stderr, "memhold: ");
        perror(path);
        exit(1);
    }
    return before;
}

/* Touches free memory until little is left, and frees it; returns how many bytes that was. */
static unsigned long touch_free(void)
{
    const unsigned long step = MIB, left_kib = 10 * 1024;
    unsigned long size = proc_number("/proc/meminfo", "MemTotal:") * 1024, touched = 0;
    uint8_t *mem = take(size);

    while (touched + step <= size &&
           proc_number("/proc/meminfo", "MemFree:") > left_kib + step / 1024) {
        for (unsigned long end = touched + step; touched < end; touched += PAGE) {
            mem[touched] = 0xa5;
        }
    }
    munmap(mem, size);
    return touched;
}

/*
 * The kernel keeps up to 5 % free, more when it sees fragments (the boost), and looks
 * for something to kill when less is left: so it is told to keep less for a while.  Nor
 * may its per-CPU lists, which are not counted as free, hold tens of MiB; they shrink
 * when something is freed: hence twice.
 */
static int cmd_touch(void)
{
    static const struct {
        const char *name;
        unsigned long value;
    } settings[] = {
        {"min_free_kbytes", 2048},
        {"watermark_boost_factor", 0},
        {"percpu_pagelist_high_fraction", 1000000},
    };
    enum { COUNT = sizeof(settings) / sizeof(settings[0]) };
    unsigned long before[COUNT];

    for (int i = 0; i < COUNT; i++) {
        before[i] = set_vm(settings[i].name, settings[i].value);
    }
    touch_free();
    printf("touched %lu MiB\n", touch_free() / MIB);
    for (int i = 0; i < COUNT; i++) {
        set_vm(settings[i].name, before[i]);
    }
    return 0;
}

struct churner {
    pthread_t thread;
    unsigned id;
    unsigned long max_pages;
    uint64_t *shared;   /* the memory of all threads, if they race for it ... */
    unsigned long step; /* ... from one page of this one to the next */
    double end;
    unsigned long verified, bad;
};

static void *churn(void *arg)
{
    struct churner *c = arg;
    uint64_t seed = (uint64_t)c->id << 32;
    unsigned rnd = c->id + 1;

    while (seconds() < c->end) {
        unsigned long pages = 1 + rand_r(&rnd) % c->max_pages;
        uint64_t *mem = take(pages * PAGE);

        fill(mem, pages, ++seed);
        c->bad += count_bad(mem, pages, seed);
        /* A second round on memory that every vCPU may have seen by now. */
        sched_yield();
        fill(mem, pages / 2, ++seed);
        c->bad += count_bad(mem, pages / 2, seed);
        c->verified += pages;
        munmap(mem, pages * PAGE);
    }
    return NULL;
}

/*
 * Nearly all pages are zero at any time, and may be taken back by the hypervisor when they are;
 * each thread's lie between those of the others.
 */
static void *race(void *arg)
{
    enum { BATCH = 64 };
    struct churner *c = arg;
    unsigned rnd = c->id + 1;
    unsigned long p = c->id;

    while (seconds() < c->end) {
        unsigned word = rand_r(&rnd) % WORDS;
        unsigned long first = p;

        for (int i = 0; i < BATCH; i++, p = (p + c->step) % c->max_pages) {
            c->shared[p * WORDS + word] = word_at(c->id, p, word);
        }
        p = first;
        for (int i = 0; i < BATCH; i++, p = (p + c->step) % c->max_pages) {
            volatile uint64_t *at = &c->shared[p * WORDS + word];

            c->bad += *at != word_at(c->id, p, word);
            *at = 0;
        }
        c->verified += BATCH;
    }
    return NULL;
}

static int run_threads(const char *what, void *(*run)(void *), double duration, unsigned threads,
                       unsigned long mib)
{
    struct churner *all = calloc(threads, sizeof(*all));
    uint64_t *shared = run == race ? take(mib * MIB) : NULL;
    unsigned long verified = 0, bad = 0;

    for (unsigned i = 0; all && i < threads; i++) {
        all[i].id = i;
        all[i].shared = shared;
        all[i].step = threads;
        all[i].max_pages = mib * MIB / PAGE / (shared ? 1 : threads);
        all[i].max_pages -= shared ? all[i].max_pages % threads : 0;
        all[i].end = seconds() + duration;
        if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0) {
            fprintf(stderr, "memhold: cannot start a thread\n");
            return 1;
        }
    }
    for (unsigned i = 0; all && i < threads; i++) {
        pthread_join(all[i].thread, NULL);
        verified += all[i].verified;
        bad += all[i].bad;
    }
    printf("%s %lu pages, %lu bad\n", what, verified, bad);
    return bad != 0 || verified == 0;
}

/* As Linux's clear_page on the CPU that QEMU shows by default. */
static int cmd_zero(unsigned long mib)
{
    uint8_t *mem = take(mib * MIB);
    double start;

    memset(mem, 0xa5, mib * MIB);
    start = seconds();
    for (unsigned long at = 0; at < mib * MIB; at += PAGE) {
        void *page = mem + at;
        unsigned long words = PAGE / sizeof(words);

        __asm__ volatile("rep stos %2, (%0)" : "+D"(page), "+c"(words) : "a"(0UL) : "memory");
    }
    printf("zeroed %lu MiB in %.4f s\n", mib, seconds() - start);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && strcmp(argv[1], "fill") == 0) {
        return cmd_fill(strtoul(argv[2], NULL, 0));
    }
    if (argc == 2 && strcmp(argv[1], "touch") == 0) {
        return cmd_touch();
    }
    if (argc == 5 && strcmp(argv[1], "churn") == 0 && atoi(argv[3]) > 0) {
        return run_threads("churned", churn, atof(argv[2]), atoi(argv[3]),
                           strtoul(argv[4], NULL, 0));
    }
    if (argc == 5 && strcmp(argv[1], "race") == 0 && atoi(argv[3]) > 0) {
        return run_threads("raced for", race, atof(argv[2]), atoi(argv[3]),
                           strtoul(argv[4], NULL, 0));
    }
    if (argc == 3 && strcmp(argv[1], "zero") == 0) {
        return cmd_zero(strtoul(argv[2], NULL, 0));
    }
    fprintf(stderr, "usage: memhold fill MIB | touch | churn SECONDS THREADS MIB | "
                    "race SECONDS THREADS MIB | zero MIB\n");
    return 2;
}
