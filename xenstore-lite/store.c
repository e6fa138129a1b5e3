/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store as a whole: its making and end, its check of itself, its log.
 */
#include "store.h"

static void add_first_nodes(struct xsl_store *store)
{
    struct xsl_node *tool;

    xsl_node_add(store, store->root, "local", xsl_perms_ref(store->root->perms), NULL);
    tool = xsl_node_add(store, store->root, "tool", xsl_perms_ref(store->root->perms), NULL);
    xsl_node_add(store, tool, "xenstored", xsl_perms_ref(store->root->perms), NULL);
}

struct xsl_store *xsl_store_new(const struct xsl_ops *ops, void *world)
{
    struct xsl_store *store = g_new0(struct xsl_store, 1);

    if (ops) {
        store->ops = *ops;
    }
    store->world = world;
    xsl_quotas_init(store);
    store->domains = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    store->fixed = g_hash_table_new(NULL, NULL);
    store->watches =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    store->matched = g_ptr_array_new();
    store->conns = g_ptr_array_new();
    store->scratch = g_byte_array_new();
    for (int i = 0; i < XSL_SPECIALS; i++) {
        store->special[i] = xsl_perms_new(1); /* n0 */
    }
    xsl_nodes_init(store);
    add_first_nodes(store);
    return store;
}

static void unmap_rings(struct xsl_store *store)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, store->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct xsl_domain *domain = value;

        if (domain->page && store->ops.unmap_ring) {
            store->ops.unmap_ring(store->world, domain->domid, domain->page);
        }
    }
}

void xsl_store_free(struct xsl_store *store)
{
    if (!store) {
        return;
    }
    while (store->conns->len > 0) {
        xsl_conn_free(g_ptr_array_index(store->conns, store->conns->len - 1));
    }
    unmap_rings(store);
    xsl_nodes_clear(store);
    for (int i = 0; i < XSL_SPECIALS; i++) {
        xsl_perms_unref(store->special[i]);
    }
    g_hash_table_destroy(store->watches);
    g_hash_table_destroy(store->fixed);
    g_hash_table_destroy(store->domains);
    g_ptr_array_unref(store->matched);
    g_ptr_array_unref(store->conns);
    g_byte_array_unref(store->scratch);
    g_free(store);
}

size_t xsl_store_count(const struct xsl_store *store)
{
    return g_hash_table_size(store->index) + 1;
}

/* --- Check ---------------------------------------------------------------------------- */

struct count {
    size_t nodes;
    GHashTable *owned; /* domid -> nodes */
};

static const char *check_node(const struct xsl_store *store, const struct xsl_node *node,
                              struct count *count)
{
    gpointer owner = GUINT_TO_POINTER(xsl_perms_owner(node->perms));
    unsigned slot = 0, children = 0;
    size_t names_len = 0;
    const struct xsl_node *child;

    count->nodes++;
    g_hash_table_insert(
        count->owned, owner,
        GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(count->owned, owner)) + 1));
    if (node->generation > store->generation) {
        return "a node is newer than the store";
    }
    while ((child = xsl_node_next_child(node, &slot))) {
        const char *wrong;

        children++;
        names_len += child->name_len + 1;
        if (child->parent != node || child->slot != slot - 1) {
            return "a node is not where its parent has it";
        }
        if (g_hash_table_lookup(store->index, child) != child) {
            return "a node cannot be found by its name";
        }
        wrong = check_node(store, child, count);
        if (wrong) {
            return wrong;
        }
    }
    return children != node->n_children || names_len != node->names_len
               ? "a node has miscounted its children"
               : NULL;
}

static const char *check_domains(const struct xsl_store *store, GHashTable *owned)
{
    GHashTableIter iter;
    gpointer domid, value;
    unsigned introduced = 0;

    g_hash_table_iter_init(&iter, store->domains);
    while (g_hash_table_iter_next(&iter, &domid, &value)) {
        const struct xsl_domain *domain = value;

        introduced += domain->introduced;
        if (domain->nodes != GPOINTER_TO_UINT(g_hash_table_lookup(owned, domid))) {
            return "a domain's nodes are miscounted";
        }
        if (domain->introduced != (domain->conn != NULL)) {
            return "a domain has no connection, or should have none";
        }
    }
    return introduced != store->introduced ? "the domains are miscounted" : NULL;
}

static const char *check_connections(const struct xsl_store *store)
{
    unsigned transactions = 0, watches = 0, listed = 0;
    GHashTableIter iter;
    gpointer value;

    for (guint i = 0; i < store->conns->len; i++) {
        const struct xsl_conn *conn = g_ptr_array_index(store->conns, i);
        size_t waiting = 0;

        transactions += g_hash_table_size(conn->transactions);
        watches += conn->watches->len;
        for (const struct xsl_message *message = conn->first; message; message = message->next) {
            waiting += message->len;
        }
        if (waiting != conn->waiting) {
            return "a connection's output is miscounted";
        }
    }
    g_hash_table_iter_init(&iter, store->watches);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        listed += ((const GPtrArray *)value)->len;
    }
    if (watches != listed) {
        return "a watch has no client, or is lost";
    }
    if (transactions != store->transactions) {
        return "the transactions are miscounted";
    }
    return transactions == 0 && g_hash_table_size(store->fixed) ? "nodes are fixed for nobody"
                                                                : NULL;
}

const char *xsl_store_check(const struct xsl_store *store)
{
    struct count count = {0, g_hash_table_new(NULL, NULL)};
    const char *wrong = check_node(store, store->root, &count);

    if (!wrong && count.nodes != xsl_store_count(store)) {
        wrong = "nodes that are not in the tree";
    }
    if (!wrong) {
        wrong = check_domains(store, count.owned);
    }
    g_hash_table_destroy(count.owned);
    return wrong ? wrong : check_connections(store);
}

/* --- Log ---------------------------------------------------------------------------------- */

void xsl_log(const struct xsl_store *store, const char *format, ...)
{
    g_autofree char *line = NULL;
    g_autofree char *printable = NULL;
    va_list args;

    if (!store->ops.log) {
        return;
    }
    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    /* What a client sends must not break a line, or look like one. */
    printable = g_strescape(line, NULL);
    store->ops.log(store->world, printable);
}
