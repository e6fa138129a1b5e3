/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches: what fires them, what reaches whom: cases 56 to 71 of the protocol's
 * conformance list.
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

static void first_event(struct client *me)
{
    /* The event follows the reply, whether there is such a node or not. */
    say(me, WATCH, 0, "$/w|tok|");
    expect_next(me, "4 OK|");
    expect_next(me, "15 $/w|tok|");
    say(me, WATCH, 0, "$|tok|");
    say(me, READ, 0, "$/w|");
    expect_next(me, "4 OK|");
    expect_next(me, "15 $|tok|");
    expect_next(me, "16 ENOENT|");
}

static void keys(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, "$/w|tok|", "OK|");
    expect(me, WATCH, 0, "$/w|tok|", "!EEXIST");
    expect(me, WATCH, 0, "$/w|other|", "OK|");
    expect_events(me, "$/w|tok| $/w|other|");
    /* Somebody else's is another. */
    expect(dom0, WATCH, 0, "$/w|tok|", "OK|");
    expect_events(dom0, "$/w|tok|");
    expect(me, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|tok| $/w|other|");
    expect_events(dom0, "$/w|tok|");
    expect(me, UNWATCH, 0, "$/w|tok|", "OK|");
    expect(me, UNWATCH, 0, "$/w|tok|", "!ENOENT");
    expect(me, UNWATCH, 0, "$/w2|other|", "!ENOENT");
    expect(me, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|other|");
    expect_events(dom0, "$/w|tok|");
}

static void tokens(struct client *me)
{
    static const char *const odd[] = {"",  "a b", "/", "//", "\x01\xff\xc3", "ffff888004c0e000",
                                      "@x"};

    /* Tokens come back byte for byte. */
    for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
        say(me, WATCH, 0, fmt("$/w|%s|", odd[i]));
        expect_next(me, "4 OK|");
        expect_next(me, fmt("15 $/w|%s|", odd[i]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
        expect(me, UNWATCH, 0, fmt("$/w|%s|", odd[i]), "OK|");
    }
}

static void what_fires(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WRITE, 0, "$/w|1", "OK|");
    expect(me, WATCH, 0, "$/w|t|", "OK|");
    expect_events(me, "$/w|t|");
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|t|");
    expect(dom0, READ, 0, "$/w|", "1");
    expect(dom0, DIRECTORY, 0, "$/w|", "");
    expect(dom0, MKDIR, 0, "$/w|", "OK|");
    expect(dom0, RM, 0, "$/w/zz|", "OK|");
    expect_events(me, "");
    expect(dom0, MKDIR, 0, "$/w/n|", "OK|");
    expect_events(me, "$/w/n|t|");
    expect(dom0, SET_PERMS, 0, fmt("$/w|b%u|", me->domid), "OK|");
    expect_events(me, "$/w|t|");
    expect(dom0, SET_PERMS, 0, fmt("$/w/n|b%u|", me->domid), "OK|");
    expect_events(me, "$/w/n|t|");
    expect(dom0, RM, 0, "$/w/n|", "OK|");
    expect_events(me, "$/w/n|t|");
    expect(dom0, RM, 0, "$/w|", "OK|");
    expect_events(me, "$/w|t|");
    /* The watch is still there when the node is not. */
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|t|");
    /* A parent's permissions are no business of its children's watches. */
    expect(dom0, SET_PERMS, 0, fmt("$|n%u|", me->domid), "OK|");
    expect_events(me, "");
    /* An own change is one like any other. */
    expect(me, WRITE, 0, "$/w|2", "OK|");
    expect_events(me, "$/w|t|");
    /* What failed is none. */
    expect(me, WRITE, 0, "$/w//x|2", "!EINVAL");
    expect(me, SET_PERMS, 0, "$/w|x0|", "!EINVAL");
    expect_events(me, "");
}

static void new_levels(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, MKDIR, 0, "$/w|", "OK|");
    expect(me, WATCH, 0, "$/w|t|", "OK|");
    expect(me, WATCH, 0, "$/w/n|n|", "OK|");
    expect(me, WATCH, 0, "$/w/n/o/p|p|", "OK|");
    expect(me, WATCH, 0, "$/w/n/o/p/q|q|", "OK|");
    expect_events(me, "$/w|t| $/w/n|n| $/w/n/o/p|p| $/w/n/o/p/q|q|");
    expect(dom0, WRITE, 0, "$/w/n/o/p|1", "OK|");
    expect_events(me, "$/w/n/o/p|t| $/w/n/o/p|n| $/w/n/o/p|p|");
}

