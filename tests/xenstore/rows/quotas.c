/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest may use, in nodes, bytes, requests and time: cases 72 to 74 of the
 * protocol's conformance list, the limits without a case, and the requests and
 * commands that show and set them.
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct row rows[] = {
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "nodes|", "1000|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "watches|", "128|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "transactions|", "10|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "outstanding|", "20|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "transaction-nodes|", "1024|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "node-size|", "2048|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "path-max|", "2048|"),
    SOCKET_ROW("GET_QUOTA", GET_QUOTA, "node-permissions|", "5|"),
    SOCKET_ROW("GET_QUOTA of no known quota", GET_QUOTA, "nope|", "!EINVAL"),
    SOCKET_ROW("... of an empty name", GET_QUOTA, "|", "!EINVAL"),
    SOCKET_ROW("... of no domain there is", GET_QUOTA, "30|nodes|", "!ENOENT"),
    SOCKET_ROW("... of what is no domain", GET_QUOTA, "x|nodes|", "!EINVAL"),
    SOCKET_ROW("... with three strings", GET_QUOTA, "5|nodes|1|", "!EINVAL"),
    SOCKET_ROW("SET_QUOTA", SET_QUOTA, "nodes|500|", "OK|"),
    SOCKET_THEN("... is the quota", GET_QUOTA, "nodes|", "500|"),
    SOCKET_THEN("... and the others are not", GET_QUOTA, "watches|", "128|"),
    SOCKET_ROW("SET_QUOTA of no known quota", SET_QUOTA, "nope|1|", "!EINVAL"),
    SOCKET_ROW("... without a value", SET_QUOTA, "nodes|", "!EINVAL"),
    SOCKET_ROW("... with what is no number", SET_QUOTA, "nodes|x|", "!EINVAL"),
    SOCKET_ROW("... of no domain there is", SET_QUOTA, "30|nodes|1|", "!ENOENT"),
    SOCKET_ROW("... with four strings", SET_QUOTA, "5|nodes|1|1|", "!EINVAL"),
    SOCKET_ROW("... of nothing", SET_QUOTA, "", "!EINVAL"),
};
/* clang-format on */

static void names(struct client *me)
{
    static const char *const all[] = {"nodes",       "watches",           "transactions",
                                      "outstanding", "transaction-nodes", "memory",
                                      "node-size",   "path-max",          "node-permissions"};
    char *quota = ask_text(me, GET_QUOTA, 0, "");
    char *control = ask_text(me, CONTROL, 0, "quota|");

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        if (!strstr(quota, all[i]) || !strstr(control, all[i])) {
            fail_msg("'%s' is missing in '%s' or '%s'", all[i], quota, control);
        }
    }
    g_free(quota);
    g_free(control);
}

static void of_one_domain(struct client *me)
{
    struct client *g5 = bench_guest(me->bench, 5), *g6 = bench_guest(me->bench, 6), *g7;

    expect(me, SET_QUOTA, 0, "5|node-size|200|", "OK|");
    expect(me, GET_QUOTA, 0, "5|node-size|", "200|");
    expect(me, GET_QUOTA, 0, "6|node-size|", "2048|");
    expect(me, GET_QUOTA, 0, "node-size|", "2048|");
    expect(g5, WRITE, 0, fmt("$/x|%s", repeat('v', 200)), "!ENOSPC");
    expect(g6, WRITE, 0, fmt("$/x|%s", repeat('v', 200)), "OK|");
    /* One set for all is not for who has his own; it is for who comes later. */
    expect(me, SET_QUOTA, 0, "node-size|300|", "OK|");
    expect(me, GET_QUOTA, 0, "5|node-size|", "200|");
    g7 = bench_guest(me->bench, 7);
    expect(g7, WRITE, 0, fmt("$/x|%s", repeat('v', 300)), "!ENOSPC");
    /* dom0 is bound by none. */
    expect(me, WRITE, 0, fmt("/t/x|%s", repeat('v', 4000)), "OK|");
}

static void control_quota(struct client *me)
{
    char *reply;

    bench_guest(me->bench, 5);
    expect(me, CONTROL, 0, "quota|set|nodes|777|", "OK|");
    expect(me, GET_QUOTA, 0, "nodes|", "777|");
    expect(me, CONTROL, 0, "quota|set|nope|777|", "!EINVAL");
    reply = ask_text(me, CONTROL, 0, "quota|5|");
    if (!strstr(reply, "nodes")) {
        fail_msg("CONTROL quota 5: expected something of nodes, got '%s'", reply);
    }
    g_free(reply);
}

