/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections: what a client has sent and what waits for it.  Requests are carried
 * out in order, as far as the client takes what they produce.
 */
#include "store.h"

#include <sys/uio.h>
#include <xen/io/xs_wire.h>

G_STATIC_ASSERT(sizeof(struct xsd_sockmsg) == XSL_HEADER_SIZE);
G_STATIC_ASSERT(XENSTORE_PAYLOAD_MAX == XSL_PAYLOAD_MAX);

/* So many bytes may wait for a client without quotas. */
#define OUTPUT_MAX (16u << 20)

/* An event that was not begun by then is dropped, if it is for a domain. */
#define EVENT_MS 20000

/* --- Output ---------------------------------------------------------------------------- */

static uint64_t output_max(const struct xsl_conn *conn)
{
    return conn->domain ? conn->domain->quota[XSL_QUOTA_MEMORY] : OUTPUT_MAX;
}

static void origin_unref(struct xsl_origin *origin)
{
    if (origin && --origin->refs == 0) {
        if (origin->conn) {
            g_ptr_array_remove_fast(origin->conn->origins, origin);
        }
        g_free(origin);
    }
}

static struct xsl_message *message_new(struct xsl_conn *conn, uint32_t type, uint32_t req_id,
                                       uint32_t tx_id, size_t len)
{
    struct xsl_message *message = g_malloc(sizeof(*message) + XSL_HEADER_SIZE + len);
    struct xsd_sockmsg header = {.type = type, .req_id = req_id, .tx_id = tx_id, .len = len};

    *message = (struct xsl_message){.len = XSL_HEADER_SIZE + len, .origin = conn->store->origin};
    memcpy(message->bytes, &header, sizeof(header));
    if (message->origin) {
        message->origin->refs++;
    }
    return message;
}

static void message_free(struct xsl_message *message)
{
    origin_unref(message->origin);
    g_free(message);
}

/* The same for one that was in the output. */
static void dequeued_free(struct xsl_conn *conn, struct xsl_message *message)
{
    if (message->event && g_hash_table_lookup(conn->events, message) == message) {
        g_hash_table_remove(conn->events, message);
    }
    conn->waiting -= message->len;
    message_free(message);
}

static void queue(struct xsl_conn *conn, struct xsl_message *message)
{
    bool was_empty = conn->first == NULL;

    if (was_empty) {
        conn->first = message;
    } else {
        conn->last->next = message;
    }
    conn->last = message;
    conn->waiting += message->len;
    if (was_empty) {
        conn->wake(conn, conn->opaque);
    }
}

void xsl_conn_reply(struct xsl_conn *conn, uint32_t type, uint32_t req_id, uint32_t tx_id,
                    const void *payload, size_t len)
{
    struct xsl_message *message = message_new(conn, type, req_id, tx_id, len);

    if (len > 0) {
        memcpy(message->bytes + XSL_HEADER_SIZE, payload, len);
    }
    queue(conn, message);
}

static guint event_hash(gconstpointer key)
{
    const struct xsl_message *event = key;
    guint hash = event->len;

    for (uint32_t i = XSL_HEADER_SIZE; i < event->len; i++) {
        hash = hash * 33 + event->bytes[i];
    }
    return hash;
}

static gboolean event_equal(gconstpointer a, gconstpointer b)
{
    const struct xsl_message *x = a, *y = b;

    return x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0;
}

void xsl_conn_event(struct xsl_conn *conn, const char *path, const char *token, bool merge)
{
    size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
    struct xsl_message *event;

    if (path_size + token_size > XSL_PAYLOAD_MAX || conn->overrun) {
        return;
    }
    event = message_new(conn, XS_WATCH_EVENT, 0, 0, path_size + token_size);
    memcpy(event->bytes + XSL_HEADER_SIZE, path, path_size);
    memcpy(event->bytes + XSL_HEADER_SIZE + path_size, token, token_size);
    if (merge && g_hash_table_contains(conn->events, event)) {
        message_free(event);
        return;
    }
    if (conn->waiting + event->len > output_max(conn)) {
        /* A domain goes on, without this event; a client without quotas must be closed. */
        conn->overrun = xsl_conn_privileged(conn);
        message_free(event);
        return;
    }
    event->event = true;
    if (conn->domain && conn->store->ops.now) {
        event->deadline = xsl_now(conn->store) + EVENT_MS;
    }
    if (merge) {
        g_hash_table_add(conn->events, event);
    }
    queue(conn, event);
}

