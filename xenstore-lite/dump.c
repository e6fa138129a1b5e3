/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store as bytes, and back: for a restart that nobody notices, and to keep it in
 * a file.  The bytes are a GVariant, whose type string is the description of the
 * format, behind a header with a checksum.
 *
 * What is read is checked as if it came from a stranger, checksum or not.
 */
#include "store.h"

#include <stdio.h>
#include <xen/io/xs_wire.h>

/* Of 32 bytes, and followed by a SHA-256 of 32 bytes. */
static const char magic[32] = "xenstore-lite dump, version 1\n";
#define DIGEST_SIZE 32
#define BODY_OFFSET (sizeof(magic) + DIGEST_SIZE)

/* Path, generation, permissions, value. */
#define NODES "a(st" XSL_PERMS_TYPE "ay)"
/* Domid, introduced, shutdown, broken, target, features, gfn, port, quotas. */
#define DOMAINS "a(ubbbiutuat)"
/* Kind, bytes. */
#define MESSAGES "a(yay)"
/* Path, where the client's part begins, token, depth. */
#define WATCHES "a(ayuayi)"
#define TRANSACTIONS "a" XSL_TX_TYPE
/* Name, domid, last transaction id, deferred request, input, bytes sent of the first message, ...
 */
#define CONNS "a(iuu(buu)ayt" MESSAGES WATCHES TRANSACTIONS ")"
/* Generation, quotas, permissions of special paths, log, ... */
#define STORE "(tata" XSL_PERMS_TYPE "b" NODES DOMAINS CONNS ")"

enum { REPLY, EVENT, EVENT_ONCE /* is merged with others like it */ };

/* --- Writing ------------------------------------------------------------------------- */

GVariant *xsl_bytes_dump(const void *data, size_t len)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, len, 1);
}

static GVariant *text_variant(const char *text)
{
    return xsl_bytes_dump(text, strlen(text));
}

GVariant *xsl_value_dump(const char *value)
{
    return xsl_bytes_dump(value, xsl_value_len(value));
}

static GVariant *quotas_variant(const uint64_t *quota)
{
    return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT64, quota, XSL_QUOTAS, sizeof(*quota));
}

GVariant *xsl_perms_dump(const struct xsl_perms *perms)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(XSL_PERMS_TYPE));
    for (unsigned i = 0; perms && i < perms->n; i++) {
        g_variant_builder_add(&builder, "(qyb)", perms->entry[i].domid, perms->entry[i].access,
                              perms->entry[i].dead);
    }
    return g_variant_builder_end(&builder);
}

static void add_nodes(GVariantBuilder *builder, GString *path, const struct xsl_node *node)
{
    gsize len = path->len;
    unsigned slot = 0;
    const struct xsl_node *child;

    g_variant_builder_add(builder, "(st@" XSL_PERMS_TYPE "@ay)", len ? path->str : "/",
                          node->generation, xsl_perms_dump(node->perms),
                          xsl_value_dump(node->value));
    while ((child = xsl_node_next_child(node, &slot))) {
        g_string_append_c(path, '/');
        g_string_append(path, child->name);
        add_nodes(builder, path, child);
        g_string_truncate(path, len);
    }
}

static GVariant *nodes_variant(const struct xsl_store *store)
{
    g_autoptr(GString) path = g_string_new(NULL);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(NODES));
    add_nodes(&builder, path, store->root);
    return g_variant_builder_end(&builder);
}

