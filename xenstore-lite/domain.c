/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domains a store knows, from INTRODUCE to RELEASE, and what each may use.
 */
#include "store.h"

/* A domain may write this often, all of them together, while others have transactions open. */
#define WRITES_PER_SECOND 200
#define WRITES_BURST 10

static const struct {
    const char *name, *description;
    uint64_t value;
} quotas[XSL_QUOTAS] = {
    [XSL_QUOTA_NODES] = {"nodes", "nodes a domain owns", 1000},
    [XSL_QUOTA_WATCHES] = {"watches", "watches of a domain", 128},
    [XSL_QUOTA_TRANSACTIONS] = {"transactions", "open transactions of a domain", 10},
    [XSL_QUOTA_OUTSTANDING] = {"outstanding", "requests of a domain not done with", 20},
    [XSL_QUOTA_TRANSACTION_NODES] = {"transaction-nodes", "nodes used in a transaction", 1024},
    [XSL_QUOTA_MEMORY] = {"memory", "bytes of output waiting for a domain", 2560 * 1024},
    [XSL_QUOTA_NODE_SIZE] = {"node-size", "bytes of a node", 2048},
    [XSL_QUOTA_PATH_MAX] = {"path-max", "bytes of a path below the domain's home", 2048},
    [XSL_QUOTA_NODE_PERMISSIONS] = {"node-permissions", "permission entries of a node", 5},
};

const char *xsl_quota_name(enum xsl_quota quota)
{
    return quotas[quota].name;
}

const char *xsl_quota_description(enum xsl_quota quota)
{
    return quotas[quota].description;
}

int xsl_quota_by_name(const char *name)
{
    for (int i = 0; i < XSL_QUOTAS; i++) {
        if (g_str_equal(name, quotas[i].name)) {
            return i;
        }
    }
    return -1;
}

void xsl_quotas_init(struct xsl_store *store)
{
    for (int i = 0; i < XSL_QUOTAS; i++) {
        store->quota[i] = quotas[i].value;
    }
}

void xsl_domains_set_quota(struct xsl_store *store, enum xsl_quota quota, uint64_t value)
{
    GHashTableIter iter;
    gpointer domain;

    store->quota[quota] = value;
    g_hash_table_iter_init(&iter, store->domains);
    while (g_hash_table_iter_next(&iter, NULL, &domain)) {
        ((struct xsl_domain *)domain)->quota[quota] = value;
    }
}

/* --- Domains -------------------------------------------------------------------------- */

struct xsl_domain *xsl_domain_get(const struct xsl_store *store, unsigned domid)
{
    return g_hash_table_lookup(store->domains, GUINT_TO_POINTER(domid));
}

static void make_afresh(struct xsl_domain *domain)
{
    domain->introduced = domain->shutdown = domain->broken = false;
    domain->page = NULL;
    domain->target = -1;
    domain->features = XSL_FEATURE_ALL;
    domain->credit = WRITES_BURST * 1000;
    memcpy(domain->quota, domain->store->quota, sizeof(domain->quota));
}

struct xsl_domain *xsl_domain_make(struct xsl_store *store, unsigned domid)
{
    struct xsl_domain *domain = xsl_domain_get(store, domid);

    if (!domain) {
        domain = g_new0(struct xsl_domain, 1);
        domain->store = store;
        domain->domid = domid;
        make_afresh(domain);
        g_hash_table_insert(store->domains, GUINT_TO_POINTER(domid), domain);
    }
    return domain;
}

bool xsl_domain_exists(const struct xsl_store *store, unsigned domid)
{
    const struct xsl_domain *domain = xsl_domain_get(store, domid);

    return domid == 0 || (domain && domain->introduced) ||
           (store->ops.domain_exists && store->ops.domain_exists(store->world, domid));
}

void xsl_domain_count_nodes(struct xsl_store *store, unsigned domid, int change)
{
    xsl_domain_make(store, domid)->nodes += change;
}

/* --- From INTRODUCE to RELEASE ------------------------------------------------------------ */

