/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the library know of each other, by the file that owns it.
 * Nothing outside this folder includes it.
 */
#ifndef XSL_STORE_H
#define XSL_STORE_H

#include "xsl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct xsl_access;
struct xsl_domain;
struct xsl_tx;

/* --- path.c: what may be a path ---------------------------------------------------- */

/* Room for any path, and for a home before a relative one. */
#define XSL_PATH_SIZE (XSL_ABS_PATH_MAX + 1)

/*
 * Makes an absolute path of what CONN gave.  *relative is set to how many bytes of
 * PATH come before the part it gave, 0 for an absolute one.  Returns 0 or -EINVAL.
 */
int xsl_path_resolve(const struct xsl_conn *conn, const char *given, char *path, size_t *relative);

/* Could this be a path that was made so? */
bool xsl_path_is_absolute(const char *path);

static inline bool xsl_path_is_special(const char *path)
{
    return path[0] == '@';
}

/* Cuts the last component off; false if there is none (the root). */
bool xsl_path_cut(char *path);

/* The last component. */
const char *xsl_path_name(const char *path);

/* --- perms.c: who may do what with a node --------------------------------------------- */

enum { XSL_READ = 1, XSL_WRITE = 2, XSL_OWNER = 4 };

struct xsl_perm {
    uint16_t domid;
    uint8_t access; /* XSL_READ and XSL_WRITE */
    bool dead;      /* named a domain that did not exist, and gives no access ever */
};

/* Entry 0 is the owner's, with the access of all that are not listed.  Shared: an rc box. */
struct xsl_perms {
    unsigned n;
    struct xsl_perm entry[];
};

/* From the texts of a SET_PERMS.  NULL if one is none. */
struct xsl_perms *xsl_perms_parse(const char *const *text, unsigned n);
/* Two texts more of BUF: "n0" NUL "r5" NUL... */
void xsl_perms_format(const struct xsl_perms *perms, GByteArray *buf);
struct xsl_perms *xsl_perms_new(unsigned n);
struct xsl_perms *xsl_perms_copy(const struct xsl_perms *perms);
struct xsl_perms *xsl_perms_ref(const struct xsl_perms *perms);
void xsl_perms_unref(struct xsl_perms *perms);
static inline unsigned xsl_perms_owner(const struct xsl_perms *perms)
{
    return perms->entry[0].domid;
}
/* The rights CONN has: XSL_READ, XSL_WRITE, XSL_OWNER. */
unsigned xsl_perms_of(const struct xsl_perms *perms, const struct xsl_conn *conn);

/* --- node.c: the tree ------------------------------------------------------------------ */

struct xsl_node {
    struct xsl_node *parent; /* NULL: the root */
    struct xsl_perms *perms;
    char *value;         /* rc box, NULL when empty */
    GPtrArray *children; /* in order of creation, NULL where one was removed; NULL: never any */
    uint64_t generation; /* of its last change: value, permissions, list of children */
    uint32_t slot;       /* in its parent's children */
    uint32_t n_children;
    uint32_t names_len; /* bytes of the children's names, each with a NUL */
    uint32_t name_len;
    const char *name; /* stored behind this structure */
};

void xsl_nodes_init(struct xsl_store *store);
void xsl_nodes_clear(struct xsl_store *store);
struct xsl_node *xsl_node_find(const struct xsl_store *store, const char *path);
/* LEN bytes of NAME. */
struct xsl_node *xsl_node_child(const struct xsl_store *store, struct xsl_node *parent,
                                const char *name, size_t len);
/* Adds a child that is not there yet; takes PERMS and VALUE. */
struct xsl_node *xsl_node_add(struct xsl_store *store, struct xsl_node *parent, const char *name,
                              struct xsl_perms *perms, char *value);
/* Removes a node and all below it. */
void xsl_node_remove(struct xsl_store *store, struct xsl_node *node);
void xsl_node_set_value(struct xsl_store *store, struct xsl_node *node, char *value);
void xsl_node_set_perms(struct xsl_store *store, struct xsl_node *node, struct xsl_perms *perms);
/* The child at or after *slot, which moves past it; NULL at the end. */
struct xsl_node *xsl_node_next_child(const struct xsl_node *node, unsigned *slot);
/* Appends the children's names, each with its NUL. */
void xsl_node_list(const struct xsl_node *node, GByteArray *names);

