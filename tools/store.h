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

/* A transaction, XBT_NULL on error. */
xs_transaction_t store_begin(const Store *store, GError **error);

/* Commits it; false with *again set if somebody else's change means it has to be done again. */
bool store_commit(const Store *store, xs_transaction_t t, bool *again, GError **error);

/* Forgets what was done in it. */
void store_abort(const Store *store, xs_transaction_t t);

#endif
