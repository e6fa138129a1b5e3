/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore-lite as QEMU's xenstore: the functions of hw/i386/kvm/xenstore_impl.h, by
 * which the guest's ring and the PV backends use a store, and a Unix socket, by which
 * the host does.
 *
 * All of it runs under the BQL, and nothing here waits: the backends call in from
 * wherever they are.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "system/runstate.h"
#include "system/system.h"
#include "hw/xen/xen.h"
#include "hw/xen/interface/io/xs_wire.h"
#include "hw/i386/kvm/xenstore_impl.h"
#include "xenbed/emu/xenbed.h"
#include "xenbed/xenstore-lite/socket.h"

#include <sys/uio.h>

/* Any port will do: the ring is QEMU's own business. */
#define GUEST_PORT 1

/* One user of a store inside QEMU: its backends, as domain 0; or the guest. */
typedef struct Client {
    struct xsl_conn *conn;
    /* token in the store -> Watch; what is not in it goes to `fn`. */
    GHashTable *watches;
    xs_impl_watch_fn *fn;
    void *opaque;
} Client;

typedef struct Watch {
    char *token; /* as the user gave it, NULL for none */
    xs_impl_watch_fn *fn;
    void *opaque;
} Watch;

struct XenstoreImplState {
    struct xsl_store *store;
    Client host, guest;
};

static XenstoreImplState *the_store;
static struct xsl_server *server;
static char *socket_path;

/* --- Events ------------------------------------------------------------------- */

static void deliver(Client *client, const char *path, const char *token)
{
    const Watch *watch = g_hash_table_lookup(client->watches, token);

    if (watch) {
        watch->fn(watch->opaque, path, watch->token);
    } else if (client->fn) {
        client->fn(client->opaque, path, token);
    }
}

/* What is output for a client of this kind are events only: answers are returned. */
static void deliver_events(struct xsl_conn *conn, void *opaque)
{
    struct iovec iov;

    while (xsl_conn_output(conn, &iov, 1)) {
        g_autofree char *path =
            g_memdup2((char *)iov.iov_base + XSL_HEADER_SIZE, iov.iov_len - XSL_HEADER_SIZE);

        xsl_conn_sent(conn, iov.iov_len);
        deliver(opaque, path, path + strlen(path) + 1);
    }
}

static void watch_free(gpointer data)
{
    Watch *watch = data;

    g_free(watch->token);
    g_free(watch);
}

static void client_init(Client *client, struct xsl_store *store, unsigned domid)
{
    client->conn = xsl_conn_new(store, domid, deliver_events, client);
    client->watches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, watch_free);
}

static Client *client_of(XenstoreImplState *s, unsigned domid)
{
    return domid == xen_domid ? &s->guest : &s->host;
}

/* --- Requests -------------------------------------------------------------------- */

/* The strings that make up a payload, the list ended by NULL. */
static void G_GNUC_NULL_TERMINATED add_strings(GByteArray *payload, const char *first, ...)
{
    va_list args;

    va_start(args, first);
    for (const char *text = first; text; text = va_arg(args, const char *)) {
        g_byte_array_append(payload, (const guint8 *)text, strlen(text) + 1);
    }
    va_end(args);
}

/* QEMU writes a domain's home with a slash at its end, which the protocol does not know. */
static void add_path(GByteArray *payload, const char *path)
{
    size_t len = strlen(path);

    g_byte_array_append(payload, (const guint8 *)path, len - (len > 1 && path[len - 1] == '/'));
    add_strings(payload, "", NULL);
}

/* Returns 0 or a positive error, as xenstore_impl.h wants it; *reply only on success. */
static int request(XenstoreImplState *s, unsigned domid, uint32_t type, xs_transaction_t tx_id,
                   const GByteArray *payload, GByteArray **reply)
{
    if (payload->len > XSL_PAYLOAD_MAX) {
        return E2BIG;
    }
    return -xsl_conn_request(client_of(s, domid)->conn, type, tx_id, payload->data, payload->len,
                             reply);
}

static int request_path(XenstoreImplState *s, unsigned domid, uint32_t type, xs_transaction_t tx_id,
                        const char *path, GByteArray **reply)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    add_path(payload, path);
    return request(s, domid, type, tx_id, payload, reply);
}

bool xenbed_xenstore_request(XenstoreImplState *s, const struct xsd_sockmsg *req,
                             struct xsd_sockmsg *rsp, xs_impl_watch_fn *fn, void *opaque)
{
    g_autoptr(GByteArray) reply = NULL;
    int err;