static void removal(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WRITE, 0, "$/w/a/b|1", "OK|");
    expect(me, WRITE, 0, "$/w/c|1", "OK|");
    expect(me, WATCH, 0, "$|1|", "OK|");
    expect(me, WATCH, 0, "$/w|2|", "OK|");
    expect(me, WATCH, 0, "$/w/a|3|", "OK|");
    expect(me, WATCH, 0, "$/w/a/b|4|", "OK|");
    expect(me, WATCH, 0, "$/w/zz|5|", "OK|");
    expect(me, WATCH, 0, "$/w/a/b/zz|6|", "OK|");
    expect(me, WATCH, 0, "/|7|", "OK|");
    forget(me);
    expect(dom0, RM, 0, "$/w|", "OK|");
    expect_events(me, "$/w|1| $/w|2| $/w/a|3| $/w/a/b|4| $/w|7|");
}

/* Children first. */
static void removal_in_order(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WRITE, 0, "$/w/a/b|1", "OK|");
    expect(me, WATCH, 0, "$/w|t|", "OK|");
    expect(me, WATCH, 0, "$/w/a|t|", "OK|");
    expect(me, WATCH, 0, "$/w/a/b|t|", "OK|");
    forget(me);
    expect(dom0, RM, 0, "$/w|", "OK|");
    expect_ordered_events(me, "$/w/a/b|t| $/w/a|t| $/w|t|");
}

static void components(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, "$/w|t|", "OK|");
    expect(dom0, WATCH, 0, "/|all|", "OK|");
    forget(me);
    forget(dom0);
    expect(me, WRITE, 0, "$/ww|1", "OK|");
    expect(me, WRITE, 0, "$/w-|1", "OK|");
    expect(me, WRITE, 0, "$/v|1", "OK|");
    expect_events(me, "");
    expect(me, WRITE, 0, "$/w/x|1", "OK|");
    expect_events(me, "$/w/x|t|");
    expect_ordered_events(dom0, "$/ww|all| $/w-|all| $/v|all| $/w/x|all|");
    expect(dom0, WRITE, 0, "/|1", "OK|");
    expect_events(dom0, "/|all|");
}

static void relative(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    const char *home = me->page ? "/local/domain/5" : "/local/domain/0";

    expect(me, WATCH, 0, "rel|r|", "OK|");
    expect(me, WATCH, 0, fmt("%s/rel|a|", home), "OK|");
    expect_events(me, fmt("rel|r| %s/rel|a|", home));
    expect(dom0, WRITE, 0, fmt("%s/rel/x|1", home), "OK|");
    expect_events(me, fmt("rel/x|r| %s/rel/x|a|", home));
    expect(dom0, WRITE, 0, fmt("%s/rel|1", home), "OK|");
    expect_events(me, fmt("rel|r| %s/rel|a|", home));
    expect(dom0, RM, 0, fmt("%s/rel|", home), "OK|");
    expect_events(me, fmt("rel|r| %s/rel|a|", home));
    /* It is the same watch by either name. */
    expect(me, WATCH, 0, fmt("%s/rel|r|", home), "!EEXIST");
    expect(me, UNWATCH, 0, "rel|a|", "OK|");
    expect(me, UNWATCH, 0, fmt("%s/rel|r|", home), "OK|");
}

static void in_a_transaction(struct client *me)
{
    uint32_t tx;

    expect(me, WATCH, 0, "$|t|", "OK|");
    forget(me);
    tx = begin(me);
    expect(me, WRITE, tx, "$/z|1", "OK|");
    expect(me, WRITE, tx, "$/a|1", "OK|");
    expect(me, WRITE, tx, "$/z|2", "OK|");
    expect(me, MKDIR, tx, "$/q/r|", "OK|");
    expect(me, WRITE, tx, "$/gone/x|1", "OK|");
    expect(me, RM, tx, "$/gone/x|", "OK|");
    expect(me, RM, tx, "$/gone|", "OK|");
    expect_events(me, "");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect_ordered_events(me, "$/z|t| $/a|t| $/q/r|t|");
}

