/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix sockets as a transport.  epoll rather than GLib's main loop: that one hands
 * all of a thousand descriptors to the kernel at every turn, for one that is ready.
 *
 * A request costs three system calls: wait, read, send.
 */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define BATCH 64
#define READ_SIZE (64 * 1024)
#define SEND_PIECES 64
#define BACKLOG 128

struct client {
    struct xsl_server *server;
    struct xsl_conn *conn;
    int fd;
    uint32_t interest; /* as epoll knows it */
    bool dirty;        /* in server->dirty */
    bool dead;         /* to be freed when nothing refers to it */
};

struct xsl_server {
    struct xsl_store *store;
    int epoll, listener, interrupt;
    bool listening; /* the listener is being waited for */
    bool dispatching;
    GPtrArray *clients;  /* struct client */
    GPtrArray *dirty;    /* those with output that was not tried yet */
    GPtrArray *dead;     /* those to be freed */
    char buf[READ_SIZE]; /* scratch */
};

/* --- Clients ---------------------------------------------------------------------------- */

static void wake(struct xsl_conn *conn, void *opaque)
{
    struct client *client = opaque;

    (void)conn;
    if (!client->dirty) {
        client->dirty = true;
        g_ptr_array_add(client->server->dirty, client);
    }
    /* Changed from elsewhere in the process: whoever waits for our descriptor is to come. */
    if (!client->server->dispatching) {
        xsl_server_interrupt(client->server);
    }
}

static void set_interest(struct client *client, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = client};

    if (client->interest != interest) {
        epoll_ctl(client->server->epoll, EPOLL_CTL_MOD, client->fd, &event);
        client->interest = interest;
    }
}

static void set_listening(struct xsl_server *server, bool on)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = server};

    if (server->listener >= 0 && server->listening != on) {
        epoll_ctl(server->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, server->listener, &event);
        server->listening = on;
    }
}

/* The connection and its watches end now, the structure when this turn is over. */
static void kill_client(struct client *client)
{
    struct xsl_server *server = client->server;

    if (client->dead) {
        return;
    }
    client->dead = true;
    xsl_conn_free(client->conn);
    client->conn = NULL;
    close(client->fd);
    g_ptr_array_remove_fast(server->clients, client);
    g_ptr_array_add(server->dead, client);
    /* There may be a descriptor for one who was kept waiting. */
    set_listening(server, true);
}

static void bury(struct xsl_server *server)
{
    for (guint i = 0; i < server->dead->len; i++) {
        struct client *client = g_ptr_array_index(server->dead, i);

        if (client->dirty) {
            g_ptr_array_remove_fast(server->dirty, client);
        }
        g_free(client);
    }
    g_ptr_array_set_size(server->dead, 0);
}

struct xsl_conn *xsl_server_adopt(struct xsl_server *server, struct xsl_store *store, int socket)
{
    struct client *client = g_new0(struct client, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, socket, &event) < 0) {
        g_free(client);
        return NULL;
    }
    client->server = server;
    client->fd = socket;
    client->interest = EPOLLIN;
    client->conn = xsl_conn_new(store, 0, wake, client);
    g_ptr_array_add(server->clients, client);
    return client->conn;
}

int xsl_server_socket(const struct xsl_server *server, const struct xsl_conn *conn)
{
    for (guint i = 0; i < server->clients->len; i++) {
        const struct client *client = g_ptr_array_index(server->clients, i);

        if (client->conn == conn) {
            return client->fd;
        }
    }
    return -1;
}

void xsl_server_set_inherited(const struct xsl_server *server, bool inherited)
{
    for (guint i = 0; i < server->clients->len; i++) {
        const struct client *client = g_ptr_array_index(server->clients, i);

        fcntl(client->fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
    }
}

/* --- Moving bytes ------------------------------------------------------------------------- */

/* Sends what the socket takes.  False: the client is gone. */
static bool flush(struct client *client)
{
    struct iovec iov[SEND_PIECES];
    struct msghdr message = {.msg_iov = iov};

    while ((message.msg_iovlen = xsl_conn_output(client->conn, iov, SEND_PIECES)) > 0) {
        ssize_t sent = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (xsl_conn_sent(client->conn, sent) < 0) {
            return false;
        }
    }
    return true;
}

static void flush_client(struct client *client)
{
    struct iovec one;

    if (!flush(client) || xsl_conn_overrun(client->conn)) {
        kill_client(client);
        return;
    }
    set_interest(client, (xsl_conn_wants_input(client->conn) ? EPOLLIN : 0) |
                             (xsl_conn_output(client->conn, &one, 1) ? EPOLLOUT : 0));
}

/* Everybody for whom a request has left something. */
static void flush_dirty(struct xsl_server *server)
{
    while (server->dirty->len > 0) {
        struct client *client =
            g_ptr_array_remove_index_fast(server->dirty, server->dirty->len - 1);

        client->dirty = false;
        if (!client->dead) {
            flush_client(client);
        }
    }
}

static void receive(struct client *client)
{
    ssize_t len = recv(client->fd, client->server->buf, READ_SIZE, MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (len <= 0 || xsl_conn_receive(client->conn, client->server->buf, len) < 0) {
        flush(client);
        kill_client(client);
    }
}

/* Returns whether there may be more of them. */
static bool accept_clients(struct xsl_server *server)
{
    for (int i = 0; i < BATCH; i++) {
        int socket = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (socket < 0) {
            /* Out of descriptors: not before a client has gone. */
            if ((errno == EMFILE || errno == ENFILE) && server->clients->len > 0) {
                set_listening(server, false);
            }
            return false;
        }
        if (!xsl_server_adopt(server, server->store, socket)) {
            close(socket);
        }
    }
    return true;
}

static void serve(struct client *client, uint32_t events)
{
    if (client->dead) {
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        receive(client);
    }
    if (!client->dead && (events & EPOLLOUT)) {
        flush_client(client);
    }
    flush_dirty(client->server);
}

/* Returns for how many sockets there was something to do, or -errno. */
static int dispatch(struct xsl_server *server, int timeout)
{
    struct epoll_event events[BATCH];
    int n = epoll_wait(server->epoll, events, BATCH, timeout);

    if (n < 0) {
        return -errno;
    }
    server->dispatching = true;
    flush_dirty(server);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == server) {
            accept_clients(server);
        } else if (events[i].data.ptr == &server->interrupt) {
            eventfd_read(server->interrupt, &(eventfd_t){0});
        } else {
            serve(events[i].data.ptr, events[i].events);
        }
    }
    bury(server);
    server->dispatching = false;
    return n;
}

