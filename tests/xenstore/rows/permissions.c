/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what, and who learns that a node exists: cases 35 to 44 of the
 * protocol's conformance list.
 */
#include "client.h"

#include <string.h>

/* clang-format off */
static const struct row rows[] = {
    SOCKET_ROW("case 35: permissions of the root", GET_PERMS, "/|", "n0|"),
    SOCKET_ROW("case 35: a list", SET_PERMS, "/t/a|n0|r5|b6|w7|", "OK|"),
    SOCKET_THEN("case 35: ... comes back in order", GET_PERMS, "/t/a|", "n0|r5|b6|w7|"),
    SOCKET_ROW("each letter", SET_PERMS, "/t/a|b0|n1|w2|r3|", "OK|"),
    SOCKET_THEN("... comes back", GET_PERMS, "/t/a|", "b0|n1|w2|r3|"),
    SOCKET_ROW("the same domain twice", SET_PERMS, "/t/a|n0|r5|w5|", "OK|"),
    SOCKET_THEN("... comes back", GET_PERMS, "/t/a|", "n0|r5|w5|"),
    SOCKET_ROW("more entries than a guest may make", SET_PERMS,
               "/t/a|n0|r1|r2|r3|r4|r5|r6|r7|r8|r9|", "OK|"),
    SOCKET_THEN("... come back", GET_PERMS, "/t/a|", "n0|r1|r2|r3|r4|r5|r6|r7|r8|r9|"),
    SOCKET_ROW("case 36: a parent's permissions", SET_PERMS, "/t/d|r0|b6|", "OK|"),
    SOCKET_THEN("case 36: a child", WRITE, "/t/d/x/y|1", "OK|"),
    SOCKET_THEN("case 36: ... has them", GET_PERMS, "/t/d/x/y|", "r0|b6|"),
    SOCKET_THEN("... and what was made above it", GET_PERMS, "/t/d/x|", "r0|b6|"),
    SOCKET_THEN("... which they keep", SET_PERMS, "/t/d|n0|", "OK|"),
    SOCKET_THEN("... after the parent changed", GET_PERMS, "/t/d/x|", "r0|b6|"),
    SOCKET_ROW("case 40: an owner that does not exist", SET_PERMS, "/t/a|n30|", "!ENOENT"),
    SOCKET_THEN("case 40: ... is not set", GET_PERMS, "/t/a|", "n0|"),
    SOCKET_THEN("case 40: another entry of such a domain", SET_PERMS, "/t/a|n0|r30|", "OK|"),
    SOCKET_THEN("case 40: ... is stored", GET_PERMS, "/t/a|", "n0|r30|"),
    SOCKET_ROW("the greatest number", SET_PERMS, "/t/a|n0|r65535|", "OK|"),
    SOCKET_THEN("... comes back", GET_PERMS, "/t/a|", "n0|r65535|"),
    SOCKET_ROW("SET_PERMS of nothing", SET_PERMS, "/t/zz|n0|", "!ENOENT"),

    SOCKET_ROW("permissions of @introduceDomain", GET_PERMS, "@introduceDomain|", "n0|"),
    SOCKET_ROW("permissions of @releaseDomain", GET_PERMS, "@releaseDomain|", "n0|"),
    SOCKET_THEN("... can be set", SET_PERMS, "@releaseDomain|n0|r5|", "OK|"),
    SOCKET_THEN("... and come back", GET_PERMS, "@releaseDomain|", "n0|r5|"),
    SOCKET_ROW("those of no known special path cannot", SET_PERMS, "@foo|n0|", "!ENOENT"),
    RING_ROW("a guest may not read them", GET_PERMS, "@releaseDomain|", "!EACCES"),
    RING_ROW("... neither of them", GET_PERMS, "@introduceDomain|", "!EACCES"),
    RING_ROW("... and sets none", SET_PERMS, "@releaseDomain|n0|", "!EACCES"),

    RING_ROW("case 39: own node", SET_PERMS, "$/a|n5|r0|", "OK|"),
    RING_THEN("case 39: ... comes back", GET_PERMS, "$/a|", "n5|r0|"),
    RING_THEN("case 39: ... given away", SET_PERMS, "$/a|n0|", "!EPERM"),
    RING_THEN("case 39: ... is not", GET_PERMS, "$/a|", "n5|r0|"),
    RING_ROW("case 39: four entries", SET_PERMS, "$/a|n5|r0|r1|r2|", "OK|"),
    RING_ROW("case 39: six entries", SET_PERMS, "$/a|n5|r0|r1|r2|r3|r4|", "!ENOSPC"),
    RING_ROW("case 39: not owned", SET_PERMS, "/t|n5|", "!EACCES"),
    RING_ROW("SET_PERMS of nothing, at home", SET_PERMS, "$/zz|n5|", "!ENOENT"),
    RING_ROW("SET_PERMS of nothing, elsewhere", SET_PERMS, "/t/zz|n5|", "!EACCES"),

    RING_ROW("case 41: INTRODUCE by a guest", INTRODUCE, "6|1|1|", "!EACCES"),
    RING_ROW("case 41: RELEASE by a guest", RELEASE, "5|", "!EACCES"),
    RING_ROW("case 41: RESUME by a guest", RESUME, "5|", "!EACCES"),
    RING_ROW("case 41: SET_TARGET by a guest", SET_TARGET, "5|0|", "!EACCES"),
    RING_ROW("case 41: IS_DOMAIN_INTRODUCED by a guest", IS_DOMAIN_INTRODUCED, "5|", "!EACCES"),
    RING_ROW("case 41: CONTROL by a guest", CONTROL, "help|", "!EACCES"),
    RING_ROW("SET_FEATURE by a guest", SET_FEATURE, "5|1|", "!EACCES"),
    RING_ROW("GET_QUOTA by a guest", GET_QUOTA, "", "!EACCES"),
    RING_ROW("SET_QUOTA by a guest", SET_QUOTA, "nodes|1|", "!EACCES"),
    RING_ROW("GET_FEATURE of a domain by a guest", GET_FEATURE, "5|", "!EACCES"),
    RING_ROW("... of an empty name", GET_FEATURE, "|", "!EACCES"),
    RING_ROW("case 41: GET_DOMAIN_PATH by a guest", GET_DOMAIN_PATH, "6|", "/local/domain/6|"),
    RING_ROW("case 41: RESET_WATCHES by a guest", RESET_WATCHES, "|", "OK|"),
    RING_ROW("the root, by a guest", READ, "/|", "!EACCES"),
    RING_ROW("... removed", RM, "/tool|", "!EACCES"),
    RING_ROW("... written", WRITE, "/zz|1", "!EACCES"),
};
/* clang-format on */

