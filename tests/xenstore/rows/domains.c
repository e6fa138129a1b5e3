/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains come, are introduced, and go; features; CONTROL: cases 83 to 88 of the
 * protocol's conformance list.
 */
#include "client.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
static const struct row rows[] = {
    ROW("case 83: zeros in front", GET_DOMAIN_PATH, "007|", "/local/domain/7|"),
    ROW("case 83: any domain", GET_DOMAIN_PATH, "0|", "/local/domain/0|"),
    ROW("case 83: any domain, there or not", GET_DOMAIN_PATH, "65535|", "/local/domain/65535|"),
    ROW("case 83: a word", GET_DOMAIN_PATH, "abc|", "!EINVAL"),
    ROW("case 83: below 0", GET_DOMAIN_PATH, "-1|", "!EINVAL"),
    ROW("case 83: above 65535", GET_DOMAIN_PATH, "70000|", "!EINVAL"),
    ROW("case 83: 65536", GET_DOMAIN_PATH, "65536|", "!EINVAL"),
    ROW("case 83: something behind", GET_DOMAIN_PATH, "5x|", "!EINVAL"),
    ROW("case 83: a space in front", GET_DOMAIN_PATH, " 5|", "!EINVAL"),
    ROW("case 83: a sign in front", GET_DOMAIN_PATH, "+5|", "!EINVAL"),
    ROW("case 83: nothing", GET_DOMAIN_PATH, "|", "!EINVAL"),
    ROW("case 83: 2^32 and 5", GET_DOMAIN_PATH, "4294967301|", "!EINVAL"),

    SOCKET_ROW("case 84: domain 0", IS_DOMAIN_INTRODUCED, "0|", "T|"),
    SOCKET_ROW("case 84: domain 1", IS_DOMAIN_INTRODUCED, "1|", "F|"),
    SOCKET_ROW("case 84: DOMID_SELF", IS_DOMAIN_INTRODUCED, "32752|", "T|"),
    SOCKET_ROW("case 84: 65535", IS_DOMAIN_INTRODUCED, "65535|", "F|"),
    SOCKET_ROW("case 84: a word", IS_DOMAIN_INTRODUCED, "x|", "!EINVAL"),

    SOCKET_ROW("case 85: two arguments", INTRODUCE, "5|1|", "!EINVAL"),
    SOCKET_ROW("case 85: the third without a NUL", INTRODUCE, "5|1|1", "!EINVAL"),
    SOCKET_ROW("case 85: domain 0", INTRODUCE, "0|1|1|", "!EINVAL"),
    SOCKET_ROW("case 85: a word for a domain", INTRODUCE, "x|1|1|", "!EINVAL"),
    SOCKET_ROW("case 85: a reserved id", INTRODUCE, "32752|1|1|", "!EINVAL"),
    SOCKET_ROW("case 85: no domain there", INTRODUCE, "30|1|1|", "!EINVAL"),

    SOCKET_ROW("case 86: RELEASE of dom0", RELEASE, "0|", "!EINVAL"),
    SOCKET_ROW("case 86: RELEASE of nobody", RELEASE, "999|", "!ENOENT"),
    SOCKET_ROW("case 86: RELEASE of a word", RELEASE, "x|", "!EINVAL"),
    SOCKET_ROW("RESUME of dom0", RESUME, "0|", "!EINVAL"),
    SOCKET_ROW("RESUME of nobody", RESUME, "999|", "!ENOENT"),
    SOCKET_ROW("RESUME of a word", RESUME, "x|", "!EINVAL"),

    SOCKET_ROW("case 88: no such command", CONTROL, "nope|", "!EINVAL"),
    SOCKET_ROW("case 88: no command", CONTROL, "|", "!EINVAL"),
    SOCKET_ROW("case 88: check", CONTROL, "check|", "OK|"),
    SOCKET_ROW("case 88: print", CONTROL, "print|x|", "OK|"),
    SOCKET_ROW("case 88: log on", CONTROL, "log|on|", "OK|"),
    SOCKET_ROW("case 88: log off", CONTROL, "log|off|", "OK|"),
    SOCKET_ROW("case 88: log something", CONTROL, "log|something|", "!EINVAL"),
    SOCKET_ROW("a command of the program's", CONTROL, "reverse|abc|", "cba|"),

    SOCKET_ROW("GET_FEATURE", GET_FEATURE, "", "15|"),
    SOCKET_ROW("GET_FEATURE of an empty name", GET_FEATURE, "|", "!EINVAL"),
    SOCKET_ROW("GET_FEATURE of nobody", GET_FEATURE, "30|", "!ENOENT"),
    SOCKET_ROW("GET_FEATURE of a word", GET_FEATURE, "x|", "!EINVAL"),
    SOCKET_ROW("SET_FEATURE of nobody", SET_FEATURE, "30|1|", "!ENOENT"),
    SOCKET_ROW("SET_FEATURE of nothing", SET_FEATURE, "", "!EINVAL"),
    SOCKET_ROW("SET_FEATURE without a value", SET_FEATURE, "5|", "!EINVAL"),
    RING_ROW("GET_FEATURE by a guest", GET_FEATURE, "", "15|"),
};
/* clang-format on */

