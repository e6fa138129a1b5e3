/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of the protocol: one handler each, one table.  A handler gets the
 * payload cut into strings as its row in the table says, checks all of it, acts,
 * and leaves what is to be answered.
 */
#include "store.h"

#include <stdio.h>
#include <xen/io/xs_wire.h>

/* Newer than the headers that are installed everywhere. */
enum { GET_FEATURE = 23, SET_FEATURE = 24, GET_QUOTA = 25, SET_QUOTA = 26, OPERATIONS };

/* What is counted of a node beside its permissions, value and children's names. */
#define NODE_HEADER_SIZE 24
#define NODE_PERM_SIZE 8

struct request {
    struct xsl_store *store;
    struct xsl_conn *conn;
    struct xsl_tx *tx;
    uint32_t tx_id;
    const char *data; /* the payload */
    size_t len;
    const char **arg; /* its strings, in their own memory */
    unsigned argc;
    GByteArray *answer;      /* what to answer; nothing in it for OK, if `ok` */
    bool ok;                 /* the answer is OK */
    struct xsl_watch *watch; /* whose first event follows the answer */

    /* Where path arguments are made absolute. */
    char *path;
    size_t relative;
};

/* --- Answers ----------------------------------------------------------------------------- */

static int ok(struct request *r)
{
    r->ok = true;
    return 0;
}

static void answer(struct request *r, const void *data, size_t len)
{
    g_byte_array_append(r->answer, data, len);
}

static int answer_text(struct request *r, const char *text)
{
    answer(r, text, strlen(text) + 1);
    return 0;
}

static int G_GNUC_PRINTF(2, 3) answer_format(struct request *r, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return answer_text(r, text);
}

/* --- Arguments ------------------------------------------------------------------------------- */

static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, 0, max, &number, NULL)) {
        return false;
    }
    *value = number;
    return true;
}

static bool parse_domid(const char *text, unsigned *domid)
{
    uint64_t number;

    if (!parse_number(text, UINT16_MAX, &number)) {
        return false;
    }
    *domid = number;
    return true;
}

/* The path of an operation on nodes; special ones are none. */
static int resolve(struct request *r, const char *given)
{
    int err = xsl_path_resolve(r->conn, given, r->path, &r->relative);

    return err ? err : xsl_path_is_special(r->path) ? -EINVAL : 0;
}

/* --- Access --------------------------------------------------------------------------------------
 */

/*
 * A client is told that a node is missing only if the nearest node above it would let
 * it do what it wants: else it could find out what there is.
 */
static int error_of_missing(struct request *r, unsigned rights)
{
    struct xsl_view view;
    char path[XSL_PATH_SIZE];

    g_strlcpy(path, r->path, sizeof(path));
    do {
        xsl_path_cut(path);
        if (xsl_view(r->store, r->tx, path, &view) < 0) {
            return -ENOSPC;
        }
    } while (!view.exists);
    return (xsl_perms_of(view.perms, r->conn) & rights) ? -ENOENT : -EACCES;
}

/* The node at r->path, if the client has all of RIGHTS on it. */
static int get_node(struct request *r, unsigned rights, struct xsl_view *view)
{
    int err = xsl_view(r->store, r->tx, r->path, view);

    if (err) {
        return err;
    }
    if (!view->exists) {
        return error_of_missing(r, rights);
    }
    return (xsl_perms_of(view->perms, r->conn) & rights) == rights ? 0 : -EACCES;
}

static int resolve_node(struct request *r, unsigned rights, struct xsl_view *view)
{
    int err = resolve(r, r->arg[0]);

    return err ? err : get_node(r, rights, view);
}

/* --- Quotas
 * --------------------------------------------------------------------------------------- */

static bool is_too_big(const struct request *r, unsigned perms, size_t value_len, size_t names_len)
{
    return NODE_HEADER_SIZE + perms * NODE_PERM_SIZE + value_len + names_len >
           xsl_conn_quota(r->conn, XSL_QUOTA_NODE_SIZE);
}

