/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share, see fuzz.h.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "this does not hold: %s\n", what);
        abort();
    }
}

/* --- Input ------------------------------------------------------------------------------ */

uint8_t take_byte(struct input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

unsigned take_below(struct input *in, unsigned n)
{
    return take_byte(in) % n;
}

uint32_t take_u32(struct input *in)
{
    uint32_t value = take_byte(in);

    value |= (uint32_t)take_byte(in) << 8;
    value |= (uint32_t)take_byte(in) << 16;
    return value | (uint32_t)take_byte(in) << 24;
}

const uint8_t *take_bytes(struct input *in, size_t max, size_t *len)
{
    const uint8_t *data = in->data;

    *len = MIN(max, in->left);
    in->data += *len;
    in->left -= *len;
    return data;
}

/* --- The world ---------------------------------------------------------------------------- */

static void meddle(struct world *w)
{
    if (w->meddle) {
        w->meddle(w);
    }
}

static int64_t world_now(void *world)
{
    struct world *w = world;

    meddle(w);
    return w->now;
}

static void world_log(void *world, const char *line)
{
    must(strlen(line) < 100000, "a log line is a string");
    meddle(world);
}

static bool world_domain_exists(void *world, unsigned domid)
{
    struct world *w = world;

    meddle(w);
    return domid < DOMAINS && w->exists[domid];
}

static void *world_map_ring(void *world, unsigned domid, uint64_t gfn, uint32_t port)
{
    struct world *w = world;

    must(port != 0, "what is mapped has a port");
    if (domid >= DOMAINS || (!w->may_map_all && (!w->exists[domid] || gfn == 13))) {
        return NULL;
    }
    w->mapped[domid]++;
    return w->page[domid];
}

static void world_unmap_ring(void *world, unsigned domid, void *page)
{
    struct world *w = world;

    must(domid < DOMAINS && w->page[domid] == page && w->mapped[domid] > 0,
         "only what was mapped is unmapped");
    w->mapped[domid]--;
}

static void world_notify(void *world, unsigned domid, uint32_t port)
{
    must(domid < DOMAINS && port != 0, "a domain is notified");
    meddle(world);
}

static char *world_control(void *world, const char *const *argv, unsigned argc, int *err)
{
    meddle(world);
    if (argc > 1) {
        return g_strdup(argv[argc - 1]);
    }
    *err = -EINVAL;
    return NULL;
}

const struct xsl_ops world_ops = {
    .now = world_now,
    .log = world_log,
    .domain_exists = world_domain_exists,
    .map_ring = world_map_ring,
    .unmap_ring = world_unmap_ring,
    .notify = world_notify,
    .control = world_control,
};

void world_check(const struct world *w)
{
    const char *wrong = xsl_store_check(w->store);

    if (wrong) {
        fprintf(stderr, "xsl_store_check: %s\n", wrong);
        abort();
    }
}

static void wake(struct xsl_conn *conn, void *opaque)
{
    (void)conn;
    (void)opaque;
}

void connect_client(struct world *w, unsigned i)
{
    struct client *c = &w->client[i];

    xsl_conn_free(c->conn);
    g_byte_array_set_size(c->in, 0);
    c->conn = xsl_conn_new(w->store, c->domid, wake, c);
}

static void must_request(struct world *w, uint32_t type, const char *payload, size_t len)
{
    must(xsl_conn_request(w->client[0].conn, type, 0, payload, len, NULL) == 0,
         "domain 0 may make homes");
}

static void make_home(struct world *w, unsigned domid)
{
    char payload[64];
    int len = snprintf(payload, sizeof(payload), "/local/domain/%u", domid) + 1;

    must_request(w, 12, payload, (size_t)len);
    len += snprintf(payload + len, sizeof(payload) - (size_t)len, "n%u", domid) + 1;
    must_request(w, 14, payload, (size_t)len);
}

void world_init(struct world *w)
{
    static const unsigned domids[CLIENTS] = {0, 0, 5, 6, 6};

    *w = (struct world){.now = 1000};
    for (unsigned i = 0; i < DOMAINS; i++) {
        w->exists[i] = i != 3;
        w->page[i] = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
        memset(w->page[i], 0, PAGE_SIZE);
    }
    w->store = xsl_store_new(&world_ops, w);
    for (unsigned i = 0; i < CLIENTS; i++) {
        w->client[i].domid = domids[i];
        w->client[i].in = g_byte_array_new();
        connect_client(w, i);
    }
    make_home(w, 5);
    make_home(w, 6);
}

void world_free(struct world *w)
{
    world_check(w);
    for (unsigned i = 0; i < CLIENTS; i++) {
        /* The others are the store's to close. */
        if (i % 2 == 0) {
            xsl_conn_free(w->client[i].conn);
        }
        g_byte_array_free(w->client[i].in, true);
    }
    world_check(w);
    xsl_store_free(w->store);
    for (unsigned i = 0; i < DOMAINS; i++) {
        must(w->mapped[i] == 0, "all is unmapped in the end");
        free(w->page[i]);
    }
}

/* --- Output ------------------------------------------------------------------------------- */

static void check_messages(struct client *c)
{
    uint32_t header[4];
    size_t at = 0;

    while (c->in->len - at >= sizeof(header)) {
        memcpy(header, c->in->data + at, sizeof(header));
        must(header[3] <= XSL_PAYLOAD_MAX, "messages are not too long");
        if (c->in->len - at < sizeof(header) + header[3]) {
            break;
        }
        at += sizeof(header) + header[3];
        if (header[0] == 16 || header[0] == 15) {
            must(header[3] > 1 && c->in->data[at - 1] == '\0', "errors and events are strings");
        }
        if (header[0] == 16) {
            must(c->in->data[at - header[3]] == 'E', "errors have a name");
        }
    }
    g_byte_array_remove_range(c->in, 0, (guint)at);
}

void take_output(struct world *w, unsigned i, size_t max)
{
    struct client *c = &w->client[i];
    struct iovec iov[4];
    unsigned n;

    while (max > 0 && (n = xsl_conn_output(c->conn, iov, G_N_ELEMENTS(iov))) > 0) {
        size_t len = 0;

        for (unsigned j = 0; j < n && len < max; j++) {
            size_t part = MIN(iov[j].iov_len, max - len);

            must(part > 0, "no part of the output is empty");
            g_byte_array_append(c->in, iov[j].iov_base, (guint)part);
            len += part;
        }
        max -= len;
        if (xsl_conn_sent(c->conn, len) < 0) {
            connect_client(w, i);
        }
    }
    if (w->changed_dump) {
        g_byte_array_set_size(c->in, 0);
    } else {
        check_messages(c);
    }
}

/* --- Steps --------------------------------------------------------------------------------- */

static void add_path(GString *s, struct input *in)
{
    static const char *const tops[] = {"/t", "/local/domain/5", "/local/domain/6", "a", "b",
                                       "/",  "/local",          "@releaseDomain"};
    unsigned what = take_byte(in), depth = take_below(in, 5);

    if (what >= 0xf8) {
        size_t len;
        const char *bytes = (const char *)take_bytes(in, take_below(in, 12), &len);

        g_string_append_len(s, bytes, (gssize)len);
    } else if (what >= 0xf0) {
        /* Long ones, up to more than may be. */
        g_string_append_c(s, '/');
        for (unsigned i = 0; i < 64 * (what & 15); i++) {
            g_string_append(s, i % 8 == 7 ? "/abcd" : "bcdef");
        }
        g_string_append_c(s, 'x');
    } else {
        g_string_append(s, tops[what % G_N_ELEMENTS(tops)]);
        for (unsigned i = 0; i < depth; i++) {
            g_string_append_c(s, '/');
            g_string_append_c(s, (char)('a' + take_below(in, 3)));
        }
    }
    g_string_append_c(s, '\0');
}

static void add_perms(GString *s, struct input *in)
{
    static const unsigned domids[] = {0, 5, 6, 7, 3, XSL_DOMID_ANY, 5, 6};

    for (unsigned n = 1 + take_below(in, 6); n > 0; n--) {
        unsigned what = take_byte(in);

        g_string_append_printf(s, "%c%u", "nrwb"[what & 3], domids[(what >> 2) & 7]);
        g_string_append_c(s, '\0');
    }
}

static void add_value(GString *s, struct input *in)
{
    unsigned len = take_byte(in);
    char byte = (char)take_byte(in);

    /* Most are short, some as long as a payload. */
    len = len < 200 ? len % 20 : len < 240 ? len * 8 : len * 18;
    while (len-- > 0 && s->len < XSL_PAYLOAD_MAX) {
        g_string_append_c(s, byte);
    }
}

static void add_string(GString *s, const char *text)
{
    g_string_append(s, text);
    g_string_append_c(s, '\0');
}

static void add_number(GString *s, struct input *in)
{
    static const char *const odd[] = {"0", "1",     "-1",    "5", "6", "7",
                                      "3", "32752", "65535", "x", "",  "13"};

    add_string(s, odd[take_below(in, G_N_ELEMENTS(odd))]);
}

static void add_control(GString *s, struct input *in)
{
    static const char *const words[] = {"help", "check", "quota", "log",    "on", "off", "set",
                                        "max",  "print", "nodes", "memory", "1",  "5"};

    for (unsigned n = 1 + take_below(in, 4); n > 0; n--) {
        add_string(s, words[take_below(in, G_N_ELEMENTS(words))]);
    }
}

static void add_quota(GString *s, struct input *in)
{
    static const char *const names[] = {
        "nodes",    "watches",           "transactions", "outstanding",     "node-size",
        "path-max", "transaction-nodes", "memory",       "node-permissions"};

    if (take_byte(in) & 1) {
        add_number(s, in);
    }
    add_string(s, names[take_below(in, G_N_ELEMENTS(names))]);
}

static void add_arguments(GString *s, struct input *in, uint32_t type)
{
    switch (type) {
    case 0:
        add_control(s, in);
        break;
    case 4:
    case 5:
        add_path(s, in);
        add_string(s, take_byte(in) & 1 ? "1" : "");
        if (type == 4 && (take_byte(in) & 3) == 0) {
            add_number(s, in);
        }
        break;
    case 6:
    case 21:
        break;
    case 7:
        add_string(s, take_byte(in) & 7 ? "T" : "F");
        break;
    case 8:
        add_number(s, in);
        add_number(s, in);
        add_number(s, in);
        break;
    case 11:
        add_path(s, in);
        add_value(s, in);
        break;
    case 14:
        add_path(s, in);
        add_perms(s, in);
        break;
    case 19:
    case 24:
        add_number(s, in);
        add_number(s, in);
        break;
    case 9:
    case 10:
    case 17:
    case 18:
    case 23:
        add_number(s, in);
        break;
    case 22:
        add_path(s, in);
        add_number(s, in);
        break;
    case 25:
        add_quota(s, in);
        break;
    case 26:
        add_quota(s, in);
        add_number(s, in);
        break;
    default:
        add_path(s, in);
    }
}

static void request(struct world *w, struct input *in, unsigned i)
{
    static const uint32_t types[] = {0,  1,  2,  3,  4,  4,  5,  6,  6,  7,  7,  8,  9,  10,
                                     11, 11, 11, 11, 11, 12, 12, 13, 13, 13, 14, 14, 14, 17,
                                     18, 19, 21, 22, 23, 24, 25, 26, 27, 2,  1,  15};
    struct client *c = &w->client[i];
    uint32_t header[4] = {types[take_below(in, G_N_ELEMENTS(types))], take_byte(in), 0, 0};
    GString *s = g_string_new(NULL);
    unsigned odd;

    header[2] = take_below(in, 8);
    header[2] = header[2] > 4 ? 0 : header[2];
    add_arguments(s, in, header[0]);
    odd = take_byte(in);
    if (odd == 1) {
        g_string_append_c(s, 'x');
    } else if (odd == 2 && s->len > 0) {
        g_string_truncate(s, s->len - 1);
    }
    header[3] = (uint32_t)MIN(s->len, XSL_PAYLOAD_MAX);
    g_string_prepend_len(s, (const char *)header, sizeof(header));
    if (xsl_conn_receive(c->conn, s->str, sizeof(header) + header[3]) < 0) {
        connect_client(w, i);
    }
    g_string_free(s, true);
}

/* Bytes that are nothing in particular. */
static void noise(struct world *w, struct input *in, unsigned i)
{
    size_t len;
    const uint8_t *bytes = take_bytes(in, take_byte(in), &len);

    if (xsl_conn_receive(w->client[i].conn, bytes, len) < 0) {
        connect_client(w, i);
    }
}

static void domain_step(struct world *w, struct input *in)
{
    unsigned domid = take_below(in, DOMAINS);

    switch (take_below(in, 6)) {
    case 0:
        xsl_domain_introduce(w->store, domid, take_byte(in), take_byte(in));
        break;
    case 1:
        xsl_domain_release(w->store, domid);
        break;
    case 2:
        xsl_domain_shutdown(w->store, domid);
        break;
    case 3:
        w->exists[domid] = domid == 0 || (take_byte(in) & 1);
        break;
    case 4:
        xsl_ring_process(w->store, domid);
        break;
    default:
        w->page[domid][2048 + take_below(in, 32)] = take_byte(in);
        xsl_ring_process_all(w->store);
    }
}

bool world_step(struct world *w, struct input *in)
{
    unsigned what = take_byte(in), i = take_below(in, CLIENTS);

    if (in->left == 0) {
        return false;
    }
    if (what < 200) {
        request(w, in, i);
    } else if (what < 215) {
        take_output(w, i, SIZE_MAX);
    } else if (what < 225) {
        take_output(w, i, take_byte(in));
    } else if (what < 240) {
        domain_step(w, in);
    } else if (what < 245) {
        w->now += take_byte(in) * 100;
    } else if (what < 248) {
        connect_client(w, i);
    } else {
        noise(w, in, i);
    }
    return true;
}