/* What guest 5 may do with a node of these permissions. */
static void access_of_a_guest(struct client *g)
{
    static const struct {
        const char *perms;
        bool reads;
        bool writes;
    } cases[] = {
        {"n0|", false, false},
        {"r0|", true, false},
        {"w0|", false, true},
        {"b0|", true, true},
        {"n0|r5|", true, false},
        {"n0|w5|", false, true},
        {"n0|b5|", true, true},
        {"b0|n5|", false, false},
        {"b0|r5|", true, false},
        {"n0|r6|", false, false},
        {"n0|b6|r5|", true, false},
        /* The first entry for a domain counts. */
        {"n0|r5|w5|", true, false},
        {"n0|n5|b5|", false, false},
        /* The owner may do all, and is not found among the others. */
        {"n5|", true, true},
        {"n5|n5|", true, true},
        {"n6|", false, false},
        {"n6|r5|", true, false},
        /* 32757 is every domain. */
        {"n0|r32757|", true, false},
        {"n0|b32757|", true, true},
        {"n0|n5|b32757|", false, false},
        {"n0|r6|b32757|", true, true},
        {"n0|r32757|b5|", true, false},
    };
    struct client *dom0 = g->bench->dom0;

    bench_guest(g->bench, 6);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *read = cases[i].reads ? "value" : "!EACCES";
        const char *write = cases[i].writes ? "OK|" : "!EACCES";

        print_message("%s\n", cases[i].perms);
        expect(dom0, WRITE, 0, "/t/x/y|value", "OK|");
        expect(dom0, SET_PERMS, 0, fmt("/t/x/y|%s", cases[i].perms), "OK|");
        expect(g, READ, 0, "/t/x/y|", read);
        expect(g, GET_PERMS, 0, "/t/x/y|", cases[i].reads ? cases[i].perms : "!EACCES");
        expect(g, DIRECTORY, 0, "/t/x/y|", cases[i].reads ? "" : "!EACCES");
        expect(g, MKDIR, 0, "/t/x/y/z|", write);
        expect(g, WRITE, 0, "/t/x/y|value", write);
        expect(g, RM, 0, "/t/x/y|", write);
        expect(dom0, READ, 0, "/t/x/y|", cases[i].writes ? "!ENOENT" : "value");
    }
}

