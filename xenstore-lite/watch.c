/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches: who is told when a node changes.  They are found by path, so a change
 * costs a look-up for each level above it, however many watches there are.
 */
#include "store.h"

#include <stdio.h>

static const char *const special_names[] = {
    [XSL_INTRODUCE_DOMAIN] = "@introduceDomain",
    [XSL_RELEASE_DOMAIN] = "@releaseDomain",
};

int xsl_watch_special(const char *path)
{
    for (int i = 0; i < XSL_SPECIALS; i++) {
        if (g_str_equal(path, special_names[i])) {
            return i;
        }
    }
    return -1;
}

/* --- Adding and removing ------------------------------------------------------------- */

static struct xsl_watch *find(const struct xsl_conn *conn, const char *path, const char *token)
{
    const GPtrArray *watches = g_hash_table_lookup(conn->store->watches, path);

    for (guint i = 0; watches && i < watches->len; i++) {
        struct xsl_watch *watch = g_ptr_array_index(watches, i);

        if (watch->conn == conn && g_str_equal(watch->token, token)) {
            return watch;
        }
    }
    return NULL;
}

int xsl_watch_add(struct xsl_conn *conn, const char *path, size_t relative, const char *token,
                  int depth, struct xsl_watch **added)
{
    struct xsl_store *store = conn->store;
    GPtrArray *watches = g_hash_table_lookup(store->watches, path);
    struct xsl_watch *watch;

    if (find(conn, path, token)) {
        return -EEXIST;
    }
    watch = g_new(struct xsl_watch, 1);
    *watch = (struct xsl_watch){
        .conn = conn,
        .path = g_strdup(path),
        .relative = relative,
        .token = g_strdup(token),
        .depth = depth,
        .number = ++store->last_watch,
    };
    if (!watches) {
        watches = g_ptr_array_new();
        g_hash_table_insert(store->watches, g_strdup(path), watches);
    }
    g_ptr_array_add(watches, watch);
    g_ptr_array_add(conn->watches, watch);
    *added = watch;
    return 0;
}

/* Takes it out of the table, not out of its client's list. */
static void watch_free(struct xsl_watch *watch)
{
    GHashTable *table = watch->conn->store->watches;
    GPtrArray *watches = g_hash_table_lookup(table, watch->path);

    g_ptr_array_remove_fast(watches, watch);
    if (watches->len == 0) {
        g_hash_table_remove(table, watch->path);
    }
    g_free(watch->path);
    g_free(watch->token);
    g_free(watch);
}

int xsl_watch_remove(struct xsl_conn *conn, const char *path, const char *token)
{
    struct xsl_watch *watch = find(conn, path, token);

    if (!watch) {
        return -ENOENT;
    }
    g_ptr_array_remove(conn->watches, watch);
    watch_free(watch);
    return 0;
}

void xsl_watch_remove_all(struct xsl_conn *conn)
{
    for (guint i = 0; i < conn->watches->len; i++) {
        watch_free(g_ptr_array_index(conn->watches, i));
    }
    g_ptr_array_set_size(conn->watches, 0);
}

/* --- Events --------------------------------------------------------------------------- */

void xsl_watch_fire_first(struct xsl_watch *watch)
{
    xsl_conn_event(watch->conn, watch->path + watch->relative, watch->token,
                   !xsl_path_is_special(watch->path));
}

/* How many levels PATH, LEN bytes of which are the watch's, lies below it. */
static int levels_below(const char *path, size_t len)
{
    int levels = 0;

    for (const char *c = path + (len == 1 ? 0 : len); *c; c++) {
        levels += *c == '/' && c[1] != '\0';
    }
    return levels;
}

/* Collects the watches on WATCHED that a change of PATH, at it or below, fires. */
static void match(struct xsl_store *store, const char *watched, const char *path)
{
    const GPtrArray *watches = g_hash_table_lookup(store->watches, watched);

    for (guint i = 0; watches && i < watches->len; i++) {
        struct xsl_watch *watch = g_ptr_array_index(watches, i);

        if (watch->depth < 0 || levels_below(path, strlen(watched)) <= watch->depth) {
            g_ptr_array_add(store->matched, watch);
        }
    }
}

static void match_above(struct xsl_store *store, const char *path)
{
    char above[XSL_PATH_SIZE];

    g_strlcpy(above, path, sizeof(above));
    while (xsl_path_cut(above)) {
        match(store, above, path);
    }
}

/* By client, and for one client in the order it set them. */
static gint by_number(gconstpointer a, gconstpointer b)
{
    const struct xsl_watch *x = *(struct xsl_watch *const *)a;
    const struct xsl_watch *y = *(struct xsl_watch *const *)b;

    if (x->conn != y->conn) {
        return x->conn->number < y->conn->number ? -1 : 1;
    }
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool can_read(const struct xsl_conn *conn, const struct xsl_perms *perms)
{
    return perms && (xsl_perms_of(perms, conn) & XSL_READ);
}

static bool can_read_parent(const struct xsl_conn *conn, const char *path)
{
    char parent[XSL_PATH_SIZE];
    const struct xsl_node *node;

    g_strlcpy(parent, path, sizeof(parent));
    node = xsl_path_cut(parent) ? xsl_node_find(conn->store, parent) : NULL;
    return node && can_read(conn, node->perms);
}

void xsl_watch_fire(struct xsl_store *store, const char *path, bool exact,
                    const struct xsl_perms *perms, const struct xsl_perms *old)
{
    GPtrArray *matched = store->matched;

    if (g_hash_table_size(store->watches) == 0) {
        return;
    }
    g_ptr_array_set_size(matched, 0);
    match(store, path, path);
    if (!exact) {
        match_above(store, path);
    }
    if (matched->len > 1) {
        g_ptr_array_sort(matched, by_number);
    }
    for (guint i = 0; i < matched->len; i++) {
        const struct xsl_watch *watch = g_ptr_array_index(matched, i);
        struct xsl_conn *conn = watch->conn;

        if (xsl_conn_privileged(conn) || can_read(conn, perms) || can_read(conn, old) ||
            can_read_parent(conn, path)) {
            xsl_conn_event(conn, path + watch->relative, watch->token, true);
        }
    }
}

/* --- Special events -------------------------------------------------------------------- */

void xsl_watch_fire_special(struct xsl_store *store, enum xsl_special which, unsigned domid)
{
    GPtrArray *matched = store->matched;
    char one[32];

    snprintf(one, sizeof(one), "%s/%u", special_names[which], domid);
    g_ptr_array_set_size(matched, 0);
    /* Their depth counts from the name alone to the name with a domain. */
    match(store, special_names[which], special_names[which]);
    match(store, one, one);
    g_ptr_array_sort(matched, by_number);
    for (guint i = 0; i < matched->len; i++) {
        const struct xsl_watch *watch = g_ptr_array_index(matched, i);
        bool is_one = g_str_equal(watch->path, one);

        if (can_read(watch->conn, store->special[which]) && (is_one || watch->depth != 0)) {
            xsl_conn_event(watch->conn, is_one || watch->depth > 0 ? one : watch->path,
                           watch->token, false);
        }
    }
}