static void removal_in_a_transaction(struct client *me)
{
    uint32_t tx;

    expect(me, WRITE, 0, "$/w/a|1", "OK|");
    expect(me, WATCH, 0, "$|0|", "OK|");
    expect(me, WATCH, 0, "$/w|1|", "OK|");
    expect(me, WATCH, 0, "$/w/a|2|", "OK|");
    forget(me);
    tx = begin(me);
    expect(me, WRITE, tx, "$/w/a|2", "OK|");
    expect(me, RM, tx, "$/w|", "OK|");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    /* That $/w/a was written is not told: it is gone, and that only to who watches it. */
    expect_events(me, "$/w|0| $/w|1| $/w/a|2|");
    /* Removed and made again: one event. */
    expect(me, WRITE, 0, "$/w|1", "OK|");
    forget(me);
    tx = begin(me);
    expect(me, RM, tx, "$/w|", "OK|");
    expect(me, WRITE, tx, "$/w|2", "OK|");
    expect(me, TRANSACTION_END, tx, "T|", "OK|");
    expect_events(me, "$/w|0| $/w|1|");
}

static void watch_in_a_transaction(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx = begin(me);

    expect(me, WATCH, tx, "$/w|t|", "OK|");
    expect_events(me, "$/w|t|");
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|t|");
    expect(me, TRANSACTION_END, tx, "F|", "OK|");
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|t|");
}

