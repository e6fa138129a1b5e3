/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions, and the view of the tree that a client has inside one.
 *
 * A node is fixed when a transaction first touches it, be it only to read it or
 * to find it missing: from then on the transaction sees that version and its own
 * changes to it.  At commit every fixed node must still have the generation it
 * had; else nothing is done and the client has to try again.
 *
 * Permissions and value are fixed by a reference to them.  The list of children
 * may be long, so it is not copied until it is about to change outside: store->
 * fixed finds, for a node, the transactions that have to be given a copy then.
 */
#include "store.h"

enum fire { FIRE_NONE, FIRE_EXACT, FIRE_NORMAL };

/* What a transaction knows of one path. */
struct xsl_access {
    char *path;
    uint64_t base_generation; /* when it was fixed; 0: missing */
    struct xsl_perms *base_perms;

    /* As the transaction sees it now. */
    bool exists;
    uint64_t generation;
    struct xsl_perms *perms;
    char *value;
    size_t names_len;

    /* The children: those it had when it was fixed, without `removed`, then `added`. */
    struct xsl_node *live;    /* where they are, as long as they have not changed */
    GBytes *frozen;           /* where they are since; NULL: none */
    struct xsl_access *other; /* the next one that has fixed `live` */
    GHashTable *removed;      /* names */
    GPtrArray *added;         /* names */

    bool made;        /* created here: what was at this path before is gone */
    bool changed;     /* value or permissions */
    uint64_t created; /* the when of `made` */
    enum fire fire;
};

/* --- Fixing a node --------------------------------------------------------------------- */

static void fix_live(struct xsl_store *store, struct xsl_access *access, struct xsl_node *node)
{
    access->live = node;
    access->other = g_hash_table_lookup(store->fixed, node);
    g_hash_table_insert(store->fixed, node, access);
}

static void unfix_live(struct xsl_store *store, struct xsl_access *access)
{
    struct xsl_access *first = g_hash_table_lookup(store->fixed, access->live);
    struct xsl_access *before = first;

    if (first == access) {
        if (access->other) {
            g_hash_table_insert(store->fixed, access->live, access->other);
        } else {
            g_hash_table_remove(store->fixed, access->live);
        }
    } else {
        while (before->other != access) {
            before = before->other;
        }
        before->other = access->other;
    }
    access->live = NULL;
}

static void access_free(gpointer data)
{
    struct xsl_access *access = data;

    g_free(access->path);
    xsl_perms_unref(access->base_perms);
    xsl_perms_unref(access->perms);
    xsl_value_unref(access->value);
    g_clear_pointer(&access->frozen, g_bytes_unref);
    g_clear_pointer(&access->removed, g_hash_table_destroy);
    g_clear_pointer(&access->added, g_ptr_array_unref);
    g_free(access);
}

static void access_add(struct xsl_tx *tx, struct xsl_access *access)
{
    g_ptr_array_add(tx->order, access);
    g_hash_table_insert(tx->access, access->path, access);
}

static struct xsl_access *access_new(struct xsl_tx *tx, const char *path)
{
    struct xsl_store *store = tx->conn->store;
    struct xsl_node *node = xsl_node_find(store, path);
    struct xsl_access *access = g_new0(struct xsl_access, 1);

    access->path = g_strdup(path);
    if (node) {
        access->exists = true;
        access->base_generation = access->generation = node->generation;
        access->base_perms = xsl_perms_ref(node->perms);
        access->perms = xsl_perms_ref(node->perms);
        access->value = xsl_value_ref(node->value);
        access->names_len = node->names_len;
        fix_live(store, access, node);
    }
    access_add(tx, access);
    return access;
}

/* NULL if the transaction would use too many nodes. */
static struct xsl_access *get_access(struct xsl_tx *tx, const char *path)
{
    struct xsl_access *access = g_hash_table_lookup(tx->access, path);

    if (!access) {
        if (tx->order->len >= xsl_conn_quota(tx->conn, XSL_QUOTA_TRANSACTION_NODES)) {
            tx->poisoned = true;
            return NULL;
        }
        access = access_new(tx, path);
    }
    return access;
}

