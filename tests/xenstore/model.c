/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store against a model: random requests of several clients, each answered a
 * second time by lists that are searched from one end to the other, where a
 * transaction is a copy of what it touched.
 *
 * XENBED_TEST_SEED and XENBED_TEST_STEPS repeat or prolong a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "xsl.h"

#define DEFAULT_SEED 21
#define DEFAULT_STEPS 500000
/* Steps between two comparisons of everything, and between two restarts. */
#define CHECK_EVERY 250
#define RESTART_EVERY 3001

enum {
    DIRECTORY = 1,
    READ = 2,
    GET_PERMS = 3,
    WATCH = 4,
    UNWATCH = 5,
    TRANSACTION_START = 6,
    TRANSACTION_END = 7,
    WRITE = 11,
    MKDIR = 12,
    RM = 13,
    SET_PERMS = 14,
    WATCH_EVENT = 15,
    ERROR = 16,
    RESET_WATCHES = 21,
    DIRECTORY_PART = 22,
    /* Not requests, but what else happens. */
    RELEASE = 100,
    INTRODUCE,
};

/* Two with the rights of domain 0, two guests.  Domain 7 has no client; it comes and goes. */
enum { CLIENTS = 4, MORTAL = 7 };
static const unsigned domid_of[CLIENTS] = {0, 0, 5, 6};

#define MAX_PERMS 4
#define DOMID_ANY 32757

/* --- The model's tree ------------------------------------------------------------------- */

struct perm {
    char letter;
    unsigned domid;
};

struct perms {
    struct perm entry[MAX_PERMS];
    unsigned n;
};

struct node {
    char *path;
    GBytes *value;
    struct perms perms;
    GPtrArray *children; /* names, in no order */
    uint64_t generation;
};

enum fire { FIRE_NONE, FIRE_EXACT, FIRE_NORMAL };

/* A path as a transaction found it, and as it is there now. */
struct touched {
    char *path;
    uint64_t generation; /* 0: missing */
    struct perms perms;  /* if it was there */
    struct node *node;   /* NULL: missing */
    bool made;           /* what was there before was removed, or nothing was */
    bool changed;        /* value or permissions */
    enum fire fire;
};

struct tx {
    uint32_t id;
    GPtrArray *touched;
};

struct watch {
    char *path; /* absolute */
    size_t cut; /* how much of paths is left out in events */
    char *token;
    int depth; /* -1: any */
};

/* An event that has to come, or may: the protocol leaves some to the server. */
struct event {
    char *text; /* path|token| */
    bool must;
};

struct client {
    unsigned domid;
    int target; /* -1: none */
    struct xsl_conn *conn;
    GPtrArray *txs;
    uint32_t last_tx;
    GPtrArray *watches;
    GPtrArray *expected; /* events */
    char *reply;         /* received in this step, NULL if none */
    GPtrArray *received; /* events in this step, as texts */
};

static struct model {
    GPtrArray *nodes;
    uint64_t generation;
    bool mortal_exists;
    struct client client[CLIENTS];
    struct xsl_store *store;
} model;

/* The last requests, to be printed when something is wrong. */
#define HISTORY 60
static char *history[HISTORY];
static unsigned step;

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % n;
}

static bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

static void print_history(void)
{
    for (unsigned i = 0; i < HISTORY; i++) {
        const char *line = history[(step + 1 + i) % HISTORY];

        if (line) {
            print_error("%s\n", line);
        }
    }
}

static void G_GNUC_PRINTF(1, 2) wrong(const char *format, ...)
{
    va_list args;
    char *text;

    print_history();
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    fail_msg("step %u: %s", step, text);
}

static void node_free(gpointer data)
{
    struct node *node = data;

    if (node) {
        g_free(node->path);
        g_bytes_unref(node->value);
        g_ptr_array_unref(node->children);
        g_free(node);
    }
}

static struct node *node_new(const char *path, const struct perms *perms)
{
    struct node *node = g_new0(struct node, 1);

    node->path = g_strdup(path);
    node->value = g_bytes_new(NULL, 0);
    node->perms = *perms;
    node->children = g_ptr_array_new_with_free_func(g_free);
    return node;
}

static struct node *node_copy(const struct node *node)
{
    struct node *copy = node_new(node->path, &node->perms);

    g_bytes_unref(copy->value);
    copy->value = g_bytes_ref(node->value);
    copy->generation = node->generation;
    for (unsigned i = 0; i < node->children->len; i++) {
        g_ptr_array_add(copy->children, g_strdup(node->children->pdata[i]));
    }
    return copy;
}

static struct node *find_main(const char *path)
{
    for (unsigned i = 0; i < model.nodes->len; i++) {
        struct node *node = model.nodes->pdata[i];

        if (strcmp(node->path, path) == 0) {
            return node;
        }
    }
    return NULL;
}

static void touched_free(gpointer data)
{
    struct touched *t = data;

    g_free(t->path);
    node_free(t->node);
    g_free(t);
}

static struct touched *touch(struct tx *tx, const char *path)
{
    struct touched *t;
    const struct node *node;

    for (unsigned i = 0; i < tx->touched->len; i++) {
        t = tx->touched->pdata[i];
        if (strcmp(t->path, path) == 0) {
            return t;
        }
    }
    node = find_main(path);
    t = g_new0(struct touched, 1);
    t->path = g_strdup(path);
    if (node) {
        t->generation = node->generation;
        t->perms = node->perms;
        t->node = node_copy(node);
    }
    g_ptr_array_add(tx->touched, t);
    return t;
}

/* The node as it is in a transaction, or without one. */
static struct node *find(struct tx *tx, const char *path)
{
    return tx ? touch(tx, path)->node : find_main(path);
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? g_strdup("/") : g_strndup(path, (gsize)(slash - path));
}