/* Values: rc boxes of bytes. */
char *xsl_value_new(const void *data, size_t len);
char *xsl_value_ref(char *value);
void xsl_value_unref(char *value);
size_t xsl_value_len(const char *value);

/* --- transaction.c: a tree that only its client sees --------------------------------------- */

/* A node as one client sees it, inside a transaction or not. */
struct xsl_view {
    bool exists;
    uint64_t generation;
    struct xsl_perms *perms;
    char *value;
    size_t names_len;
};

struct xsl_tx {
    struct xsl_conn *conn;
    uint32_t id;
    GHashTable *access;   /* path -> struct xsl_access */
    GPtrArray *order;     /* the same in order of first access */
    GHashTable *owners;   /* domid -> by how much its count of nodes changes */
    uint64_t last_change; /* counts changes */
    bool poisoned;        /* it used too many nodes and cannot be committed */
};

/* The functions below take TX == NULL for the store itself. */

/* Returns 0, or -ENOSPC for a transaction that uses too many nodes. */
int xsl_view(struct xsl_store *store, struct xsl_tx *tx, const char *path, struct xsl_view *view);
/* Adds the names of its children, each with its NUL. */
void xsl_view_list(struct xsl_store *store, struct xsl_tx *tx, const char *path, GByteArray *names);
/* Path must not exist, its parent must.  Takes PERMS and VALUE. */
int xsl_view_create(struct xsl_store *store, struct xsl_tx *tx, const char *path,
                    struct xsl_perms *perms, char *value);
/* Path must exist; takes VALUE or PERMS. */
void xsl_view_set_value(struct xsl_store *store, struct xsl_tx *tx, const char *path, char *value);
void xsl_view_set_perms(struct xsl_store *store, struct xsl_tx *tx, const char *path,
                        struct xsl_perms *perms);
/* Removes a node and all below it, with all its events.  Path must exist. */
int xsl_view_remove(struct xsl_store *store, struct xsl_tx *tx, const char *path);
/* Events for a change of PATH, now or when TX is committed.  OLD may be NULL. */
void xsl_view_fire(struct xsl_store *store, struct xsl_tx *tx, const char *path,
                   const struct xsl_perms *old);
/* How many nodes DOMID owns, as seen in TX. */
uint64_t xsl_view_owned(struct xsl_store *store, struct xsl_tx *tx, unsigned domid);

struct xsl_tx *xsl_tx_new(struct xsl_conn *conn, uint32_t id);
void xsl_tx_free(struct xsl_tx *tx);
/* Returns 0, -EAGAIN, -ENOMEM (poisoned) or -ENOSPC; TX is as good as before, to be freed. */
int xsl_tx_commit(struct xsl_tx *tx);
/* The children of NODE are about to change: transactions that have seen them keep a copy. */
void xsl_tx_freeze(struct xsl_store *store, struct xsl_node *node);
GVariant *xsl_tx_dump(const struct xsl_tx *tx);
/* False if the dump cannot be right; TX is to be freed. */
bool xsl_tx_restore(struct xsl_tx *tx, GVariant *dump);

/* --- watch.c ----------------------------------------------------------------------------- */

enum xsl_special { XSL_INTRODUCE_DOMAIN, XSL_RELEASE_DOMAIN, XSL_SPECIALS };

struct xsl_watch {
    struct xsl_conn *conn;
    char *path;      /* absolute, or special */
    size_t relative; /* where in it what the client gave begins */
    char *token;
    int depth; /* levels below path that fire it; -1: all */
    uint64_t number;
};

/* Returns 0 and the watch; -EEXIST. */
int xsl_watch_add(struct xsl_conn *conn, const char *path, size_t relative, const char *token,
                  int depth, struct xsl_watch **watch);
/* Returns 0; -ENOENT. */
int xsl_watch_remove(struct xsl_conn *conn, const char *path, const char *token);
void xsl_watch_remove_all(struct xsl_conn *conn);
/* The event that a new watch begins with. */
void xsl_watch_fire_first(struct xsl_watch *watch);
/*
 * PATH has changed.  PERMS are or were its permissions, OLD those before they were
 * changed, or NULL.  EXACT: only watches on this very path.
 */