static GVariant *domains_variant(const struct xsl_store *store)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    gpointer value;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(DOMAINS));
    g_hash_table_iter_init(&iter, store->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct xsl_domain *domain = value;

        g_variant_builder_add(&builder, "(ubbbiutu@at)", domain->domid, domain->introduced,
                              domain->shutdown, domain->broken, domain->target, domain->features,
                              domain->gfn, domain->port, quotas_variant(domain->quota));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *messages_variant(const struct xsl_conn *conn)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(MESSAGES));
    for (const struct xsl_message *message = conn->first; message; message = message->next) {
        bool once = message->event && g_hash_table_lookup(conn->events, message) == message;

        g_variant_builder_add(&builder, "(y@ay)",
                              once             ? EVENT_ONCE
                              : message->event ? EVENT
                                               : REPLY,
                              xsl_bytes_dump(message->bytes, message->len));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *watches_variant(const struct xsl_conn *conn)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(WATCHES));
    for (guint i = 0; i < conn->watches->len; i++) {
        const struct xsl_watch *watch = g_ptr_array_index(conn->watches, i);

        g_variant_builder_add(&builder, "(@ayu@ayi)", text_variant(watch->path),
                              (guint32)watch->relative, text_variant(watch->token), watch->depth);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *transactions_variant(const struct xsl_conn *conn)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    gpointer tx;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(TRANSACTIONS));
    g_hash_table_iter_init(&iter, conn->transactions);
    while (g_hash_table_iter_next(&iter, NULL, &tx)) {
        g_variant_builder_add_value(&builder, xsl_tx_dump(tx));
    }
    return g_variant_builder_end(&builder);
}

static bool is_ring(const struct xsl_conn *conn)
{
    return conn->domain && conn->domain->conn == conn;
}

static GVariant *conns_variant(const struct xsl_store *store,
                               int32_t (*name)(const struct xsl_conn *conn, void *opaque),
                               void *opaque)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(CONNS));
    for (guint i = 0; i < store->conns->len; i++) {
        const struct xsl_conn *conn = g_ptr_array_index(store->conns, i);
        int32_t number = is_ring(conn) ? -1 : name ? name(conn, opaque) : -1;

        if (number >= 0 || is_ring(conn)) {
            g_variant_builder_add(
                &builder, "(iuu(buu)@ayt@" MESSAGES "@" WATCHES "@" TRANSACTIONS ")", number,
                conn->domid, conn->last_tx, conn->deferred, conn->deferred_id, conn->deferred_tx,
                xsl_bytes_dump(conn->in->data, conn->in->len), (guint64)conn->first_sent,
                messages_variant(conn), watches_variant(conn), transactions_variant(conn));
        }
    }
    return g_variant_builder_end(&builder);
}

static GVariant *specials_variant(const struct xsl_store *store)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a" XSL_PERMS_TYPE));
    for (int i = 0; i < XSL_SPECIALS; i++) {
        g_variant_builder_add_value(&builder, xsl_perms_dump(store->special[i]));
    }
    return g_variant_builder_end(&builder);
}

static void checksum(const void *data, size_t len, uint8_t *digest)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = DIGEST_SIZE;

    g_checksum_update(sum, data, len);
    g_checksum_get_digest(sum, digest, &size);
}

GBytes *xsl_store_dump(const struct xsl_store *store,
                       int32_t (*name)(const struct xsl_conn *conn, void *opaque), void *opaque)
{
    g_autoptr(GVariant) dump = g_variant_ref_sink(g_variant_new(
        "(t@at@a" XSL_PERMS_TYPE "b@" NODES "@" DOMAINS "@" CONNS ")", store->generation,
        quotas_variant(store->quota), specials_variant(store), store->log, nodes_variant(store),
        domains_variant(store), conns_variant(store, name, opaque)));
    size_t len = g_variant_get_size(dump);
    uint8_t *data = g_malloc(BODY_OFFSET + len);

    memcpy(data, magic, sizeof(magic));
    g_variant_store(dump, data + BODY_OFFSET);
    checksum(data + BODY_OFFSET, len, data + sizeof(magic));
    return g_bytes_new_take(data, BODY_OFFSET + len);
}

/* --- Reading --------------------------------------------------------------------------- */

struct xsl_perms *xsl_perms_restore(GVariant *from)
{
    gsize n = g_variant_n_children(from);
    struct xsl_perms *perms = n ? xsl_perms_new(n) : NULL;

    for (gsize i = 0; i < n; i++) {
        gboolean dead;

        g_variant_get_child(from, i, "(qyb)", &perms->entry[i].domid, &perms->entry[i].access,
                            &dead);
        perms->entry[i].access &= XSL_READ | XSL_WRITE;
        perms->entry[i].dead = dead;
    }
    return perms;
}

