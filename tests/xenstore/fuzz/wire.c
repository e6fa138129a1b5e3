/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what clients send: whole requests, made from the input so that they get
 * far, or the input itself, shared out among several connections.
 */
#include "fuzz.h"

/* Pieces of the input for one connection after the other. */
static void raw(struct world *w, struct input *in)
{
    while (in->left > 0) {
        unsigned i = take_below(in, CLIENTS);
        size_t len;
        const uint8_t *bytes = take_bytes(in, take_byte(in), &len);

        if (xsl_conn_receive(w->client[i].conn, bytes, len) < 0) {
            connect_client(w, i);
        }
        take_output(w, i, SIZE_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct world w;

    world_init(&w);
    if ((take_byte(&in) & 7) == 0) {
        raw(&w, &in);
    } else {
        while (world_step(&w, &in)) {
        }
    }
    world_check(&w);
    /* Whoever has read everything can send again, unless all others disturb him. */
    for (unsigned i = 0; i < CLIENTS; i++) {
        take_output(&w, i, SIZE_MAX);
    }
    for (unsigned i = 0; i < 2; i++) {
        must(xsl_conn_wants_input(w.client[i].conn), "a client that reads is served");
    }
    world_free(&w);
    return 0;
}