static void help(struct client *me)
{
    static const char *const all[] = {"help", "check", "print", "quota", "log"};
    char *text = ask_text(me, CONTROL, 0, "help|");

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        if (!strstr(text, all[i])) {
            fail_msg("'%s' is missing in '%s'", all[i], text);
        }
    }
    assert_int_equal(text[strlen(text) - 1], '|');
    g_free(text);
}

static void log_lines(struct client *me)
{
    struct bench *b = me->bench;

    expect(me, CONTROL, 0, "print|some words|", "OK|");
    expect(me, CONTROL, 0, "log|on|", "OK|");
    g_clear_pointer(&b->logged, g_free);
    expect(me, WRITE, 0, "/t/remarkable|1", "OK|");
    assert_non_null(b->logged);
    assert_non_null(strstr(b->logged, "remarkable"));
    expect(me, CONTROL, 0, "log|off|", "OK|");
    g_clear_pointer(&b->logged, g_free);
    expect(me, WRITE, 0, "/t/remarkable|2", "OK|");
    assert_null(b->logged);
}

static void introduce(struct client *me)
{
    struct domain *d = &me->bench->domain[5];

    d->exists = true;
    expect(me, IS_DOMAIN_INTRODUCED, 0, "5|", "F|");
    expect(me, INTRODUCE, 0, "5|100|0|", "!EINVAL");
    expect(me, INTRODUCE, 0, "5|100|-5|", "!EINVAL");
    expect(me, INTRODUCE, 0, "5|100|x|", "!EINVAL");
    d->unmappable = true;
    expect(me, INTRODUCE, 0, "5|100|7|", "!EINVAL");
    d->unmappable = false;
    expect(me, IS_DOMAIN_INTRODUCED, 0, "5|", "F|");
    assert_int_equal(d->mapped, 0);
    /* A fourth argument was a path, once. */
    expect(me, INTRODUCE, 0, "5|100|7|/local/domain/5|", "OK|");
    expect(me, IS_DOMAIN_INTRODUCED, 0, "5|", "T|");
    assert_int_equal(d->mapped, 1);
    assert_int_equal(d->gfn, 100);
    assert_int_equal(d->port, 7);
    /* Again, with another port. */
    expect(me, INTRODUCE, 0, "5|100|8|", "OK|");
    assert_int_equal(d->mapped, 1);
    d->page->connection = 1;
    xsl_ring_process(me->bench->store, 5);
    assert_int_equal(d->port, 8);
    expect(me, RELEASE, 0, "5|", "OK|");
    assert_int_equal(d->mapped, 0);
    expect(me, IS_DOMAIN_INTRODUCED, 0, "5|", "F|");
}

