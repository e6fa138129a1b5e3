/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the ring page: a guest writes anywhere in it at any time, even while it is
 * looked at.  Nothing outside the page is touched, and another guest is served.
 */
#include "fuzz.h"

#include <string.h>

#define HOSTILE 5
#define HONEST 6
#define RING XSL_RING_SIZE

enum { REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060, END = 2080 };

static uint32_t get(const uint8_t *page, unsigned offset)
{
    uint32_t value;

    memcpy(&value, page + offset, sizeof(value));
    return value;
}

static void put(uint8_t *page, unsigned offset, uint32_t value)
{
    memcpy(page + offset, &value, sizeof(value));
}

/* A request into the page's ring, as far as there is space. */
static void push(uint8_t *page, const void *data, size_t len)
{
    uint32_t prod = get(page, REQ_PROD), room = RING - (prod - get(page, REQ_CONS));

    len = MIN(len, MIN(room, RING));
    for (size_t i = 0; i < len; i++) {
        page[(prod + i) % RING] = ((const uint8_t *)data)[i];
    }
    put(page, REQ_PROD, prod + (uint32_t)len);
}

static void message(uint8_t *page, uint32_t type, uint32_t len, const void *payload, size_t have)
{
    uint32_t header[4] = {type, 7, 0, len};

    push(page, header, sizeof(header));
    push(page, payload, have);
}

/* The other guest asks, and gets its answer, whatever goes on elsewhere. */
static void honest_guest_is_served(struct world *w)
{
    uint8_t *page = w->page[HONEST];
    uint32_t cons = get(page, RSP_CONS);
    char reply[16 + 4];

    message(page, 11, 5, "x\0val", 5);
    xsl_ring_process(w->store, HONEST);
    /* Its writes may have to wait a little, when others have transactions. */
    for (unsigned i = 0; i < 5 && get(page, RSP_PROD) == cons; i++) {
        w->now += 1000;
        xsl_ring_process(w->store, HONEST);
    }
    must(get(page, RSP_PROD) - cons == 16 + 3, "the honest guest is answered");
    for (unsigned i = 0; i < 16 + 3; i++) {
        reply[i] = (char)page[1024 + (cons + i) % RING];
    }
    must(reply[0] == 11 && memcmp(reply + 16, "OK", 3) == 0, "the honest guest's write is done");
    put(page, RSP_CONS, get(page, RSP_PROD));
}

/* What it does while the library looks elsewhere. */
static void scribble(struct world *w)
{
    struct input *in = w->opaque;

    if (in->left > 4 && take_below(in, 4) == 0) {
        unsigned offset =
            (unsigned)take_below(in, 3) == 0 ? take_byte(in) * 4u : 2048u + take_below(in, 32);

        w->page[HOSTILE][offset] = take_byte(in);
    }
}

static void step(struct world *w, struct input *in)
{
    static const unsigned indices[] = {REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD};
    uint8_t *page = w->page[HOSTILE];
    const uint8_t *bytes;
    size_t len;

    switch (take_below(in, 10)) {
    case 0:
        bytes = take_bytes(in, take_byte(in), &len);
        push(page, bytes, len);
        break;
    case 1:
        bytes = take_bytes(in, 20, &len);
        message(page, take_below(in, 30), take_below(in, 8) ? (uint32_t)len : take_u32(in), bytes,
                len);
        break;
    case 2:
        put(page, indices[take_below(in, 4)], take_u32(in));
        break;
    case 3: {
        unsigned index = indices[take_below(in, 4)];

        put(page, index, get(page, index) + take_byte(in));
        break;
    }
    case 4:
        /* A well-behaved moment: all that was answered is taken. */
        put(page, RSP_CONS, get(page, RSP_PROD));
        break;
    case 5:
        put(page, 2064 + 4 * take_below(in, 4), take_below(in, 3));
        break;
    case 6:
        xsl_domain_introduce(w->store, HOSTILE, 1, 9);
        break;
    case 7:
        message(page, 4, 4, "x\0t\0", 4);
        message(page, 11, 2, "x", 2);
        break;
    case 8:
        w->now += take_byte(in) * 100;
        break;
    default:
        message(page, 6, 1, "", 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size}, meddling;
    static uint8_t rest[PAGE_SIZE - END];
    struct world w;

    world_init(&w);
    must(xsl_domain_introduce(w.store, HOSTILE, 1, 9) == 0, "a guest is introduced");
    must(xsl_domain_introduce(w.store, HONEST, 1, 9) == 0, "a guest is introduced");
    memset(rest, 0x5a, sizeof(rest));
    memcpy(w.page[HOSTILE] + END, rest, sizeof(rest));
    /* The second half of the input is what is written while the library runs. */
    meddling = (struct input){data + size / 2, size - size / 2};
    in.left = size / 2;
    w.opaque = &meddling;
    while (in.left > 0) {
        w.meddle = NULL;
        step(&w, &in);
        w.meddle = scribble;
        for (unsigned i = 0; i < 20 && xsl_ring_process(w.store, HOSTILE) == 0; i++) {
            /* It wants to go on at once. */
        }
        w.meddle = NULL;
        honest_guest_is_served(&w);
    }
    must(memcmp(w.page[HOSTILE] + END, rest, sizeof(rest)) == 0, "only the ring's part is written");
    /* And it can come back. */
    put(w.page[HOSTILE], 2068, 1);
    xsl_ring_process(w.store, HOSTILE);
    must(get(w.page[HOSTILE], 2068) == 0 && get(w.page[HOSTILE], 2072) == 0,
         "a ring can be reconnected");
    push(w.page[HOSTILE], "", 0);
    message(w.page[HOSTILE], 10, 2, "5", 2);
    xsl_ring_process(w.store, HOSTILE);
    must(get(w.page[HOSTILE], RSP_PROD) == 16 + 16, "and works again");
    world_free(&w);
    return 0;
}
