/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xsl: a xenstore.  The tree of nodes, its permissions, transactions, watches
 * and quotas, and the protocol by which clients use them.
 *
 * This header is the manual.  The library does no I/O and holds no globals:
 * bytes that a client sent go in through xsl_conn_receive(), bytes for it come
 * out through xsl_conn_output(), and whoever moves them is a transport.  Two
 * transports are here: ring.c, the page a guest shares (below), and socket.c,
 * Unix sockets (socket.h).  What the library needs to know of the world (time,
 * which domains there are, their ring pages) it asks through struct xsl_ops.
 *
 * Errors are negative errno values, of those that the protocol can name.  Out of
 * memory ends the process, as everywhere where GLib is used.
 *
 * Locking: nothing here is thread-safe.  All of a store's connections are used
 * by one thread, or under one lock.
 *
 * Sources: Xen's docs/misc/xenstore.txt and xenstore-ring.txt, and
 * xen/io/xs_wire.h, whose names are used for operations, errors and ring fields.
 */
#ifndef XSL_H
#define XSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

/* Limits of the protocol, in bytes; a path counts without its NUL. */
#define XSL_PAYLOAD_MAX 4096
#define XSL_HEADER_SIZE 16
#define XSL_ABS_PATH_MAX 3072
#define XSL_RING_SIZE 1024

/* Domain ids are below this; the ones above have special meanings. */
#define XSL_DOMID_FIRST_RESERVED 0x7ff0
#define XSL_DOMID_SELF 0x7ff0
/* In a permission entry: every domain. */
#define XSL_DOMID_ANY 0x7ff5

/* What a server offers: the bits of server_features in the ring page, and of GET_FEATURE. */
enum xsl_feature {
    XSL_FEATURE_RECONNECTION = 1, /* a ring can be reset by its guest */
    XSL_FEATURE_ERROR = 2,        /* the ring page has the field `error` */
    XSL_FEATURE_WATCH_DEPTH = 4,  /* WATCH takes a depth */
    XSL_FEATURE_DOMID_ANY = 8,    /* permission entries may name XSL_DOMID_ANY */
    XSL_FEATURE_ALL = 15,
};

/*
 * Quotas: what a domain other than 0 may use.  Clients with the rights of domain
 * 0 have none.  The names are those GET_QUOTA and CONTROL take.
 */
enum xsl_quota {
    XSL_QUOTA_NODES,             /* "nodes": nodes it owns (1000) */
    XSL_QUOTA_WATCHES,           /* "watches" (128) */
    XSL_QUOTA_TRANSACTIONS,      /* "transactions": open at a time (10) */
    XSL_QUOTA_OUTSTANDING,       /* "outstanding": requests not answered, and their events (20) */
    XSL_QUOTA_TRANSACTION_NODES, /* "transaction-nodes": used in one transaction (1024) */
    XSL_QUOTA_MEMORY,            /* "memory": bytes of output that wait for it (2.5 MiB) */
    XSL_QUOTA_NODE_SIZE,         /* "node-size": bytes of a node: 24, 8 for each permission entry,
                                    value, children's names (2048) */
    XSL_QUOTA_PATH_MAX,          /* "path-max": bytes of a path without its home (2048) */
    XSL_QUOTA_NODE_PERMISSIONS,  /* "node-permissions": entries of a node (5) */
    XSL_QUOTAS
};

struct xsl_store;
struct xsl_conn;

/* --- The world ---------------------------------------------------------------- */

/*
 * What a store asks of the world.  Each function may be NULL.  None may call back
 * into the store, but notify may deliver an event that makes the guest do so later.
 */
struct xsl_ops {
    /* Milliseconds that never go back.  NULL: no limit that depends on time holds. */
    int64_t (*now)(void *world);

    /* A line for the log: what was asked, by whom, when CONTROL switched that on. */
    void (*log)(void *world, const char *line);