static void introduce_again(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    struct header header = {WRITE, 1, 0, 100};
    uint32_t tx;

    expect(g, WATCH, 0, "$|t|", "OK|");
    tx = begin(g);
    expect(g, WRITE, tx, "x|1", "OK|");
    send_bytes(g, &header, sizeof(header));
    g->asleep = true;
    expect(dom0, WRITE, 0, "$/y|1", "OK|");
    forget(g);
    expect(dom0, INTRODUCE, 0, "5|1005|15|", "OK|");
    g->asleep = false;
    assert_int_equal(g->page->req_cons, 0);
    assert_int_equal(g->page->req_prod, 0);
    assert_int_equal(g->page->rsp_cons, 0);
    assert_int_equal(g->page->rsp_prod, 0);
    /* Half a message, watch, transaction and events are gone; nodes are not. */
    expect(g, READ, tx, "x|", "!ENOENT");
    expect(g, UNWATCH, 0, "$|t|", "!ENOENT");
    expect(g, READ, 0, "y|", "1");
    expect_events(g, "");
}

static void release(struct client *me)
{
    struct client *g = bench_guest(me->bench, 5);
    struct client *dom0 = me->bench->dom0;
    struct message m;

    expect(g, WRITE, 0, "x/y|1", "OK|");
    expect(dom0, WRITE, 0, "/local/domain/5/x/dom0|1", "OK|");
    expect(dom0, SET_PERMS, 0, "/local/domain/5/x/dom0|n0|", "OK|");
    expect(dom0, WRITE, 0, "/t/given|1", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/given|n5|", "OK|");
    expect(dom0, WRITE, 0, "/t/other|1", "OK|");
    expect(me, WATCH, 0, "/local/domain|home|", "OK|");
    expect(me, WATCH, 0, "/local/domain/5/x/y|y|", "OK|");
    expect(me, WATCH, 0, "/t|t|", "OK|");
    expect(me, WATCH, 0, "@releaseDomain|r|", "OK|");
    forget(me);
    say(me, RELEASE, 0, "5|");
    /* First what is removed, in whatever order, then the news, then the reply. */
    for (unsigned i = 0; i < 3; i++) {
        assert_true(next_message(me, &m));
        assert_int_equal(m.header.type, WATCH_EVENT);
        g_ptr_array_add(me->events, g_strdup(fmt("%s|%s|", m.payload, strchr(m.payload, 0) + 1)));
    }
    expect_next(me, "15 @releaseDomain|r|");
    expect_next(me, "9 OK|");
    expect_events(me, "/local/domain/5|home| /local/domain/5/x/y|y| /t/given|t|");
    expect(me, RELEASE, 0, "5|", "!ENOENT");
    expect(me, READ, 0, "/local/domain/5/x/dom0|", "!ENOENT");
    expect(me, READ, 0, "/local/domain/5|", "!ENOENT");
    expect(me, READ, 0, "/t/given|", "!ENOENT");
    expect(me, READ, 0, "/t/other|", "1");
    expect(me, DIRECTORY, 0, "/local/domain|", "");
}

/* dom0's nodes below the home are the toolstack's to remove. */
static void release_leaves_dom0s(struct client *me)
{
    bench_bare_guest(me->bench, 5);
    expect(me, WRITE, 0, "/local/domain/5/name|x", "OK|");
    expect(me, WRITE, 0, "/local/domain/5/data|x", "OK|");
    expect(me, SET_PERMS, 0, "/local/domain/5/data|n5|", "OK|");
    expect(me, RELEASE, 0, "5|", "OK|");
    expect(me, READ, 0, "/local/domain/5/name|", "x");
    expect(me, READ, 0, "/local/domain/5/data|", "!ENOENT");
}

/* An owner's death conflicts with who looked at its nodes. */
static void release_and_transactions(struct client *me)
{
    struct client *g = bench_guest(me->bench, 5);
    uint32_t tx;

    expect(g, WRITE, 0, "x|1", "OK|");
    expect(g, TRANSACTION_START, 0, "|", "1|");
    expect(g, WRITE, 1, "y|1", "OK|");
    tx = begin(me);
    expect(me, READ, tx, "/local/domain/5/x|", "1");
    expect(me, RELEASE, 0, "5|", "OK|");
    expect(me, TRANSACTION_END, tx, "T|", "!EAGAIN");
    /* What the domain's own would have done is not. */
    expect(me, READ, 0, "/local/domain/5|", "!ENOENT");
}

static void life(struct client *me)
{
    struct bench *b = me->bench;
    struct client *g = bench_guest(b, 5);

    expect(me, WATCH, 0, "@releaseDomain|r|", "OK|");
    forget(me);
    assert_int_equal(xsl_domain_shutdown(b->store, 5), 0);
    expect_events(me, "@releaseDomain|r|");
    assert_int_equal(xsl_domain_shutdown(b->store, 5), 0);
    expect_events(me, "");
    expect(g, WRITE, 0, "x|1", "OK|");
    expect(me, IS_DOMAIN_INTRODUCED, 0, "5|", "T|");
    expect(me, RESUME, 0, "5|", "OK|");
    expect_events(me, "");
    assert_int_equal(xsl_domain_shutdown(b->store, 5), 0);
    expect_events(me, "@releaseDomain|r|");
    b->domain[5].exists = false;
    assert_int_equal(xsl_domain_release(b->store, 5), 0);
    expect_events(me, "@releaseDomain|r|");
    expect(me, IS_DOMAIN_INTRODUCED, 0, "5|", "F|");
    expect(me, READ, 0, "/local/domain/5|", "!ENOENT");
    assert_int_equal(xsl_domain_release(b->store, 5), -ENOENT);
    assert_int_equal(xsl_domain_shutdown(b->store, 5), -ENOENT);
    expect_events(me, "");
    expect(me, RESUME, 0, "5|", "!ENOENT");
}

static void introduce_by_call(struct client *me)
{
    struct bench *b = me->bench;

    b->domain[5].exists = true;
    expect(me, WATCH, 0, "@introduceDomain|i|", "OK|");
    forget(me);
    assert_int_equal(xsl_domain_introduce(b->store, 0, 1, 1), -EINVAL);
    assert_int_equal(xsl_domain_introduce(b->store, XSL_DOMID_SELF, 1, 1), -EINVAL);
    assert_int_equal(xsl_domain_introduce(b->store, 5, 1, 0), -EINVAL);
    expect_events(me, "");
    assert_int_equal(xsl_domain_introduce(b->store, 5, 1, 7), 0);
    expect_events(me, "@introduceDomain|i|");
    assert_int_equal(xsl_domain_introduce(b->store, 5, 1, 7), 0);
    expect_events(me, "");
    assert_int_equal(xsl_domain_release(b->store, 5), 0);
}

static void features_of_one_domain(struct client *me)
{
    struct client *g;

    me->bench->domain[5].exists = true;
    expect(me, GET_FEATURE, 0, "5|", "15|");
    expect(me, SET_FEATURE, 0, "5|16|", "!EINVAL");
    expect(me, SET_FEATURE, 0, "5|x|", "!EINVAL");
    expect(me, SET_FEATURE, 0, "5|2|", "OK|");
    expect(me, GET_FEATURE, 0, "5|", "2|");
    expect(me, GET_FEATURE, 0, "", "15|");
    g = bench_guest(me->bench, 5);
    assert_int_equal(g->page->server_features, 2);
    expect(me, SET_FEATURE, 0, "5|15|", "!EBUSY");
    expect(me, GET_FEATURE, 0, "5|", "2|");
    /* What was not offered is not there. */
    expect(g, WATCH, 0, "$|t|1|", "!EINVAL");
    expect(g, WATCH, 0, "$|t|", "OK|");
}

static const struct test tests[] = {
    {"case 88: help", help, SOCKET},
    {"case 88: the log", log_lines, SOCKET},
    {"case 85: INTRODUCE", introduce, SOCKET},
    {"INTRODUCE again", introduce_again, RING},
    {"case 86: RELEASE", release, SOCKET},
    {"RELEASE leaves what is dom0's", release_leaves_dom0s, SOCKET},
    {"RELEASE and transactions", release_and_transactions, SOCKET},
    {"case 87: from shutdown to the end", life, SOCKET},
    {"INTRODUCE by call", introduce_by_call, SOCKET},
    {"features of one domain", features_of_one_domain, SOCKET},
};

int main(void)
{
    return bench_run("domains", tests, G_N_ELEMENTS(tests), rows, G_N_ELEMENTS(rows));
}