void xsl_tx_freeze(struct xsl_store *store, struct xsl_node *node)
{
    struct xsl_access *access;
    g_autoptr(GByteArray) names = NULL;
    g_autoptr(GBytes) frozen = NULL;

    if (g_hash_table_size(store->fixed) == 0 ||
        !(access = g_hash_table_lookup(store->fixed, node))) {
        return;
    }
    names = g_byte_array_new();
    xsl_node_list(node, names);
    frozen = g_byte_array_free_to_bytes(g_steal_pointer(&names));
    for (; access; access = access->other) {
        access->frozen = g_bytes_ref(frozen);
        access->live = NULL;
    }
    g_hash_table_remove(store->fixed, node);
}

/* --- Children as a transaction sees them -------------------------------------------------- */

/* Appends the names in LIST that are not among REMOVED. */
static void append_others(GByteArray *names, const char *list, size_t len, GHashTable *removed)
{
    for (const char *name = list; name < list + len; name += strlen(name) + 1) {
        if (!removed || !g_hash_table_contains(removed, name)) {
            g_byte_array_append(names, (const guint8 *)name, strlen(name) + 1);
        }
    }
}

static void list_access(const struct xsl_access *access, GByteArray *names)
{
    if (access->live && !access->removed) {
        xsl_node_list(access->live, names);
    } else if (access->live) {
        g_autoptr(GByteArray) all = g_byte_array_new();

        xsl_node_list(access->live, all);
        append_others(names, (const char *)all->data, all->len, access->removed);
    } else if (access->frozen && g_bytes_get_size(access->frozen) > 0) {
        gsize len;
        const char *all = g_bytes_get_data(access->frozen, &len);

        append_others(names, all, len, access->removed);
    }
    for (guint i = 0; access->added && i < access->added->len; i++) {
        const char *name = g_ptr_array_index(access->added, i);

        g_byte_array_append(names, (const guint8 *)name, strlen(name) + 1);
    }
}

/* Whether the node had this child when it was fixed, and it was not removed since. */
static bool has_old_child(const struct xsl_store *store, const struct xsl_access *access,
                          const char *name)
{
    gsize len = 0;
    const char *list;

    if (access->removed && g_hash_table_contains(access->removed, name)) {
        return false;
    }
    if (access->live) {
        return xsl_node_child(store, access->live, name, strlen(name)) != NULL;
    }
    list = access->frozen ? g_bytes_get_data(access->frozen, &len) : NULL;
    for (gsize i = 0; i < len; i += strlen(list + i) + 1) {
        if (g_str_equal(list + i, name)) {
            return true;
        }
    }
    return false;
}

/*
 * A child and its parent may have been fixed at different times, with changes outside
 * in between.  Then nothing can be committed, but the view has to make sense.
 */