static void only_the_node_counts(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    /* Readable below what is not, and the reverse. */
    expect(dom0, WRITE, 0, "/t/x/y|value", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x/y|r0|", "OK|");
    expect(g, READ, 0, "/t/x/y|", "value");
    expect(g, READ, 0, "/t/x|", "!EACCES");
    expect(dom0, SET_PERMS, 0, "/t/x/y|n0|", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x|r0|", "OK|");
    expect(g, READ, 0, "/t/x/y|", "!EACCES");
    expect(g, DIRECTORY, 0, "/t/x|", "y|");
    /* A list says of a node that it exists; it needs no more than its own permissions. */
    expect(g, GET_PERMS, 0, "/t/x|", "r0|");
}

static void children_of_a_guest(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(dom0, MKDIR, 0, "/t/b|", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/b|n0|b5|", "OK|");
    expect(g, WRITE, 0, "/t/b/x/y|1", "OK|");
    expect(dom0, GET_PERMS, 0, "/t/b/x|", "n5|b5|");
    expect(dom0, GET_PERMS, 0, "/t/b/x/y|", "n5|b5|");
    /* dom0's child of a guest's node is the guest's. */
    expect(dom0, WRITE, 0, "$/made|1", "OK|");
    expect(dom0, GET_PERMS, 0, "$/made|", "n5|");
    expect(g, READ, 0, "$/made|", "1");
    /* Write permission is enough to make a child, which then is one's own. */
    expect(dom0, MKDIR, 0, "/t/w|", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/w|r0|w5|r6|", "OK|");
    expect(g, WRITE, 0, "/t/w/x|1", "OK|");
    expect(g, READ, 0, "/t/w/x|", "1");
    expect(dom0, GET_PERMS, 0, "/t/w/x|", "r5|w5|r6|");
}

static void missing_nodes_are_hidden(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    struct client *homeless = bench_bare_guest(g->bench, 6);

    expect(dom0, MKDIR, 0, "/t/pub|", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/pub|r0|", "OK|");
    expect(g, READ, 0, "/t/zz|", "!EACCES");
    expect(g, READ, 0, "/zz|", "!EACCES");
    expect(g, READ, 0, "/t/zz/zz|", "!EACCES");
    expect(g, READ, 0, "/t/pub/zz|", "!ENOENT");
    expect(g, READ, 0, "/t/pub/zz/zz|", "!ENOENT");
    expect(g, DIRECTORY, 0, "/t/pub/zz|", "!ENOENT");
    expect(g, DIRECTORY, 0, "/t/zz|", "!EACCES");
    expect(g, DIRECTORY_PART, 0, "/t/zz|0|", "!EACCES");
    expect(g, GET_PERMS, 0, "/t/zz|", "!EACCES");
    expect(g, READ, 0, "zz|", "!ENOENT");
    expect(g, READ, 0, "/local/domain/5/zz/zz|", "!ENOENT");
    expect(homeless, READ, 0, "/local/domain/6|", "!EACCES");
    expect(homeless, READ, 0, "zz|", "!EACCES");
    expect(homeless, WRITE, 0, "zz|1", "!EACCES");
    /* To remove needs the right to write: what may only be read does not tell. */
    expect(g, RM, 0, "/t/zz|", "!EACCES");
    expect(g, RM, 0, "/t/pub/zz|", "!EACCES");
    expect(g, WRITE, 0, "/t/pub/zz|1", "!EACCES");
    expect(g, MKDIR, 0, "/t/pub/zz|", "!EACCES");
    /* In a transaction alike. */
    {
        uint32_t tx = begin(g);

        expect(g, READ, tx, "/t/zz|", "!EACCES");
        expect(g, READ, tx, "/t/pub/zz|", "!ENOENT");
        expect(g, RM, tx, "/t/pub/zz|", "!EACCES");
        expect(g, TRANSACTION_END, tx, "T|", "OK|");
    }
}

static void set_perms_by_a_guest(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(dom0, WRITE, 0, "/t/x|1", "OK|");
    /* The right to write is not enough. */
    expect(dom0, SET_PERMS, 0, "/t/x|b0|b5|", "OK|");
    expect(g, SET_PERMS, 0, "/t/x|b0|n5|", "!EACCES");
    expect(dom0, SET_PERMS, 0, "/t/x|n5|", "OK|");
    expect(g, SET_PERMS, 0, "/t/x|b5|", "OK|");
    expect(dom0, GET_PERMS, 0, "/t/x|", "b5|");
    /* dom0 gives, and takes. */
    expect(dom0, SET_PERMS, 0, "/t/x|n0|", "OK|");
    expect(g, READ, 0, "/t/x|", "!EACCES");
}

static void a_target(struct client *g5)
{
    struct client *dom0 = g5->bench->dom0;
    struct client *g6 = bench_guest(g5->bench, 6);

    expect(dom0, WRITE, 0, "$/x|1", "OK|");
    expect(dom0, WRITE, 0, "/t/y|2", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/y|n0|r5|", "OK|");
    expect(g6, READ, 0, "/local/domain/5/x|", "!EACCES");
    expect(g6, READ, 0, "/t/y|", "!EACCES");
    expect(dom0, SET_TARGET, 0, "6|5|", "OK|");
    expect(g6, READ, 0, "/local/domain/5/x|", "1");
    expect(g6, WRITE, 0, "/local/domain/5/x|2", "OK|");
    expect(g6, READ, 0, "/t/y|", "2");
    expect(g6, WRITE, 0, "/local/domain/5/new|3", "OK|");
    expect(dom0, GET_PERMS, 0, "/local/domain/5/new|", "n6|");
    /* Not the other way round. */
    expect(g5, READ, 0, "/local/domain/6|", "!EACCES");
    expect(g5, READ, 0, "new|", "!EACCES");
}

static void set_target_errors(struct client *me)
{
    bench_guest(me->bench, 5);
    me->bench->domain[7].exists = true;
    expect(me, SET_TARGET, 0, "5|", "!EINVAL");
    expect(me, SET_TARGET, 0, "5", "!EINVAL");
    expect(me, SET_TARGET, 0, "x|5|", "!EINVAL");
    expect(me, SET_TARGET, 0, "5|x|", "!EINVAL");
    expect(me, SET_TARGET, 0, "5|7|", "!ENOENT");
    expect(me, SET_TARGET, 0, "7|5|", "!ENOENT");
    expect(me, SET_TARGET, 0, "5|9|", "!ENOENT");
}

static void an_entry_does_not_survive_its_domain(struct client *g)
{
    struct bench *b = g->bench;
    struct client *dom0 = b->dom0;
    struct client *next;

    expect(dom0, WRITE, 0, "/t/x|value", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/x|n0|r5|r6|", "OK|");
    expect(dom0, SET_PERMS, 0, "@introduceDomain|n0|r5|", "OK|");
    expect(g, READ, 0, "/t/x|", "value");
    expect(dom0, RELEASE, 0, "5|", "OK|");
    b->domain[5].exists = false;
    expect(dom0, GET_PERMS, 0, "/t/x|", "n0|r6|");
    expect(dom0, GET_PERMS, 0, "@introduceDomain|", "n0|");
    g_ptr_array_remove(b->clients, g);
    next = bench_guest(b, 5);
    expect(next, READ, 0, "/t/x|", "!EACCES");
    expect(dom0, SET_PERMS, 0, "/t/x|n0|r5|", "OK|");
    expect(next, READ, 0, "/t/x|", "value");
    /* For bench_free(). */
    g_ptr_array_add(b->clients, g);
}

static void an_entry_is_not_for_a_later_domain(struct client *me)
{
    struct client *later;

    expect(me, WRITE, 0, "/t/x|value", "OK|");
    expect(me, SET_PERMS, 0, "/t/x|n0|r9|", "OK|");
    later = bench_guest(me->bench, 9);
    expect(later, READ, 0, "/t/x|", "!EACCES");
    expect(me, SET_PERMS, 0, "/t/x|n0|r9|", "OK|");
    expect(later, READ, 0, "/t/x|", "value");
}

/* As a toolstack does it: the domain is there, its store is filled, then INTRODUCE. */
static void an_entry_made_before_introduce(struct client *me)
{
    struct client *guest;

    me->bench->domain[9].exists = true;
    expect(me, WRITE, 0, "/t/x|value", "OK|");
    expect(me, SET_PERMS, 0, "/t/x|n0|r9|", "OK|");
    expect(me, WRITE, 0, "/t/y|value", "OK|");
    expect(me, SET_PERMS, 0, "/t/y|n9|", "OK|");
    guest = bench_guest(me->bench, 9);
    expect(guest, READ, 0, "/t/x|", "value");
    expect(guest, WRITE, 0, "/t/y|new", "OK|");
}

static void own_directory_with_a_foreign_child(struct client *g)
{
    struct client *dom0 = g->bench->dom0;

    expect(g, MKDIR, 0, "dir|", "OK|");
    expect(dom0, WRITE, 0, "$/dir/x/y|1", "OK|");
    expect(dom0, SET_PERMS, 0, "$/dir/x|n0|", "OK|");
    expect(g, RM, 0, "dir/x|", "!EACCES");
    expect(g, RM, 0, "dir|", "OK|");
    expect(dom0, READ, 0, "$/dir/x/y|", "!ENOENT");
    expect(dom0, DIRECTORY, 0, "$|", "");
}

static const struct test tests[] = {
    {"cases 36, 37: what permissions allow", access_of_a_guest, RING},
    {"only the node's own permissions count", only_the_node_counts, RING},
    {"case 36: whose a new node is", children_of_a_guest, RING},
    {"case 38: missing nodes are hidden", missing_nodes_are_hidden, RING},
    {"case 39: SET_PERMS by a guest", set_perms_by_a_guest, RING},
    {"case 42: a target", a_target, RING},
    {"SET_TARGET that cannot be", set_target_errors, SOCKET},
    {"case 43: an entry does not survive its domain", an_entry_does_not_survive_its_domain, RING},
    {"case 40: an entry is not for a later domain", an_entry_is_not_for_a_later_domain, SOCKET},
    {"an entry made before INTRODUCE", an_entry_made_before_introduce, SOCKET},
    {"case 44: own directory with a foreign child", own_directory_with_a_foreign_child, RING},
};

int main(void)
{
    return bench_run("permissions", tests, G_N_ELEMENTS(tests), rows, G_N_ELEMENTS(rows));
}
