/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of nodes.  One hash table finds a node by its parent and name; each
 * node lists its children in the order they were made.  Permissions and values
 * are shared by reference, which is also what makes them cheap to keep for a
 * transaction.
 */
#include "store.h"

/* --- Values ---------------------------------------------------------------------- */

char *xsl_value_new(const void *data, size_t len)
{
    return len ? (char *)g_rc_box_dup(len, data) : NULL;
}

char *xsl_value_ref(char *value)
{
    return value ? g_rc_box_acquire(value) : NULL;
}

void xsl_value_unref(char *value)
{
    if (value) {
        g_rc_box_release(value);
    }
}

size_t xsl_value_len(const char *value)
{
    return value ? g_rc_box_get_size((char *)value) : 0;
}

/* --- The index -------------------------------------------------------------------- */

static guint node_hash(gconstpointer key)
{
    const struct xsl_node *node = key;
    guint hash = (guint)((uintptr_t)node->parent >> 4) * 2654435761u;

    for (uint32_t i = 0; i < node->name_len; i++) {
        hash = hash * 33 + (unsigned char)node->name[i];
    }
    return hash;
}

static gboolean node_equal(gconstpointer a, gconstpointer b)
{
    const struct xsl_node *x = a, *y = b;

    return x->parent == y->parent && x->name_len == y->name_len &&
           memcmp(x->name, y->name, x->name_len) == 0;
}

struct xsl_node *xsl_node_child(const struct xsl_store *store, struct xsl_node *parent,
                                const char *name, size_t len)
{
    struct xsl_node key = {.parent = parent, .name = name, .name_len = len};

    return parent->n_children ? g_hash_table_lookup(store->index, &key) : NULL;
}

struct xsl_node *xsl_node_find(const struct xsl_store *store, const char *path)
{
    struct xsl_node *node = store->root;
    const char *name = path + 1;

    while (node && *name) {
        const char *end = strchrnul(name, '/');

        node = xsl_node_child(store, node, name, end - name);
        name = *end ? end + 1 : end;
    }
    return node;
}

/* --- Change ------------------------------------------------------------------------- */

static struct xsl_node *node_new(struct xsl_store *store, struct xsl_node *parent, const char *name,
                                 struct xsl_perms *perms, char *value)
{
    size_t len = strlen(name);
    struct xsl_node *node = g_malloc0(sizeof(*node) + len + 1);

    memcpy(node + 1, name, len + 1);
    node->name = (const char *)(node + 1);
    node->name_len = len;
    node->parent = parent;
    node->perms = perms;
    node->value = value;
    node->generation = ++store->generation;
    xsl_domain_count_nodes(store, xsl_perms_owner(perms), 1);
    return node;
}

struct xsl_node *xsl_node_add(struct xsl_store *store, struct xsl_node *parent, const char *name,
                              struct xsl_perms *perms, char *value)
{
    struct xsl_node *node;

    xsl_tx_freeze(store, parent);
    node = node_new(store, parent, name, perms, value);
    if (!parent->children) {
        parent->children = g_ptr_array_new();
    }
    node->slot = parent->children->len;
    g_ptr_array_add(parent->children, node);
    parent->n_children++;
    parent->names_len += node->name_len + 1;
    parent->generation = node->generation;
    g_hash_table_add(store->index, node);
    return node;
}

/* Closes the gaps that removed children have left. */
static void compact(struct xsl_node *node)
{
    unsigned slot = 0, n = 0;
    struct xsl_node *child;

    while ((child = xsl_node_next_child(node, &slot))) {
        child->slot = n;
        g_ptr_array_index(node->children, n++) = child;
    }
    g_ptr_array_set_size(node->children, n);
}

static void unlink_child(struct xsl_store *store, struct xsl_node *node)
{
    struct xsl_node *parent = node->parent;

    xsl_tx_freeze(store, parent);
    g_hash_table_remove(store->index, node);
    g_ptr_array_index(parent->children, node->slot) = NULL;
    parent->n_children--;
    parent->names_len -= node->name_len + 1;
    parent->generation = ++store->generation;
    if (parent->n_children == 0) {
        g_clear_pointer(&parent->children, g_ptr_array_unref);
    } else if (parent->children->len > 2 * parent->n_children + 8) {
        compact(parent);
    }
}

static void node_free(struct xsl_store *store, struct xsl_node *node)
{
    struct xsl_node *child;
    unsigned slot = 0;

    xsl_tx_freeze(store, node);
    while ((child = xsl_node_next_child(node, &slot))) {
        g_hash_table_remove(store->index, child);
        node_free(store, child);
    }
    xsl_domain_count_nodes(store, xsl_perms_owner(node->perms), -1);
    xsl_perms_unref(node->perms);
    xsl_value_unref(node->value);
    g_clear_pointer(&node->children, g_ptr_array_unref);
    g_free(node);
}

void xsl_node_remove(struct xsl_store *store, struct xsl_node *node)
{
    unlink_child(store, node);
    node_free(store, node);
}

void xsl_node_set_value(struct xsl_store *store, struct xsl_node *node, char *value)
{
    xsl_value_unref(node->value);
    node->value = value;
    node->generation = ++store->generation;
}

void xsl_node_set_perms(struct xsl_store *store, struct xsl_node *node, struct xsl_perms *perms)
{
    xsl_domain_count_nodes(store, xsl_perms_owner(perms), 1);
    xsl_domain_count_nodes(store, xsl_perms_owner(node->perms), -1);
    xsl_perms_unref(node->perms);
    node->perms = perms;
    node->generation = ++store->generation;
}

/* --- Children ------------------------------------------------------------------------ */

struct xsl_node *xsl_node_next_child(const struct xsl_node *node, unsigned *slot)
{
    struct xsl_node *child = NULL;

    while (node->children && *slot < node->children->len && !child) {
        child = g_ptr_array_index(node->children, (*slot)++);
    }
    return child;
}

void xsl_node_list(const struct xsl_node *node, GByteArray *names)
{
    struct xsl_node *child;
    unsigned slot = 0;

    while ((child = xsl_node_next_child(node, &slot))) {
        g_byte_array_append(names, (const guint8 *)child->name, child->name_len + 1);
    }
}

/* --- The whole ------------------------------------------------------------------------ */

void xsl_nodes_init(struct xsl_store *store)
{
    struct xsl_perms *perms = xsl_perms_new(1); /* n0 */

    store->index = g_hash_table_new(node_hash, node_equal);
    store->root = node_new(store, NULL, "", perms, NULL);
}

void xsl_nodes_clear(struct xsl_store *store)
{
    node_free(store, store->root);
    g_hash_table_destroy(store->index);
}
