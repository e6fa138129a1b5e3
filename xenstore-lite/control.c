/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CONTROL: what an administrator asks of the store, by xenstore-control.
 */
#include "store.h"

static void G_GNUC_PRINTF(2, 3) add_line(GByteArray *reply, const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    g_byte_array_append(reply, (const guint8 *)line, strlen(line));
    g_byte_array_append(reply, (const guint8 *)"\n", 1);
}

/* Ends a text, or makes it OK if there is none. */
static int done(GByteArray *reply)
{
    if (reply->len == 0) {
        g_byte_array_append(reply, (const guint8 *)"OK", 2);
    } else if (reply->data[reply->len - 1] == '\n') {
        g_byte_array_set_size(reply, reply->len - 1);
    }
    g_byte_array_append(reply, (const guint8 *)"", 1);
    return 0;
}

static int control_check(struct xsl_store *store, const char *const *argv, unsigned argc,
                         GByteArray *reply)
{
    const char *wrong = xsl_store_check(store);

    (void)argv;
    if (argc != 1) {
        return -EINVAL;
    }
    if (wrong) {
        add_line(reply, "%s", wrong);
    }
    return done(reply);
}

static int control_log(struct xsl_store *store, const char *const *argv, unsigned argc,
                       GByteArray *reply)
{
    if (argc == 1) {
        add_line(reply, "%s", store->log ? "on" : "off");
        return done(reply);
    }
    if (argc != 2 || (!g_str_equal(argv[1], "on") && !g_str_equal(argv[1], "off"))) {
        return -EINVAL;
    }
    store->log = g_str_equal(argv[1], "on");
    return done(reply);
}

static int control_memreport(struct xsl_store *store, const char *const *argv, unsigned argc,
                             GByteArray *reply)
{
    GHashTableIter iter;
    size_t values = 0, names = 0, waiting = 0;
    unsigned watches = 0;
    gpointer node;

    (void)argv;
    if (argc != 1) {
        return -EINVAL;
    }
    g_hash_table_iter_init(&iter, store->index);
    while (g_hash_table_iter_next(&iter, &node, NULL)) {
        values += xsl_value_len(((const struct xsl_node *)node)->value);
        names += ((const struct xsl_node *)node)->name_len;
    }
    for (guint i = 0; i < store->conns->len; i++) {
        const struct xsl_conn *conn = g_ptr_array_index(store->conns, i);

        watches += conn->watches->len;
        waiting += conn->waiting;
    }
    add_line(reply, "nodes: %zu, names: %zu bytes, values: %zu bytes", xsl_store_count(store),
             names, values);
    add_line(reply, "connections: %u, watches: %u, transactions: %u, output waiting: %zu bytes",
             store->conns->len, watches, store->transactions, waiting);
    add_line(reply, "domains introduced: %u", store->introduced);
    return done(reply);
}

static int control_print(struct xsl_store *store, const char *const *argv, unsigned argc,
                         GByteArray *reply)
{
    if (argc != 2) {
        return -EINVAL;
    }
    xsl_log(store, "control: %s", argv[1]);
    return done(reply);
}

/* What domain DOMID uses of the quotas that count something. */
static int quota_of_domain(struct xsl_store *store, const char *domid, GByteArray *reply)
{
    const struct xsl_domain *domain;
    guint64 id;

    if (!g_ascii_string_to_unsigned(domid, 10, 0, UINT16_MAX, &id, NULL)) {
        return -EINVAL;
    }
    domain = xsl_domain_get(store, id);
    if (!domain) {
        return -ENOENT;
    }
    add_line(reply, "Domain %u:", domain->domid);
    add_line(reply, "%-18s: %8" PRIu64, "nodes", domain->nodes);
    if (domain->conn) {
        add_line(reply, "%-18s: %8u", "watches", domain->conn->watches->len);
        add_line(reply, "%-18s: %8u", "transactions",
                 g_hash_table_size(domain->conn->transactions));
        add_line(reply, "%-18s: %8u", "outstanding", domain->conn->origins->len);
        add_line(reply, "%-18s: %8zu", "memory", domain->conn->waiting);
    }
    return done(reply);
}

static int set_quota(struct xsl_store *store, const char *name, const char *value,
                     GByteArray *reply)
{
    int quota = xsl_quota_by_name(name);
    guint64 number;

    if (quota < 0 || !g_ascii_string_to_unsigned(value, 10, 0, UINT32_MAX, &number, NULL)) {
        return -EINVAL;
    }
    xsl_domains_set_quota(store, quota, number);
    return done(reply);
}

static int control_quota(struct xsl_store *store, const char *const *argv, unsigned argc,
                         GByteArray *reply)
{
    if (argc == 4 && g_str_equal(argv[1], "set")) {
        return set_quota(store, argv[2], argv[3], reply);
    }
    if (argc == 2) {
        return quota_of_domain(store, argv[1], reply);
    }
    if (argc != 1) {
        return -EINVAL;
    }
    for (int i = 0; i < XSL_QUOTAS; i++) {
        add_line(reply, "%-18s: %8" PRIu64 " %s", xsl_quota_name(i), store->quota[i],
                 xsl_quota_description(i));
    }
    return done(reply);
}

static int control_help(struct xsl_store *store, const char *const *argv, unsigned argc,
                        GByteArray *reply);

static const struct command {
    const char *name;
    int (*run)(struct xsl_store *store, const char *const *argv, unsigned argc, GByteArray *reply);
    const char *help;
} commands[] = {
    {"check", control_check, "checks the store; OK, or what is wrong"},
    {"help", control_help, "prints this"},
    {"log", control_log, "log [on|off]: whether requests are logged"},
    {"memreport", control_memreport, "what there is and how much"},
    {"print", control_print, "print <text>: puts it into the log"},
    {"quota", control_quota, "quota [set <name> <value>|<domid>]: limits, or what is used"},
};

static int control_help(struct xsl_store *store, const char *const *argv, unsigned argc,
                        GByteArray *reply)
{
    int err = -EINVAL;

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        add_line(reply, "%-12s %s", commands[i].name, commands[i].help);
    }
    if (argc == 1 && store->ops.control) {
        g_autofree char *more = store->ops.control(store->world, argv, argc, &err);

        if (more) {
            add_line(reply, "%s", more);
        }
    }
    return done(reply);
}

int xsl_control(struct xsl_store *store, const char *const *argv, unsigned argc, GByteArray *reply)
{
    g_autofree char *text = NULL;
    int err = -EINVAL;

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(argv[0], commands[i].name)) {
            return commands[i].run(store, argv, argc, reply);
        }
    }
    text = store->ops.control ? store->ops.control(store->world, argv, argc, &err) : NULL;
    if (!text) {
        return err;
    }
    add_line(reply, "%s", text);
    return done(reply);
}