static void wake_ring(struct xsl_conn *conn, void *opaque)
{
    /* Output goes into the ring when its transport is run, which follows every request. */
    (void)conn;
    (void)opaque;
}

int xsl_domain_connect(struct xsl_domain *domain, uint64_t gfn, uint32_t port)
{
    struct xsl_store *store = domain->store;

    if (domain->domid == 0 || domain->domid >= XSL_DOMID_FIRST_RESERVED || port == 0) {
        return -EINVAL;
    }
    if (store->ops.map_ring) {
        domain->page = store->ops.map_ring(store->world, domain->domid, gfn, port);
        if (!domain->page) {
            return -EINVAL;
        }
    }
    domain->introduced = true;
    domain->gfn = gfn;
    domain->port = port;
    domain->conn = xsl_conn_new(store, domain->domid, wake_ring, NULL);
    store->introduced++;
    return 0;
}

int xsl_domain_introduce(struct xsl_store *store, unsigned domid, uint64_t gfn, uint32_t port)
{
    struct xsl_domain *domain;
    int err;

    if (domid >= XSL_DOMID_FIRST_RESERVED || port == 0) {
        return -EINVAL;
    }
    domain = xsl_domain_make(store, domid);
    if (domain->introduced) {
        /* The page stays, as it does on Xen: there it is always the same grant. */
        domain->port = port;
        xsl_ring_attach(domain);
        return 0;
    }
    err = xsl_domain_connect(domain, gfn, port);
    if (err) {
        return err;
    }
    xsl_ring_attach(domain);
    xsl_watch_fire_special(store, XSL_INTRODUCE_DOMAIN, domid);
    return 0;
}

/* PATH is NODE's and is left as it was. */
static void remove_owned(struct xsl_store *store, GString *path, const struct xsl_node *node,
                         unsigned domid)
{
    g_autoptr(GPtrArray) children = g_ptr_array_new();
    gsize len = path->len;
    unsigned slot = 0;
    struct xsl_node *child;

    /* A copy, as removing one moves the others. */
    while ((child = xsl_node_next_child(node, &slot))) {
        g_ptr_array_add(children, child);
    }
    for (guint i = 0; i < children->len; i++) {
        child = g_ptr_array_index(children, i);
        g_string_append_printf(path, "%s%s", len > 1 ? "/" : "", child->name);
        if (xsl_perms_owner(child->perms) == domid) {
            xsl_view_remove(store, NULL, path->str);
        } else {
            remove_owned(store, path, child, domid);
        }
        g_string_truncate(path, len);
    }
}

/* A list without the entries of a domain, which may own it no more; NULL if it has none. */
static struct xsl_perms *without(const struct xsl_perms *perms, unsigned domid)
{
    struct xsl_perms *rest;
    unsigned kept = 0, named = 0;

    for (unsigned i = 0; i < perms->n; i++) {
        named += perms->entry[i].domid == domid;
    }
    if (named == 0) {
        return NULL;
    }
    rest = xsl_perms_copy(perms);
    for (unsigned i = 0; i < perms->n; i++) {
        if (i == 0 || perms->entry[i].domid != domid) {
            rest->entry[kept++] = perms->entry[i];
        }
    }
    rest->n = kept;
    if (xsl_perms_owner(rest) == domid) {
        rest->entry[0].domid = 0; /* the root: it cannot be removed */
    }
    return rest;
}

static void forget_in_node(struct xsl_store *store, struct xsl_node *node, unsigned domid)
{
    struct xsl_perms *rest = without(node->perms, domid);

    if (rest) {
        xsl_node_set_perms(store, node, rest);
    }
}

static void forget_in_perms(struct xsl_store *store, unsigned domid)
{
    GHashTableIter iter;
    gpointer node;

    forget_in_node(store, store->root, domid);
    g_hash_table_iter_init(&iter, store->index);
    while (g_hash_table_iter_next(&iter, &node, NULL)) {
        forget_in_node(store, node, domid);
    }
    for (int i = 0; i < XSL_SPECIALS; i++) {
        struct xsl_perms *rest = without(store->special[i], domid);

        if (rest) {
            xsl_perms_unref(store->special[i]);
            store->special[i] = rest;
        }
    }
}

