/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store on a Unix socket: listens, moves bytes between clients and their
 * connections, never waits for a client.  Each client has the rights of domain 0.
 *
 * The server has one file descriptor that becomes readable when there is something
 * to do, so that it fits into any main loop; and it can be its own.
 */
#ifndef XSL_SOCKET_H
#define XSL_SOCKET_H

#include "xsl.h"

struct xsl_server;

/*
 * xsl_server_new - a server on LISTENER, a listening stream socket, which it takes;
 * -1: none, all clients are adopted.
 * Returns NULL and sets errno on failure; the listener is then the caller's still.
 */
struct xsl_server *xsl_server_new(int listener);

/* xsl_server_serve - the store for clients that come from now on; before the first dispatch. */
void xsl_server_serve(struct xsl_server *server, struct xsl_store *store);

/* xsl_server_free - closes the listener and all clients, after what can be sent at once. */
void xsl_server_free(struct xsl_server *server);

/* xsl_server_fd - readable when xsl_server_dispatch() has something to do. */
int xsl_server_fd(const struct xsl_server *server);

/*
 * xsl_server_dispatch - waits at most TIMEOUT ms (-1: without limit), then serves
 * every client that can be served, each a bounded amount.
 * Returns 0, or -errno of a failed wait (-EINTR for a signal).
 */
int xsl_server_dispatch(struct xsl_server *server, int timeout);

/*
 * xsl_server_interrupt - makes the dispatch that is waiting, or the next one, return at
 * once.  May be called from a signal handler.
 */
void xsl_server_interrupt(struct xsl_server *server);

/*
 * xsl_server_drain - ends well: carries out what clients have sent already and sends
 * what waits for them, for at most TIMEOUT ms; no new clients.
 */
void xsl_server_drain(struct xsl_server *server, int timeout);

/*
 * xsl_server_adopt - serves a socket that is connected already, as after a restart,
 * for STORE, and takes it.  Returns its connection, NULL if it cannot be used.
 */
struct xsl_conn *xsl_server_adopt(struct xsl_server *server, struct xsl_store *store, int socket);

/* xsl_server_socket - the file descriptor behind a connection, -1 if it is not this server's. */
int xsl_server_socket(const struct xsl_server *server, const struct xsl_conn *conn);

/*
 * xsl_server_set_inherited - whether the clients' sockets stay open in a program that
 * this process is replaced by.  At first they do not.
 */
void xsl_server_set_inherited(const struct xsl_server *server, bool inherited);

/*
 * xsl_socket_listen - a listening socket at PATH, mode 0600, non-blocking.  A socket
 * there on which nobody listens is replaced.
 * Returns it, or -errno: -EADDRINUSE somebody listens there; -ENAMETOOLONG; ...
 */
int xsl_socket_listen(const char *path);

#endif