static void to_whom(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(dom0, WRITE, 0, "/t/x|1", "OK|");
    /* No right is needed to watch, and the first event tells nothing. */
    expect(g, WATCH, 0, "/t/x|t|", "OK|");
    expect_events(g, "/t/x|t|");
    expect(dom0, WRITE, 0, "/t/x|2", "OK|");
    expect_events(g, "");
    expect(dom0, SET_PERMS, 0, "/t/x|n0|r5|", "OK|");
    expect_events(g, "/t/x|t|");
    expect(dom0, WRITE, 0, "/t/x|3", "OK|");
    expect_events(g, "/t/x|t|");
    /* That it can be read no longer is the last thing said. */
    expect(dom0, SET_PERMS, 0, "/t/x|n0|", "OK|");
    expect_events(g, "/t/x|t|");
    expect(dom0, WRITE, 0, "/t/x|4", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x|n0|r6|", "OK|");
    expect(dom0, RM, 0, "/t/x|", "OK|");
    expect(dom0, WRITE, 0, "/t/x|5", "OK|");
    expect_events(g, "");
    /* Who may list the parent may know, too. */
    expect(dom0, SET_PERMS, 0, "/t|r0|", "OK|");
    expect_events(g, "");
    expect(dom0, SET_PERMS, 0, "/t/x|n0|", "OK|");
    expect_events(g, "/t/x|t|");
    expect(dom0, WRITE, 0, "/t/x|6", "OK|");
    expect_events(g, "/t/x|t|");
    expect(dom0, RM, 0, "/t/x|", "OK|");
    expect_events(g, "/t/x|t|");
    /* It counts for the parent only, not for any node above. */
    expect(dom0, WRITE, 0, "/t/x/y|1", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x|n0|", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x/y|n0|", "OK|");
    forget(g);
    expect(dom0, WRITE, 0, "/t/x/y|2", "OK|");
    expect_events(g, "");
}

/* Of a subtree each node's removal is told to who could read it. */
static void to_whom_when_removed(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(dom0, WRITE, 0, "/t/x/y/z|1", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x/y|r0|", "OK|");
    expect(g, WATCH, 0, "/t/x|x|", "OK|");
    expect(g, WATCH, 0, "/t/x/y|y|", "OK|");
    expect(g, WATCH, 0, "/t/x/y/z|z|", "OK|");
    forget(g);
    expect(dom0, RM, 0, "/t/x|", "OK|");
    /* z by its parent, y by itself, x not at all. */
    expect_events(g, "/t/x/y|y| /t/x/y/z|z|");
}

static void to_whom_after_a_transaction(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    uint32_t tx;

    expect(dom0, WRITE, 0, "/t/x|1", "OK|");
    expect(dom0, WRITE, 0, "/t/y|1", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/y|r0|", "OK|");
    expect(g, WATCH, 0, "/t|t|", "OK|");
    forget(g);
    tx = begin(dom0);
    expect(dom0, WRITE, tx, "/t/x|2", "OK|");
    expect(dom0, WRITE, tx, "/t/y|2", "OK|");
    expect(dom0, TRANSACTION_END, tx, "T|", "OK|");
    expect_events(g, "/t/y|t|");
    tx = begin(dom0);
    expect(dom0, SET_PERMS, tx, "/t/y|n0|", "OK|");
    expect(dom0, SET_PERMS, tx, "/t/x|r0|", "OK|");
    expect(dom0, TRANSACTION_END, tx, "T|", "OK|");
    expect_events(g, "/t/y|t| /t/x|t|");
    tx = begin(dom0);
    expect(dom0, RM, tx, "/t/y|", "OK|");
    expect(dom0, RM, tx, "/t/x|", "OK|");
    expect(dom0, TRANSACTION_END, tx, "T|", "OK|");
    expect_events(g, "/t/x|t|");
}

static void depth(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, "$/w|-|-1|", "!EINVAL");
    expect(me, WATCH, 0, "$/w|0|0|", "OK|");
    expect(me, WATCH, 0, "$/w|1|1|", "OK|");
    expect(me, WATCH, 0, "$/w|2|2|", "OK|");
    expect(me, WATCH, 0, "$/w|all|", "OK|");
    expect(me, WATCH, 0, "$/w|junk|junk|", "OK|");
    /* The depth is no part of what makes a watch another. */
    expect(me, WATCH, 0, "$/w|1|2|", "!EEXIST");
    expect_events(me, "$/w|0| $/w|1| $/w|2| $/w|all| $/w|junk|");
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, "$/w|0| $/w|1| $/w|2| $/w|all| $/w|junk|");
    expect(dom0, WRITE, 0, "$/w/x|1", "OK|");
    expect_events(me, "$/w/x|1| $/w/x|2| $/w/x|all|");
    expect(dom0, WRITE, 0, "$/w/x/y|1", "OK|");
    expect_events(me, "$/w/x/y|2| $/w/x/y|all|");
    expect(dom0, WRITE, 0, "$/w/x/y/z|1", "OK|");
    expect_events(me, "$/w/x/y/z|all|");
    expect(dom0, RM, 0, "$/w/x/y|", "OK|");
    expect_events(me, "$/w/x/y|2| $/w/x/y|all|");
    expect(dom0, RM, 0, "$/w|", "OK|");
    expect_events(me, "$/w|0| $/w|1| $/w|2| $/w|all| $/w|junk|");
    expect(me, UNWATCH, 0, "$/w|1|", "OK|");
    expect(dom0, WRITE, 0, "$/w/x|1", "OK|");
    expect_events(me, "$/w/x|2| $/w/x|all|");
}

static void depth_of_a_relative_watch(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, "w|t|1|", "OK|");
    forget(me);
    expect(dom0, WRITE, 0, "$/w/x|1", "OK|");
    expect(dom0, WRITE, 0, "$/w/x/y|1", "OK|");
    expect_events(me, "w/x|t|");
}

static void depth_at_the_root(struct client *me)
{
    expect(me, WATCH, 0, "/|0|0|", "OK|");
    expect(me, WATCH, 0, "/|1|1|", "OK|");
    forget(me);
    expect(me, WRITE, 0, "/x|1", "OK|");
    expect_events(me, "/x|1|");
    expect(me, WRITE, 0, "/x/y|1", "OK|");
    expect_events(me, "");
    expect(me, WRITE, 0, "/|1", "OK|");
    expect_events(me, "/|0| /|1|");
}

static void release(struct client *dom0, unsigned domid)
{
    expect(dom0, RELEASE, 0, fmt("%u|", domid), "OK|");
}