static bool owns_too_many(const struct request *r, uint64_t more)
{
    return !xsl_conn_privileged(r->conn) && xsl_view_owned(r->store, r->tx, r->conn->domid) + more >
                                                xsl_conn_quota(r->conn, XSL_QUOTA_NODES);
}

/* --- Reading
 * ---------------------------------------------------------------------------------------- */

static int do_read(struct request *r)
{
    struct xsl_view view;
    int err = resolve_node(r, XSL_READ, &view);

    if (!err) {
        answer(r, view.value, xsl_value_len(view.value));
    }
    return err;
}

static int do_directory(struct request *r)
{
    struct xsl_view view;
    int err = resolve_node(r, XSL_READ, &view);

    if (err) {
        return err;
    }
    if (view.names_len > XSL_PAYLOAD_MAX) {
        return -E2BIG;
    }
    xsl_view_list(r->store, r->tx, r->path, r->answer);
    return 0;
}

/* Whole names from LIST as long as they fit into ROOM; returns how many bytes they have. */
static size_t whole_names(const char *list, size_t len, size_t room)
{
    size_t taken = 0;

    while (taken < len) {
        size_t size = strlen(list + taken) + 1;

        if (taken + size > room) {
            break;
        }
        taken += size;
    }
    return taken;
}

static int do_directory_part(struct request *r)
{
    uint64_t offset = g_ascii_strtoull(r->arg[1], NULL, 10);
    g_autoptr(GByteArray) names = NULL;
    struct xsl_view view;
    size_t taken;
    int err = resolve_node(r, XSL_READ, &view);

    if (err) {
        return err;
    }
    answer_format(r, "%" PRIu64, view.generation);
    names = g_byte_array_sized_new(XSL_PAYLOAD_MAX); /* so that there is something to point at */
    xsl_view_list(r->store, r->tx, r->path, names);
    offset = MIN(offset, names->len);
    /* One byte less, for the empty string that ends the last part. */
    taken = whole_names((char *)names->data + offset, names->len - offset,
                        XSL_PAYLOAD_MAX - 1 - r->answer->len);
    answer(r, names->data + offset, taken);
    return offset + taken == names->len ? answer_text(r, "") : 0;
}

static int do_get_perms(struct request *r)
{
    struct xsl_view view;
    int special = xsl_watch_special(r->arg[0]), err;

    if (xsl_path_is_special(r->arg[0])) {
        if (special < 0) {
            return -ENOENT;
        }
        if (!(xsl_perms_of(r->store->special[special], r->conn) & XSL_READ)) {
            return -EACCES;
        }
        xsl_perms_format(r->store->special[special], r->answer);
        return 0;
    }
    err = resolve_node(r, XSL_READ, &view);
    if (!err) {
        xsl_perms_format(view.perms, r->answer);
    }
    return err;
}

/* --- Writing
 * ------------------------------------------------------------------------------------------ */

/* What a node made by this client below one with PERMS gets. */
static struct xsl_perms *inherit(const struct request *r, struct xsl_perms *perms)
{
    struct xsl_perms *own;

    if (xsl_conn_privileged(r->conn) || xsl_perms_owner(perms) == r->conn->domid) {
        return xsl_perms_ref(perms);
    }
    own = xsl_perms_copy(perms);
    own->entry[0].domid = r->conn->domid;
    return own;
}

/*
 * Checks that r->path, which is missing, can be made with a value of LEN bytes, and
 * finds where its path leaves that of the nearest node there is, and the permissions
 * that it and all made on the way to it will have.
 */
static int check_creation(struct request *r, size_t len, size_t *above, struct xsl_perms **perms)
{
    char path[XSL_PATH_SIZE];
    struct xsl_view view;
    uint64_t missing = 0;
    size_t name_size = 0, longest = 0;

    g_strlcpy(path, r->path, sizeof(path));
    do {
        longest = MAX(longest, name_size);
        name_size = strlen(xsl_path_name(path)) + 1;
        missing++;
        xsl_path_cut(path);
        if (xsl_view(r->store, r->tx, path, &view) < 0) {
            return -ENOSPC;
        }
    } while (!view.exists);
    if (is_too_big(r, view.perms->n, xsl_value_len(view.value), view.names_len + name_size) ||
        is_too_big(r, view.perms->n, 0, longest) || is_too_big(r, view.perms->n, len, 0) ||
        owns_too_many(r, missing)) {
        return -ENOSPC;
    }
    *above = path[1] ? strlen(path) : 0;
    *perms = inherit(r, view.perms);
    return 0;
}