bool xsl_conn_restore_output(struct xsl_conn *conn, const uint8_t *bytes, size_t len, bool event,
                             bool merge)
{
    struct xsd_sockmsg header;
    struct xsl_message *message;

    if (len < sizeof(header)) {
        return false;
    }
    memcpy(&header, bytes, sizeof(header));
    if (header.len != len - sizeof(header) || header.len > XSL_PAYLOAD_MAX) {
        return false;
    }
    message = message_new(conn, header.type, header.req_id, header.tx_id, header.len);
    memcpy(message->bytes, bytes, len);
    message->event = event;
    if (event && conn->domain && conn->store->ops.now) {
        message->deadline = xsl_now(conn->store) + EVENT_MS;
    }
    if (merge && !g_hash_table_contains(conn->events, message)) {
        g_hash_table_add(conn->events, message);
    }
    queue(conn, message);
    return true;
}

unsigned xsl_conn_output(struct xsl_conn *conn, struct iovec *iov, unsigned max)
{
    unsigned n = 0;
    size_t skip = conn->first_sent;

    for (struct xsl_message *message = conn->first; message && n < max; message = message->next) {
        iov[n++] = (struct iovec){message->bytes + skip, message->len - skip};
        skip = 0;
    }
    return n;
}

int xsl_conn_sent(struct xsl_conn *conn, size_t len)
{
    conn->first_sent += len;
    while (conn->first && conn->first_sent >= conn->first->len) {
        struct xsl_message *done = conn->first;

        conn->first = done->next;
        conn->first_sent -= done->len;
        dequeued_free(conn, done);
    }
    return xsl_conn_continue(conn);
}

bool xsl_conn_overrun(const struct xsl_conn *conn)
{
    return conn->overrun;
}

int xsl_conn_expire(struct xsl_conn *conn)
{
    int64_t now = xsl_now(conn->store), next = -1;
    struct xsl_message *before = NULL, *message = conn->first;

    while (message) {
        struct xsl_message *after = message->next;
        bool begun = message == conn->first && conn->first_sent > 0;

        if (message->deadline && message->deadline <= now && !begun) {
            *(before ? &before->next : &conn->first) = after;
            conn->last = conn->last == message ? before : conn->last;
            dequeued_free(conn, message);
        } else {
            if (message->deadline && next < 0 && !begun) {
                next = message->deadline - now;
            }
            before = message;
        }
        message = after;
    }
    return MIN(next, G_MAXINT);
}

/* --- Input ------------------------------------------------------------------------------ */

bool xsl_conn_wants_input(const struct xsl_conn *conn)
{
    if (conn->deferred) {
        return false;
    }
    if (conn->domain) {
        return conn->origins->len < conn->domain->quota[XSL_QUOTA_OUTSTANDING] &&
               !xsl_domain_throttled(conn->domain);
    }
    return conn->waiting < OUTPUT_MAX / 2;
}

/* Requests of a domain are counted until nothing of them waits any more. */
static struct xsl_origin *origin_new(struct xsl_conn *conn)
{
    struct xsl_origin *origin;

    if (xsl_conn_privileged(conn)) {
        return NULL;
    }
    origin = g_new(struct xsl_origin, 1);
    *origin = (struct xsl_origin){.refs = 1, .conn = conn};
    g_ptr_array_add(conn->origins, origin);
    return origin;
}

static void run(struct xsl_conn *conn, const struct xsd_sockmsg *header, const char *data)
{
    conn->store->origin = origin_new(conn);
    xsl_request_run(conn, header->type, header->req_id, header->tx_id, data, header->len, NULL);
    origin_unref(conn->store->origin);
    conn->store->origin = NULL;
}

/* Carries out the whole messages in DATA; returns how many bytes that was, or -EPROTO. */
static ssize_t run_messages(struct xsl_conn *conn, const uint8_t *data, size_t len)
{
    size_t done = 0;
    struct xsd_sockmsg header;

    while (len - done >= XSL_HEADER_SIZE) {
        memcpy(&header, data + done, sizeof(header));
        if (header.len > XSL_PAYLOAD_MAX) {
            return -EPROTO;
        }
        if (len - done < XSL_HEADER_SIZE + header.len || !xsl_conn_wants_input(conn)) {
            break;
        }
        run(conn, &header, (const char *)data + done + XSL_HEADER_SIZE);
        done += XSL_HEADER_SIZE + header.len;
    }
    return done;
}