static void add_child(const struct xsl_store *store, struct xsl_access *parent, const char *name)
{
    if (has_old_child(store, parent, name)) {
        return;
    }
    if (!parent->added) {
        parent->added = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(parent->added, g_strdup(name));
    parent->names_len += strlen(name) + 1;
}

static void remove_child(const struct xsl_store *store, struct xsl_access *parent, const char *name)
{
    guint index;

    if (parent->added &&
        g_ptr_array_find_with_equal_func(parent->added, name, g_str_equal, &index)) {
        g_ptr_array_remove_index(parent->added, index);
    } else if (has_old_child(store, parent, name)) {
        if (!parent->removed) {
            parent->removed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        }
        g_hash_table_add(parent->removed, g_strdup(name));
    } else {
        return;
    }
    parent->names_len -= strlen(name) + 1;
}

/* The node is gone or made anew: it has no children. */
static void drop_children(struct xsl_store *store, struct xsl_access *access)
{
    if (access->live) {
        unfix_live(store, access);
    }
    g_clear_pointer(&access->frozen, g_bytes_unref);
    g_clear_pointer(&access->removed, g_hash_table_destroy);
    g_clear_pointer(&access->added, g_ptr_array_unref);
    access->names_len = 0;
}

/* --- Reading ------------------------------------------------------------------------------ */

int xsl_view(struct xsl_store *store, struct xsl_tx *tx, const char *path, struct xsl_view *view)
{
    *view = (struct xsl_view){0};
    if (tx) {
        const struct xsl_access *access = get_access(tx, path);

        if (!access) {
            return -ENOSPC;
        }
        if (access->exists) {
            *view = (struct xsl_view){true, access->generation, access->perms, access->value,
                                      access->names_len};
        }
    } else {
        const struct xsl_node *node = xsl_node_find(store, path);

        if (node) {
            *view = (struct xsl_view){true, node->generation, node->perms, node->value,
                                      node->names_len};
        }
    }
    return 0;
}

void xsl_view_list(struct xsl_store *store, struct xsl_tx *tx, const char *path, GByteArray *names)
{
    if (tx) {
        list_access(g_hash_table_lookup(tx->access, path), names);
    } else {
        xsl_node_list(xsl_node_find(store, path), names);
    }
}

uint64_t xsl_view_owned(struct xsl_store *store, struct xsl_tx *tx, unsigned domid)
{
    const struct xsl_domain *domain = xsl_domain_get(store, domid);
    int64_t owned = domain ? domain->nodes : 0;

    if (tx) {
        owned += GPOINTER_TO_INT(g_hash_table_lookup(tx->owners, GUINT_TO_POINTER(domid)));
    }
    /* What was removed in it may have been removed outside, too. */
    return MAX(owned, 0);
}

/* --- Changing ----------------------------------------------------------------------------- */

static void count_owner(struct xsl_tx *tx, const struct xsl_perms *perms, int change)
{
    gpointer key = GUINT_TO_POINTER(xsl_perms_owner(perms));
    int now = GPOINTER_TO_INT(g_hash_table_lookup(tx->owners, key));

    g_hash_table_insert(tx->owners, key, GINT_TO_POINTER(now + change));
}

static int create_in_tx(struct xsl_tx *tx, struct xsl_access *parent, struct xsl_access *access,
                        struct xsl_perms *perms, char *value)
{
    access->exists = access->made = true;
    access->created = ++tx->last_change;
    access->generation = parent->generation = ++tx->conn->store->generation;
    access->perms = perms;
    access->value = value;
    count_owner(tx, perms, 1);
    add_child(tx->conn->store, parent, xsl_path_name(access->path));
    return 0;
}

int xsl_view_create(struct xsl_store *store, struct xsl_tx *tx, const char *path,
                    struct xsl_perms *perms, char *value)
{
    char parent[XSL_PATH_SIZE];

    g_strlcpy(parent, path, sizeof(parent));
    xsl_path_cut(parent);
    if (tx) {
        struct xsl_access *above = get_access(tx, parent), *access = get_access(tx, path);

        if (above && access) {
            return create_in_tx(tx, above, access, perms, value);
        }
        xsl_perms_unref(perms);
        xsl_value_unref(value);
        return -ENOSPC;
    }
    xsl_node_add(store, xsl_node_find(store, parent), xsl_path_name(path), perms, value);
    return 0;
}

void xsl_view_set_value(struct xsl_store *store, struct xsl_tx *tx, const char *path, char *value)
{
    if (tx) {
        struct xsl_access *access = g_hash_table_lookup(tx->access, path);

        xsl_value_unref(access->value);
        access->value = value;
        access->generation = ++store->generation;
        access->changed = true;
    } else {
        xsl_node_set_value(store, xsl_node_find(store, path), value);
    }
}

void xsl_view_set_perms(struct xsl_store *store, struct xsl_tx *tx, const char *path,
                        struct xsl_perms *perms)
{
    if (tx) {
        struct xsl_access *access = g_hash_table_lookup(tx->access, path);

        count_owner(tx, access->perms, -1);
        count_owner(tx, perms, 1);
        xsl_perms_unref(access->perms);
        access->perms = perms;
        access->generation = ++store->generation;
        access->changed = true;
    } else {
        xsl_node_set_perms(store, xsl_node_find(store, path), perms);
    }
}

void xsl_view_fire(struct xsl_store *store, struct xsl_tx *tx, const char *path,
                   const struct xsl_perms *old)
{
    if (tx) {
        struct xsl_access *access = g_hash_table_lookup(tx->access, path);

        access->fire = FIRE_NORMAL;
    } else {
        xsl_watch_fire(store, path, false, xsl_node_find(store, path)->perms, old);
    }
}

/* --- Removing, children before their parents ------------------------------------------------- */

static int remove_below_in_tx(struct xsl_tx *tx, struct xsl_access *access, enum fire fire)
{
    g_autoptr(GByteArray) names = g_byte_array_new();

    list_access(access, names);
    for (guint i = 0; i < names->len; i += strlen((char *)names->data + i) + 1) {
        g_autofree char *path = g_strconcat(access->path, "/", (char *)names->data + i, NULL);
        struct xsl_access *child = get_access(tx, path);

        /* It may have vanished outside since its parent was fixed: then nothing can be committed.
         */
        if (!child || (child->exists && remove_below_in_tx(tx, child, FIRE_EXACT) < 0)) {
            return -ENOSPC;
        }
    }
    drop_children(tx->conn->store, access);
    count_owner(tx, access->perms, -1);
    g_clear_pointer(&access->perms, xsl_perms_unref);
    g_clear_pointer(&access->value, xsl_value_unref);
    access->exists = access->made = access->changed = false;
    /* What was never there outside is not missed there. */
    access->fire = access->base_generation ? fire : FIRE_NONE;
    return 0;
}

static int remove_in_tx(struct xsl_tx *tx, const char *path)
{
    struct xsl_access *access = get_access(tx, path), *parent;
    char above[XSL_PATH_SIZE];

    g_strlcpy(above, path, sizeof(above));
    xsl_path_cut(above);
    parent = get_access(tx, above);
    if (!access || !parent || remove_below_in_tx(tx, access, FIRE_NORMAL) < 0) {
        return -ENOSPC;
    }
    remove_child(tx->conn->store, parent, xsl_path_name(path));
    parent->generation = ++tx->conn->store->generation;
    return 0;
}

/* PATH is NODE's and is left as it was. */
static void fire_below(struct xsl_store *store, GString *path, const struct xsl_node *node)
{
    struct xsl_node *child;
    gsize len = path->len;
    unsigned slot = 0;

    while ((child = xsl_node_next_child(node, &slot))) {
        g_string_append_c(path, '/');
        g_string_append(path, child->name);
        fire_below(store, path, child);
        xsl_watch_fire(store, path->str, true, child->perms, NULL);
        g_string_truncate(path, len);
    }
}

int xsl_view_remove(struct xsl_store *store, struct xsl_tx *tx, const char *path)
{
    struct xsl_node *node;

    if (tx) {
        return remove_in_tx(tx, path);
    }
    node = xsl_node_find(store, path);
    if (g_hash_table_size(store->watches) > 0) {
        g_autoptr(GString) below = g_string_new(path);

        fire_below(store, below, node);
        xsl_watch_fire(store, path, false, node->perms, NULL);
    }
    xsl_node_remove(store, node);
    return 0;
}

/* --- Life ------------------------------------------------------------------------------------ */

struct xsl_tx *xsl_tx_new(struct xsl_conn *conn, uint32_t id)
{
    struct xsl_tx *tx = g_new0(struct xsl_tx, 1);

    tx->conn = conn;
    tx->id = id;
    tx->access = g_hash_table_new(g_str_hash, g_str_equal);
    tx->order = g_ptr_array_new_with_free_func(access_free);
    tx->owners = g_hash_table_new(NULL, NULL);
    conn->store->transactions++;
    return tx;
}

static void unfix_all(struct xsl_tx *tx)
{
    for (guint i = 0; i < tx->order->len; i++) {
        struct xsl_access *access = g_ptr_array_index(tx->order, i);

        if (access->live) {
            unfix_live(tx->conn->store, access);
        }
    }
}

void xsl_tx_free(struct xsl_tx *tx)
{
    unfix_all(tx);
    tx->conn->store->transactions--;
    g_hash_table_destroy(tx->access);
    g_ptr_array_unref(tx->order);
    g_hash_table_destroy(tx->owners);
    g_free(tx);
}

/* --- Commit ---------------------------------------------------------------------------------- */

static bool has_conflict(const struct xsl_tx *tx)
{
    for (guint i = 0; i < tx->order->len; i++) {
        const struct xsl_access *access = g_ptr_array_index(tx->order, i);
        const struct xsl_node *node = xsl_node_find(tx->conn->store, access->path);

        if ((node ? node->generation : 0) != access->base_generation) {
            return true;
        }
    }
    return false;
}

/* Only what makes the count of a domain grow can be too much. */
static bool exceeds_quota(const struct xsl_tx *tx)
{
    GHashTableIter iter;
    gpointer domid, change;

    g_hash_table_iter_init(&iter, tx->owners);
    while (!xsl_conn_privileged(tx->conn) && g_hash_table_iter_next(&iter, &domid, &change)) {
        const struct xsl_domain *domain = xsl_domain_get(tx->conn->store, GPOINTER_TO_UINT(domid));

        if (domain && domain->domid != 0 && GPOINTER_TO_INT(change) > 0 &&
            domain->nodes + GPOINTER_TO_INT(change) > domain->quota[XSL_QUOTA_NODES]) {
            return true;
        }
    }
    return false;
}

static gint by_creation(gconstpointer a, gconstpointer b)
{
    const struct xsl_access *x = *(struct xsl_access *const *)a;
    const struct xsl_access *y = *(struct xsl_access *const *)b;

    return x->created < y->created ? -1 : x->created > y->created;
}

static void apply_removals(struct xsl_tx *tx)
{
    struct xsl_store *store = tx->conn->store;

    for (guint i = 0; i < tx->order->len; i++) {
        const struct xsl_access *access = g_ptr_array_index(tx->order, i);
        struct xsl_node *node;

        if (access->base_generation && (!access->exists || access->made) &&
            (node = xsl_node_find(store, access->path))) {
            xsl_node_remove(store, node);
        }
    }
}

/* In the order they were made, which has parents first and their children as the client had them.
 */
static void apply_creations(struct xsl_tx *tx)
{
    g_autoptr(GPtrArray) made = g_ptr_array_new();

    for (guint i = 0; i < tx->order->len; i++) {
        struct xsl_access *access = g_ptr_array_index(tx->order, i);

        if (access->made) {
            g_ptr_array_add(made, access);
        }
    }
    g_ptr_array_sort(made, by_creation);
    for (guint i = 0; i < made->len; i++) {
        struct xsl_access *access = g_ptr_array_index(made, i);

        xsl_view_create(tx->conn->store, NULL, access->path, xsl_perms_ref(access->perms),
                        xsl_value_ref(access->value));
    }
}

static void apply_changes(struct xsl_tx *tx)
{
    struct xsl_store *store = tx->conn->store;

    for (guint i = 0; i < tx->order->len; i++) {
        const struct xsl_access *access = g_ptr_array_index(tx->order, i);

        if (access->changed && !access->made) {
            struct xsl_node *node = xsl_node_find(store, access->path);

            xsl_node_set_value(store, node, xsl_value_ref(access->value));
            xsl_node_set_perms(store, node, xsl_perms_ref(access->perms));
        }
    }
}

static void fire_events(struct xsl_tx *tx)
{
    for (guint i = 0; i < tx->order->len; i++) {
        const struct xsl_access *access = g_ptr_array_index(tx->order, i);

        if (access->fire != FIRE_NONE) {
            xsl_watch_fire(tx->conn->store, access->path, access->fire == FIRE_EXACT, access->perms,
                           access->base_perms);
        }
    }
}

int xsl_tx_commit(struct xsl_tx *tx)
{
    if (tx->poisoned) {
        return -ENOMEM;
    }
    if (has_conflict(tx)) {
        return -EAGAIN;
    }
    if (exceeds_quota(tx)) {
        return -ENOSPC;
    }
    /* What it has fixed may change now, by itself. */
    unfix_all(tx);
    apply_removals(tx);
    apply_creations(tx);
    apply_changes(tx);
    fire_events(tx);
    return 0;
}

/* --- Dump ------------------------------------------------------------------------------------- */

static GVariant *names_dump(GHashTable *set, GPtrArray *list)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    gpointer name;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    if (set) {
        g_hash_table_iter_init(&iter, set);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            g_variant_builder_add(&builder, "s", name);
        }
    }
    for (guint i = 0; list && i < list->len; i++) {
        g_variant_builder_add(&builder, "s", g_ptr_array_index(list, i));
    }
    return g_variant_builder_end(&builder);
}