    /* Does the hypervisor know this domain?  NULL: those that were introduced exist, and domain 0.
     */
    bool (*domain_exists)(void *world, unsigned domid);

    /*
     * INTRODUCE: the 4096 bytes of the domain's ring page, at guest frame number
     * gfn, with its event channel bound.  Returns NULL if that cannot be done.  Not
     * asked again when a known domain is introduced again: notify has the new port.
     * If map_ring itself is NULL, domains are introduced without a ring.
     */
    void *(*map_ring)(void *world, unsigned domid, uint64_t gfn, uint32_t port);
    void (*unmap_ring)(void *world, unsigned domid, void *page);

    /* Send an event to the domain's end of its event channel. */
    void (*notify)(void *world, unsigned domid, uint32_t port);

    /*
     * CONTROL commands that are the program's own, not the store's: argv[0] is the
     * command.  Returns the reply's text, to be freed with g_free; or NULL and *err:
     * -EINVAL for a command that is not known; -EINPROGRESS if xsl_store_answer() will
     * answer, until when no other request of this client is carried out.
     */
    char *(*control)(void *world, const char *const *argv, unsigned argc, int *err);
};

/* --- The store ----------------------------------------------------------------- */

/*
 * xsl_store_new - a store with the nodes /, /local, /tool and /tool/xenstored.
 * @ops:   the world; copied; NULL for none
 * @world: passed to every function of ops
 */
struct xsl_store *xsl_store_new(const struct xsl_ops *ops, void *world);

/* xsl_store_free - closes all connections, then forgets everything.  NULL is allowed. */
void xsl_store_free(struct xsl_store *store);

/* xsl_store_count - how many nodes there are, the root included. */
size_t xsl_store_count(const struct xsl_store *store);

/*
 * xsl_store_check - is the store consistent with itself (CONTROL check)?
 * Returns NULL, or what is wrong.
 */
const char *xsl_store_check(const struct xsl_store *store);

/* --- Connections ---------------------------------------------------------------- */

/*
 * xsl_conn_new - a client.
 * @domid: whose rights it has, and whose home its relative paths have; 0 may do all
 * @wake:  called when there is output where there was none; it may take it at once
 * @opaque: passed to wake
 *
 * For a guest's ring there is xsl_domain_introduce() instead.
 */
struct xsl_conn *xsl_conn_new(struct xsl_store *store, unsigned domid,
                              void (*wake)(struct xsl_conn *conn, void *opaque), void *opaque);

/* xsl_conn_free - its watches, transactions and output are gone; nodes stay.  NULL is allowed. */
void xsl_conn_free(struct xsl_conn *conn);

/*
 * xsl_conn_receive - bytes came from the client.  Any amount: whole messages are
 * carried out, the start of one is kept.  The answers are output when it returns.
 *
 * Returns 0;
 *   -EPROTO  a message is longer than XSL_PAYLOAD_MAX; nothing more can be
 *            understood: close the connection
 */
int xsl_conn_receive(struct xsl_conn *conn, const void *data, size_t len);

/*
 * xsl_conn_wants_input - would more requests be carried out now?  False while too
 * much output waits for this client; what was received then is carried out as
 * output is taken.
 */
bool xsl_conn_wants_input(const struct xsl_conn *conn);

/*
 * xsl_conn_output - what waits to be sent.
 * @iov: filled in, each entry one message or the rest of one; valid until the next
 *       call with this connection
 * @max: entries of iov
 *
 * Returns how many entries were filled in, 0 when nothing waits.
 */
struct iovec;
unsigned xsl_conn_output(struct xsl_conn *conn, struct iovec *iov, unsigned max);

/*
 * xsl_conn_sent - this many bytes of the output have been sent.  Carries out what was
 * received and had to wait for that; returns as xsl_conn_receive() does.
 */
int xsl_conn_sent(struct xsl_conn *conn, size_t len);

/*
 * xsl_conn_overrun - has the client left so much unread (events, since answers stop
 * by themselves) that it is to be closed?  Events for it are lost from then on.
 */