char *xsl_value_restore(GVariant *from)
{
    gsize len;
    const void *data = g_variant_get_fixed_array(from, &len, 1);

    return xsl_value_new(data, len);
}

static char *read_text(GVariant *from)
{
    gsize len;
    const char *data = g_variant_get_fixed_array(from, &len, 1);

    return g_strndup(len ? data : "", len);
}

static bool read_quotas(GVariant *from, uint64_t *quota)
{
    gsize n;
    const uint64_t *values = g_variant_get_fixed_array(from, &n, sizeof(*values));

    if (n != XSL_QUOTAS) {
        return false;
    }
    memcpy(quota, values, XSL_QUOTAS * sizeof(*quota));
    return true;
}

/* Is this the path of a node that could be added now?  Cuts it to its parent's. */
static struct xsl_node *parent_of(struct xsl_store *store, char *path)
{
    if (!xsl_path_is_absolute(path) || path[1] == '\0' || xsl_node_find(store, path)) {
        return NULL;
    }
    xsl_path_cut(path);
    return xsl_node_find(store, path);
}

static bool read_node(struct xsl_store *store, GVariant *from)
{
    g_autoptr(GVariant) list = NULL;
    g_autoptr(GVariant) data = NULL;
    g_autofree char *path = NULL;
    g_autofree char *parent_path = NULL;
    struct xsl_node *parent;
    struct xsl_perms *perms;

    g_variant_get(from, "(st@" XSL_PERMS_TYPE "@ay)", &path, NULL, &list, &data);
    perms = xsl_perms_restore(list);
    if (!perms) {
        return false;
    }
    if (g_str_equal(path, "/")) {
        xsl_node_set_perms(store, store->root, perms);
        xsl_node_set_value(store, store->root, xsl_value_restore(data));
    } else {
        parent_path = g_strdup(path);
        parent = parent_of(store, parent_path);
        if (!parent) {
            xsl_perms_unref(perms);
            return false;
        }
        if (perms->n == parent->perms->n &&
            memcmp(perms->entry, parent->perms->entry, perms->n * sizeof(perms->entry[0])) == 0) {
            xsl_perms_unref(perms);
            perms = xsl_perms_ref(parent->perms);
        }
        xsl_node_add(store, parent, xsl_path_name(path), perms, xsl_value_restore(data));
    }
    return true;
}

/* Adding children has made their parents newer than they are. */
static void read_generations(struct xsl_store *store, GVariant *nodes)
{
    for (gsize i = 0; i < g_variant_n_children(nodes); i++) {
        const char *path;
        uint64_t generation;
        struct xsl_node *node;

        g_variant_get_child(nodes, i, "(&st@" XSL_PERMS_TYPE "@ay)", &path, &generation, NULL,
                            NULL);
        node = xsl_node_find(store, path);
        node->generation = MIN(generation, store->generation);
    }
}

static bool read_nodes(struct xsl_store *store, GVariant *nodes, uint64_t generation)
{
    struct xsl_node *child;
    unsigned slot = 0;

    while ((child = xsl_node_next_child(store->root, &slot))) {
        xsl_node_remove(store, child);
        slot = 0;
    }
    for (gsize i = 0; i < g_variant_n_children(nodes); i++) {
        g_autoptr(GVariant) node = g_variant_get_child_value(nodes, i);

        if (!read_node(store, node)) {
            return false;
        }
    }
    store->generation = MAX(generation, store->generation);
    read_generations(store, nodes);
    return true;
}