static char *child_of(const char *path, const char *name)
{
    return g_strconcat(path, path[1] ? "/" : "", name, NULL);
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void remove_name(struct node *node, const char *name)
{
    for (unsigned i = 0; i < node->children->len; i++) {
        if (strcmp(node->children->pdata[i], name) == 0) {
            g_ptr_array_remove_index(node->children, i);
            return;
        }
    }
}

/* --- Rights ----------------------------------------------------------------------------------- */

enum { R = 1, W = 2, OWNER = 4 };

static bool is(const struct client *c, unsigned domid)
{
    return c->domid == domid || c->target == (int)domid;
}

static unsigned rights_of_letter(char letter)
{
    return letter == 'b' ? R | W : letter == 'r' ? R : letter == 'w' ? W : 0;
}

static unsigned rights(const struct client *c, const struct perms *perms)
{
    if (c->domid == 0 || is(c, perms->entry[0].domid)) {
        return R | W | OWNER;
    }
    for (unsigned i = 1; i < perms->n; i++) {
        if (is(c, perms->entry[i].domid) || perms->entry[i].domid == DOMID_ANY) {
            return rights_of_letter(perms->entry[i].letter);
        }
    }
    return rights_of_letter(perms->entry[0].letter);
}

static bool can_read(const struct client *c, const struct perms *perms)
{
    return rights(c, perms) & R;
}

/* The nearest node above PATH that there is. */
static struct node *nearest(struct tx *tx, const char *path)
{
    char *above = parent_of(path);
    struct node *node;

    while (!(node = find(tx, above))) {
        char *next = parent_of(above);

        g_free(above);
        above = next;
    }
    g_free(above);
    return node;
}

/* The node if the client has these rights; else the error is set. */
static struct node *get(struct client *c, struct tx *tx, const char *path, unsigned wanted,
                        const char **error)
{
    struct node *node = find(tx, path);

    *error = "!EACCES";
    if (!node) {
        if (rights(c, &nearest(tx, path)->perms) & wanted) {
            *error = "!ENOENT";
        }
        return NULL;
    }
    return (rights(c, &node->perms) & wanted) == wanted ? node : NULL;
}

/* --- Events -------------------------------------------------------------------------------------
 */

static void event_free(gpointer data)
{
    struct event *event = data;

    g_free(event->text);
    g_free(event);
}

/* The same event twice in a step is one. */
static void expect_event(struct client *c, const char *path, const char *token, bool must)
{
    char *text = g_strdup_printf("%s|%s|", path, token);
    struct event *event;

    for (unsigned i = 0; i < c->expected->len; i++) {
        event = c->expected->pdata[i];
        if (strcmp(event->text, text) == 0) {
            event->must |= must;
            g_free(text);
            return;
        }
    }
    event = g_new(struct event, 1);
    *event = (struct event){text, must};
    g_ptr_array_add(c->expected, event);
}

/* How many levels PATH is below ABOVE; -1 if it is not. */
static int levels_below(const char *path, const char *above)
{
    size_t len = above[1] ? strlen(above) : 0;
    int levels = 0;

    if (strcmp(path, above) == 0) {
        return 0;
    }
    if (strncmp(path, above, len) != 0 || path[len] != '/') {
        return -1;
    }
    for (const char *p = path + len; *p; p++) {
        levels += *p == '/';
    }
    return levels;
}

static bool matches(const struct watch *w, const char *path, bool exact)
{
    int levels = levels_below(path, w->path);

    return levels >= 0 && (levels == 0 || !exact) && (w->depth < 0 || levels <= w->depth);
}

/* What a client may or must be told of a change: decided by who asks. */
typedef int (*Judge)(const struct client *c, const void *opaque);
enum { NO, MAY, MUST };

static void fire(const char *path, bool exact, Judge judge, const void *opaque)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &model.client[i];

        for (unsigned j = 0; j < c->watches->len; j++) {
            const struct watch *w = c->watches->pdata[j];

            if (matches(w, path, exact)) {
                int verdict = c->domid == 0 ? MUST : judge(c, opaque);

                if (verdict != NO) {
                    expect_event(c, path + w->cut, w->token, verdict == MUST);
                }
            }
        }
    }
}

/* Outside of transactions: the node as it is, or was; what it had before; its parent. */
struct change {
    const struct perms *perms, *old;
    const struct node *parent;
};

static int judge_change(const struct client *c, const void *opaque)
{
    const struct change *change = opaque;

    return can_read(c, change->perms) || (change->old && can_read(c, change->old)) ||
                   (change->parent && can_read(c, &change->parent->perms))
               ? MUST
               : NO;
}

static const struct node *main_parent(const char *path)
{
    char *parent;
    const struct node *node;

    if (path[1] == '\0') {
        return NULL;
    }
    parent = parent_of(path);
    node = find_main(parent);
    g_free(parent);
    return node;
}

static void fire_main(const char *path, bool exact, const struct perms *old)
{
    struct change change = {&find_main(path)->perms, old, main_parent(path)};

    fire(path, exact, judge_change, &change);
}

static int judge_touched(const struct client *c, const void *opaque)
{
    const struct touched *t = opaque;
    const struct node *now = find_main(t->path), *parent = main_parent(t->path);
    bool could_read = t->generation && can_read(c, &t->perms);

    if ((now && can_read(c, &now->perms)) || (parent && can_read(c, &parent->perms))) {
        return MUST;
    }
    /* "You just lost access" is told; less clear is what of a node's earlier life is. */
    if (could_read && (!now || !t->made)) {
        return MUST;
    }
    return MAY;
}

/* --- Changing the tree --------------------------------------------------------------------------
 */

static void bump(struct node *node)
{
    node->generation = ++model.generation;
}

