/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dump and what is restored from it, where neither the model check nor the daemon's
 * tests look: entries that are dead, and domains that went meanwhile.
 */
#include "client.h"

#include <errno.h>

#define LOST 6 /* its ring cannot be mapped again */

static bool exists(void *world, unsigned domid)
{
    (void)world;
    (void)domid;
    return true;
}

static void *map_ring(void *world, unsigned domid, uint64_t gfn, uint32_t port)
{
    static struct ring_page page;

    (void)world;
    (void)gfn;
    (void)port;
    return domid == LOST ? NULL : &page;
}

static struct xsl_store *restart(struct bench *b)
{
    static const struct xsl_ops ops = {.domain_exists = exists, .map_ring = map_ring};
    g_autoptr(GBytes) dump = xsl_store_dump(b->store, NULL, NULL);
    struct xsl_store *store = xsl_store_restore(&ops, NULL, dump, NULL, NULL);

    assert_non_null(store);
    assert_null(xsl_store_check(store));
    return store;
}

static void wake(struct xsl_conn *conn, void *opaque)
{
    (void)conn;
    (void)opaque;
}

/* Asks as a domain would; returns 0 or an error. */
static int ask_as(struct xsl_store *store, unsigned domid, uint32_t type, const char *path)
{
    struct xsl_conn *conn = xsl_conn_new(store, domid, wake, NULL);
    int err = xsl_conn_request(conn, type, 0, path, strlen(path) + 1, NULL);

    xsl_conn_free(conn);
    return err;
}

/* An entry of a domain that did not exist stays dead, though it exists now. */
static void dead_entries(struct client *me)
{
    struct xsl_store *store;

    expect(me, MKDIR, 0, "$/a|", "OK|");
    expect(me, MKDIR, 0, "$/d|", "OK|");
    expect(me, SET_PERMS, 0, "$/a|n0|r5|", "OK|");
    me->bench->domain[5].exists = true;
    expect(me, SET_PERMS, 0, "$/d|n0|r5|", "OK|");
    store = restart(me->bench);
    assert_int_equal(ask_as(store, 5, READ, "/t/a"), -EACCES);
    assert_int_equal(ask_as(store, 5, READ, "/t/d"), 0);
    xsl_store_free(store);
}

/* A domain that went while nobody was there has gone with all it had; others stay. */
static void a_domain_that_went(struct client *me)
{
    struct xsl_store *store;

    bench_guest(me->bench, 5);
    bench_guest(me->bench, LOST);
    expect(me, MKDIR, 0, "$/a|", "OK|");
    expect(me, SET_PERMS, 0, "$/a|n0|r5|r6|", "OK|");
    store = restart(me->bench);
    assert_int_equal(ask_as(store, 0, READ, "/local/domain/5"), 0);
    assert_int_equal(ask_as(store, 0, READ, "/local/domain/6"), -ENOENT);
    assert_int_equal(ask_as(store, 5, READ, "/t/a"), 0);
    assert_int_equal(ask_as(store, LOST, READ, "/t/a"), -EACCES);
    assert_int_equal(xsl_domain_release(store, LOST), -ENOENT);
    assert_int_equal(xsl_domain_release(store, 5), 0);
    assert_null(xsl_store_check(store));
    xsl_store_free(store);
}

static const struct test tests[] = {
    {"dead entries", dead_entries, SOCKET},
    {"a domain that went", a_domain_that_went, SOCKET},
};

int main(void)
{
    return bench_run("restart", tests, G_N_ELEMENTS(tests), NULL, 0);
}