/* Makes r->path and what is missing above it; takes VALUE. */
static int create(struct request *r, char *value)
{
    struct xsl_perms *perms;
    char path[XSL_PATH_SIZE];
    size_t end;
    int err = check_creation(r, xsl_value_len(value), &end, &perms);

    if (err) {
        xsl_value_unref(value);
        return err;
    }
    while (r->path[end] && !err) {
        end = strchrnul(r->path + end + 1, '/') - r->path;
        memcpy(path, r->path, end);
        path[end] = '\0';
        err = xsl_view_create(r->store, r->tx, path, xsl_perms_ref(perms),
                              r->path[end] ? NULL : g_steal_pointer(&value));
    }
    xsl_value_unref(value);
    xsl_perms_unref(perms);
    if (!err) {
        xsl_view_fire(r->store, r->tx, r->path, NULL);
    }
    return err;
}

/* The store itself was changed, or will be when the transaction is committed. */
static int changed(struct request *r)
{
    if (!r->tx) {
        xsl_domain_wrote(r->conn->domain);
    }
    return ok(r);
}

static int do_write(struct request *r)
{
    const char *data = r->arg[0] + strlen(r->arg[0]) + 1;
    size_t len = r->len - (data - r->data);
    struct xsl_view view;
    int err = resolve_node(r, XSL_WRITE, &view);

    if (err == -ENOENT) {
        err = create(r, xsl_value_new(data, len));
    } else if (!err && is_too_big(r, view.perms->n, len, view.names_len)) {
        err = -ENOSPC;
    } else if (!err) {
        xsl_view_set_value(r->store, r->tx, r->path, xsl_value_new(data, len));
        xsl_view_fire(r->store, r->tx, r->path, NULL);
    }
    return err ? err : changed(r);
}

static int do_mkdir(struct request *r)
{
    struct xsl_view view;
    int err = resolve_node(r, XSL_WRITE, &view);

    if (!err) {
        return ok(r); /* it is there, and stays as it is */
    }
    err = err == -ENOENT ? create(r, NULL) : err;
    return err ? err : changed(r);
}

/* Removing what is not there is fine if it could be. */
static int remove_missing(struct request *r)
{
    struct xsl_view view;

    xsl_path_cut(r->path);
    if (xsl_view(r->store, r->tx, r->path, &view) < 0) {
        return -ENOSPC;
    }
    return view.exists ? ok(r) : -ENOENT;
}

static int do_rm(struct request *r)
{
    struct xsl_view view;
    int err = resolve_node(r, XSL_WRITE, &view);

    if (err) {
        return err == -ENOENT ? remove_missing(r) : err;
    }
    if (r->path[1] == '\0') {
        return -EINVAL;
    }
    err = xsl_view_remove(r->store, r->tx, r->path);
    return err ? err : changed(r);
}

static int set_special_perms(struct request *r, struct xsl_perms *perms)
{
    int special = xsl_watch_special(r->arg[0]);

    if (special < 0) {
        return -ENOENT;
    }
    if (!xsl_conn_privileged(r->conn)) {
        return -EACCES;
    }
    xsl_perms_unref(r->store->special[special]);
    r->store->special[special] = xsl_perms_ref(perms);
    return ok(r);
}