static void set_value(struct node *node, GBytes *value)
{
    g_bytes_unref(node->value);
    node->value = g_bytes_ref(value);
    bump(node);
}

static void make(struct client *c, struct tx *tx, const char *path, GBytes *value)
{
    char *above = parent_of(path);
    struct node *parent = find(tx, above), *node;

    if (!parent) {
        GBytes *empty = g_bytes_new(NULL, 0);

        make(c, tx, above, empty);
        g_bytes_unref(empty);
        parent = find(tx, above);
    }
    node = node_new(path, &parent->perms);
    if (c && c->domid != 0) {
        node->perms.entry[0].domid = c->domid;
    }
    set_value(node, value);
    /* A transaction that will have a conflict may find the name there, of a node that vanished. */
    remove_name(parent, name_of(path));
    g_ptr_array_add(parent->children, g_strdup(name_of(path)));
    bump(parent);
    if (tx) {
        struct touched *t = touch(tx, path);

        t->node = node;
        t->made = true;
    } else {
        g_ptr_array_add(model.nodes, node);
    }
    g_free(above);
}

/* All below first, then the node; its parent's list is left alone. */
static void remove_below(struct tx *tx, const char *path, bool top)
{
    struct node *node = find(tx, path);

    while (node->children->len > 0) {
        char *child = child_of(path, node->children->pdata[0]);

        if (find(tx, child)) {
            remove_below(tx, child, false);
        }
        g_free(child);
        g_ptr_array_remove_index(node->children, 0);
    }
    if (tx) {
        struct touched *t = touch(tx, path);

        node_free(t->node);
        t->node = NULL;
        t->made = t->changed = false;
        t->fire = t->generation == 0 ? FIRE_NONE : top ? FIRE_NORMAL : FIRE_EXACT;
    } else {
        g_ptr_array_remove(model.nodes, node);
    }
}

/* Events of what is about to be removed. */
static void fire_removal(const char *path, bool top)
{
    const struct node *node = find_main(path);

    for (unsigned i = 0; i < node->children->len; i++) {
        char *child = child_of(path, node->children->pdata[i]);

        fire_removal(child, false);
        g_free(child);
    }
    fire_main(path, !top, NULL);
}

static void remove_node(struct tx *tx, const char *path)
{
    char *above = parent_of(path);
    struct node *parent = find(tx, above);

    if (!tx) {
        fire_removal(path, true);
    }
    remove_below(tx, path, true);
    if (parent) {
        remove_name(parent, name_of(path));
        bump(parent);
    }
    g_free(above);
}

/* --- Transactions
 * ---------------------------------------------------------------------------------- */

static void tx_free(gpointer data)
{
    struct tx *tx = data;

    g_ptr_array_unref(tx->touched);
    g_free(tx);
}

static struct tx *find_tx(const struct client *c, uint32_t id)
{
    for (unsigned i = 0; i < c->txs->len; i++) {
        struct tx *tx = c->txs->pdata[i];

        if (tx->id == id) {
            return tx;
        }
    }
    return NULL;
}

static bool has_conflict(const struct tx *tx)
{
    for (unsigned i = 0; i < tx->touched->len; i++) {
        const struct touched *t = tx->touched->pdata[i];
        const struct node *node = find_main(t->path);

        if ((node ? node->generation : 0) != t->generation) {
            return true;
        }
    }
    return false;
}

/* Without its children: each of those was touched itself. */
static void drop_main(const char *path)
{
    char *above = parent_of(path);
    struct node *parent = find_main(above);

    if (parent) {
        remove_name(parent, name_of(path));
        bump(parent);
    }
    g_ptr_array_remove(model.nodes, find_main(path));
    g_free(above);
}

static void add_to_parent(const char *path)
{
    char *above = parent_of(path);
    struct node *parent = find_main(above);

    g_ptr_array_add(parent->children, g_strdup(name_of(path)));
    bump(parent);
    g_free(above);
}

static void commit(struct tx *tx)
{
    GPtrArray *touched = tx->touched;

    for (unsigned i = 0; i < touched->len; i++) {
        const struct touched *t = touched->pdata[i];

        if (t->generation && (!t->node || t->made)) {
            drop_main(t->path);
        }
    }
    for (unsigned i = 0; i < touched->len; i++) {
        const struct touched *t = touched->pdata[i];
        struct node *node;

        if (t->made) {
            node = node_copy(t->node);
            g_ptr_array_set_size(node->children, 0);
            bump(node);
            g_ptr_array_add(model.nodes, node);
        } else if (t->changed) {
            node = find_main(t->path);
            node->perms = t->node->perms;
            set_value(node, t->node->value);
        }
    }
    for (unsigned i = 0; i < touched->len; i++) {
        const struct touched *t = touched->pdata[i];

        if (t->made) {
            add_to_parent(t->path);
        }
    }
    for (unsigned i = 0; i < touched->len; i++) {
        const struct touched *t = touched->pdata[i];

        if (t->fire != FIRE_NONE) {
            fire(t->path, t->fire == FIRE_EXACT, judge_touched, t);
        }
    }
}

/* --- Requests
 * ------------------------------------------------------------------------------------- */

struct request {
    unsigned client;
    uint32_t type;
    uint32_t tx_id;
    const char *path; /* as given */
    const char *text; /* value, token, or T or F */
    int depth;        /* -1: none */
    struct perms perms;
    const char *bad_perm;  /* put behind the others */
    const char *bad_bytes; /* put behind all, to make the arguments wrong */
};

static bool valid_path(const char *path)
{
    size_t len = strlen(path);

    if (len == 0 || (len > 1 && path[len - 1] == '/') || strstr(path, "//")) {
        return false;
    }
    return strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@") ==
           len;
}

static char *absolute(const struct client *c, const char *path)
{
    return path[0] == '/' ? g_strdup(path) : g_strdup_printf("/local/domain/%u/%s", c->domid, path);
}