static GVariant *access_dump(const struct xsl_access *access)
{
    gsize len = 0;
    const void *frozen = access->frozen ? g_bytes_get_data(access->frozen, &len) : NULL;

    return g_variant_new("(st@" XSL_PERMS_TYPE "bt@" XSL_PERMS_TYPE "@ayb(b@ay)@as@asbbtu)",
                         access->path, access->base_generation, xsl_perms_dump(access->base_perms),
                         access->exists, access->generation, xsl_perms_dump(access->perms),
                         xsl_value_dump(access->value), access->live != NULL,
                         access->frozen != NULL, xsl_bytes_dump(frozen, len),
                         names_dump(access->removed, NULL), names_dump(NULL, access->added),
                         access->made, access->changed, access->created, (guint32)access->fire);
}

GVariant *xsl_tx_dump(const struct xsl_tx *tx)
{
    GVariantBuilder owners, accesses;
    GHashTableIter iter;
    gpointer domid, change;

    g_variant_builder_init(&owners, G_VARIANT_TYPE("a(qi)"));
    g_hash_table_iter_init(&iter, tx->owners);
    while (g_hash_table_iter_next(&iter, &domid, &change)) {
        g_variant_builder_add(&owners, "(qi)", GPOINTER_TO_UINT(domid), GPOINTER_TO_INT(change));
    }
    g_variant_builder_init(&accesses, G_VARIANT_TYPE("a" XSL_ACCESS_TYPE));
    for (guint i = 0; i < tx->order->len; i++) {
        g_variant_builder_add_value(&accesses, access_dump(g_ptr_array_index(tx->order, i)));
    }
    return g_variant_new("(ubt@a(qi)@a" XSL_ACCESS_TYPE ")", tx->id, tx->poisoned, tx->last_change,
                         g_variant_builder_end(&owners), g_variant_builder_end(&accesses));
}