static int set_perms(struct request *r, struct xsl_perms *perms)
{
    struct xsl_perms *old;
    struct xsl_view view;
    int err;

    if (xsl_path_is_special(r->arg[0])) {
        return set_special_perms(r, perms);
    }
    err = resolve_node(r, XSL_WRITE | XSL_OWNER, &view);
    if (err) {
        return err;
    }
    if (!xsl_conn_privileged(r->conn) && xsl_perms_owner(perms) != xsl_perms_owner(view.perms)) {
        return -EPERM;
    }
    if (is_too_big(r, perms->n, xsl_value_len(view.value), view.names_len)) {
        return -ENOSPC;
    }
    old = xsl_perms_ref(view.perms);
    xsl_view_set_perms(r->store, r->tx, r->path, xsl_perms_ref(perms));
    xsl_view_fire(r->store, r->tx, r->path, old);
    xsl_perms_unref(old);
    return changed(r);
}

/* Entries of domains that do not exist are kept as they are, and never come to life. */
static void mark_dead(const struct request *r, struct xsl_perms *perms)
{
    for (unsigned i = 0; i < perms->n; i++) {
        unsigned domid = perms->entry[i].domid;

        perms->entry[i].dead = domid != XSL_DOMID_ANY && !xsl_domain_exists(r->store, domid);
    }
}

static int do_set_perms(struct request *r)
{
    struct xsl_perms *perms;
    int err;

    if (r->argc - 1 > xsl_conn_quota(r->conn, XSL_QUOTA_NODE_PERMISSIONS)) {
        return -ENOSPC;
    }
    perms = xsl_perms_parse(r->arg + 1, r->argc - 1);
    if (!perms) {
        return -EINVAL;
    }
    mark_dead(r, perms);
    err = perms->entry[0].dead ? -ENOENT : set_perms(r, perms);
    xsl_perms_unref(perms);
    return err;
}

/* --- Watches
 * -------------------------------------------------------------------------------------------- */

static int resolve_watch(struct request *r)
{
    return xsl_path_resolve(r->conn, r->arg[0], r->path, &r->relative);
}

static bool may_give_depth(const struct xsl_conn *conn)
{
    return xsl_conn_privileged(conn) || (conn->domain->features & XSL_FEATURE_WATCH_DEPTH);
}

static int do_watch(struct request *r)
{
    gint64 depth = -1;
    int err;

    if (r->argc > 2) {
        depth = g_ascii_strtoll(r->arg[2], NULL, 10);
        if (depth < 0 || !may_give_depth(r->conn)) {
            return -EINVAL;
        }
    }
    err = resolve_watch(r);
    if (err) {
        return err;
    }
    if (r->conn->watches->len >= xsl_conn_quota(r->conn, XSL_QUOTA_WATCHES)) {
        return -ENOSPC;
    }
    err = xsl_watch_add(r->conn, r->path, r->relative, r->arg[1], MIN(depth, XSL_ABS_PATH_MAX),
                        &r->watch);
    return err ? err : ok(r);
}

static int do_unwatch(struct request *r)
{
    int err = resolve_watch(r);

    if (!err) {
        err = xsl_watch_remove(r->conn, r->path, r->arg[1]);
    }
    return err ? err : ok(r);
}

static int do_reset_watches(struct request *r)
{
    xsl_conn_reset_watches(r->conn);
    return ok(r);
}

/* --- Transactions
 * ------------------------------------------------------------------------------------------ */

static int do_transaction_start(struct request *r)
{
    GHashTable *transactions = r->conn->transactions;
    uint32_t id = r->conn->last_tx;

    if (r->tx) {
        return -EBUSY;
    }
    if (g_hash_table_size(transactions) >= xsl_conn_quota(r->conn, XSL_QUOTA_TRANSACTIONS)) {
        return -ENOSPC;
    }
    do {
        id++;
    } while (id == 0 || g_hash_table_contains(transactions, GUINT_TO_POINTER(id)));
    r->conn->last_tx = id;
    g_hash_table_insert(transactions, GUINT_TO_POINTER(id), xsl_tx_new(r->conn, id));
    return answer_format(r, "%u", id);
}

