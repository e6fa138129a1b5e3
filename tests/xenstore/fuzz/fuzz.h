/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz: what the fuzzers share: input taken byte by byte, a world with a clock and
 * domains, and a store that clients chosen by the input work on.
 */
#ifndef TESTS_XENSTORE_FUZZ_H
#define TESTS_XENSTORE_FUZZ_H

#include <glib.h>

#include "xsl.h"

#define CLIENTS 5
#define DOMAINS 8
#define PAGE_SIZE 4096

/* What is left of the input; zeros follow it. */
struct input {
    const uint8_t *data;
    size_t left;
};

struct client {
    unsigned domid;
    struct xsl_conn *conn;
    GByteArray *in; /* received, not yet looked at */
};

struct world {
    int64_t now;
    struct xsl_store *store;
    bool exists[DOMAINS];
    uint8_t *page[DOMAINS]; /* each by itself, so that a byte too far is found */
    unsigned mapped[DOMAINS];
    bool changed_dump; /* was restored: names and output may be anything */
    bool may_map_all;  /* even pages that are not there, as after a restart */
    struct client client[CLIENTS];
    /* Called where the library asks the world something. */
    void (*meddle)(struct world *world);
    void *opaque;
};

/* LLVMFuzzerTestOneInput - the one function that each fuzzer is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint8_t take_byte(struct input *in);
unsigned take_below(struct input *in, unsigned n);
uint32_t take_u32(struct input *in);
/* take_bytes - at most MAX of what is left. */
const uint8_t *take_bytes(struct input *in, size_t max, size_t *len);

extern const struct xsl_ops world_ops;

/* world_init - a store with two clients of domain 0, others of guests, and their homes. */
void world_init(struct world *w);

/* world_free - what is left must be consistent, and all that was mapped is unmapped. */
void world_free(struct world *w);

/* world_step - one thing that the input says; false if the input is at its end. */
bool world_step(struct world *w, struct input *in);

/* world_check - abort if the store contradicts itself. */
void world_check(const struct world *w);

/* connect_client - its connection, made anew. */
void connect_client(struct world *w, unsigned i);

/*
 * take_output - at most MAX bytes of what waits for a client; what came must be
 * messages.  If what it has sent in turn cannot be understood, it is connected anew.
 */
void take_output(struct world *w, unsigned i, size_t max);

/* must - abort with this text unless it holds. */
void must(bool holds, const char *what);

#endif