static void release_domain_for_a_guest(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    for (unsigned i = 6; i < 9; i++) {
        bench_bare_guest(g->bench, i);
    }
    /* The first event tells nothing; of the next it hears what it may. */
    expect(g, WATCH, 0, "@releaseDomain|r|", "OK|");
    expect(g, WATCH, 0, "@introduceDomain|i|", "OK|");
    expect_events(g, "@releaseDomain|r| @introduceDomain|i|");
    release(dom0, 6);
    bench_bare_guest(g->bench, 9);
    expect_events(g, "");
    expect(dom0, SET_PERMS, 0, "@releaseDomain|n0|r5|", "OK|");
    forget(g);
    release(dom0, 7);
    expect_events(g, "@releaseDomain|r|");
    bench_bare_guest(g->bench, 10);
    expect_events(g, "");
    expect(dom0, SET_PERMS, 0, "@introduceDomain|n0|r32757|", "OK|");
    forget(g);
    bench_bare_guest(g->bench, 11);
    expect_events(g, "@introduceDomain|i|");
    expect(dom0, SET_PERMS, 0, "@releaseDomain|n0|", "OK|");
    forget(g);
    release(dom0, 8);
    expect_events(g, "");
}

static void introduce_domain(struct client *me)
{
    expect(me, WATCH, 0, "@introduceDomain|t|", "OK|");
    expect(me, WATCH, 0, "@nothing|t|", "OK|");
    expect_events(me, "@introduceDomain|t| @nothing|t|");
    bench_bare_guest(me->bench, 5);
    expect_events(me, "@introduceDomain|t|");
    expect(me, INTRODUCE, 0, "5|1005|15|", "OK|");
    expect_events(me, "");
    /* A watch on / is one on nodes. */
    expect(me, UNWATCH, 0, "@introduceDomain|t|", "OK|");
    expect(me, WATCH, 0, "/|t|", "OK|");
    forget(me);
    bench_bare_guest(me->bench, 6);
    expect_events(me, "");
}

static void special_with_depth(struct client *me)
{
    for (unsigned i = 5; i < 8; i++) {
        bench_bare_guest(me->bench, i);
    }
    expect(me, WATCH, 0, "@releaseDomain|0|0|", "OK|");
    expect(me, WATCH, 0, "@releaseDomain|1|1|", "OK|");
    expect(me, WATCH, 0, "@releaseDomain|2|2|", "OK|");
    expect(me, WATCH, 0, "@releaseDomain|plain|", "OK|");
    expect(me, WATCH, 0, "@releaseDomain/6|6|", "OK|");
    expect(me, WATCH, 0, "@introduceDomain|i|1|", "OK|");
    expect_events(me, "@releaseDomain|0| @releaseDomain|1| @releaseDomain|2| @releaseDomain|plain| "
                      "@releaseDomain/6|6| @introduceDomain|i|");
    release(me, 5);
    expect_events(me, "@releaseDomain/5|1| @releaseDomain/5|2| @releaseDomain|plain|");
    release(me, 6);
    expect_events(
        me, "@releaseDomain/6|1| @releaseDomain/6|2| @releaseDomain|plain| @releaseDomain/6|6|");
    assert_int_equal(xsl_domain_shutdown(me->bench->store, 7), 0);
    expect_events(me, "@releaseDomain/7|1| @releaseDomain/7|2| @releaseDomain|plain|");
    bench_bare_guest(me->bench, 8);
    expect_events(me, "@introduceDomain/8|i|");
}

/* One event for each domain, even when nobody has read the last. */
static void special_events_are_not_merged(struct client *me)
{
    for (unsigned i = 5; i < 25; i++) {
        bench_bare_guest(me->bench, i);
    }
    expect(me, WATCH, 0, "@releaseDomain|t|", "OK|");
    expect(me, WATCH, 0, "/t/w|t|", "OK|");
    forget(me);
    me->asleep = true;
    /* What fills the buffers between, so that what comes then has to wait. */
    for (unsigned i = 0; i < 3000; i++) {
        expect(me->bench->dom0, WRITE, 0, fmt("/t/w/%s%u|", repeat('x', 250), i), "OK|");
    }
    for (unsigned i = 5; i < 25; i++) {
        release(me->bench->dom0, i);
    }
    me->asleep = false;
    assert_int_equal(count_events(me), 3020);
}