static char *perms_text(const struct perms *perms)
{
    GString *s = g_string_new(NULL);

    for (unsigned i = 0; i < perms->n; i++) {
        g_string_append_printf(s, "%c%u|", perms->entry[i].letter, perms->entry[i].domid);
    }
    return g_string_free(s, false);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists have no order that counts: the model's and the library's are both sorted. */
static char *sorted_names(char **names, unsigned n)
{
    GString *s = g_string_new(NULL);

    if (n > 1) {
        qsort(names, n, sizeof(names[0]), compare_strings);
    }
    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(s, "%s|", names[i]);
    }
    return g_string_free(s, false);
}

/* | for NUL. */
static char *payload_text(const void *payload, size_t len)
{
    char *text = g_malloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        text[i] = ((const char *)payload)[i];
        text[i] = text[i] == '\0' ? '|' : text[i];
    }
    text[len] = '\0';
    return text;
}

static char *do_watch(struct client *c, const struct request *q, const char *path)
{
    struct watch *w;

    if (q->depth < -1) {
        return g_strdup("!EINVAL");
    }
    for (unsigned i = 0; i < c->watches->len; i++) {
        w = c->watches->pdata[i];
        if (strcmp(w->path, path) == 0 && strcmp(w->token, q->text) == 0) {
            return g_strdup("!EEXIST");
        }
    }
    w = g_new(struct watch, 1);
    *w = (struct watch){
        .path = g_strdup(path),
        .cut = strlen(path) - strlen(q->path),
        .token = g_strdup(q->text),
        .depth = q->depth,
    };
    g_ptr_array_add(c->watches, w);
    expect_event(c, q->path, q->text, true);
    return g_strdup("OK|");
}

static void watch_free(gpointer data)
{
    struct watch *w = data;

    g_free(w->path);
    g_free(w->token);
    g_free(w);
}

static char *do_unwatch(struct client *c, const struct request *q, const char *path)
{
    for (unsigned i = 0; i < c->watches->len; i++) {
        const struct watch *w = c->watches->pdata[i];

        if (strcmp(w->path, path) == 0 && strcmp(w->token, q->text) == 0) {
            g_ptr_array_remove_index(c->watches, i);
            return g_strdup("OK|");
        }
    }
    return g_strdup("!ENOENT");
}

static char *do_start(struct client *c, const struct tx *inside)
{
    struct tx *tx;

    if (inside) {
        return g_strdup("!EBUSY");
    }
    tx = g_new(struct tx, 1);
    tx->id = ++c->last_tx;
    tx->touched = g_ptr_array_new_with_free_func(touched_free);
    g_ptr_array_add(c->txs, tx);
    return g_strdup_printf("%u|", tx->id);
}

static char *do_end(struct client *c, const struct request *q, struct tx *tx)
{
    const char *reply = "OK|";

    if (strcmp(q->text, "T") != 0 && strcmp(q->text, "F") != 0) {
        return g_strdup("!EINVAL");
    }
    if (q->text[0] == 'T') {
        if (has_conflict(tx)) {
            reply = "!EAGAIN";
        } else {
            commit(tx);
        }
    }
    g_ptr_array_remove(c->txs, tx);
    return g_strdup(reply);
}

static char *do_read(struct client *c, const struct request *q, struct tx *tx, const char *path)
{
    const char *error;
    const struct node *node = get(c, tx, path, R, &error);
    gsize len;
    const void *data;

    if (!node) {
        return g_strdup(error);
    }
    if (q->type == GET_PERMS) {
        return perms_text(&node->perms);
    }
    if (q->type == READ) {
        data = g_bytes_get_data(node->value, &len);
        return payload_text(data, len);
    }
    return sorted_names((char **)node->children->pdata, node->children->len);
}

static void changed(struct tx *tx, const char *path, const struct perms *old)
{
    if (tx) {
        touch(tx, path)->fire = FIRE_NORMAL;
    } else {
        fire_main(path, false, old);
    }
}

static char *do_write(struct client *c, const struct request *q, struct tx *tx, const char *path)
{
    const char *error;
    struct node *node = get(c, tx, path, W, &error);
    GBytes *value = g_bytes_new(q->text, q->type == WRITE ? strlen(q->text) : 0);
    bool acts = node ? q->type == WRITE : strcmp(error, "!ENOENT") == 0;

    if (node && acts) {
        set_value(node, value);
        if (tx) {
            touch(tx, path)->changed = true;
        }
    } else if (acts) {
        make(c, tx, path, value);
    }
    g_bytes_unref(value);
    if (acts) {
        changed(tx, path, NULL);
    }
    return g_strdup(node || acts ? "OK|" : error);
}

static char *do_rm(struct client *c, struct tx *tx, const char *path)
{
    const char *error;

    if (!get(c, tx, path, W, &error)) {
        char *above = parent_of(path);
        bool fine = strcmp(error, "!ENOENT") == 0 && find(tx, above);

        g_free(above);
        return g_strdup(fine ? "OK|" : error);
    }
    if (path[1] == '\0') {
        return g_strdup("!EINVAL");
    }
    remove_node(tx, path);
    return g_strdup("OK|");
}

static char *do_set_perms(struct client *c, const struct request *q, struct tx *tx,
                          const char *path)
{
    const char *error;
    struct node *node;
    struct perms old;

    if (q->bad_perm) {
        return g_strdup("!EINVAL");
    }
    node = get(c, tx, path, W | OWNER, &error);
    if (!node) {
        return g_strdup(error);
    }
    if (c->domid != 0 && q->perms.entry[0].domid != node->perms.entry[0].domid) {
        return g_strdup("!EPERM");
    }
    old = node->perms;
    node->perms = q->perms;
    bump(node);
    if (tx) {
        touch(tx, path)->changed = true;
    }
    changed(tx, path, &old);
    return g_strdup("OK|");
}