int xsl_conn_receive(struct xsl_conn *conn, const void *data, size_t len)
{
    ssize_t done = 0;

    /* The usual case is whole messages and nothing before them: no copy is made. */
    if (conn->in->len == 0 && !conn->busy) {
        conn->busy = true;
        done = run_messages(conn, data, len);
        conn->busy = false;
        if (done < 0) {
            return done;
        }
        if ((size_t)done == len) {
            return 0;
        }
    }
    g_byte_array_append(conn->in, (const guint8 *)data + done, len - done);
    return done ? 0 : xsl_conn_continue(conn);
}

int xsl_conn_continue(struct xsl_conn *conn)
{
    ssize_t done;

    if (conn->busy || conn->in->len == 0) {
        return 0;
    }
    conn->busy = true;
    done = run_messages(conn, conn->in->data, conn->in->len);
    conn->busy = false;
    if (done > 0) {
        g_byte_array_remove_range(conn->in, 0, done);
    }
    return MIN(done, 0);
}

int xsl_conn_request(struct xsl_conn *conn, uint32_t type, uint32_t tx_id, const void *payload,
                     size_t len, GByteArray **reply)
{
    g_autoptr(GByteArray) answer = g_byte_array_new();
    int err = xsl_request_run(conn, type, 0, tx_id, payload, len, answer);

    if (reply) {
        *reply = err ? NULL : g_steal_pointer(&answer);
    }
    return err;
}

static void answer_deferred(struct xsl_conn *conn, int err, const char *text)
{
    const char *payload = err ? xsl_error_name(err) : text;

    conn->deferred = false;
    xsl_conn_reply(conn, err ? XS_ERROR : XS_CONTROL, conn->deferred_id, conn->deferred_tx, payload,
                   strlen(payload) + 1);
}

void xsl_store_answer(struct xsl_store *store, int err, const char *text)
{
    for (guint i = 0; i < store->conns->len; i++) {
        struct xsl_conn *conn = g_ptr_array_index(store->conns, i);

        if (conn->deferred) {
            answer_deferred(conn, err, text);
        }
    }
}

/* --- Life ---------------------------------------------------------------------------------- */

static void tx_free(gpointer tx)
{
    xsl_tx_free(tx);
}

struct xsl_conn *xsl_conn_new(struct xsl_store *store, unsigned domid,
                              void (*wake)(struct xsl_conn *conn, void *opaque), void *opaque)
{
    struct xsl_conn *conn = g_new0(struct xsl_conn, 1);

    conn->store = store;
    conn->domid = domid;
    conn->domain = domid ? xsl_domain_make(store, domid) : NULL;
    conn->number = ++store->last_conn;
    conn->wake = wake;
    conn->opaque = opaque;
    conn->in = g_byte_array_new();
    conn->events = g_hash_table_new(event_hash, event_equal);
    conn->origins = g_ptr_array_new();
    conn->watches = g_ptr_array_new();
    conn->transactions = g_hash_table_new_full(NULL, NULL, NULL, tx_free);
    g_ptr_array_add(store->conns, conn);
    return conn;
}

static void drop_output(struct xsl_conn *conn)
{
    while (conn->first) {
        struct xsl_message *message = conn->first;

        conn->first = message->next;
        dequeued_free(conn, message);
    }
    conn->last = NULL;
    conn->first_sent = 0;
}

void xsl_conn_reset_watches(struct xsl_conn *conn)
{
    xsl_watch_remove_all(conn);
    g_hash_table_remove_all(conn->transactions);
}

void xsl_conn_reset(struct xsl_conn *conn)
{
    xsl_conn_reset_watches(conn);
    drop_output(conn);
    g_byte_array_set_size(conn->in, 0);
    conn->overrun = false;
}

void xsl_conn_free(struct xsl_conn *conn)
{
    if (!conn) {
        return;
    }
    xsl_conn_reset(conn);
    for (guint i = 0; i < conn->origins->len; i++) {
        ((struct xsl_origin *)g_ptr_array_index(conn->origins, i))->conn = NULL;
    }
    g_ptr_array_remove(conn->store->conns, conn);
    g_byte_array_unref(conn->in);
    g_hash_table_destroy(conn->events);
    g_ptr_array_unref(conn->origins);
    g_ptr_array_unref(conn->watches);
    g_hash_table_destroy(conn->transactions);
    g_free(conn);
}