int xsl_server_dispatch(struct xsl_server *server, int timeout)
{
    int n = dispatch(server, timeout);

    return MIN(n, 0);
}

/* --- Life ------------------------------------------------------------------------------------ */

struct xsl_server *xsl_server_new(int listener)
{
    struct xsl_server *server = g_new0(struct xsl_server, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->interrupt};

    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->epoll < 0 || server->interrupt < 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->interrupt, &event) < 0) {
        close(server->epoll);
        close(server->interrupt);
        g_free(server);
        return NULL;
    }
    server->clients = g_ptr_array_new();
    server->dirty = g_ptr_array_new();
    server->dead = g_ptr_array_new();
    server->listener = listener;
    return server;
}

void xsl_server_interrupt(struct xsl_server *server)
{
    eventfd_write(server->interrupt, 1);
}

void xsl_server_serve(struct xsl_server *server, struct xsl_store *store)
{
    server->store = store;
    set_listening(server, true);
}

int xsl_server_fd(const struct xsl_server *server)
{
    return server->epoll;
}

static bool has_output(const struct xsl_server *server)
{
    for (guint i = 0; i < server->clients->len; i++) {
        const struct client *client = g_ptr_array_index(server->clients, i);
        struct iovec one;

        if (xsl_conn_output(client->conn, &one, 1)) {
            return true;
        }
    }
    return false;
}

void xsl_server_drain(struct xsl_server *server, int timeout)
{
    gint64 end = g_get_monotonic_time() + timeout * G_GINT64_CONSTANT(1000);
    gint64 left;

    /* Who has connected before may have sent something, too. */
    while (server->listening && accept_clients(server)) {
    }
    set_listening(server, false);
    while ((left = (end - g_get_monotonic_time()) / 1000) > 0) {
        int n = dispatch(server, 0);

        if (n == 0 && !has_output(server)) {
            return;
        }
        if (n == 0) {
            dispatch(server, left);
        }
    }
}

void xsl_server_free(struct xsl_server *server)
{
    if (!server) {
        return;
    }
    flush_dirty(server);
    while (server->clients->len > 0) {
        kill_client(g_ptr_array_index(server->clients, 0));
    }
    bury(server);
    if (server->listener >= 0) {
        close(server->listener);
    }
    close(server->epoll);
    close(server->interrupt);
    g_ptr_array_unref(server->clients);
    g_ptr_array_unref(server->dirty);
    g_ptr_array_unref(server->dead);
    g_free(server);
}

/* --- The listener
 * ---------------------------------------------------------------------------------- */

/* Whether ADDRESS is a socket on which nobody listens any more. */
static bool is_stale(const struct sockaddr_un *address)
{
    int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stat status;
    bool stale = false;

    if (socket_fd >= 0 && stat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode)) {
        stale = connect(socket_fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
                errno == ECONNREFUSED;
    }
    close(socket_fd);
    return stale;
}

static int bind_private(int socket_fd, const struct sockaddr_un *address)
{
    int result;

    /* What bind() makes gets the socket's own mode: it is never open to others. */
    fchmod(socket_fd, S_IRUSR | S_IWUSR);
    result = bind(socket_fd, (const struct sockaddr *)address, sizeof(*address));
    if (result < 0 && errno == EADDRINUSE) {
        if (!is_stale(address)) {
            return -EADDRINUSE;
        }
        unlink(address->sun_path);
        result = bind(socket_fd, (const struct sockaddr *)address, sizeof(*address));
    }
    if (result < 0) {
        return -errno;
    }
    /* A umask may have taken something away from that. */
    chmod(address->sun_path, S_IRUSR | S_IWUSR);
    return 0;
}

int xsl_socket_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int socket_fd, err;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    strcpy(address.sun_path, path);
    socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) {
        return -errno;
    }
    err = bind_private(socket_fd, &address);
    if (!err && listen(socket_fd, BACKLOG) < 0) {
        err = -errno;
    }
    if (err) {
        close(socket_fd);
        return err;
    }
    return socket_fd;
}