static char *do_path(struct client *c, const struct request *q, struct tx *tx, const char *path)
{
    switch (q->type) {
    case WATCH:
        return do_watch(c, q, path);
    case UNWATCH:
        return do_unwatch(c, q, path);
    case WRITE:
    case MKDIR:
        return do_write(c, q, tx, path);
    case RM:
        return do_rm(c, tx, path);
    case SET_PERMS:
        return do_set_perms(c, q, tx, path);
    default:
        return do_read(c, q, tx, path);
    }
}

/* The reply as text: the payload with | for NUL, lists sorted; !NAME for an error. */
static char *model_request(const struct request *q)
{
    struct client *c = &model.client[q->client];
    struct tx *tx = q->tx_id ? find_tx(c, q->tx_id) : NULL;
    char *path, *reply;

    if (q->type != WATCH && q->type != UNWATCH && q->tx_id && !tx) {
        return g_strdup("!ENOENT");
    }
    switch (q->type) {
    case RESET_WATCHES:
        g_ptr_array_set_size(c->watches, 0);
        g_ptr_array_set_size(c->txs, 0);
        return g_strdup("OK|");
    case TRANSACTION_START:
        return do_start(c, tx);
    case TRANSACTION_END:
        return tx ? do_end(c, q, tx) : g_strdup("!ENOENT");
    }
    if (q->type == SET_PERMS && !q->bad_perm && q->perms.entry[0].domid == MORTAL &&
        !model.mortal_exists) {
        return g_strdup("!ENOENT");
    }
    if (q->bad_bytes || !valid_path(q->path)) {
        return g_strdup("!EINVAL");
    }
    path = absolute(c, q->path);
    reply = do_path(c, q, tx, path);
    g_free(path);
    return reply;
}

/* --- Domain 7
 * ---------------------------------------------------------------------------------------- */

static int by_path(gconstpointer a, gconstpointer b)
{
    return strcmp((*(struct node *const *)a)->path, (*(struct node *const *)b)->path);
}

static void model_release(void)
{
    GPtrArray *owned = g_ptr_array_new_with_free_func(g_free);

    /* Parents before their children. */
    g_ptr_array_sort(model.nodes, by_path);
    for (unsigned i = 0; i < model.nodes->len; i++) {
        const struct node *node = model.nodes->pdata[i];

        if (node->perms.entry[0].domid == MORTAL && node->path[1]) {
            g_ptr_array_add(owned, g_strdup(node->path));
        }
    }
    for (unsigned i = 0; i < owned->len; i++) {
        if (find_main(owned->pdata[i])) {
            remove_node(NULL, owned->pdata[i]);
        }
    }
    g_ptr_array_unref(owned);
    for (unsigned i = 0; i < model.nodes->len; i++) {
        struct node *node = model.nodes->pdata[i];
        unsigned kept = 0, n = node->perms.n;

        if (node->perms.entry[0].domid == MORTAL) {
            /* The root cannot be removed: it goes to domain 0. */
            node->perms.entry[0].domid = 0;
            bump(node);
        }
        for (unsigned j = 0; j < n; j++) {
            if (node->perms.entry[j].domid != MORTAL) {
                node->perms.entry[kept++] = node->perms.entry[j];
            }
        }
        node->perms.n = kept;
        if (kept < n) {
            bump(node);
        }
    }
    model.mortal_exists = false;
}

/* --- The library
 * ---------------------------------------------------------------------------------------- */

static bool domain_exists(void *world, unsigned domid)
{
    (void)world;
    return domid == 0 || domid == 5 || domid == 6 || (domid == MORTAL && model.mortal_exists);
}

static const struct xsl_ops ops = {.domain_exists = domain_exists};

static void wake(struct xsl_conn *conn, void *opaque)
{
    (void)conn;
    (void)opaque;
}

static char *reply_text(uint32_t type, const char *payload, size_t len)
{
    char *text, **names;
    unsigned n = 0;

    if (type == ERROR) {
        return g_strdup_printf("!%s", payload);
    }
    if (type == DIRECTORY_PART) {
        size_t skip = strlen(payload) + 1;

        /* All that there is fits one part, so that it ends with an empty name. */
        payload += skip;
        len -= skip;
        if (len == 0 || payload[len - 1] != '\0') {
            return g_strdup("(no end)");
        }
        len--;
        type = DIRECTORY;
    }
    if (type != DIRECTORY) {
        return payload_text(payload, len);
    }
    names = g_new0(char *, len + 1);
    for (size_t at = 0; at < len; at += strlen(payload + at) + 1) {
        names[n++] = (char *)payload + at;
    }
    text = sorted_names(names, n);
    g_free(names);
    return text;
}

static void take_message(struct client *c, const uint8_t *bytes, uint32_t type, uint32_t tx_id)
{
    uint32_t header[4];
    char *payload;

    memcpy(header, bytes, sizeof(header));
    payload = g_malloc0(header[3] + 1);
    memcpy(payload, bytes + sizeof(header), header[3]);
    if (header[0] == WATCH_EVENT) {
        g_ptr_array_add(c->received, payload_text(payload, header[3]));
    } else if ((header[0] != type && header[0] != ERROR) || header[1] != step ||
               header[2] != tx_id || c->reply) {
        wrong("unexpected message of type %u, req_id %u, tx_id %u", header[0], header[1],
              header[2]);
    } else {
        c->reply = reply_text(header[0], payload, header[3]);
    }
    g_free(payload);
}

