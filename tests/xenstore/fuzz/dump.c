/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes dump and restore: a store that the input has built is the same after a
 * restart; and a dump that was changed somewhere, or is the input itself, with its
 * checksum put right, is either refused or gives a store that is consistent.
 */
#include "fuzz.h"

#include <string.h>

/* A dump is a line of text, a checksum of what follows, and that. */
#define DIGEST_OFFSET 32
#define BODY_OFFSET 64

static int32_t name_client(const struct xsl_conn *conn, void *opaque)
{
    const struct world *w = opaque;

    for (int i = 0; i < CLIENTS; i++) {
        if (w->client[i].conn == conn) {
            return i;
        }
    }
    return -1;
}

static void wake(struct xsl_conn *conn, void *opaque)
{
    (void)conn;
    (void)opaque;
}

static struct xsl_conn *restore_client(struct xsl_store *store, int32_t name, void *opaque)
{
    struct world *w = opaque;
    struct client *c;

    /* A dump that was changed may ask for anybody, or twice. */
    if (name < 0 || name >= CLIENTS || w->client[name].conn) {
        return NULL;
    }
    c = &w->client[name];
    c->conn = xsl_conn_new(store, c->domid, wake, c);
    return c->conn;
}

/* All nodes with value and permissions, as domain 0 sees them. */
static void describe(const struct world *w, struct xsl_conn *dom0, const char *path, GString *out)
{
    static const uint32_t types[] = {2, 3, 1};
    GByteArray *reply = NULL;

    g_string_append(out, path);
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_clear_pointer(&reply, g_byte_array_unref);
        if (xsl_conn_request(dom0, types[i], 0, path, strlen(path) + 1, &reply) < 0) {
            /* A list can be too long; a name from a dump that was changed, no name. */
            must(types[i] == 1 || w->changed_dump, "a node that is listed can be read");
            return;
        }
        if (types[i] != 1) {
            g_string_append_printf(out, " %u:", reply->len);
            g_string_append_len(out, (char *)reply->data, reply->len);
        }
    }
    g_string_append_c(out, '\n');
    for (guint at = 0; at < reply->len; at += (guint)strlen((char *)reply->data + at) + 1) {
        char *child = g_strconcat(path, path[1] ? "/" : "", (const char *)reply->data + at, NULL);

        describe(w, dom0, child, out);
        g_free(child);
    }
    g_byte_array_unref(reply);
}

static GString *tree(const struct world *w)
{
    struct xsl_conn *dom0 = xsl_conn_new(w->store, 0, wake, NULL);
    GString *out = g_string_new(NULL);

    describe(w, dom0, "/", out);
    xsl_conn_free(dom0);
    return out;
}

/* W's store ends, another with the same world goes on. */
static bool restart(struct world *w, GBytes *dump)
{
    struct xsl_store *old = w->store;
    struct xsl_conn *conn[CLIENTS];

    for (unsigned i = 0; i < CLIENTS; i++) {
        conn[i] = w->client[i].conn;
        w->client[i].conn = NULL;
    }
    w->may_map_all = true;
    w->store = xsl_store_restore(&world_ops, w, dump, restore_client, w);
    w->may_map_all = false;
    if (!w->store) {
        w->store = old;
        for (unsigned i = 0; i < CLIENTS; i++) {
            w->client[i].conn = conn[i];
        }
        return false;
    }
    xsl_store_free(old);
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (!w->client[i].conn) {
            connect_client(w, i);
        }
    }
    return true;
}

static GBytes *with_checksum(const uint8_t *data, size_t size)
{
    uint8_t *copy = g_memdup2(data, size);

    if (size >= BODY_OFFSET) {
        GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
        gsize len = BODY_OFFSET - DIGEST_OFFSET;

        g_checksum_update(sum, copy + BODY_OFFSET, (gssize)(size - BODY_OFFSET));
        g_checksum_get_digest(sum, copy + DIGEST_OFFSET, &len);
        g_checksum_free(sum);
    }
    return g_bytes_new_take(copy, size);
}

/* The dump of the store, changed in some places: it need not be restored, but if it is ... */
static void restart_changed(struct world *w, struct input *in)
{
    GBytes *dump = xsl_store_dump(w->store, name_client, w), *changed;
    gsize size;
    uint8_t *data = g_memdup2(g_bytes_get_data(dump, &size), g_bytes_get_size(dump));

    for (unsigned n = 1 + take_below(in, 6); n > 0; n--) {
        size_t at = BODY_OFFSET + take_u32(in) % (size - BODY_OFFSET);
        uint8_t value = take_byte(in);

        data[at] = take_byte(in) & 1 ? value : (uint8_t)(data[at] + value % 4 - 2);
    }
    changed = with_checksum(data, take_byte(in) < 8 ? size - take_byte(in) % 64 : size);
    w->changed_dump |= restart(w, changed);
    world_check(w);
    g_bytes_unref(changed);
    g_bytes_unref(dump);
    g_free(data);
}

static void restart_same(struct world *w)
{
    GBytes *dump = xsl_store_dump(w->store, name_client, w);
    size_t count = xsl_store_count(w->store);
    GString *before = tree(w), *after;

    must(restart(w, dump), "a dump can be restored");
    world_check(w);
    after = tree(w);
    must(xsl_store_count(w->store) == count, "there are as many nodes as before");
    must(g_string_equal(before, after), "the tree is the same as before");
    g_string_free(before, true);
    g_string_free(after, true);
    g_bytes_unref(dump);
}

/* The input as the body of a dump. */
static void restart_from_input(struct world *w, struct input *in)
{
    GBytes *dump = xsl_store_dump(w->store, name_client, w), *made;
    GByteArray *bytes = g_byte_array_new();
    size_t len;
    const uint8_t *body = take_bytes(in, SIZE_MAX, &len);

    g_byte_array_append(bytes, g_bytes_get_data(dump, NULL), BODY_OFFSET);
    g_byte_array_append(bytes, body, (guint)len);
    made = with_checksum(bytes->data, bytes->len);
    w->changed_dump |= restart(w, made);
    g_bytes_unref(made);
    g_byte_array_unref(bytes);
    g_bytes_unref(dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned mode = take_byte(&in), steps = take_byte(&in);
    struct world w;

    world_init(&w);
    if ((mode & 7) == 0) {
        restart_from_input(&w, &in);
    }
    while (steps-- > 0 && world_step(&w, &in)) {
    }
    if (mode & 8) {
        restart_same(&w);
    } else {
        restart_changed(&w, &in);
    }
    /* Life goes on. */
    while (world_step(&w, &in)) {
    }
    restart_same(&w);
    for (unsigned i = 0; i < CLIENTS; i++) {
        take_output(&w, i, SIZE_MAX);
    }
    world_free(&w);
    return 0;
}