static int do_transaction_end(struct request *r)
{
    bool commit = g_str_equal(r->arg[0], "T");
    int err;

    if (!commit && !g_str_equal(r->arg[0], "F")) {
        return -EINVAL; /* and it stays open */
    }
    err = commit ? xsl_tx_commit(r->tx) : 0;
    g_hash_table_remove(r->conn->transactions, GUINT_TO_POINTER(r->tx->id));
    r->tx = NULL;
    return err ? err : commit ? changed(r) : ok(r);
}

/* --- Domains
 * -------------------------------------------------------------------------------------------------
 */

static int do_introduce(struct request *r)
{
    unsigned domid;
    uint64_t port;
    int err;

    if (!parse_domid(r->arg[0], &domid) || !parse_number(r->arg[2], UINT32_MAX, &port)) {
        return -EINVAL;
    }
    err = xsl_domain_introduce(r->store, domid, g_ascii_strtoull(r->arg[1], NULL, 10), port);
    return err ? err : ok(r);
}

static int do_release(struct request *r)
{
    unsigned domid;
    int err;

    if (!parse_domid(r->arg[0], &domid) || domid == 0) {
        return -EINVAL;
    }
    err = xsl_domain_release(r->store, domid);
    return err ? err : ok(r);
}

static int do_resume(struct request *r)
{
    unsigned domid;
    int err;

    if (!parse_domid(r->arg[0], &domid) || domid == 0) {
        return -EINVAL;
    }
    err = xsl_domain_resume(r->store, domid);
    return err ? err : ok(r);
}

static int do_set_target(struct request *r)
{
    unsigned domid, target;
    int err;

    if (!parse_domid(r->arg[0], &domid) || !parse_domid(r->arg[1], &target)) {
        return -EINVAL;
    }
    err = xsl_domain_set_target(r->store, domid, target);
    return err ? err : ok(r);
}

static int do_is_domain_introduced(struct request *r)
{
    const struct xsl_domain *domain;
    unsigned domid;

    if (!parse_domid(r->arg[0], &domid)) {
        return -EINVAL;
    }
    domain = xsl_domain_get(r->store, domid);
    return answer_text(
        r, domid == 0 || domid == XSL_DOMID_SELF || (domain && domain->introduced) ? "T" : "F");
}

static int do_get_domain_path(struct request *r)
{
    unsigned domid;

    return parse_domid(r->arg[0], &domid) ? answer_format(r, "/local/domain/%u", domid) : -EINVAL;
}

/* --- Features and quotas
 * ------------------------------------------------------------------------------------------ */

/* The domain that the first argument names, which the hypervisor or the store must know. */
static int get_domain(struct request *r, struct xsl_domain **domain)
{
    unsigned domid;

    if (!parse_domid(r->arg[0], &domid)) {
        return -EINVAL;
    }
    if (domid >= XSL_DOMID_FIRST_RESERVED ||
        (r->store->ops.domain_exists && !xsl_domain_exists(r->store, domid))) {
        return -ENOENT;
    }
    *domain = xsl_domain_make(r->store, domid);
    return 0;
}

static int do_get_feature(struct request *r)
{
    struct xsl_domain *domain;
    int err;

    if (r->argc == 0) {
        return answer_format(r, "%u", XSL_FEATURE_ALL);
    }
    if (!xsl_conn_privileged(r->conn)) {
        return -EACCES;
    }
    err = get_domain(r, &domain);
    return err ? err : answer_format(r, "%u", domain->features);
}

static int do_set_feature(struct request *r)
{
    struct xsl_domain *domain;
    uint64_t features;
    int err;

    if (!parse_number(r->arg[1], UINT32_MAX, &features) ||
        (features & ~(uint64_t)XSL_FEATURE_ALL)) {
        return -EINVAL;
    }
    err = get_domain(r, &domain);
    if (err) {
        return err;
    }
    if (domain->introduced || domain->domid == 0) {
        return -EBUSY;
    }
    domain->features = features;
    return ok(r);
}