/* A domain whose ring cannot be mapped any more is added to GONE. */
static bool read_domain(struct xsl_store *store, GVariant *from, GPtrArray *gone)
{
    g_autoptr(GVariant) quotas = NULL;
    gboolean introduced, shutdown, broken;
    unsigned domid, features;
    uint32_t port;
    uint64_t gfn;
    int target;
    struct xsl_domain *domain;

    g_variant_get(from, "(ubbbiutu@at)", &domid, &introduced, &shutdown, &broken, &target,
                  &features, &gfn, &port, &quotas);
    domain = domid <= UINT16_MAX ? xsl_domain_make(store, domid) : NULL;
    if (!domain || domain->introduced) {
        return false;
    }
    if (!read_quotas(quotas, domain->quota)) {
        return false;
    }
    domain->target = target;
    domain->features = features & XSL_FEATURE_ALL;
    domain->shutdown = shutdown;
    if (introduced && xsl_domain_connect(domain, gfn, port) < 0) {
        g_ptr_array_add(gone, domain);
        return true;
    }
    domain->broken = introduced && broken;
    return true;
}

static bool read_message(struct xsl_conn *conn, GVariant *from)
{
    g_autoptr(GVariant) data = NULL;
    const uint8_t *bytes;
    guint8 kind;
    gsize len;

    g_variant_get(from, "(y@ay)", &kind, &data);
    bytes = g_variant_get_fixed_array(data, &len, 1);
    return xsl_conn_restore_output(conn, bytes, len, kind != REPLY, kind == EVENT_ONCE);
}

static bool read_watch(struct xsl_conn *conn, GVariant *from)
{
    g_autoptr(GVariant) path_bytes = NULL;
    g_autoptr(GVariant) token_bytes = NULL;
    g_autofree char *path = NULL;
    g_autofree char *token = NULL;
    struct xsl_watch *watch;
    guint32 relative;
    int depth;

    g_variant_get(from, "(@ayu@ayi)", &path_bytes, &relative, &token_bytes, &depth);
    path = read_text(path_bytes);
    token = read_text(token_bytes);
    return (path[0] == '/' || path[0] == '@') && strlen(path) <= XSL_ABS_PATH_MAX &&
           relative < strlen(path) &&
           xsl_watch_add(conn, path, relative, token, MAX(depth, -1), &watch) == 0;
}

static bool read_transaction(struct xsl_conn *conn, GVariant *from)
{
    struct xsl_tx *tx;
    guint32 id;

    g_variant_get_child(from, 0, "u", &id);
    if (id == 0 || g_hash_table_contains(conn->transactions, GUINT_TO_POINTER(id))) {
        return false;
    }
    tx = xsl_tx_new(conn, id);
    g_hash_table_insert(conn->transactions, GUINT_TO_POINTER(id), tx);
    return xsl_tx_restore(tx, from);
}

typedef bool (*ReadOne)(struct xsl_conn *conn, GVariant *from);

static bool read_each(struct xsl_conn *conn, GVariant *list, ReadOne read_one)
{
    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(list, i);

        if (!read_one(conn, one)) {
            return false;
        }
    }
    return true;
}

static bool read_conn(struct xsl_store *store, GVariant *from,
                      struct xsl_conn *(*restore)(struct xsl_store *store, int32_t name,
                                                  void *opaque),
                      void *opaque)
{
    g_autoptr(GVariant) in = NULL;
    g_autoptr(GVariant) messages = NULL;
    g_autoptr(GVariant) watches = NULL;
    g_autoptr(GVariant) transactions = NULL;
    const struct xsl_domain *domain;
    struct xsl_conn *conn;
    unsigned domid, last_tx, deferred_id, deferred_tx;
    gboolean deferred;
    uint64_t first_sent;
    const void *data;
    int32_t name;
    gsize len;

    g_variant_get(from, "(iuu(buu)@ayt@" MESSAGES "@" WATCHES "@" TRANSACTIONS ")", &name, &domid,
                  &last_tx, &deferred, &deferred_id, &deferred_tx, &in, &first_sent, &messages,
                  &watches, &transactions);
    domain = xsl_domain_get(store, domid);
    if (name < 0) {
        conn = domain ? domain->conn : NULL;
    } else {
        conn = restore ? restore(store, name, opaque) : NULL;
    }
    if (!conn) {
        return true; /* left out, or its domain has gone */
    }
    if (conn->domid != domid) {
        return false;
    }
    conn->last_tx = last_tx;
    conn->deferred = deferred;
    conn->deferred_id = deferred_id;
    conn->deferred_tx = deferred_tx;
    data = g_variant_get_fixed_array(in, &len, 1);
    g_byte_array_append(conn->in, data, len);
    if (!read_each(conn, messages, read_message) || !read_each(conn, watches, read_watch) ||
        !read_each(conn, transactions, read_transaction) ||
        first_sent >= (conn->first ? conn->first->len : 1)) {
        return false;
    }
    conn->first_sent = first_sent;
    return true;
}