/* Events that wait and are alike are one. */
static void merging(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    unsigned events;

    expect(g, WATCH, 0, "a|t|", "OK|");
    forget(g);
    g->asleep = true;
    for (unsigned i = 0; i < 1000; i++) {
        expect(dom0, WRITE, 0, fmt("$/a|%u", i), "OK|");
    }
    g->asleep = false;
    events = count_events(g);
    /* As many as the ring took, and one more. */
    expect_range(events, 1, RING_SIZE / 20 + 2);
    expect(g, READ, 0, "a|", "999");
    /* With somebody who reads there is nothing to merge. */
    for (unsigned i = 0; i < 10; i++) {
        expect(dom0, WRITE, 0, fmt("$/a|%u", i), "OK|");
        expect_events(g, "a|t|");
    }
}

static void merging_on_a_socket(struct client *me)
{
    unsigned events;

    expect(me, WATCH, 0, fmt("/t/w|%s|", repeat('t', 1000)), "OK|");
    forget(me);
    me->asleep = true;
    for (unsigned i = 0; i < 20000; i++) {
        expect(me->bench->dom0, WRITE, 0, "/t/w|x", "OK|");
    }
    me->asleep = false;
    events = count_events(me);
    /* Socket buffers take some hundred. */
    expect_range(events, 1, 5000);
}

static void longest_token(struct client *me)
{
    unsigned room = PAYLOAD_MAX - (unsigned)strlen(me->dir) - 4;
    const char *token = repeat('t', room);
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, fmt("$/w|%s|", token), "OK|");
    expect_events(me, fmt("$/w|%s|", token));
    /* One byte more than an event may have. */
    expect(dom0, MKDIR, 0, "$/w/x|", "OK|");
    expect_events(me, "");
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    expect_events(me, fmt("$/w|%s|", token));
    expect(me, UNWATCH, 0, fmt("$/w|%s|", token), "OK|");
}

static void sleeping_watcher(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    GHashTable *paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct message m;
    unsigned events = 0;

    expect(me, WATCH, 0, "/t|token|", "OK|");
    forget(me);
    me->asleep = true;
    for (unsigned i = 0; i < 20000; i++) {
        expect(dom0, WRITE, 0, fmt("/t/%u|%u", i % 5000, i), "OK|");
    }
    me->asleep = false;
    while (next_message(me, &m)) {
        assert_int_equal(m.header.type, WATCH_EVENT);
        g_hash_table_add(paths, g_strdup(m.payload));
        events++;
    }
    expect_range(events, 5000, 20000);
    assert_int_equal(g_hash_table_size(paths), 5000);
    expect(me, READ, 0, "/t/4999|", "19999");
    g_hash_table_destroy(paths);
}

/* Who never reads is hung up on, before he costs too much; nobody waits for him. */
static void sleeping_for_good(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    unsigned i;

    for (i = 0; i < 20; i++) {
        expect(me, WATCH, 0, fmt("/t|%s%u|", repeat('t', 3000), i), "OK|");
    }
    forget(me);
    me->asleep = true;
    /* 250 MB of events in all. */
    for (i = 0; i < 4000; i++) {
        expect(dom0, WRITE, 0, fmt("/t/%u|", i), "OK|");
    }
    me->asleep = false;
    forget(me);
    assert_true(me->closed);
    expect(dom0, READ, 0, "/t|", "");
}

static void many_of_a_guest(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    unsigned n;

    for (n = 0; n < 200; n++) {
        char *reply = ask_text(g, WATCH, 0, fmt("w|%u|", n));
        bool refused = strcmp(reply, "!ENOSPC") == 0;

        assert_true(refused || strcmp(reply, "OK|") == 0);
        g_free(reply);
        if (refused) {
            break;
        }
    }
    expect_range(n, 127, 129);
    assert_int_equal(count_events(g), n);
    expect(dom0, WRITE, 0, "$/w|1", "OK|");
    assert_int_equal(count_events(g), n);
    expect(g, UNWATCH, 0, "w|0|", "OK|");
    expect(g, WATCH, 0, "w|new|", "OK|");
    expect(g, WATCH, 0, "w|newer|", "!ENOSPC");
    expect(g, RESET_WATCHES, 0, "|", "OK|");
    expect(g, WATCH, 0, "w|newer|", "OK|");
}

static void many_of_a_socket(struct client *me)
{
    for (unsigned i = 0; i < 1500; i++) {
        expect(me, WATCH, 0, fmt("/t/w|%u|", i), "OK|");
    }
    assert_int_equal(count_events(me), 1500);
    expect(me, WRITE, 0, "/t/w|1", "OK|");
    assert_int_equal(count_events(me), 1500);
}