static int do_get_quota(struct request *r)
{
    const uint64_t *values = r->store->quota;
    int quota, err;

    if (r->argc == 0) {
        for (int i = 0; i < XSL_QUOTAS; i++) {
            answer(r, i ? " " : "", i ? 1 : 0);
            answer(r, xsl_quota_name(i), strlen(xsl_quota_name(i)));
        }
        return answer_text(r, "");
    }
    if (r->argc > 1) {
        struct xsl_domain *domain;

        err = get_domain(r, &domain);
        if (err) {
            return err;
        }
        values = domain->quota;
    }
    quota = xsl_quota_by_name(r->arg[r->argc > 1]);
    return quota < 0 ? -EINVAL : answer_format(r, "%" PRIu64, values[quota]);
}

static int do_set_quota(struct request *r)
{
    uint64_t *values = r->store->quota, value;
    unsigned first = r->argc > 2;
    int quota = xsl_quota_by_name(r->arg[first]), err;

    if (quota < 0 || !parse_number(r->arg[first + 1], UINT32_MAX, &value)) {
        return -EINVAL;
    }
    if (first) {
        struct xsl_domain *domain;

        err = get_domain(r, &domain);
        if (err) {
            return err;
        }
        values = domain->quota;
    }
    values[quota] = value;
    return ok(r);
}

static int do_control(struct request *r)
{
    return xsl_control(r->store, r->arg, r->argc, r->answer);
}

/* --- The table
 * ------------------------------------------------------------------------------------------------------
 */

enum {
    PRIVILEGED = 1, /* domain 0 only */
    NO_TX = 2,      /* the transaction id is not looked at */
    ONE = 4,        /* one string is all the payload */
};

static const struct operation {
    const char *name;
    int (*run)(struct request *r);
    unsigned flags;
    unsigned min_args, max_args; /* strings; max_args 0: any more are not looked at */
} operations[OPERATIONS] = {
    [XS_CONTROL] = {"CONTROL", do_control, PRIVILEGED, 1, 0},
    [XS_DIRECTORY] = {"DIRECTORY", do_directory, ONE, 1, 1},
    [XS_READ] = {"READ", do_read, ONE, 1, 1},
    [XS_GET_PERMS] = {"GET_PERMS", do_get_perms, ONE, 1, 1},
    [XS_WATCH] = {"WATCH", do_watch, NO_TX, 2, 3},
    [XS_UNWATCH] = {"UNWATCH", do_unwatch, NO_TX, 2, 2},
    [XS_TRANSACTION_START] = {"TRANSACTION_START", do_transaction_start, 0, 0, 0},
    [XS_TRANSACTION_END] = {"TRANSACTION_END", do_transaction_end, ONE, 1, 1},
    [XS_INTRODUCE] = {"INTRODUCE", do_introduce, PRIVILEGED, 3, 0},
    [XS_RELEASE] = {"RELEASE", do_release, PRIVILEGED | ONE, 1, 1},
    [XS_GET_DOMAIN_PATH] = {"GET_DOMAIN_PATH", do_get_domain_path, ONE, 1, 1},
    [XS_WRITE] = {"WRITE", do_write, 0, 1, 0},
    [XS_MKDIR] = {"MKDIR", do_mkdir, ONE, 1, 1},
    [XS_RM] = {"RM", do_rm, ONE, 1, 1},
    [XS_SET_PERMS] = {"SET_PERMS", do_set_perms, 0, 2, 0},
    [XS_IS_DOMAIN_INTRODUCED] = {"IS_DOMAIN_INTRODUCED", do_is_domain_introduced, PRIVILEGED | ONE,
                                 1, 1},
    [XS_RESUME] = {"RESUME", do_resume, PRIVILEGED | ONE, 1, 1},
    [XS_SET_TARGET] = {"SET_TARGET", do_set_target, PRIVILEGED, 2, 0},
    [XS_RESET_WATCHES] = {"RESET_WATCHES", do_reset_watches, 0, 0, 0},
    [XS_DIRECTORY_PART] = {"DIRECTORY_PART", do_directory_part, 0, 2, 2},
    [GET_FEATURE] = {"GET_FEATURE", do_get_feature, 0, 0, 1},
    [SET_FEATURE] = {"SET_FEATURE", do_set_feature, PRIVILEGED, 2, 2},
    [GET_QUOTA] = {"GET_QUOTA", do_get_quota, PRIVILEGED, 0, 2},
    [SET_QUOTA] = {"SET_QUOTA", do_set_quota, PRIVILEGED, 2, 3},
};