static const char *leaf(unsigned i)
{
    return fmt("$/%u/%02u", i / 40, i % 40);
}

static void nodes(struct client *g)
{
    unsigned owned = 1, i;

    for (i = 0; i < 1100; i++) {
        unsigned directory = i % 40 == 0;
        char *reply = ask_text(g, WRITE, 0, fmt("%s|1", leaf(i)));
        bool refused = strcmp(reply, "!ENOSPC") == 0;

        assert_true(refused || strcmp(reply, "OK|") == 0);
        g_free(reply);
        if (refused) {
            break;
        }
        owned += 1 + directory;
    }
    expect_range(owned, 999, 1001);
    expect(g, WRITE, 0, fmt("%s|2", leaf(0)), "OK|");
    expect(g, WRITE, 0, fmt("%s|1", leaf(i)), "!ENOSPC");
    expect(g, MKDIR, 0, fmt("%s|", leaf(i)), "!ENOSPC");
    expect(g, RM, 0, fmt("%s|", leaf(1)), "OK|");
    expect(g, WRITE, 0, fmt("%s|1", leaf(i)), "OK|");
    expect(g, WRITE, 0, fmt("%s|1", leaf(1)), "!ENOSPC");
    /* Of what takes two nodes none is made. */
    expect(g, RM, 0, fmt("%s|", leaf(i)), "OK|");
    expect(g, WRITE, 0, "$/new/x|1", "!ENOSPC");
    expect(g, READ, 0, "$/new|", "!ENOENT");
    expect(g, WRITE, 0, "$/new|1", "OK|");
    /* A subtree's nodes are all given back. */
    expect(g, RM, 0, "$/0|", "OK|");
    expect(g, WRITE, 0, "$/new/x/y/z|1", "OK|");
}

/* Nodes are charged to who owns them, whoever made them. */
static void owned_by_another(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(dom0, SET_QUOTA, 0, "5|nodes|20|", "OK|");
    for (unsigned i = 0; i < 30; i++) {
        expect(dom0, MKDIR, 0, fmt("$/%u|", i), "OK|");
    }
    expect(g, MKDIR, 0, "$/mine|", "!ENOSPC");
    expect(g, WRITE, 0, "$/1|1", "OK|");
    for (unsigned i = 0; i < 20; i++) {
        expect(dom0, SET_PERMS, 0, fmt("$/%u|n0|b5|", i), "OK|");
    }
    expect(g, MKDIR, 0, "$/mine|", "OK|");
    expect(dom0, CONTROL, 0, "check|", "OK|");
}

static void size_of_a_value(struct client *g)
{
    expect(g, WRITE, 0, fmt("$/x|%s", repeat('v', 2000)), "OK|");
    expect(g, WRITE, 0, fmt("$/x|%s", repeat('v', 2049)), "!ENOSPC");
    expect(g, WRITE, 0, fmt("$/y|%s", repeat('v', 2049)), "!ENOSPC");
    expect(g, READ, 0, "$/x|", repeat('v', 2000));
    expect(g, READ, 0, "$/y|", "!ENOENT");
    expect(g, WRITE, 0, fmt("x|%s", repeat('v', PAYLOAD_MAX - 2)), "!ENOSPC");
    expect(g, WRITE, 0, "$/x|small", "OK|");
    expect(g, READ, 0, "$/x|", "small");
    /* What dom0 wrote there may be larger. */
    expect(g->bench->dom0, WRITE, 0, fmt("$/x|%s", repeat('v', 3000)), "OK|");
    expect(g, READ, 0, "$/x|", repeat('v', 3000));
}

static void size_of_a_directory(struct client *g)
{
    unsigned n;

    for (n = 0; n < 40; n++) {
        char *reply = ask_text(g, MKDIR, 0, fmt("$/%s%02u|", repeat('n', 97), n));
        bool refused = strcmp(reply, "!ENOSPC") == 0;

        assert_true(refused || strcmp(reply, "OK|") == 0);
        g_free(reply);
        if (refused) {
            break;
        }
    }
    /* 2048 - 24 - 8 bytes for names of 100. */
    expect_range(n, 19, 21);
    expect(g, READ, 0, fmt("$/%s%02u|", repeat('n', 97), n), "!ENOENT");
    expect(g, RM, 0, fmt("$/%s%02u|", repeat('n', 97), 0), "OK|");
    expect(g, MKDIR, 0, fmt("$/%s%02u|", repeat('n', 97), n), "OK|");
}

/* --- Requests under way ---------------------------------------------------------------------- */