    s->guest.fn = fn;
    s->guest.opaque = opaque;
    err = xsl_conn_request(s->guest.conn, req->type, req->tx_id, req + 1, req->len, &reply);
    *rsp = (struct xsd_sockmsg){
        .type = err ? XS_ERROR : req->type,
        .req_id = req->req_id,
        .tx_id = req->tx_id,
    };
    if (err) {
        rsp->len = strlen(xsl_error_name(err)) + 1;
        memcpy(rsp + 1, xsl_error_name(err), rsp->len);
    } else {
        rsp->len = reply->len;
        memcpy(rsp + 1, reply->data, reply->len);
    }
    return true;
}

/* --- xenstore_impl.h ------------------------------------------------------------------ */

char *xs_perm_as_string(unsigned int perm, unsigned int domid)
{
    static const char letters[] = "nrwb"; /* by XS_PERM_READ and XS_PERM_WRITE */

    return g_strdup_printf("%c%u", letters[perm & (XS_PERM_READ | XS_PERM_WRITE)], domid);
}

int xs_impl_read(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id,
                 const char *path, GByteArray *data)
{
    g_autoptr(GByteArray) reply = NULL;
    int err = request_path(s, dom_id, XS_READ, tx_id, path, &reply);

    if (!err) {
        g_byte_array_append(data, reply->data, reply->len);
    }
    return err;
}

int xs_impl_write(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id,
                  const char *path, GByteArray *data)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    add_path(payload, path);
    g_byte_array_append(payload, data->data, data->len);
    return request(s, dom_id, XS_WRITE, tx_id, payload, NULL);
}

/* One part of a list, which begins with its generation; false if it was the last. */
static bool take_part(const GByteArray *part, uint64_t *gencnt, GList **items, size_t *offset)
{
    const char *name = (const char *)part->data, *end = name + part->len;

    if (gencnt) {
        *gencnt = g_ascii_strtoull(name, NULL, 10);
    }
    for (name += strlen(name) + 1; name < end && *name; name += strlen(name) + 1) {
        *items = g_list_prepend(*items, g_strdup(name));
        *offset += strlen(name) + 1;
    }
    return name == end;
}

int xs_impl_directory(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id,
                      const char *path, uint64_t *gencnt, GList **items)
{
    size_t offset = 0;
    bool more = true;

    while (more) {
        g_autofree char *from = g_strdup_printf("%zu", offset);
        g_autoptr(GByteArray) payload = g_byte_array_new();
        g_autoptr(GByteArray) reply = NULL;
        int err;

        add_strings(payload, path, from, NULL);
        err = request(s, dom_id, XS_DIRECTORY_PART, tx_id, payload, &reply);
        if (err) {
            return err;
        }
        more = take_part(reply, gencnt, items, &offset);
    }
    *items = g_list_reverse(*items);
    return 0;
}

int xs_impl_transaction_start(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t *tx_id)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) reply = NULL;
    int err = request(s, dom_id, XS_TRANSACTION_START, XBT_NULL, payload, &reply);

    if (!err) {
        *tx_id = g_ascii_strtoull((const char *)reply->data, NULL, 10);
    }
    return err;
}

int xs_impl_transaction_end(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id,
                            bool commit)
{
    return request_path(s, dom_id, XS_TRANSACTION_END, tx_id, commit ? "T" : "F", NULL);
}

int xs_impl_rm(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id, const char *path)
{
    return request_path(s, dom_id, XS_RM, tx_id, path, NULL);
}

int xs_impl_get_perms(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id,
                      const char *path, GList **perms)
{
    g_autoptr(GByteArray) reply = NULL;
    int err = request_path(s, dom_id, XS_GET_PERMS, tx_id, path, &reply);

    for (size_t i = 0; !err && i < reply->len; i += strlen((char *)reply->data + i) + 1) {
        *perms = g_list_append(*perms, g_strdup((char *)reply->data + i));
    }
    return err;
}

int xs_impl_set_perms(XenstoreImplState *s, unsigned int dom_id, xs_transaction_t tx_id,
                      const char *path, GList *perms)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    add_path(payload, path);
    for (GList *l = perms; l; l = l->next) {
        add_strings(payload, l->data, NULL);
    }
    return request(s, dom_id, XS_SET_PERMS, tx_id, payload, NULL);
}

/* Users without tokens of their own are told apart by whom they want called. */
static char *store_token(const char *token, xs_impl_watch_fn fn, void *opaque)
{
    return token ? g_strdup(token) : g_strdup_printf("%p:%p", fn, opaque);
}

int xs_impl_watch(XenstoreImplState *s, unsigned int dom_id, const char *path, const char *token,
                  xs_impl_watch_fn fn, void *opaque)
{
    Client *client = client_of(s, dom_id);
    g_autofree char *own = store_token(token, fn, opaque);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    Watch *watch = g_new(Watch, 1);
    int err;

    /* In the table before the store knows of it, as the first event comes at once. */
    *watch = (Watch){g_strdup(token), fn, opaque};
    g_hash_table_insert(client->watches, g_strdup(own), watch);
    add_strings(payload, path, own, NULL);
    err = request(s, dom_id, XS_WATCH, XBT_NULL, payload, NULL);
    if (err && err != EEXIST) {
        g_hash_table_remove(client->watches, own);
    }
    return err;
}

