/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's ring page as a transport.  The guest may write to any byte of the
 * page at any moment: each field is read once, checked, and not looked at again.
 */
#include "store.h"

#include <sys/uio.h>
#include <xen/io/xs_wire.h>

G_STATIC_ASSERT(XENSTORE_RING_SIZE == XSL_RING_SIZE);
G_STATIC_ASSERT(XSL_FEATURE_RECONNECTION == XENSTORE_SERVER_FEATURE_RECONNECTION);
G_STATIC_ASSERT(XSL_FEATURE_ERROR == XENSTORE_SERVER_FEATURE_ERROR);

/* How often the ring is emptied and filled before others have their turn. */
#define ROUNDS_MAX 64

typedef struct xenstore_domain_interface Page;

static uint32_t load(const uint32_t *field)
{
    return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static void store_field(uint32_t *field, uint32_t value)
{
    __atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static void notify(const struct xsl_domain *domain)
{
    if (domain->store->ops.notify) {
        domain->store->ops.notify(domain->store->world, domain->domid, domain->port);
    }
}

/* Nothing in the ring makes sense any more; only its guest hears of it. */
static void fail(struct xsl_domain *domain, uint32_t error)
{
    Page *page = domain->page;

    domain->broken = true;
    xsl_conn_reset(domain->conn);
    if (domain->features & XSL_FEATURE_ERROR) {
        store_field(&page->error, error);
    }
    notify(domain);
}

static void start_afresh(struct xsl_domain *domain)
{
    Page *page = domain->page;

    xsl_conn_reset(domain->conn);
    domain->broken = false;
    store_field(&page->req_cons, 0);
    store_field(&page->req_prod, 0);
    store_field(&page->rsp_cons, 0);
    store_field(&page->rsp_prod, 0);
    store_field(&page->error, XENSTORE_ERROR_NONE);
    if (load(&page->connection) == XENSTORE_RECONNECT) {
        /* The guest looks at nothing else until this has changed. */
        store_field(&page->connection, XENSTORE_CONNECTED);
        notify(domain);
    }
}

void xsl_ring_attach(struct xsl_domain *domain)
{
    xsl_conn_reset(domain->conn);
    if (domain->page) {
        store_field(&((Page *)domain->page)->server_features, domain->features);
        start_afresh(domain);
    }
}

/* The part of a ring from INDEX on that is in one piece. */
static size_t piece(uint32_t index, size_t len)
{
    return MIN(len, XSL_RING_SIZE - MASK_XENSTORE_IDX(index));
}

/* Both return whether they moved anything, or an error for the page. */

static int take_requests(struct xsl_domain *domain)
{
    Page *page = domain->page;
    uint32_t cons = load(&page->req_cons), used = load(&page->req_prod) - cons;
    char buf[XSL_RING_SIZE];
    size_t first;

    if (used > XSL_RING_SIZE) {
        return -XENSTORE_ERROR_RINGIDX;
    }
    if (used == 0 || !xsl_conn_wants_input(domain->conn)) {
        return 0;
    }
    first = piece(cons, used);
    memcpy(buf, page->req + MASK_XENSTORE_IDX(cons), first);
    memcpy(buf + first, page->req, used - first);
    store_field(&page->req_cons, cons + used);
    return xsl_conn_receive(domain->conn, buf, used) < 0 ? -XENSTORE_ERROR_PROTO : 1;
}

static int put_output(struct xsl_domain *domain)
{
    Page *page = domain->page;
    struct iovec iov[16];
    unsigned n = xsl_conn_output(domain->conn, iov, G_N_ELEMENTS(iov));
    uint32_t prod = load(&page->rsp_prod), used = prod - load(&page->rsp_cons);
    size_t room = XSL_RING_SIZE - used, moved = 0;

    if (n == 0) {
        return 0;
    }
    if (used > XSL_RING_SIZE) {
        return -XENSTORE_ERROR_RINGIDX;
    }
    for (unsigned i = 0; i < n; i++) {
        size_t len = MIN(iov[i].iov_len, room - moved), first = piece(prod + moved, len);

        memcpy(page->rsp + MASK_XENSTORE_IDX(prod + moved), iov[i].iov_base, first);
        memcpy(page->rsp, (const char *)iov[i].iov_base + first, len - first);
        moved += len;
    }
    if (moved == 0) {
        return 0;
    }
    store_field(&page->rsp_prod, prod + moved);
    return xsl_conn_sent(domain->conn, moved) < 0 ? -XENSTORE_ERROR_PROTO : 1;
}

/* Sooner of two waits, of which -1 is none. */
static int sooner(int a, int b)
{
    return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

static int process(struct xsl_domain *domain)
{
    int in, out, wait, rounds = 0;
    bool moved = false;

    if (load(&((Page *)domain->page)->connection) == XENSTORE_RECONNECT &&
        (domain->features & XSL_FEATURE_RECONNECTION)) {
        start_afresh(domain);
    }
    if (domain->broken) {
        return -1;
    }
    wait = xsl_conn_expire(domain->conn);
    do {
        in = xsl_conn_continue(domain->conn) < 0 ? -XENSTORE_ERROR_PROTO : take_requests(domain);
        out = in < 0 ? 0 : put_output(domain);
        moved |= in > 0 || out > 0;
        /* A guest that fills the ring as fast as it is emptied must not keep us here. */
    } while ((in > 0 || out > 0) && ++rounds < ROUNDS_MAX);
    if (in < 0 || out < 0) {
        fail(domain, in < 0 ? -in : -out);
        return -1;
    }
    if (moved) {
        notify(domain);
    }
    if (rounds == ROUNDS_MAX) {
        return 0;
    }
    in = xsl_domain_throttled(domain);
    return sooner(wait, in ? in : -1);
}

int xsl_ring_process(struct xsl_store *store, unsigned domid)
{
    struct xsl_domain *domain = xsl_domain_get(store, domid);

    return domain && domain->introduced && domain->page ? process(domain) : -1;
}

int xsl_ring_process_all(struct xsl_store *store)
{
    GHashTableIter iter;
    gpointer value;
    int wait = -1;

    g_hash_table_iter_init(&iter, store->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct xsl_domain *domain = value;

        if (domain->introduced && domain->page) {
            wait = sooner(wait, process(value));
        }
    }
    return wait;
}