bool xsl_conn_overrun(const struct xsl_conn *conn);

/*
 * xsl_conn_request - one request, for callers in the same process.  Its answer does
 * not go to the output but is returned; events do go there.
 * @type, @tx_id: as in the header
 * @payload, @len: what follows the header; len at most XSL_PAYLOAD_MAX
 * @reply: if not NULL, set to the answer's payload, without the header, to be freed;
 *         NULL on error
 *
 * Returns 0 or the error the client would be sent, as -errno.
 */
int xsl_conn_request(struct xsl_conn *conn, uint32_t type, uint32_t tx_id, const void *payload,
                     size_t len, GByteArray **reply);

/*
 * xsl_store_answer - answers each CONTROL request that is in progress: with TEXT, or if
 * ERR is not 0 with that error.
 */
void xsl_store_answer(struct xsl_store *store, int err, const char *text);

/* xsl_error_name - how the protocol writes an error, given as -errno: "EINVAL", say. */
const char *xsl_error_name(int err);

/* --- Domains ------------------------------------------------------------------- */

/*
 * xsl_domain_introduce - as INTRODUCE does, or again for a domain that is known:
 * its connection starts afresh.
 *
 * Returns 0; -EINVAL domid reserved or 0, port 0, or the page cannot be mapped.
 */
int xsl_domain_introduce(struct xsl_store *store, unsigned domid, uint64_t gfn, uint32_t port);

/*
 * xsl_domain_release - as RELEASE does: the domain is gone.  Its connection, the
 * nodes it owns with all below them, and its permission entries are removed.
 *
 * Returns 0; -ENOENT it was not introduced.
 */
int xsl_domain_release(struct xsl_store *store, unsigned domid);

/*
 * xsl_domain_shutdown - it has shut down or crashed: @releaseDomain, once until
 * RESUME.  It stays introduced.  Returns 0; -ENOENT it was not introduced.
 */
int xsl_domain_shutdown(struct xsl_store *store, unsigned domid);

/* --- The guest's ring ------------------------------------------------------------ */

/*
 * xsl_ring_process - the domain's event channel was signalled, or should be looked
 * at: moves bytes from and to its ring page, carries out what is complete, and
 * notifies.
 *
 * A ring whose indices or lengths cannot be right sets `error` in the page and is
 * ignored until it is reconnected or introduced again.
 *
 * Returns in how many ms it should be called again (a guest that is slowed down, or
 * events that time out), or -1.
 */
int xsl_ring_process(struct xsl_store *store, unsigned domid);

/* xsl_ring_process_all - the same for every domain that has a ring. */
int xsl_ring_process_all(struct xsl_store *store);

/* --- Dump and restore -------------------------------------------------------------- */

/*
 * xsl_store_dump - all of a store: nodes, domains, connections with their watches,
 * open transactions and unsent output.
 * @name: asked for each connection that is no ring: a number by which the one who
 *        restores will know it (a socket's file descriptor); a negative one leaves
 *        the connection out
 *
 * Returns the dump, in a format of this program, protected by a checksum.
 */
GBytes *xsl_store_dump(const struct xsl_store *store,
                       int32_t (*name)(const struct xsl_conn *conn, void *opaque), void *opaque);

/*
 * xsl_store_restore - a store from a dump.
 * @restore: called for each connection, with its name from the dump, to have it made
 *           by xsl_conn_new(); if it returns NULL, the connection is left out
 *
 * Rings are mapped again through ops, with what they hold unchanged; a domain whose
 * ring cannot be mapped has gone, as if it had been released.  Returns NULL
 * when the dump is damaged or of another version; what connections were made then
 * are gone.
 */
struct xsl_store *xsl_store_restore(const struct xsl_ops *ops, void *world, GBytes *dump,
                                    struct xsl_conn *(*restore)(struct xsl_store *store,
                                                                int32_t name, void *opaque),
                                    void *opaque);

#endif