/* Where the children of a node of the dump are. */
static bool children_restore(struct xsl_tx *tx, struct xsl_access *access, bool live,
                             GVariant *frozen, GVariant *removed, GVariant *added)
{
    struct xsl_store *store = tx->conn->store;
    struct xsl_node *node = live ? xsl_node_find(store, access->path) : NULL;
    g_autoptr(GByteArray) names = g_byte_array_new();
    g_autoptr(GVariant) bytes = NULL;
    gboolean has_frozen;

    if (live && !node) {
        return false;
    }
    if (live) {
        fix_live(store, access, node);
    }
    g_variant_get(frozen, "(b@ay)", &has_frozen, &bytes);
    if (has_frozen) {
        const char *list = g_variant_get_data(bytes);
        gsize len = g_variant_get_size(bytes);

        if (live || (len && list[len - 1] != '\0')) {
            return false;
        }
        access->frozen = g_bytes_new(list, len);
    }
    for (gsize i = 0; i < g_variant_n_children(removed); i++) {
        const char *name;

        g_variant_get_child(removed, i, "&s", &name);
        remove_child(store, access, name);
    }
    for (gsize i = 0; i < g_variant_n_children(added); i++) {
        const char *name;

        g_variant_get_child(added, i, "&s", &name);
        add_child(store, access, name);
    }
    list_access(access, names);
    access->names_len = names->len;
    return true;
}