static void forget_target(gpointer key, gpointer value, gpointer opaque)
{
    struct xsl_domain *domain = value;
    const struct xsl_domain *gone = opaque;

    (void)key;
    if (domain->target == (int)gone->domid) {
        domain->target = -1;
    }
}

void xsl_domain_forget(struct xsl_domain *domain)
{
    struct xsl_store *store = domain->store;
    g_autoptr(GString) path = g_string_new("/");

    make_afresh(domain);
    remove_owned(store, path, store->root, domain->domid);
    forget_in_perms(store, domain->domid);
    g_hash_table_foreach(store->domains, forget_target, domain);
    xsl_watch_fire_special(store, XSL_RELEASE_DOMAIN, domain->domid);
}

int xsl_domain_release(struct xsl_store *store, unsigned domid)
{
    struct xsl_domain *domain = xsl_domain_get(store, domid);

    if (!domain || !domain->introduced) {
        return -ENOENT;
    }
    g_clear_pointer(&domain->conn, xsl_conn_free);
    if (domain->page && store->ops.unmap_ring) {
        store->ops.unmap_ring(store->world, domid, domain->page);
    }
    store->introduced--;
    xsl_domain_forget(domain);
    return 0;
}

static struct xsl_domain *get_introduced(const struct xsl_store *store, unsigned domid)
{
    struct xsl_domain *domain = xsl_domain_get(store, domid);

    return domain && domain->introduced ? domain : NULL;
}

int xsl_domain_shutdown(struct xsl_store *store, unsigned domid)
{
    struct xsl_domain *domain = get_introduced(store, domid);

    if (!domain) {
        return -ENOENT;
    }
    if (!domain->shutdown) {
        domain->shutdown = true;
        xsl_watch_fire_special(store, XSL_RELEASE_DOMAIN, domid);
    }
    return 0;
}

int xsl_domain_resume(struct xsl_store *store, unsigned domid)
{
    struct xsl_domain *domain = get_introduced(store, domid);

    if (!domain) {
        return -ENOENT;
    }
    domain->shutdown = false;
    return 0;
}

int xsl_domain_set_target(struct xsl_store *store, unsigned domid, unsigned target)
{
    struct xsl_domain *domain = get_introduced(store, domid);

    if (!domain || !get_introduced(store, target)) {
        return -ENOENT;
    }
    domain->target = target;
    return 0;
}

/* --- The write rate ---------------------------------------------------------------------- */

int64_t xsl_now(const struct xsl_store *store)
{
    return store->ops.now ? store->ops.now(store->world) : 0;
}

static int64_t credit_now(const struct xsl_domain *domain)
{
    int64_t ms = xsl_now(domain->store) - domain->credit_time;
    /* ms * writes/s is thousandths of a write. */
    int64_t earned = ms * WRITES_PER_SECOND / MAX(domain->store->introduced, 1);

    return MIN(domain->credit + earned, WRITES_BURST * 1000);
}

static bool others_have_transactions(const struct xsl_domain *domain)
{
    unsigned own = domain->conn ? g_hash_table_size(domain->conn->transactions) : 0;

    return domain->store->transactions > own;
}

void xsl_domain_wrote(struct xsl_domain *domain)
{
    if (domain && domain->store->ops.now && others_have_transactions(domain)) {
        domain->credit = credit_now(domain) - 1000;
        domain->credit_time = xsl_now(domain->store);
    }
}

int xsl_domain_throttled(const struct xsl_domain *domain)
{
    int64_t missing;

    if (!domain || !domain->store->ops.now || !others_have_transactions(domain)) {
        return 0;
    }
    missing = 1000 - credit_now(domain);
    return missing <= 0 ? 0 : missing * MAX(domain->store->introduced, 1) / WRITES_PER_SECOND + 1;
}