void xsl_watch_fire(struct xsl_store *store, const char *path, bool exact,
                    const struct xsl_perms *perms, const struct xsl_perms *old);
void xsl_watch_fire_special(struct xsl_store *store, enum xsl_special which, unsigned domid);
/* Which special path is this?  -1: none of those with permissions. */
int xsl_watch_special(const char *path);

/* --- domain.c: domains and quotas ------------------------------------------------------------ */

struct xsl_domain {
    struct xsl_store *store;
    unsigned domid;
    bool introduced;
    bool shutdown; /* was told of in an event, and has not been resumed */
    int target;    /* the domain whose rights it has, too; -1: none */
    unsigned features;
    uint64_t quota[XSL_QUOTAS];
    uint64_t nodes; /* it owns */

    /* ring.c */
    struct xsl_conn *conn;
    void *page;
    uint64_t gfn;
    uint32_t port;
    bool broken;

    /* Write rate, in thousandths of a write. */
    int64_t credit, credit_time;
};

struct xsl_domain *xsl_domain_get(const struct xsl_store *store, unsigned domid);
/* Gets or makes it.  Once made it stays, introduced or not. */
struct xsl_domain *xsl_domain_make(struct xsl_store *store, unsigned domid);
/* Maps its ring and makes its connection; -EINVAL if it cannot have one. */
int xsl_domain_connect(struct xsl_domain *domain, uint64_t gfn, uint32_t port);
/* It has gone: its nodes and permission entries go, too, and @releaseDomain fires. */
void xsl_domain_forget(struct xsl_domain *domain);
bool xsl_domain_exists(const struct xsl_store *store, unsigned domid);
/* It owns this many nodes more, or fewer. */
void xsl_domain_count_nodes(struct xsl_store *store, unsigned domid, int change);
int xsl_domain_resume(struct xsl_store *store, unsigned domid);
int xsl_domain_set_target(struct xsl_store *store, unsigned domid, unsigned target);
/* It wrote to the store, outside a transaction or by committing one. */
void xsl_domain_wrote(struct xsl_domain *domain);
/* For how many ms it must not write; 0: it may. */
int xsl_domain_throttled(const struct xsl_domain *domain);
const char *xsl_quota_name(enum xsl_quota quota);
const char *xsl_quota_description(enum xsl_quota quota);
void xsl_quotas_init(struct xsl_store *store);
/* For the domains that are known, too. */
void xsl_domains_set_quota(struct xsl_store *store, enum xsl_quota quota, uint64_t value);
/* -1: there is none of this name. */
int xsl_quota_by_name(const char *name);
int64_t xsl_now(const struct xsl_store *store);

/* --- ring.c ---------------------------------------------------------------------------------- */

/* The domain's connection, and its page if it has one, start afresh. */
void xsl_ring_attach(struct xsl_domain *domain);

/* --- connection.c ------------------------------------------------------------------------------
 */

/* What one request still has waiting for someone: its answer, its events. */
struct xsl_origin {
    unsigned refs;
    struct xsl_conn *conn; /* NULL: gone */
};

struct xsl_message {
    struct xsl_message *next;
    struct xsl_origin *origin; /* NULL for clients without quotas */
    int64_t deadline;          /* of an event that nobody may wait for longer; 0: none */
    uint32_t len;
    bool event;
    uint8_t bytes[];
};

struct xsl_conn {
    struct xsl_store *store;
    unsigned domid;
    uint64_t number;           /* connections in order of their making */
    struct xsl_domain *domain; /* NULL for domain 0, which has no quotas */
    void (*wake)(struct xsl_conn *conn, void *opaque);
    void *opaque;

    GByteArray *in; /* received and not carried out yet */
    bool busy;      /* carrying out requests */

    struct xsl_message *first, *last; /* output */
    size_t first_sent;                /* bytes of the first that have been sent */
    size_t waiting;                   /* bytes of output */
    GHashTable *events;               /* those in the output, by content */
    bool overrun;
    GPtrArray *origins; /* requests not done with */