/* Two answers fill the ring, 20 wait, and the requests after those are not carried out. */
static void own_answers_not_read(struct client *g)
{
    struct message m;
    uint32_t first;
    char *done;

    expect(g, WRITE, 0, fmt("$/x|%s", repeat('v', 600)), "OK|");
    expect(g, WRITE, 0, "n|0", "OK|");
    first = g->req_id + 1;
    g->asleep = true;
    say(g, READ, 0, "x|");
    say(g, READ, 0, "x|");
    for (unsigned i = 1; i <= 300; i++) {
        say(g, WRITE, 0, fmt("n|%u", i));
    }
    pump(g->bench);
    done = ask_text(g->bench->dom0, READ, 0, "$/n|");
    expect_range(atoi(done), 18, 21);
    g_free(done);
    assert_int_equal(g->page->req_prod - g->page->req_cons, RING_SIZE);
    g->asleep = false;
    for (unsigned i = 0; i < 302; i++) {
        assert_true(next_reply(g, &m));
        assert_int_equal(m.header.req_id, first + i);
    }
    expect(g->bench->dom0, READ, 0, "$/n|", "300");
}

static void sixty_writes(struct client *g)
{
    for (unsigned i = 10; i < 70; i++) {
        say(g, WRITE, 0, fmt("a/%u|1", i));
    }
    pump(g->bench);
}

/* The events one causes count until they are delivered; here somebody does not read them. */
static void events_not_read(struct client *g5)
{
    struct client *g6 = bench_guest(g5->bench, 6);
    struct client *dom0 = g5->bench->dom0;
    struct message m;
    unsigned answered = 0;

    expect(dom0, MKDIR, 0, "$/a|", "OK|");
    expect(dom0, SET_PERMS, 0, "$/a|n5|r6|", "OK|");
    expect(g6, WATCH, 0, "/local/domain/5/a|t|", "OK|");
    forget(g6);
    g6->asleep = true;
    sixty_writes(g5);
    while (next_reply(g5, &m)) {
        assert_int_equal(m.header.type, WRITE);
        answered++;
    }
    /* Events of 39 bytes: 26 are in the ring. */
    expect_range(answered, 26 + 18, 26 + 22);
    /* dom0 is answered still. */
    expect(dom0, WRITE, 0, "$/a/x|1", "OK|");
    expect_range(g6->delay, 1, 20000);
    /* What has waited too long is forgotten, and does not count any more. */
    advance(g5->bench, 20001);
    while (next_reply(g5, &m)) {
        assert_int_equal(m.header.type, WRITE);
        answered++;
    }
    assert_int_equal(answered, 60);
    g6->asleep = false;
    expect_range(count_events(g6), 26, 26 + 22);
    expect(g6, READ, 0, "/local/domain/5/a/69|", "1");
}

static void events_read_in_time(struct client *g5)
{
    struct client *g6 = bench_guest(g5->bench, 6);
    struct client *dom0 = g5->bench->dom0;

    expect(dom0, MKDIR, 0, "$/a|", "OK|");
    expect(dom0, SET_PERMS, 0, "$/a|n5|r6|", "OK|");
    expect(g6, WATCH, 0, "/local/domain/5/a|t|", "OK|");
    forget(g6);
    g6->asleep = true;
    sixty_writes(g5);
    advance(g5->bench, 10000);
    g6->asleep = false;
    pump(g5->bench);
    assert_int_equal(count_events(g6), 60);
    pump(g5->bench);
    expect_range(g5->in->len, 60 * 19, 60 * 19);
    advance(g5->bench, 20001);
    expect(g6, READ, 0, "/local/domain/5/a/69|", "1");
}

/* 20 s after that an event is dropped if none of it was sent, whoever caused it. */
static void events_time_out(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(g, WATCH, 0, "$|t|", "OK|");
    forget(g);
    g->asleep = true;
    for (unsigned i = 100; i < 200; i++) {
        expect(dom0, WRITE, 0, fmt("$/%u|1", i), "OK|");
    }
    advance(g->bench, 19000);
    for (unsigned i = 200; i < 210; i++) {
        expect(dom0, WRITE, 0, fmt("$/%u|1", i), "OK|");
    }
    /* The first hundred are too old now, but for those in the ring and the one half in it. */
    advance(g->bench, 1001);
    g->asleep = false;
    /* The one half in it is sent to its end: what follows could not be understood. */
    assert_int_equal(count_events(g), RING_SIZE / 38 + 1 + 10);
    expect(g, READ, 0, "199|", "1");
}