/* Finds the strings of the payload, each with its NUL; what comes after the last NUL is none. */
static unsigned split(const char *data, size_t len, const char **arg)
{
    const char *end = data + len, *nul;
    unsigned n = 0;

    while (data < end && (nul = memchr(data, '\0', end - data))) {
        arg[n++] = data;
        data = nul + 1;
    }
    return n;
}

static bool arguments_fit(const struct operation *op, const struct request *r)
{
    if (r->argc < op->min_args || (op->max_args && r->argc > op->max_args)) {
        return false;
    }
    return !(op->flags & ONE) || strlen(r->data) + 1 == r->len;
}

static int run(struct request *r, uint32_t type, uint32_t tx_id)
{
    const struct operation *op = type < OPERATIONS ? &operations[type] : NULL;

    if (!op || !op->run) {
        return -ENOSYS;
    }
    if ((op->flags & PRIVILEGED) && !xsl_conn_privileged(r->conn)) {
        return -EACCES;
    }
    if (tx_id && !(op->flags & NO_TX)) {
        r->tx = g_hash_table_lookup(r->conn->transactions, GUINT_TO_POINTER(tx_id));
        if (!r->tx) {
            return -ENOENT;
        }
    }
    if (type == XS_TRANSACTION_END && !r->tx) {
        return -ENOENT;
    }
    return arguments_fit(op, r) ? op->run(r) : -EINVAL;
}

const char *xsl_error_name(int err)
{
    for (size_t i = 0; i < G_N_ELEMENTS(xsd_errors); i++) {
        if (xsd_errors[i].errnum == -err) {
            return xsd_errors[i].errstring;
        }
    }
    return "EINVAL";
}

static void log_request(const struct request *r, uint32_t type, uint32_t tx_id, int err)
{
    const char *name = type < OPERATIONS ? operations[type].name : NULL;

    if (r->store->log) {
        xsl_log(r->store, "domain %u, connection %" PRIu64 ", transaction %u: %s %s: %s",
                r->conn->domid, r->conn->number, tx_id, name ? name : "unknown operation",
                r->argc ? r->arg[0] : "", err ? xsl_error_name(err) : "OK");
    }
}

int xsl_request_run(struct xsl_conn *conn, uint32_t type, uint32_t req_id, uint32_t tx_id,
                    const char *data, size_t len, GByteArray *direct)
{
    /* As many strings as a payload can have; most have one or two. */
    const char *strings[XSL_PAYLOAD_MAX];
    char path[XSL_PATH_SIZE];
    struct request r = {
        .store = conn->store,
        .conn = conn,
        .tx_id = tx_id,
        .data = data,
        .len = len,
        .arg = strings,
        .argc = split(data, len, strings),
        .answer = direct ? direct : conn->store->scratch,
        .path = path,
    };
    int err;

    g_byte_array_set_size(r.answer, 0);
    err = run(&r, type, tx_id);
    if (!err && r.answer->len > XSL_PAYLOAD_MAX) {
        err = -E2BIG;
    }
    log_request(&r, type, tx_id, err);
    if (direct) {
        if (r.ok) {
            answer_text(&r, "OK");
        }
    } else if (err == -EINPROGRESS) {
        conn->deferred = true;
        conn->deferred_id = req_id;
        conn->deferred_tx = tx_id;
    } else if (err) {
        xsl_conn_reply(conn, XS_ERROR, req_id, tx_id, xsl_error_name(err),
                       strlen(xsl_error_name(err)) + 1);
    } else if (r.ok) {
        xsl_conn_reply(conn, type, req_id, tx_id, "OK", sizeof("OK"));
    } else {
        xsl_conn_reply(conn, type, req_id, tx_id, r.answer->data, r.answer->len);
    }
    if (r.watch) {
        xsl_watch_fire_first(r.watch);
    }
    return err;
}