int xs_impl_unwatch(XenstoreImplState *s, unsigned int dom_id, const char *path, const char *token,
                    xs_impl_watch_fn fn, void *opaque)
{
    g_autofree char *own = store_token(token, fn, opaque);
    g_autoptr(GByteArray) payload = g_byte_array_new();
    int err;

    add_strings(payload, path, own, NULL);
    err = request(s, dom_id, XS_UNWATCH, XBT_NULL, payload, NULL);
    if (!err) {
        g_hash_table_remove(client_of(s, dom_id)->watches, own);
    }
    return err;
}

int xs_impl_reset_watches(XenstoreImplState *s, unsigned int dom_id)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    g_hash_table_remove_all(client_of(s, dom_id)->watches);
    return request(s, dom_id, XS_RESET_WATCHES, XBT_NULL, payload, NULL);
}

static bool domain_exists(void *world, unsigned domid)
{
    return domid == xen_domid;
}

static const struct xsl_ops world_ops = {
    .domain_exists = domain_exists,
};

XenstoreImplState *xs_impl_create(unsigned int dom_id)
{
    XenstoreImplState *s = g_new0(XenstoreImplState, 1);

    s->store = xsl_store_new(&world_ops, s);
    client_init(&s->host, s->store, 0);
    client_init(&s->guest, s->store, dom_id);
    xsl_domain_introduce(s->store, dom_id, 0, GUEST_PORT);
    the_store = s;
    return s;
}

/* xen_xenstore's state is marked unmigratable: QEMU never comes here. */
GByteArray *xs_impl_serialize(XenstoreImplState *s)
{
    return g_byte_array_new();
}

int xs_impl_deserialize(XenstoreImplState *s, GByteArray *bytes, unsigned int dom_id,
                        xs_impl_watch_fn watch_fn, void *watch_opaque)
{
    g_byte_array_unref(bytes);
    return -ENOTSUP;
}

/* --- The toolstack in QEMU ------------------------------------------------------------------- */

bool xenstore_write(const char *path, const char *value, Error **errp)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    int err;

    add_strings(payload, path, NULL);
    g_byte_array_append(payload, (const guint8 *)value, strlen(value));
    err = request(the_store, 0, XS_WRITE, XBT_NULL, payload, NULL);
    if (err) {
        error_setg_errno(errp, err, "xenstore: cannot write %s", path);
    }
    return err == 0;
}

bool xenstore_set_perms(const char *path, const char *owner, const char *other, Error **errp)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    int err;

    add_strings(payload, path, owner, other, NULL);
    err = request(the_store, 0, XS_SET_PERMS, XBT_NULL, payload, NULL);
    if (err) {
        error_setg_errno(errp, err, "xenstore: cannot set the permissions of %s", path);
    }
    return err == 0;
}

/* --- The host ------------------------------------------------------------------------------ */

/* Every input from the host to the guest comes through here. */
static void store_input(void *opaque)
{
    xsl_server_dispatch(server, 0);
}

/* Shut down or crashed, and QEMU was told to stay: whoever watches for it hears of it. */
static void run_state_changed(void *opaque, bool running, RunState state)
{
    if (state == RUN_STATE_SHUTDOWN || state == RUN_STATE_GUEST_PANICKED) {
        xsl_domain_shutdown(the_store->store, xen_domid);
    }
}

static void end(Notifier *n, void *unused)
{
    xsl_domain_release(the_store->store, xen_domid);
    xsl_server_free(server);
    unlink(socket_path);
}

bool xenstore_exists(void)
{
    return the_store != NULL;
}

bool xenstore_listen(const char *path, Error **errp)
{
    static Notifier at_exit = {.notify = end};
    int listener = xsl_socket_listen(path);

    if (listener < 0) {
        error_setg_errno(errp, -listener, "xenbed: xenstore socket %s", path);
        return false;
    }
    server = xsl_server_new(listener);
    if (!server) {
        error_setg_errno(errp, errno, "xenbed: xenstore socket %s", path);
        close(listener);
        return false;
    }
    socket_path = g_strdup(path);
    xsl_server_serve(server, the_store->store);
    qemu_set_fd_handler(xsl_server_fd(server), store_input, NULL, NULL);
    qemu_add_vm_change_state_handler(run_state_changed, NULL);
    qemu_add_exit_notifier(&at_exit);
    return true;
}
