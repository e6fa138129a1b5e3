/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's xenstore, by libxenstore: see store.h.
 */
#include "store.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libxenstore takes the path of the socket from here. */
#define PATH_VARIABLE "XENSTORED_PATH"

struct Store {
    struct xs_handle *handle;
    char *name; /* of the domain */
    unsigned domid;
};

static bool fail_node(const Store *store, const char *node, GError **error)
{
    return fail(error, "%s: xenstore: %s: %s", store->name, node, g_strerror(errno));
}

Store *store_open(const Domain *domain, GError **error)
{
    g_autofree char *path = domain_path(domain, DOMAIN_XENSTORE_SOCKET);
    g_autofree char *previous = g_strdup(g_getenv(PATH_VARIABLE));
    struct xs_handle *handle;
    Store *store;

    g_setenv(PATH_VARIABLE, path, TRUE);
    handle = xs_open(0);
    if (previous) {
        g_setenv(PATH_VARIABLE, previous, TRUE);
    } else {
        g_unsetenv(PATH_VARIABLE);
    }
    if (!handle) {
        fail(error, "%s: xenstore: %s", domain->name, g_strerror(errno));
        return NULL;
    }
    store = g_new(Store, 1);
    *store = (Store){handle, g_strdup(domain->name), domain->domid};
    return store;
}

void store_close(Store *store)
{
    xs_close(store->handle);
    g_free(store->name);
    g_free(store);
}

static char *home_path(const Store *store, const char *node)
{
    return g_strdup_printf("/local/domain/%u/%s", store->domid, node);
}

bool store_read_kib(const Store *store, xs_transaction_t t, const char *node, kib_t *value,
                    GError **error)
{
    g_autofree char *path = home_path(store, node);
    char *text = xs_read(store->handle, t, path, NULL);
    bool good;

    if (!text) {
        return fail_node(store, node, error);
    }
    good = g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, value, NULL);
    if (!good) {
        fail(error, "%s: xenstore: %s: not a number: %s", store->name, node, text);
    }
    free(text);
    return good;
}

bool store_write(const Store *store, xs_transaction_t t, const char *node, const char *value,
                 GError **error)
{
    g_autofree char *path = home_path(store, node);

    return xs_write(store->handle, t, path, value, strlen(value)) || fail_node(store, node, error);
}

bool store_change(const Store *store, StoreChange *change, void *data, GError **error)
{
    xs_transaction_t t;

    do {
        t = xs_transaction_start(store->handle);
        if (t == XBT_NULL) {
            return fail_node(store, "transaction", error);
        }
        if (!change(store, t, data, error)) {
            xs_transaction_end(store->handle, t, true);
            return false;
        }
        if (xs_transaction_end(store->handle, t, false)) {
            return true;
        }
    } while (errno == EAGAIN);
    return fail_node(store, "transaction", error);
}