    GPtrArray *watches;       /* struct xsl_watch, in order of creation */
    GHashTable *transactions; /* id -> struct xsl_tx */
    uint32_t last_tx;

    /* A CONTROL request whose answer is still to come: nothing else is carried out until then. */
    bool deferred;
    uint32_t deferred_id, deferred_tx;
};

static inline bool xsl_conn_privileged(const struct xsl_conn *conn)
{
    return conn->domain == NULL;
}

/* A quota of a client; UINT64_MAX for those without. */
static inline uint64_t xsl_conn_quota(const struct xsl_conn *conn, enum xsl_quota quota)
{
    return conn->domain ? conn->domain->quota[quota] : UINT64_MAX;
}

/* Output: a message of LEN bytes in two parts, a header before them. */
void xsl_conn_reply(struct xsl_conn *conn, uint32_t type, uint32_t req_id, uint32_t tx_id,
                    const void *payload, size_t len);
void xsl_conn_event(struct xsl_conn *conn, const char *path, const char *token, bool merge);
/* A message as it was in a dump; false if it cannot be one. */
bool xsl_conn_restore_output(struct xsl_conn *conn, const uint8_t *bytes, size_t len, bool event,
                             bool merge);
/* Back to how it was when it was new. */
void xsl_conn_reset(struct xsl_conn *conn);
/* Watches and transactions only. */
void xsl_conn_reset_watches(struct xsl_conn *conn);
/* Drops events that waited too long; in how many ms the next one will have, or -1. */
int xsl_conn_expire(struct xsl_conn *conn);
/* Carries out what was received, as far as it may. */
int xsl_conn_continue(struct xsl_conn *conn);

/* --- request.c: the operations
 * -------------------------------------------------------------------- */

/* Carries out a request and queues its answer; with ANSWER the answer goes there instead. */
int xsl_request_run(struct xsl_conn *conn, uint32_t type, uint32_t req_id, uint32_t tx_id,
                    const char *data, size_t len, GByteArray *answer);

/* --- control.c: CONTROL
 * ---------------------------------------------------------------------------- */

/* Appends the reply's text. */
int xsl_control(struct xsl_store *store, const char *const *argv, unsigned argc, GByteArray *reply);

/* --- dump.c
 * ------------------------------------------------------------------------------------------ */

/* Domid, access, dead. */
#define XSL_PERMS_TYPE "a(qyb)"
/* Path; generation and permissions when it was fixed; exists, generation, permissions, value;
 * live, frozen, removed, added; made, changed, created, fire. */
#define XSL_ACCESS_TYPE "(st" XSL_PERMS_TYPE "bt" XSL_PERMS_TYPE "ayb(bay)asasbbtu)"
/* Id, poisoned, last change, owners, accesses. */
#define XSL_TX_TYPE "(ubta(qi)a" XSL_ACCESS_TYPE ")"

GVariant *xsl_bytes_dump(const void *data, size_t len);
GVariant *xsl_value_dump(const char *value);
char *xsl_value_restore(GVariant *dump);
GVariant *xsl_perms_dump(const struct xsl_perms *perms);
/* NULL if there is no entry. */
struct xsl_perms *xsl_perms_restore(GVariant *dump);

/* --- The store
 * ------------------------------------------------------------------------------------ */

struct xsl_store {
    struct xsl_ops ops;
    void *world;

    struct xsl_node *root;
    GHashTable *index; /* of all nodes but the root, by parent and name */
    uint64_t generation;

    GHashTable *fixed;   /* node -> struct xsl_access of transactions that have seen it */
    GHashTable *watches; /* path -> GPtrArray of struct xsl_watch */
    struct xsl_perms *special[XSL_SPECIALS];
    GPtrArray *matched; /* scratch of watch.c */

    GHashTable *domains; /* domid -> struct xsl_domain */
    unsigned introduced; /* how many of them */
    uint64_t quota[XSL_QUOTAS];

    GPtrArray *conns;
    uint64_t last_conn, last_watch;
    unsigned transactions;     /* open ones */
    struct xsl_origin *origin; /* of the request being carried out */
    GByteArray *scratch;       /* its answer */

    bool log; /* requests are logged */
};

void xsl_log(const struct xsl_store *store, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