static void take_output(struct client *c, uint32_t type, uint32_t tx_id)
{
    struct iovec iov[8];
    unsigned n;

    while ((n = xsl_conn_output(c->conn, iov, G_N_ELEMENTS(iov))) > 0) {
        size_t len = 0;

        for (unsigned i = 0; i < n; i++) {
            take_message(c, iov[i].iov_base, type, tx_id);
            len += iov[i].iov_len;
        }
        xsl_conn_sent(c->conn, len);
    }
}

static GByteArray *request_bytes(const struct request *q)
{
    GString *payload = g_string_new(NULL);
    GByteArray *bytes = g_byte_array_new();
    uint32_t header[4] = {q->type, step, q->tx_id, 0};

    if (q->type == TRANSACTION_START || q->type == RESET_WATCHES) {
        g_string_append_c(payload, '\0');
    } else if (q->type == TRANSACTION_END) {
        g_string_append_len(payload, q->text, (gssize)strlen(q->text) + 1);
    } else {
        g_string_append_len(payload, q->path, (gssize)strlen(q->path) + 1);
    }
    if (q->type == WRITE) {
        g_string_append(payload, q->text);
    } else if (q->type == WATCH || q->type == UNWATCH) {
        g_string_append_len(payload, q->text, (gssize)strlen(q->text) + 1);
        if (q->type == WATCH && q->depth != -1) {
            g_string_append_printf(payload, "%d", q->depth);
            g_string_append_c(payload, '\0');
        }
    } else if (q->type == DIRECTORY_PART) {
        g_string_append_len(payload, "0", 2);
    } else if (q->type == SET_PERMS) {
        for (unsigned i = 0; i < q->perms.n; i++) {
            g_string_append_printf(payload, "%c%u", q->perms.entry[i].letter,
                                   q->perms.entry[i].domid);
            g_string_append_c(payload, '\0');
        }
        if (q->bad_perm) {
            g_string_append_len(payload, q->bad_perm, (gssize)strlen(q->bad_perm) + 1);
        }
    }
    if (q->bad_bytes) {
        g_string_append_len(payload, q->bad_bytes, (gssize)strlen(q->bad_bytes) + 1);
    }
    header[3] = (uint32_t)payload->len;
    g_byte_array_append(bytes, (const guint8 *)header, sizeof(header));
    g_byte_array_append(bytes, (const guint8 *)payload->str, (guint)payload->len);
    g_string_free(payload, true);
    return bytes;
}

static void remember(const struct request *q, const GByteArray *bytes)
{
    char *payload = bytes ? payload_text(bytes->data + 16, bytes->len - 16) : g_strdup("");
    char *escaped = g_strescape(payload, NULL);

    g_free(history[step % HISTORY]);
    history[step % HISTORY] = g_strdup_printf("%u: client %u type %u tx %u '%s'", step, q->client,
                                              q->type, q->tx_id, escaped);
    g_free(escaped);
    g_free(payload);
}

static void library_request(const struct request *q)
{
    struct client *c = &model.client[q->client];
    GByteArray *bytes = request_bytes(q);

    remember(q, bytes);
    /* In one piece or in two. */
    if (one_in(8)) {
        guint half = (guint)random_below(bytes->len);

        assert_int_equal(xsl_conn_receive(c->conn, bytes->data, half), 0);
        assert_int_equal(xsl_conn_receive(c->conn, bytes->data + half, bytes->len - half), 0);
    } else {
        assert_int_equal(xsl_conn_receive(c->conn, bytes->data, bytes->len), 0);
    }
    g_byte_array_free(bytes, true);
}

/* --- Comparing
 * ---------------------------------------------------------------------------------------- */

static void compare_events(unsigned index)
{
    struct client *c = &model.client[index];

    for (unsigned i = 0; i < c->received->len; i++) {
        bool found = false;

        for (unsigned j = 0; j < c->expected->len && !found; j++) {
            const struct event *event = c->expected->pdata[j];

            found = strcmp(event->text, c->received->pdata[i]) == 0;
            if (found) {
                g_ptr_array_remove_index(c->expected, j);
            }
        }
        if (!found) {
            wrong("client %u: unexpected event, or one too many: '%s'", index,
                  (char *)c->received->pdata[i]);
        }
    }
    for (unsigned i = 0; i < c->expected->len; i++) {
        const struct event *event = c->expected->pdata[i];

        if (event->must) {
            wrong("client %u: expected event '%s', got none", index, event->text);
        }
    }
    g_ptr_array_set_size(c->expected, 0);
    g_ptr_array_set_size(c->received, 0);
}

static void compare_step(const struct request *q, const char *expected)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &model.client[i];
        bool asked = i == q->client && q->type < RELEASE;

        take_output(c, asked ? q->type : UINT32_MAX, q->tx_id);
        if (asked && (!c->reply || strcmp(c->reply, expected) != 0)) {
            wrong("expected reply '%s', got '%s'", expected, c->reply ? c->reply : "(none)");
        }
        g_clear_pointer(&c->reply, g_free);
        compare_events(i);
    }
}

/* Asks the library without leaving a trace: domain 0, no transaction, no output. */
static char *library_says(uint32_t type, const char *path)
{
    GByteArray *reply = NULL;
    int err = xsl_conn_request(model.client[0].conn, type, 0, path, strlen(path) + 1, &reply);
    char *text;

    if (err) {
        return g_strdup_printf("(error %d)", err);
    }
    g_byte_array_append(reply, (const guint8 *)"", 1);
    text = reply_text(type, (char *)reply->data, reply->len - 1);
    g_byte_array_free(reply, true);
    return text;
}