static void reset(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    uint32_t tx, tx2;

    expect(me, WATCH, 0, "$|1|", "OK|");
    expect(me, WATCH, 0, "@releaseDomain|2|", "OK|");
    expect(dom0, WATCH, 0, "$|theirs|", "OK|");
    tx = begin(me);
    expect(me, WRITE, tx, "$/a|1", "OK|");
    tx2 = begin(me);
    forget(me);
    forget(dom0);
    /* tx_id is ignored, even a bad one: this is how a new kernel begins. */
    expect(me, RESET_WATCHES, 0, "|", "OK|");
    expect(me, READ, tx, "$/a|", "!ENOENT");
    expect(me, TRANSACTION_END, tx, "T|", "!ENOENT");
    expect(me, TRANSACTION_END, tx2, "T|", "!ENOENT");
    expect(me, READ, 0, "$/a|", "!ENOENT");
    expect(dom0, WRITE, 0, "$/b|1", "OK|");
    expect_events(me, "");
    expect_events(dom0, "$/b|theirs|");
    expect(me, UNWATCH, 0, "$|1|", "!ENOENT");
    expect(me, WATCH, 0, "$|1|", "OK|");
    expect_events(me, "$|1|");
    expect(me, RESET_WATCHES, 0, "", "OK|");
    expect(dom0, WRITE, 0, "$/b|1", "OK|");
    expect_events(me, "");
}

static void unwatch_and_events_on_the_way(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, "$|t|", "OK|");
    forget(me);
    expect(me, UNWATCH, 0, "$|t|", "OK|");
    expect(dom0, WRITE, 0, "$/a|1", "OK|");
    expect_events(me, "");
    /* Watched once more it is as new. */
    expect(me, WATCH, 0, "$|t|", "OK|");
    expect_events(me, "$|t|");
}

static void hang_up_while_watching(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(me, WATCH, 0, "/t|t|", "OK|");
    hang_up(me);
    expect(dom0, WRITE, 0, "/t/a|1", "OK|");
    expect(dom0, RM, 0, "/t/a|", "OK|");
}

static const struct test tests[] = {
    {"case 56: the first event", first_event, BOTH},
    {"case 57: what makes a watch another", keys, BOTH},
    {"tokens", tokens, BOTH},
    {"case 58: what fires", what_fires, BOTH},
    {"case 59: new levels", new_levels, BOTH},
    {"case 60: removal", removal, BOTH},
    {"case 60: removal, children first", removal_in_order, BOTH},
    {"case 61: components", components, BOTH},
    {"case 62: relative watches", relative, BOTH},
    {"case 63: in a transaction", in_a_transaction, BOTH},
    {"removal in a transaction", removal_in_a_transaction, BOTH},
    {"case 64: WATCH in a transaction", watch_in_a_transaction, BOTH},
    {"case 65: to whom", to_whom, RING},
    {"to whom, when removed", to_whom_when_removed, RING},
    {"to whom, after a transaction", to_whom_after_a_transaction, RING},
    {"depth", depth, BOTH},
    {"depth of a relative watch", depth_of_a_relative_watch, RING},
    {"depth at the root", depth_at_the_root, SOCKET},
    {"case 66: @releaseDomain for a guest", release_domain_for_a_guest, RING},
    {"case 67: @introduceDomain", introduce_domain, SOCKET},
    {"special watches with depth", special_with_depth, SOCKET},
    {"special events are not merged", special_events_are_not_merged, SOCKET},
    {"merging", merging, RING},
    {"merging on a socket", merging_on_a_socket, SOCKET},
    {"case 68: the longest token", longest_token, BOTH},
    {"case 69: a sleeping watcher", sleeping_watcher, SOCKET},
    {"a watcher that never wakes", sleeping_for_good, SOCKET},
    {"case 70: many of a guest's", many_of_a_guest, RING},
    {"case 70: many of a socket's", many_of_a_socket, SOCKET},
    {"case 71: RESET_WATCHES", reset, BOTH},
    {"UNWATCH", unwatch_and_events_on_the_way, BOTH},
    {"hang up while watching", hang_up_while_watching, SOCKET},
};

int main(void)
{
    return bench_run("watches", tests, G_N_ELEMENTS(tests), NULL, 0);
}
