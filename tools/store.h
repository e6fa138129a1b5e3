/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's xenstore, used as every toolstack uses one: by libxenstore.
 */
#ifndef STORE_H
#define STORE_H

#include "domain.h"

#include <xenstore.h>

typedef struct Store Store;

/* Connects to the domain's store; NULL on error. */
Store *store_open(const Domain *domain, GError **error);

void store_close(Store *store);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

/* Reads a size in the domain's home ("memory/target"), in transaction T or outside one. */
bool store_read_kib(const Store *store, xs_transaction_t t, const char *node, kib_t *value,
                    GError **error);

/* Writes a node in the domain's home. */
bool store_write(const Store *store, xs_transaction_t t, const char *node, const char *value,
                 GError **error);

/* What is to be done in transaction T; DATA is the caller's. */
typedef bool StoreChange(const Store *store, xs_transaction_t t, void *data, GError **error);

/*
 * Does CHANGE in a transaction, and anew as often as somebody else's change got in
 * its way.  If CHANGE fails the store stays as it was.
 */
bool store_change(const Store *store, StoreChange *change, void *data, GError **error);

#endif
