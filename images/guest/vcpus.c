/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpus: a guest program about what vCPUs get from the hypervisor beside memory.
 *
 * - clock SECONDS: how far the kernel's clocks and the TSC, taken as nanoseconds, drift apart
 * - pingpong SECONDS PAIRS: threads on different vCPUs wake each other, each time with a number
 *   that the other one checks; how often, and how long the slowest round took
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define NS_PER_SECOND 1000000000LL

static int64_t now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

/* The clock less the TSC; of several looks the one that was quickest. */
static int64_t offset(clockid_t clock)
{
    int64_t best = 0;
    uint64_t shortest = UINT64_MAX;

    for (int i = 0; i < 100; i++) {
        uint64_t before = __rdtsc();
        int64_t time = now(clock);
        uint64_t took = __rdtsc() - before;

        if (took < shortest) {
            shortest = took;
            best = time - (int64_t)(before + took / 2);
        }
    }
    return best;
}

static int run_clock(int seconds)
{
    int64_t raw = offset(CLOCK_MONOTONIC_RAW), adjusted = offset(CLOCK_MONOTONIC);

    sleep(seconds);
    printf("drift in %d s: raw %lld ns, adjusted %lld ns\n", seconds,
           (long long)(offset(CLOCK_MONOTONIC_RAW) - raw),
           (long long)(offset(CLOCK_MONOTONIC) - adjusted));
    return 0;
}

static struct pair {
    int to[2], back[2];
    unsigned long rounds, bad;
    int64_t slowest;
    int number;
    pthread_t threads[2];
} * pairs;

static int64_t end_of_game;

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void *serve(void *opaque)
{
    struct pair *p = opaque;
    int64_t before, took;
    unsigned long answer;

    pin(2 * p->number);
    do {
        before = now(CLOCK_MONOTONIC);
        if (write(p->to[1], &p->rounds, sizeof(p->rounds)) != sizeof(p->rounds) ||
            read(p->back[0], &answer, sizeof(answer)) != sizeof(answer) ||
            answer != p->rounds + 1) {
            p->bad++;
        }
        p->rounds++;
        took = now(CLOCK_MONOTONIC) - before;
        p->slowest = took > p->slowest ? took : p->slowest;
    } while (before < end_of_game);
    close(p->to[1]);
    return NULL;
}

static void *answer(void *opaque)
{
    struct pair *p = opaque;
    unsigned long number;

    pin(2 * p->number + 1);
    while (read(p->to[0], &number, sizeof(number)) == sizeof(number)) {
        number++;
        if (write(p->back[1], &number, sizeof(number)) != sizeof(number)) {
            break;
        }
    }
    return NULL;
}

static int run_pingpong(int seconds, int nr)
{
    unsigned long rounds = 0, bad = 0;
    int64_t slowest = 0;

    pairs = calloc(nr, sizeof(*pairs));
    end_of_game = now(CLOCK_MONOTONIC) + seconds * NS_PER_SECOND;
    for (int i = 0; i < nr; i++) {
        pairs[i].number = i;
        if (pipe(pairs[i].to) != 0 || pipe(pairs[i].back) != 0 ||
            pthread_create(&pairs[i].threads[0], NULL, serve, &pairs[i]) != 0 ||
            pthread_create(&pairs[i].threads[1], NULL, answer, &pairs[i]) != 0) {
            perror("pingpong");
            return 1;
        }
    }
    for (int i = 0; i < nr; i++) {
        pthread_join(pairs[i].threads[0], NULL);
        pthread_join(pairs[i].threads[1], NULL);
        rounds += pairs[i].rounds;
        bad += pairs[i].bad;
        slowest = pairs[i].slowest > slowest ? pairs[i].slowest : slowest;
    }
    printf("%lu rounds, %lu per second, %lu bad, slowest %lld us\n", rounds, rounds / seconds, bad,
           (long long)(slowest / 1000));
    return bad > 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "clock") == 0) {
        return run_clock(atoi(argv[2]));
    }
    if (argc == 4 && strcmp(argv[1], "pingpong") == 0) {
        return run_pingpong(atoi(argv[2]), atoi(argv[3]));
    }
    fprintf(stderr, "usage: vcpus clock SECONDS | pingpong SECONDS PAIRS\n");
    return 2;
}