static void compare_node(const struct node *node)
{
    char *value = library_says(READ, node->path), *perms = library_says(GET_PERMS, node->path);
    char *children = library_says(DIRECTORY, node->path);
    gsize len;
    const void *data = g_bytes_get_data(node->value, &len);
    char *want_value = payload_text(data, len), *want_perms = perms_text(&node->perms);
    char *want_children = sorted_names((char **)node->children->pdata, node->children->len);

    if (strcmp(value, want_value) != 0 || strcmp(perms, want_perms) != 0 ||
        strcmp(children, want_children) != 0) {
        wrong("%s: expected '%s' %s children %s, got '%s' %s children %s", node->path, want_value,
              want_perms, want_children, value, perms, children);
    }
    g_free(value);
    g_free(perms);
    g_free(children);
    g_free(want_value);
    g_free(want_perms);
    g_free(want_children);
}

static void compare_all(void)
{
    const char *inconsistent = xsl_store_check(model.store);

    if (inconsistent) {
        wrong("xsl_store_check: %s", inconsistent);
    }
    if (xsl_store_count(model.store) != model.nodes->len) {
        wrong("expected %u nodes, got %zu", model.nodes->len, xsl_store_count(model.store));
    }
    for (unsigned i = 0; i < model.nodes->len; i++) {
        compare_node(model.nodes->pdata[i]);
    }
}

/* --- Restart
 * --------------------------------------------------------------------------------------------- */

static int32_t name_client(const struct xsl_conn *conn, void *opaque)
{
    (void)opaque;
    for (int i = 0; i < CLIENTS; i++) {
        if (model.client[i].conn == conn) {
            return i;
        }
    }
    return -1;
}

static struct xsl_conn *restore_client(struct xsl_store *store, int32_t name, void *opaque)
{
    (void)opaque;
    assert_in_range(name, 0, CLIENTS - 1);
    model.client[name].conn = xsl_conn_new(store, model.client[name].domid, wake, NULL);
    return model.client[name].conn;
}

/* From here on another store goes on where the first one was: nobody is to notice. */
static void restart(void)
{
    GBytes *dump = xsl_store_dump(model.store, name_client, NULL);
    struct xsl_store *old = model.store;

    for (unsigned i = 0; i < CLIENTS; i++) {
        model.client[i].conn = NULL;
    }
    model.store = xsl_store_restore(&ops, NULL, dump, restore_client, NULL);
    if (!model.store) {
        wrong("the dump cannot be restored");
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_non_null(model.client[i].conn);
    }
    xsl_store_free(old);
    g_bytes_unref(dump);
}

/* --- Random requests, most of them sensible
 * --------------------------------------------------------------- */

static const char *random_path(const struct client *c)
{
    static const char *const tops[] = {"/t", "/local/domain/5", "/local/domain/6", "/t/a"};
    static const char *const bad[] = {"", "/t/", "//t", "/t//a", "a b", "/t/a.b"};
    static char path[128];
    unsigned depth = (unsigned)random_below(4);
    size_t len;

    if (one_in(60)) {
        return bad[random_below(G_N_ELEMENTS(bad))];
    }
    if (one_in(80)) {
        return "/";
    }
    if (one_in(8)) {
        strcpy(path, "a");
    } else if (c->domid && one_in(2)) {
        snprintf(path, sizeof(path), "/local/domain/%u", c->domid);
    } else {
        strcpy(path, tops[random_below(G_N_ELEMENTS(tops))]);
    }
    for (unsigned i = 0; i < depth; i++) {
        len = strlen(path);
        snprintf(path + len, sizeof(path) - len, "/%c", (int)('a' + random_below(3)));
    }
    return path;
}

static const char *random_text(void)
{
    static char text[32];
    unsigned len = (unsigned)random_below(12);

    for (unsigned i = 0; i < len; i++) {
        text[i] = (char)(1 + random_below(255));
    }
    text[len] = '\0';
    /* As payload_text() writes NULs so. */
    g_strdelimit(text, "|", '!');
    return text;
}

static void random_perms(const struct client *c, struct perms *perms)
{
    static const unsigned domids[] = {0, 5, 6, MORTAL, DOMID_ANY, 5, 6};

    perms->n = 1 + (unsigned)random_below(one_in(3) ? MAX_PERMS : 2);
    for (unsigned i = 0; i < perms->n; i++) {
        perms->entry[i].letter = "nrwb"[random_below(4)];
        perms->entry[i].domid = domids[random_below(G_N_ELEMENTS(domids))];
    }
    /* A list cannot be owned by everybody. */
    if (perms->entry[0].domid == DOMID_ANY || (c->domid && !one_in(5))) {
        perms->entry[0].domid = c->domid;
    }
}

static uint32_t random_type(void)
{
    static const struct {
        uint32_t type;
        unsigned weight;
    } types[] = {
        {READ, 16},
        {DIRECTORY, 8},
        {DIRECTORY_PART, 2},
        {GET_PERMS, 5},
        {WRITE, 25},
        {MKDIR, 6},
        {RM, 12},
        {SET_PERMS, 9},
        {WATCH, 5},
        {UNWATCH, 4},
        {TRANSACTION_START, 6},
        {TRANSACTION_END, 6},
        {RELEASE, 1},
        {INTRODUCE, 1},
    };
    unsigned total = 0, at;

    if (one_in(400)) {
        return RESET_WATCHES;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        total += types[i].weight;
    }
    at = (unsigned)random_below(total);
    for (size_t i = 0;; i++) {
        if (at < types[i].weight) {
            return types[i].type;
        }
        at -= types[i].weight;
    }
}

static uint32_t random_tx(const struct client *c, uint32_t type)
{
    if (one_in(150)) {
        return c->last_tx + 1 - (uint32_t)random_below(6);
    }
    if (c->txs->len == 0 || type == TRANSACTION_START || (type != TRANSACTION_END && one_in(3))) {
        return 0;
    }
    return ((const struct tx *)c->txs->pdata[random_below(c->txs->len)])->id;
}