/* A socket's wait as long as they have to. */
static void events_of_a_socket_do_not(struct client *me)
{
    expect(me, WATCH, 0, "/t|t|", "OK|");
    forget(me);
    me->asleep = true;
    for (unsigned i = 0; i < 3000; i++) {
        expect(me->bench->dom0, WRITE, 0, fmt("/t/%s%u|1", repeat('x', 250), i), "OK|");
    }
    advance(me->bench, 100000);
    me->asleep = false;
    assert_int_equal(count_events(me), 3000);
}

/* The quota of memory: what waits for a guest that does not read is bounded. */
static void events_take_memory(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    unsigned events;

    expect(dom0, SET_QUOTA, 0, "5|memory|100000|", "OK|");
    expect(g, WATCH, 0, fmt("$|%s|", repeat('t', 2000)), "OK|");
    forget(g);
    g->asleep = true;
    for (unsigned i = 0; i < 500; i++) {
        expect(dom0, WRITE, 0, fmt("$/%u|1", i), "OK|");
    }
    g->asleep = false;
    events = count_events(g);
    expect_range(events, 20, 60);
    /* It goes on as if nothing had been. */
    expect(g, READ, 0, "499|", "1");
    forget(g);
    expect(dom0, WRITE, 0, "$/1|1", "OK|");
    assert_int_equal(count_events(g), 1);
}

/* --- The rate of writes ---------------------------------------------------------------------- */

static unsigned answers(struct client *c)
{
    struct message m;
    unsigned n = 0;

    while (next_reply(c, &m)) {
        assert_int_not_equal(m.header.type, ERROR);
        n++;
    }
    return n;
}

static void say_writes(struct client *g, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        say(g, WRITE, 0, "x|1");
    }
}

static void rate_of_writes(struct client *g)
{
    struct client *other = bench_guest(g->bench, 6);
    uint32_t tx;

    /* Nobody is disturbed: no limit. */
    say_writes(g, 100);
    assert_int_equal(answers(g), 100);
    /* Nor by what only reads. */
    tx = begin(other);
    expect(other, READ, tx, "$|", "");
    for (unsigned i = 0; i < 100; i++) {
        say(g, READ, 0, "x|");
    }
    assert_int_equal(answers(g), 100);
    advance(g->bench, 10000);
    /* 10 at once, then one in 5 ms, or in 10 ms for each of two. */
    say_writes(g, 100);
    expect_range(answers(g), 9, 11);
    expect_range(g->delay, 1, 20);
    advance(g->bench, 100);
    expect_range(answers(g), 9, 21);
    /* What was not used is not saved up beyond the burst. */
    advance(g->bench, 10000);
    expect_range(answers(g), 9, 11);
    for (unsigned i = 0; i < 20; i++) {
        advance(g->bench, 100);
    }
    say(g, READ, 0, "x|");
    pump(g->bench);
    /* dom0 is not slowed down, nor is who only reads. */
    for (unsigned i = 0; i < 100; i++) {
        expect(g->bench->dom0, WRITE, 0, "/t/x|1", "OK|");
        expect(other, READ, 0, "$|", "");
    }
    answers(g);
    say_writes(g, 100);
    answers(g);
    /* And all of it is over when the transaction is. */
    expect(other, TRANSACTION_END, tx, "F|", "OK|");
    answers(g);
    advance(g->bench, 2000);
    answers(g);
    say_writes(g, 100);
    assert_int_equal(answers(g), 100);
}

static void rate_with_own_transaction(struct client *g)
{
    uint32_t tx = begin(g);

    expect(g, READ, tx, "$|", "");
    say_writes(g, 100);
    assert_int_equal(answers(g), 100);
    expect(g, TRANSACTION_END, tx, "F|", "OK|");
}

static const struct test tests[] = {
    {"names", names, SOCKET},
    {"quotas of one domain", of_one_domain, SOCKET},
    {"CONTROL quota", control_quota, SOCKET},
    {"case 72: nodes", nodes, RING},
    {"nodes are charged to their owner", owned_by_another, RING},
    {"case 73: the size of a value", size_of_a_value, RING},
    {"case 74: the size of a directory", size_of_a_directory, RING},
    {"outstanding: own answers not read", own_answers_not_read, RING},
    {"outstanding: events not read", events_not_read, RING},
    {"outstanding: events read in time", events_read_in_time, RING},
    {"events time out", events_time_out, RING},
    {"events of a socket do not", events_of_a_socket_do_not, SOCKET},
    {"memory: events not read", events_take_memory, RING},
    {"the rate of writes", rate_of_writes, RING},
    {"the rate with one's own transaction", rate_with_own_transaction, RING},
};

int main(void)
{
    return bench_run("quotas", tests, G_N_ELEMENTS(tests), rows, G_N_ELEMENTS(rows));
}