static bool access_restore(struct xsl_tx *tx, GVariant *dump)
{
    struct xsl_access *access = g_new0(struct xsl_access, 1);
    g_autoptr(GVariant) base_perms = NULL, perms = NULL, value = NULL, frozen = NULL;
    g_autoptr(GVariant) removed = NULL, added = NULL;
    gboolean exists, live, made, changed;
    guint32 fire;

    g_variant_get(dump, "(st@" XSL_PERMS_TYPE "bt@" XSL_PERMS_TYPE "@ayb@(bay)@as@asbbtu)",
                  &access->path, &access->base_generation, &base_perms, &exists,
                  &access->generation, &perms, &value, &live, &frozen, &removed, &added, &made,
                  &changed, &access->created, &fire);
    access->base_perms = xsl_perms_restore(base_perms);
    access->perms = xsl_perms_restore(perms);
    access->value = xsl_value_restore(value);
    access->exists = exists;
    access->made = made;
    access->changed = changed;
    access->fire = fire;
    if (access->path[0] != '/' || strlen(access->path) > XSL_ABS_PATH_MAX || fire > FIRE_NORMAL ||
        g_hash_table_contains(tx->access, access->path) ||
        access->exists != (access->perms != NULL)) {
        access_free(access);
        return false;
    }
    access_add(tx, access);
    return children_restore(tx, access, live, frozen, removed, added);
}

bool xsl_tx_restore(struct xsl_tx *tx, GVariant *dump)
{
    g_autoptr(GVariant) owners = NULL, accesses = NULL;
    gboolean poisoned;

    g_variant_get(dump, "(ubt@a(qi)@a" XSL_ACCESS_TYPE ")", NULL, &poisoned, &tx->last_change,
                  &owners, &accesses);
    tx->poisoned = poisoned;
    for (gsize i = 0; i < g_variant_n_children(owners); i++) {
        guint16 domid;
        gint32 change;

        g_variant_get_child(owners, i, "(qi)", &domid, &change);
        g_hash_table_insert(tx->owners, GUINT_TO_POINTER(domid), GINT_TO_POINTER(change));
    }
    for (gsize i = 0; i < g_variant_n_children(accesses); i++) {
        g_autoptr(GVariant) access = g_variant_get_child_value(accesses, i);

        if (!access_restore(tx, access)) {
            return false;
        }
    }
    return true;
}