static void random_request(struct request *q)
{
    static const char *const bad_perms[] = {"", "x0", "r", "r0z", "R0", "r65536", "0"};
    static const char *const tokens[] = {"1", "2", ""};
    const struct client *c;

    *q = (struct request){.client = (unsigned)random_below(CLIENTS), .depth = -1};
    c = &model.client[q->client];
    q->type = random_type();
    if (q->type == TRANSACTION_START && c->txs->len >= 5) {
        q->type = TRANSACTION_END;
    }
    /* Guests have 128. */
    if (q->type == WATCH && c->watches->len >= 60) {
        q->type = RESET_WATCHES;
    }
    q->tx_id = random_tx(c, q->type);
    q->path = random_path(c);
    q->text = q->type == TRANSACTION_END ? (one_in(40)  ? "X"
                                            : one_in(5) ? "F"
                                                        : "T")
              : q->type == WRITE         ? random_text()
                                         : tokens[random_below(G_N_ELEMENTS(tokens))];
    random_perms(c, &q->perms);
    if (q->type == WATCH && one_in(3)) {
        q->depth = (int)random_below(5) - 2;
    }
    if (q->type == SET_PERMS && one_in(50)) {
        q->bad_perm = bad_perms[random_below(G_N_ELEMENTS(bad_perms))];
    }
    if ((q->type == READ || q->type == RM || q->type == MKDIR) && one_in(100)) {
        q->bad_bytes = one_in(2) ? "" : "x";
    }
}

/* --- The test
 * ------------------------------------------------------------------------------------------------
 */

static void setup(void)
{
    static const struct perms root = {.entry = {{'n', 0}}, .n = 1};
    static const char *const paths[] = {"/", "/local", "/tool", "/tool/xenstored"};

    model.store = xsl_store_new(&ops, NULL);
    model.nodes = g_ptr_array_new_with_free_func(node_free);
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        struct node *node = node_new(paths[i], &root);

        bump(node);
        g_ptr_array_add(model.nodes, node);
        if (i > 0) {
            char *above = parent_of(paths[i]);

            g_ptr_array_add(find_main(above)->children, g_strdup(name_of(paths[i])));
            g_free(above);
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &model.client[i];

        *c = (struct client){
            .domid = domid_of[i],
            .target = -1,
            .conn = xsl_conn_new(model.store, domid_of[i], wake, NULL),
            .txs = g_ptr_array_new_with_free_func(tx_free),
            .watches = g_ptr_array_new_with_free_func(watch_free),
            .expected = g_ptr_array_new_with_free_func(event_free),
            .received = g_ptr_array_new_with_free_func(g_free),
        };
    }
    assert_int_equal(xsl_domain_introduce(model.store, 5, 1, 1), 0);
    assert_int_equal(xsl_domain_introduce(model.store, 6, 1, 1), 0);
}

static void play(const struct request *q)
{
    char *expected = NULL;

    if (q->type == RELEASE || q->type == INTRODUCE) {
        remember(q, NULL);
        if (q->type == INTRODUCE) {
            model.mortal_exists = true;
            assert_int_equal(xsl_domain_introduce(model.store, MORTAL, 1, 1), 0);
        } else {
            bool existed = model.mortal_exists;

            if (existed) {
                model_release();
            }
            assert_int_equal(xsl_domain_release(model.store, MORTAL), existed ? 0 : -ENOENT);
        }
    } else {
        library_request(q);
        expected = model_request(q);
    }
    compare_step(q, expected);
    g_free(expected);
}

static void play_fixed(unsigned client, uint32_t type, const char *path, const char *text,
                       unsigned owner)
{
    struct request q = {.client = client,
                        .type = type,
                        .path = path,
                        .text = text,
                        .depth = -1,
                        .perms = {.entry = {{'n', owner}}, .n = 1}};

    step++;
    play(&q);
}

static void homes(void)
{
    play_fixed(0, MKDIR, "/local/domain/5", "", 0);
    play_fixed(0, SET_PERMS, "/local/domain/5", "", 5);
    play_fixed(0, MKDIR, "/local/domain/6", "", 0);
    play_fixed(0, SET_PERMS, "/local/domain/6", "", 6);
}

static void set_target(void)
{
    static const char target[] = "6\0005";

    assert_int_equal(xsl_conn_request(model.client[0].conn, 19, 0, target, sizeof(target), NULL),
                     0);
    model.client[3].target = 5;
}

static void teardown(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &model.client[i];

        xsl_conn_free(c->conn);
        g_ptr_array_unref(c->txs);
        g_ptr_array_unref(c->watches);
        g_ptr_array_unref(c->expected);
        g_ptr_array_unref(c->received);
    }
    xsl_store_free(model.store);
    g_ptr_array_unref(model.nodes);
    for (unsigned i = 0; i < HISTORY; i++) {
        g_clear_pointer(&history[i], g_free);
    }
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *value = getenv(variable);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void random_requests_do_what_the_model_does(void **state)
{
    uint64_t seed = number_from("XENBED_TEST_SEED", DEFAULT_SEED);
    uint64_t steps = number_from("XENBED_TEST_STEPS", DEFAULT_STEPS);

    (void)state;
    print_message("XENBED_TEST_SEED=%" PRIu64 " XENBED_TEST_STEPS=%" PRIu64 "\n", seed, steps);
    random_state = seed + 0x9e3779b97f4a7c15;
    setup();
    homes();
    for (uint64_t i = 0; i < steps; i++) {
        struct request q;

        step++;
        if (i == steps / 2) {
            set_target();
        }
        random_request(&q);
        play(&q);
        if (i % CHECK_EVERY == 0) {
            compare_all();
        }
        if (i % RESTART_EVERY == RESTART_EVERY - 1) {
            restart();
            compare_all();
        }
    }
    compare_all();
    teardown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_requests_do_what_the_model_does),
    };

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
