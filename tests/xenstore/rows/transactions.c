/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: isolation, conflicts, limits: cases 46 to 55 of the protocol's
 * conformance list, and its table of what conflicts with what.
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

/* --- Conflicts -------------------------------------------------------------------------- */

/* Who takes a step: the transaction, its client without it, another client, a second transaction.
 */
enum who { END_OF_STEPS, TX, SELF, OTHER, TX2 };

struct step {
    enum who who;
    uint32_t type;
    const char *request;
    const char *expected;
};

/* $/a = "A", $/b = "B", $/x/1 = "1" are there before. */
struct scenario {
    const char *name;
    struct step steps[8];
};

/* clang-format off */
static const struct scenario scenarios[] = {
    {"1: tx reads A, other writes A, tx writes B",
     {{TX, READ, "$/a|", "A"}, {OTHER, WRITE, "$/a|2", "OK|"}, {TX, WRITE, "$/b|3", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/b|", "B"}}},
    {"2: tx only reads, other writes what it read",
     {{TX, READ, "$/a|", "A"}, {OTHER, WRITE, "$/a|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"3: other writes A before tx touches it",
     {{OTHER, WRITE, "$/a|2", "OK|"}, {TX, WRITE, "$/a|3", "OK|"},
      {TX, TRANSACTION_END, "T|", "OK|"}, {OTHER, READ, "$/a|", "3"}}},
    {"3: ... and tx sees what was written before it looked",
     {{OTHER, WRITE, "$/a|2", "OK|"}, {TX, READ, "$/a|", "2"}, {TX, TRANSACTION_END, "T|", "OK|"}}},
    {"4: other writes A after tx wrote it",
     {{TX, WRITE, "$/a|3", "OK|"}, {OTHER, WRITE, "$/a|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/a|", "2"}}},
    {"5: both make a child of the same node",
     {{TX, MKDIR, "$/x/2|", "OK|"}, {OTHER, MKDIR, "$/x/3|", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/x/2|", "!ENOENT"}}},
    {"6: each writes another node",
     {{TX, WRITE, "$/a|2", "OK|"}, {OTHER, WRITE, "$/b|3", "OK|"},
      {TX, TRANSACTION_END, "T|", "OK|"}, {OTHER, READ, "$/a|", "2"}, {TX, READ, "$/b|", "!ENOENT"},
      {SELF, READ, "$/b|", "3"}}},
    {"7: tx reads what is missing, other makes it",
     {{TX, READ, "$/zz|", "!ENOENT"}, {OTHER, MKDIR, "$/zz|", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"8: tx lists a node, other adds a child",
     {{TX, DIRECTORY, "$/x|", "1|"}, {OTHER, MKDIR, "$/x/2|", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"8: ... or removes one",
     {{TX, DIRECTORY, "$/x|", "1|"}, {OTHER, RM, "$/x/1|", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"9: tx lists a node, other changes a child's value",
     {{TX, DIRECTORY, "$/x|", "1|"}, {OTHER, WRITE, "$/x/1|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "OK|"}}},
    {"10: two transactions write the same node",
     {{TX, WRITE, "$/a|2", "OK|"}, {TX2, WRITE, "$/a|3", "OK|"}, {TX, TRANSACTION_END, "T|", "OK|"},
      {TX2, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/a|", "2"}}},
    {"11: other removes the parent of what tx wrote",
     {{TX, WRITE, "$/x/1|2", "OK|"}, {OTHER, RM, "$/x|", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/x/1|", "!ENOENT"}}},
    {"12: other sets the permissions of what tx read",
     {{TX, READ, "$/a|", "A"}, {OTHER, SET_PERMS, "$/a|b%u|", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"13: tx touches nothing, other writes",
     {{OTHER, WRITE, "$/a|2", "OK|"}, {TX, TRANSACTION_END, "T|", "OK|"}}},

    {"an own write without the transaction conflicts as well",
     {{TX, READ, "$/a|", "A"}, {SELF, WRITE, "$/a|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"the same value written is a change",
     {{TX, READ, "$/a|", "A"}, {OTHER, WRITE, "$/a|A", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"a node removed and made again is a change",
     {{TX, READ, "$/a|", "A"}, {OTHER, RM, "$/a|", "OK|"}, {OTHER, WRITE, "$/a|A", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"what is missing and stays so is no conflict",
     {{TX, READ, "$/x/zz/zz|", "!ENOENT"}, {OTHER, READ, "$/a|", "A"},
      {TX, TRANSACTION_END, "T|", "OK|"}}},
    {"reading conflicts with no reading",
     {{TX, READ, "$/a|", "A"}, {OTHER, READ, "$/a|", "A"}, {OTHER, MKDIR, "$/a|", "OK|"},
      {OTHER, RM, "$/zz|", "OK|"}, {TX, TRANSACTION_END, "T|", "OK|"}}},
    {"two transactions that only read",
     {{TX, READ, "$/a|", "A"}, {TX2, READ, "$/a|", "A"}, {TX, TRANSACTION_END, "T|", "OK|"},
      {TX2, TRANSACTION_END, "T|", "OK|"}}},
    {"what was read stays as it was",
     {{TX, READ, "$/a|", "A"}, {OTHER, WRITE, "$/a|2", "OK|"}, {TX, READ, "$/a|", "A"},
      {TX, GET_PERMS, "$/a|", "n%u|"}, {OTHER, READ, "$/a|", "2"},
      {TX, TRANSACTION_END, "F|", "OK|"}}},
    {"a list that was read stays as it was",
     {{TX, DIRECTORY, "$/x|", "1|"}, {OTHER, MKDIR, "$/x/2|", "OK|"}, {TX, DIRECTORY, "$/x|", "1|"},
      {TX, TRANSACTION_END, "F|", "OK|"}}},
    {"a transaction that is given up does not conflict",
     {{TX, WRITE, "$/a|2", "OK|"}, {OTHER, WRITE, "$/a|3", "OK|"},
      {TX, TRANSACTION_END, "F|", "OK|"}, {OTHER, READ, "$/a|", "3"}}},
    {"RM, and other changes what is removed",
     {{TX, RM, "$/x|", "OK|"}, {OTHER, WRITE, "$/x/1|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/x/1|", "2"}}},
    {"RM, and other adds to what is removed",
     {{TX, RM, "$/x|", "OK|"}, {OTHER, WRITE, "$/x/1/n|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {OTHER, READ, "$/x/1/n|", "2"}}},
    {"other removes what tx is to remove",
     {{TX, RM, "$/x|", "OK|"}, {OTHER, RM, "$/x|", "OK|"}, {TX, TRANSACTION_END, "T|", "!EAGAIN"}}},
    {"a change below what was written is no conflict",
     {{TX, WRITE, "$/x|2", "OK|"}, {OTHER, WRITE, "$/x/1|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "OK|"}, {OTHER, READ, "$/x|", "2"},
      {OTHER, READ, "$/x/1|", "2"}}},
    {"after a conflict the next try is as good as new",
     {{TX, READ, "$/a|", "A"}, {OTHER, WRITE, "$/a|2", "OK|"},
      {TX, TRANSACTION_END, "T|", "!EAGAIN"}, {TX2, READ, "$/a|", "2"}, {TX2, WRITE, "$/a|3", "OK|"},
      {TX2, TRANSACTION_END, "T|", "OK|"}, {OTHER, READ, "$/a|", "3"}}},
};
/* clang-format on */

/* Requests may have one %u, for the client's domain. */
static const char *with_domid(const char *text, unsigned domid)
{
    char **parts = g_strsplit(text, "%u", 2);
    const char *result = parts[1] ? fmt("%s%u%s", parts[0], domid, parts[1]) : fmt("%s", parts[0]);

    g_strfreev(parts);
    return result;
}

static void play(struct client *me, const struct scenario *s)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx, tx2;

    expect(me, WRITE, 0, "$/a|A", "OK|");
    expect(me, WRITE, 0, "$/b|B", "OK|");
    expect(me, WRITE, 0, "$/x/1|1", "OK|");
    tx = begin(me);
    tx2 = begin(me);
    for (const struct step *step = s->steps; step->who != END_OF_STEPS; step++) {
        expect(step->who == OTHER ? dom0 : me, step->type,
               step->who == TX    ? tx
               : step->who == TX2 ? tx2
                                  : 0,
               with_domid(step->request, me->domid), with_domid(step->expected, me->domid));
    }
    g_free(ask_text(me, TRANSACTION_END, tx, "F|"));
    g_free(ask_text(me, TRANSACTION_END, tx2, "F|"));
    expect(dom0, RM, 0, "$/a|", "OK|");
    expect(dom0, RM, 0, "$/b|", "OK|");
    expect(dom0, RM, 0, "$/x|", "OK|");
    expect(dom0, RM, 0, "$/zz|", "OK|");
}

static void conflicts(struct client *me)
{
    for (size_t i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        print_message("%s\n", scenarios[i].name);
        play(me, &scenarios[i]);
    }
}

/* --- One by one ----------------------------------------------------------------------------- */

static void ids(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx = begin(me), second = begin(me);

    assert_int_equal(tx, 1);
    assert_int_equal(second, 2);
    /* Each client counts for itself, and uses its own only. */
    expect(dom0, READ, tx, "$|", "!ENOENT");
    assert_int_equal(begin(dom0), 1);
    expect(dom0, READ, second, "$|", "!ENOENT");
    expect(dom0, READ, 1, "$|", "");
    expect(me, TRANSACTION_START, tx, "|", "!EBUSY");
    expect(me, TRANSACTION_START, 99, "|", "!ENOENT");
    expect(me, TRANSACTION_END, 0, "T|", "!ENOENT");
    expect(me, TRANSACTION_END, 99, "T|", "!ENOENT");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect(me, TRANSACTION_END, tx, "T|", "!ENOENT");
    expect(me, READ, tx, "$|", "!ENOENT");
    expect(me, TRANSACTION_START, tx, "|", "!ENOENT");
    expect(me, TRANSACTION_END, second, "F|", "OK|");
    expect(me, TRANSACTION_END, second, "F|", "!ENOENT");
    expect(me, READ, 0, "$|", "");
}

/* Operations that have no use for a transaction take a valid id and ignore it. */
static void other_operations_in_one(struct client *me)
{
    uint32_t tx = begin(me);

    expect(me, GET_DOMAIN_PATH, tx, "7|", "/local/domain/7|");
    expect(me, WATCH, tx, "$/w|t|", "OK|");
    expect(me, UNWATCH, tx, "$/w|t|", "OK|");
    if (!me->page) {
        expect(me, IS_DOMAIN_INTRODUCED, tx, "0|", "T|");
        expect(me, CONTROL, tx, "check|", "OK|");
    }
    expect(me, WRITE, tx, "$/a|1", "OK|");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect(me, READ, 0, "$/a|", "1");
}

static void isolation(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx;

    expect(me, WRITE, 0, "$/a|1", "OK|");
    tx = begin(me);
    expect(me, WRITE, tx, "$/a|2", "OK|");
    expect(me, WRITE, tx, "$/n/m|3", "OK|");
    expect(me, SET_PERMS, tx, fmt("$/n|b%u|", me->domid), "OK|");
    expect(me, READ, tx, "$/a|", "2");
    expect(me, READ, tx, "$/n/m|", "3");
    expect(me, DIRECTORY, tx, "$/n|", "m|");
    expect(me, GET_PERMS, tx, "$/n|", fmt("b%u|", me->domid));
    for (int i = 0; i < 2; i++) {
        struct client *outside = i == 0 ? me : dom0;

        expect(outside, READ, 0, "$/a|", "1");
        expect(outside, READ, 0, "$/n|", "!ENOENT");
        expect(outside, READ, 0, "$/n/m|", "!ENOENT");
        expect(outside, DIRECTORY, 0, "$|", "a|");
    }
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect(dom0, READ, 0, "$/a|", "2");
    expect(dom0, READ, 0, "$/n/m|", "3");
    expect(dom0, GET_PERMS, 0, "$/n|", fmt("b%u|", me->domid));
    expect(dom0, GET_PERMS, 0, "$/n/m|", fmt("n%u|", me->domid));
}

/* Two of a client's own do not see each other either. */
static void isolation_of_two(struct client *me)
{
    uint32_t tx = begin(me), tx2 = begin(me);

    expect(me, WRITE, tx, "$/a/x|1", "OK|");
    expect(me, READ, tx2, "$/a/x|", "!ENOENT");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    /* It looked before. */
    expect(me, READ, tx2, "$/a/x|", "!ENOENT");
    expect(me, TRANSACTION_END, tx2, "T|", "!EAGAIN");
}

static void given_up(struct client *me)
{
    uint32_t tx;

    expect(me, WRITE, 0, "$/a|1", "OK|");
    expect(me, WATCH, 0, "$|t|", "OK|");
    expect_events(me, "$|t|");
    tx = begin(me);
    expect(me, WRITE, tx, "$/a|2", "OK|");
    expect(me, WRITE, tx, "$/n|2", "OK|");
    expect(me, RM, tx, "$/a|", "OK|");
    expect(me, TRANSACTION_END, tx, "F|", "OK|");
    expect_events(me, "");
    expect(me, READ, 0, "$/a|", "1");
    expect(me, READ, 0, "$/n|", "!ENOENT");
}

static void after_a_conflict(struct client *me)
{
    uint32_t tx;

    expect(me, WRITE, 0, "$/a|1", "OK|");
    tx = begin(me);
    expect(me, READ, tx, "$/a|", "1");
    expect(me, WRITE, tx, "$/n|1", "OK|");
    expect(me->bench->dom0, WRITE, 0, "$/a|2", "OK|");
    expect(me, WATCH, 0, "$|t|", "OK|");
    expect_events(me, "$|t|");
    expect(me, TRANSACTION_END, tx, "T|", "!EAGAIN");
    expect(me, TRANSACTION_END, tx, "T|", "!ENOENT");
    expect(me, READ, tx, "$/a|", "!ENOENT");
    expect(me, READ, 0, "$/n|", "!ENOENT");
    expect_events(me, "");
}

static void removed_and_made_again(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx;

    expect(me, WRITE, 0, "$/x/y|old", "OK|");
    tx = begin(me);
    expect(me, RM, tx, "$/x|", "OK|");
    expect(me, READ, tx, "$/x/y|", "!ENOENT");
    expect(me, READ, tx, "$/x|", "!ENOENT");
    expect(me, DIRECTORY, tx, "$|", "");
    expect(me, WRITE, tx, "$/x|new", "OK|");
    expect(me, DIRECTORY, tx, "$/x|", "");
    expect(me, READ, tx, "$/x/y|", "!ENOENT");
    expect(dom0, READ, 0, "$/x/y|", "old");
    expect(dom0, READ, 0, "$/x|", "");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect(dom0, READ, 0, "$/x|", "new");
    expect(dom0, DIRECTORY, 0, "$/x|", "");
    expect(dom0, READ, 0, "$/x/y|", "!ENOENT");
}

static void made_and_removed(struct client *me)
{
    uint32_t tx;
    size_t count = xsl_store_count(me->bench->store);

    tx = begin(me);
    expect(me, WRITE, tx, "$/x/y/z|1", "OK|");
    expect(me, RM, tx, "$/x/y|", "OK|");
    expect(me, RM, tx, "$/x|", "OK|");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect(me, DIRECTORY, 0, "$|", "");
    assert_int_equal(xsl_store_count(me->bench->store), count);
}

static void hang_up_with_one_open(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx = begin(me);

    expect(me, WRITE, tx, "$/a|1", "OK|");
    hang_up(me);
    expect(dom0, READ, 0, "$/a|", "!ENOENT");
    expect(dom0, WRITE, 0, "$/a|2", "OK|");
}

static void many_of_a_socket(struct client *me)
{
    uint32_t tx[300];

    for (unsigned i = 0; i < 300; i++) {
        tx[i] = begin(me);
        expect(me, READ, tx[i], "$|", "");
    }
    for (unsigned i = 0; i < 300; i++) {
        expect(me, TRANSACTION_END, tx[(i * 7) % 300], "T|", "OK|");
    }
}

static void many_of_a_guest(struct client *g)
{
    uint32_t tx[16];
    unsigned n;

    for (n = 0; n < G_N_ELEMENTS(tx); n++) {
        char *reply = ask_text(g, TRANSACTION_START, 0, "|");
        bool refused = strcmp(reply, "!ENOSPC") == 0;

        tx[n] = (uint32_t)strtoul(reply, NULL, 10);
        g_free(reply);
        if (refused) {
            break;
        }
        assert_int_not_equal(tx[n], 0);
    }
    expect_range(n, 9, 11);
    /* Those there are, are good; and one that ends makes place for another. */
    expect(g, WRITE, tx[n - 1], "$/a|1", "OK|");
    expect(g, TRANSACTION_END, tx[n - 1], "T|", "OK|");
    expect(g, TRANSACTION_END, begin(g), "F|", "OK|");
    begin(g);
    expect(g, TRANSACTION_START, 0, "|", "!ENOSPC");
    /* Others have their own. */
    begin(bench_guest(g->bench, 6));
}

static void many_nodes_in_one(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    uint32_t tx;
    unsigned n;

    for (n = 0; n < 1100; n++) {
        expect(dom0, MKDIR, 0, fmt("/t/%u|", n), "OK|");
        expect(dom0, SET_PERMS, 0, fmt("/t/%u|r0|", n), "OK|");
    }
    tx = begin(g);
    for (n = 0; n < 1100; n++) {
        char *reply = ask_text(g, READ, tx, fmt("/t/%u|", n));
        bool refused = strcmp(reply, "!ENOSPC") == 0;

        if (!refused) {
            assert_string_equal(reply, "");
        }
        g_free(reply);
        if (refused) {
            break;
        }
    }
    expect_range(n, 1022, 1025);
    expect(g, TRANSACTION_END, tx, "T|", "!ENOMEM");
    expect(g, TRANSACTION_END, tx, "T|", "!ENOENT");
    /* The client itself is well; dom0 has no limit. */
    expect(g, READ, 0, "/t/0|", "");
    tx = begin(dom0);
    for (n = 0; n < 1100; n++) {
        expect(dom0, READ, tx, fmt("/t/%u|", n), "");
    }
    expect(dom0, TRANSACTION_END, tx, "T|", "OK|");
}

static void a_poisoned_one_given_up(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    uint32_t tx;

    expect(dom0, SET_QUOTA, 0, "5|transaction-nodes|20|", "OK|");
    for (unsigned i = 0; i < 40; i++) {
        expect(g, MKDIR, 0, fmt("$/%u|", i), "OK|");
    }
    tx = begin(g);
    for (unsigned i = 0; i < 40; i++) {
        g_free(ask_text(g, READ, tx, fmt("$/%u|", i)));
    }
    expect(g, TRANSACTION_END, tx, "F|", "OK|");
    expect(g, TRANSACTION_END, tx, "F|", "!ENOENT");
}

/* Each is below the quota of nodes, both together are not. */
static void node_quota_at_the_end(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    uint32_t tx;

    expect(dom0, SET_QUOTA, 0, "5|nodes|30|", "OK|");
    expect(g, MKDIR, 0, "$/d1|", "OK|");
    expect(g, MKDIR, 0, "$/d2|", "OK|");
    tx = begin(g);
    for (unsigned i = 0; i < 20; i++) {
        expect(g, MKDIR, tx, fmt("$/d1/%u|", i), "OK|");
    }
    for (unsigned i = 0; i < 20; i++) {
        expect(g, MKDIR, 0, fmt("$/d2/%u|", i), "OK|");
    }
    expect(g, TRANSACTION_END, tx, "T|", "!ENOSPC");
    expect(g, TRANSACTION_END, tx, "T|", "!ENOENT");
    expect(g, DIRECTORY, 0, "$/d1|", "");
    expect(dom0, CONTROL, 0, "check|", "OK|");
}

/* What was removed inside and outside does not count twice. */
static void removed_inside_and_outside(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    uint32_t tx;

    for (unsigned i = 0; i < 5; i++) {
        expect(g, MKDIR, 0, fmt("$/d/%u|", i), "OK|");
    }
    tx = begin(g);
    expect(g, RM, tx, "$/d|", "OK|");
    expect(dom0, RM, 0, "$/d|", "OK|");
    expect(g, MKDIR, tx, "$/new|", "OK|");
    expect(g, TRANSACTION_END, tx, "T|", "!EAGAIN");
}

/* Even with a conflict a transaction makes sense to its client, who learns of it at the end. */
static void a_child_that_vanished(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx;

    expect(me, MKDIR, 0, "$/d/x|", "OK|");
    tx = begin(me);
    expect(me, READ, tx, "$/d/x|", "");
    expect(dom0, RM, 0, "$/d/x|", "OK|");
    /* Its parent is fixed only now, without it. */
    expect(me, RM, tx, "$/d/x|", "OK|");
    expect(me, DIRECTORY, tx, "$/d|", "");
    expect(me, MKDIR, tx, "$/d/y|", "OK|");
    expect(me, DIRECTORY, tx, "$/d|", "y|");
    expect(me, TRANSACTION_END, tx, "T|", "!EAGAIN");
}

static const struct test tests[] = {
    {"case 50: conflicts", conflicts, BOTH},
    {"cases 45 to 47: ids", ids, BOTH},
    {"other operations in a transaction", other_operations_in_one, BOTH},
    {"case 48: isolation", isolation, BOTH},
    {"case 48: isolation of two transactions", isolation_of_two, BOTH},
    {"case 49: given up", given_up, BOTH},
    {"case 51: after a conflict", after_a_conflict, BOTH},
    {"case 52: removed and made again", removed_and_made_again, BOTH},
    {"made and removed", made_and_removed, BOTH},
    {"case 53: hang up with one open", hang_up_with_one_open, SOCKET},
    {"case 54: many of a socket's", many_of_a_socket, SOCKET},
    {"case 54: many of a guest's", many_of_a_guest, RING},
    {"case 55: many nodes in one", many_nodes_in_one, RING},
    {"a poisoned one given up", a_poisoned_one_given_up, RING},
    {"the quota of nodes, at the end", node_quota_at_the_end, RING},
    {"a child that vanished", a_child_that_vanished, BOTH},
    {"the quota of nodes, with a conflict", removed_inside_and_outside, RING},
};

int main(void)
{
    return bench_run("transactions", tests, G_N_ELEMENTS(tests), NULL, 0);
}