static bool read_specials(struct xsl_store *store, GVariant *from)
{
    if (g_variant_n_children(from) != XSL_SPECIALS) {
        return false;
    }
    for (int i = 0; i < XSL_SPECIALS; i++) {
        g_autoptr(GVariant) list = g_variant_get_child_value(from, i);
        struct xsl_perms *perms = xsl_perms_restore(list);

        if (!perms) {
            return false;
        }
        xsl_perms_unref(store->special[i]);
        store->special[i] = perms;
    }
    return true;
}

/* The body of a dump, or NULL if it is damaged. */
static GVariant *open_dump(GBytes *dump)
{
    g_autoptr(GBytes) body = NULL;
    g_autoptr(GVariant) variant = NULL;
    uint8_t digest[DIGEST_SIZE];
    gsize len;
    const uint8_t *data = g_bytes_get_data(dump, &len);

    if (len < BODY_OFFSET || memcmp(data, magic, sizeof(magic)) != 0) {
        return NULL;
    }
    checksum(data + BODY_OFFSET, len - BODY_OFFSET, digest);
    if (memcmp(data + sizeof(magic), digest, sizeof(digest)) != 0) {
        return NULL;
    }
    body = g_bytes_new_from_bytes(dump, BODY_OFFSET, len - BODY_OFFSET);
    variant = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(STORE), body, FALSE));
    return g_variant_is_normal_form(variant) ? g_steal_pointer(&variant) : NULL;
}

static bool read_store(struct xsl_store *store, GVariant *from,
                       struct xsl_conn *(*restore)(struct xsl_store *store, int32_t name,
                                                   void *opaque),
                       void *opaque)
{
    g_autoptr(GVariant) quotas = NULL;
    g_autoptr(GVariant) specials = NULL;
    g_autoptr(GVariant) nodes = NULL;
    g_autoptr(GVariant) domains = NULL;
    g_autoptr(GVariant) conns = NULL;
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    uint64_t generation;
    gboolean log;

    g_variant_get(from, "(t@at@a" XSL_PERMS_TYPE "b@" NODES "@" DOMAINS "@" CONNS ")", &generation,
                  &quotas, &specials, &log, &nodes, &domains, &conns);
    store->log = log;
    if (!read_quotas(quotas, store->quota) || !read_specials(store, specials) ||
        !read_nodes(store, nodes, generation)) {
        return false;
    }
    for (gsize i = 0; i < g_variant_n_children(domains); i++) {
        g_autoptr(GVariant) domain = g_variant_get_child_value(domains, i);

        if (!read_domain(store, domain, gone)) {
            return false;
        }
    }
    for (gsize i = 0; i < g_variant_n_children(conns); i++) {
        g_autoptr(GVariant) conn = g_variant_get_child_value(conns, i);

        if (!read_conn(store, conn, restore, opaque)) {
            return false;
        }
    }
    for (guint i = 0; i < gone->len; i++) {
        xsl_domain_forget(g_ptr_array_index(gone, i));
    }
    return true;
}

struct xsl_store *xsl_store_restore(const struct xsl_ops *ops, void *world, GBytes *dump,
                                    struct xsl_conn *(*restore)(struct xsl_store *store,
                                                                int32_t name, void *opaque),
                                    void *opaque)
{
    g_autoptr(GVariant) from = open_dump(dump);
    struct xsl_store *store = from ? xsl_store_new(ops, world) : NULL;

    if (store && !read_store(store, from, restore, opaque)) {
        g_clear_pointer(&store, xsl_store_free);
    }
    return store;
}
