/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ./bench hcall runs: hcall/ in a world that does nothing but copy lists.  Prints one
 * JSON object.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idle_world.h"

#define GFNS (1u << 18)
#define PAGES_1T ((pages_t)1 << 28)
#define BATCH 512
#define TURN_SECONDS 0.05

enum { OP_DECREASE = 1, OP_POPULATE = 6 };

struct reservation {
    uint64_t list, nr;
    uint32_t order, flags;
    uint16_t domid;
};

/* All there is in the guest: its argument, and behind it the list. */
static struct {
    struct reservation reservation;
    gfn_t list[GFNS];
} guest;

static struct hcall_domain *new_domain(struct hcall_host **host)
{
    const struct hcall_host_params pool = {.pages = PAGES_1T};
    const struct hcall_domain_params params = {.domid = 1, .max_pages = PAGES_1T};
    struct hcall_domain *d;

    *host = hcall_host_new(&pool, &idle_host_ops, NULL);
    d = *host ? hcall_domain_new(*host, &params, &idle_ops, NULL) : NULL;
    must(d != NULL, "no memory for a domain");
    return d;
}

static void close_domain(struct hcall_host *host, struct hcall_domain *d)
{
    hcall_domain_free(d);
    hcall_host_free(host);
}

static void call(struct hcall_domain *d, unsigned op, size_t at, unsigned nr, unsigned order)
{
    const struct hcall_caller caller = {.domain = d};
    uint64_t cmd = op;

    guest.reservation = (struct reservation){
        .list = offsetof(typeof(guest), list) + at * sizeof(gfn_t),
        .nr = nr,
        .order = order,
        .domid = 1,
    };
    must(hcall_memory_op(&caller, &cmd, 0) == nr, "a call did less than it was asked");
}

/* Extents given and taken in a second, the list cut into batches. */
static double rate(struct hcall_domain *d, size_t extents, unsigned order)
{
    double start = now(), seconds;
    uint64_t done = 0;

    do {
        for (unsigned pass = 0; pass < 2; pass++) {
            for (size_t at = 0; at < extents; at += BATCH) {
                call(d, pass == 0 ? OP_DECREASE : OP_POPULATE, at, BATCH, order);
            }
        }
        done += 2 * extents;
        seconds = now() - start;
    } while (seconds < TURN_SECONDS);
    return (double)done / seconds;
}

static void extents(const char *name, unsigned order, unsigned shape)
{
    size_t n = order == 0 ? GFNS : GFNS >> 4;
    struct hcall_host *host;
    struct hcall_domain *d = new_domain(&host);

    for (size_t i = 0; i < n; i++) {
        guest.list[i] = (shape == 1 ? n - 1 - i : i) << order;
    }
    if (shape == 2) {
        shuffle(guest.list, n);
    }
    must(hcall_domain_build_ram(d, 0, n << order) == 0, "no memory for RAM");
    printf("\"%s\": %.0f, ", name, rate(d, n, order));
    if (order == 0 && shape == 0) {
        /* Every leaf has been split by now. */
        printf("\"bytes_per_page\": %.4f, ", (double)hcall_domain_p2m_bytes(d) / (double)n);
    }
    close_domain(host, d);
}

static void terabyte(void)
{
    double start = now();
    struct hcall_host *host;
    struct hcall_domain *d = new_domain(&host);

    must(hcall_domain_build_ram(d, 0, PAGES_1T) == 0, "no memory for 1 TiB");
    printf("\"terabyte_seconds\": %.9f, \"terabyte_bytes\": %zu", now() - start,
           hcall_domain_p2m_bytes(d));
    close_domain(host, d);
}

int main(void)
{
    idle_memory = &guest;
    printf("{");
    extents("up", 0, 0);
    extents("down", 0, 1);
    extents("shuffled", 0, 2);
    extents("order9", 9, 0);
    extents("order9_shuffled", 9, 2);
    terabyte();
    printf("}\n");
    return 0;
}
