/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of nodes and the ways to list it: cases 27 to 34 of the protocol's
 * conformance list.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct row rows[] = {
    ROW("case 27: WRITE makes what is missing above", WRITE, "$/p/q/r|1", "OK|"),
    THEN("... empty", READ, "$/p|", ""),
    THEN("... all of it", READ, "$/p/q|", ""),
    THEN("... in the list", DIRECTORY, "$/p|", "q|"),
    THEN("... each", DIRECTORY, "$/p/q|", "r|"),
    THEN("a node has children and a value", WRITE, "$/p|2", "OK|"),
    THEN("... the value", READ, "$/p|", "2"),
    THEN("... the children", READ, "$/p/q/r|", "1"),
    ROW("MKDIR makes what is missing above", MKDIR, "$/p/q/r|", "OK|"),
    THEN("... in the list", DIRECTORY, "$/p|", "q|"),
    ROW("case 28: MKDIR of what is there", MKDIR, "$/a|", "OK|"),
    THEN("case 28: ... leaves the value", READ, "$/a|", "A"),
    ROW("case 29: RM of what is not there", RM, "$/zz|", "OK|"),
    ROW("case 29: ... nor its parent", RM, "$/none/zz|", "!ENOENT"),
    SOCKET_ROW("case 29: ... at the top", RM, "/zz|", "OK|"),
    SOCKET_ROW("case 29: RM of the root", RM, "/|", "!EINVAL"),
    ROW("case 30: a subtree", WRITE, "$/d/x/y/z|1", "OK|"),
    THEN("case 30: RM", RM, "$/d|", "OK|"),
    THEN("case 30: ... removed it", READ, "$/d|", "!ENOENT"),
    THEN("case 30: ... and what was below", READ, "$/d/x|", "!ENOENT"),
    THEN("case 30: ... all of it", READ, "$/d/x/y/z|", "!ENOENT"),
    THEN("case 30: ... from the list, too", DIRECTORY, "$|", "a|"),
    THEN("made again it is empty", WRITE, "$/d|", "OK|"),
    THEN("... really", DIRECTORY, "$/d|", ""),
    ROW("case 31: DIRECTORY of a leaf", DIRECTORY, "$/a|", ""),
    ROW("DIRECTORY of nothing", DIRECTORY, "$/zz|", "!ENOENT"),
    ROW("READ of nothing", READ, "$/zz|", "!ENOENT"),
    ROW("GET_PERMS of nothing", GET_PERMS, "$/zz|", "!ENOENT"),
    ROW("DIRECTORY_PART of nothing", DIRECTORY_PART, "$/zz|0|", "!ENOENT"),
    ROW("case 33: DIRECTORY_PART without an offset", DIRECTORY_PART, "$|", "!EINVAL"),
    ROW("case 33: DIRECTORY_PART with two", DIRECTORY_PART, "$|0|0|", "!EINVAL"),
    SOCKET_ROW("the root has a value", WRITE, "/|1", "OK|"),
    SOCKET_THEN("... like any node", READ, "/|", "1"),
    SOCKET_ROW("MKDIR of the root", MKDIR, "/|", "OK|"),
    SOCKET_ROW("/tool/xenstored is there", READ, "/tool/xenstored|", ""),
    SOCKET_ROW("/local is there", READ, "/local|", ""),
    SOCKET_ROW("/tool/xenstored is dom0's", GET_PERMS, "/tool/xenstored|", "n0|"),
    ROW("an empty value", WRITE, "$/a|", "OK|"),
    THEN("... is no value of one byte", READ, "$/a|", ""),
};
/* clang-format on */

static void every_byte_in_a_value(struct client *me)
{
    char payload[300];
    struct message m;
    size_t start = (size_t)sprintf(payload, "%s/v", me->dir) + 1;

    for (unsigned i = 0; i < 256; i++) {
        payload[start + i] = (char)i;
    }
    send_message(me, WRITE, 0, payload, start + 256);
    assert_true(next_reply(me, &m));
    assert_int_equal(m.header.type, WRITE);
    say(me, READ, 0, "$/v|");
    assert_true(next_reply(me, &m));
    assert_int_equal(m.header.type, READ);
    assert_int_equal(m.header.len, 256);
    assert_memory_equal(m.payload, payload + start, 256);
}

static void mkdir_and_rm_without_events(struct client *me)
{
    expect(me, WRITE, 0, "$/a|A", "OK|");
    expect(me, WATCH, 0, "$|t|", "OK|");
    expect_events(me, "$|t|");
    expect(me, MKDIR, 0, "$/a|", "OK|");
    expect(me, RM, 0, "$/zz|", "OK|");
    expect(me, RM, 0, "$/none/zz|", "!ENOENT");
    expect_events(me, "");
    expect(me, READ, 0, "$/a|", "A");
}

static void many_children(struct client *me)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    char *reply;
    size_t len = 0;

    for (unsigned i = 0; i < 150; i++) {
        expect(me, MKDIR, 0, fmt("$/d/n%u|", i), "OK|");
    }
    for (unsigned i = 0; i < 150; i += 3) {
        expect(me, RM, 0, fmt("$/d/n%u|", i), "OK|");
    }
    reply = ask_text(me, DIRECTORY, 0, "$/d|");
    for (char *name = strtok(reply, "|"); name; name = strtok(NULL, "|")) {
        g_hash_table_add(names, g_strdup(name));
        len++;
    }
    assert_int_equal(len, 100);
    for (unsigned i = 0; i < 150; i++) {
        assert_int_equal(g_hash_table_contains(names, fmt("n%u", i)), i % 3 != 0);
    }
    g_free(reply);
    g_hash_table_destroy(names);
}

/* --- DIRECTORY_PART ------------------------------------------------------------------- */

/* The generation it says $/PATH has. */
static uint64_t generation(struct client *me, const char *path)
{
    char *reply = ask_text(me, DIRECTORY_PART, 0, fmt("%s|0|", path));
    char *end;
    uint64_t generation = strtoull(reply, &end, 10);

    if (end == reply || *end != '|') {
        fail_msg("DIRECTORY_PART %s: expected a generation, got '%.100s'", path, reply);
    }
    g_free(reply);
    return generation;
}

static const char *big_name(unsigned i)
{
    return fmt("%s-%03u", repeat('n', 23), i);
}

/* 200 names of 27 bytes, made by dom0, since no guest's directory takes that much. */
static void make_big_directory(struct client *me)
{
    struct client *dom0 = me->bench->dom0;

    expect(dom0, MKDIR, 0, "/t/big|", "OK|");
    expect(dom0, SET_PERMS, 0, "/t/big|r0|", "OK|");
    for (unsigned i = 0; i < 200; i++) {
        expect(dom0, MKDIR, 0, fmt("/t/big/%s|", big_name(i)), "OK|");
    }
}

static void parts_of_a_big_directory(struct client *me)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct message *m = g_new(struct message, 1);
    uint64_t first_generation;
    unsigned offset = 0, parts = 0;
    bool last = false;

    make_big_directory(me);
    first_generation = generation(me, "/t/big");
    expect(me, DIRECTORY, 0, "/t/big|", "!E2BIG");
    while (!last) {
        const char *p = m->payload, *end;

        say(me, DIRECTORY_PART, 0, fmt("/t/big|%u|", offset));
        assert_true(next_reply(me, m));
        assert_int_equal(m->header.type, DIRECTORY_PART);
        assert_in_range(m->header.len, 4, PAYLOAD_MAX);
        end = p + m->header.len;
        assert_int_equal(end[-1], 0);
        assert_int_equal(strtoull(p, NULL, 10), first_generation);
        p += strlen(p) + 1;
        last = end[-2] == '\0';
        end -= last;
        while (p < end) {
            assert_true(g_hash_table_add(names, g_strdup(p)));
            offset += (unsigned)strlen(p) + 1;
            p += strlen(p) + 1;
        }
        /* As many as there is space for, the NUL at the end included. */
        if (!last) {
            expect_range(m->header.len, PAYLOAD_MAX - 28, PAYLOAD_MAX);
        }
        parts++;
    }
    assert_int_equal(parts, 2);
    assert_int_equal(g_hash_table_size(names), 200);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(g_hash_table_contains(names, big_name(i)));
    }
    g_hash_table_destroy(names);
    g_free(m);
}

/* DIRECTORY still fits with a reply of 4096 bytes, and not with one of 4097. */
static void biggest_directory(struct client *me)
{
    struct client *dom0 = me->bench->dom0;
    char *reply;

    for (unsigned i = 0; i < 41; i++) {
        expect(dom0, MKDIR, 0, fmt("/t/big/%s%02u|", repeat('n', i == 40 ? 93 : 97), i), "OK|");
    }
    reply = ask_text(dom0, DIRECTORY, 0, "/t/big|");
    assert_int_equal(strlen(reply), 40 * 100 + 96);
    g_free(reply);
    expect(dom0, RM, 0, fmt("/t/big/%s40|", repeat('n', 93)), "OK|");
    expect(dom0, MKDIR, 0, fmt("/t/big/%s40|", repeat('n', 94)), "OK|");
    expect(dom0, DIRECTORY, 0, "/t/big|", "!E2BIG");
}

static void small_parts(struct client *me)
{
    uint64_t gen;

    expect(me, MKDIR, 0, "$/d/x|", "OK|");
    gen = generation(me, "$/d");
    expect(me, DIRECTORY_PART, 0, "$/d|0|", fmt("%" G_GUINT64_FORMAT "|x||", gen));
    expect(me, DIRECTORY_PART, 0, "$/d|2|", fmt("%" G_GUINT64_FORMAT "||", gen));
    expect(me, DIRECTORY_PART, 0, "$/d|99999|", fmt("%" G_GUINT64_FORMAT "||", gen));
    expect(me, DIRECTORY_PART, 0, "$/d|-1|", fmt("%" G_GUINT64_FORMAT "||", gen));
    expect(me, DIRECTORY_PART, 0, "$/d|abc|", fmt("%" G_GUINT64_FORMAT "|x||", gen));
    gen = generation(me, "$/d/x");
    expect(me, DIRECTORY_PART, 0, "$/d/x|0|", fmt("%" G_GUINT64_FORMAT "||", gen));
}

/* What changes a node's generation, one after the other. */
static void generations(struct client *me)
{
    static const struct {
        const char *name;
        uint32_t type;
        const char *request;
        bool changes;
    } steps[] = {
        {"another's value", WRITE, "$/e|1", false},
        {"its child's value", WRITE, "$/d/x|1", false},
        {"its child's permissions", SET_PERMS, "$/d/x|r%u|", false},
        {"its child's child", WRITE, "$/d/x/y|1", false},
        {"its value read", READ, "$/d|", false},
        {"made again", MKDIR, "$/d|", false},
        {"removed what is not there", RM, "$/d/zz|", false},
        {"one more child", WRITE, "$/d/z|1", true},
        {"one child less", RM, "$/d/z|", true},
        {"its value", WRITE, "$/d|1", true},
        {"its value, the same", WRITE, "$/d|1", true},
        {"its permissions", SET_PERMS, "$/d|r%u|", true},
    };

    expect(me, WRITE, 0, "$/d/x|0", "OK|");
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        uint64_t before = generation(me, "$/d"), after;
        char **parts = g_strsplit(steps[i].request, "%u", 2);

        g_free(ask_text(me, steps[i].type, 0,
                        parts[1] ? fmt("%s%u%s", parts[0], me->domid, parts[1]) : parts[0]));
        g_strfreev(parts);
        after = generation(me, "$/d");
        if ((before != after) != steps[i].changes) {
            fail_msg("%s: expected the generation to %s, got %" G_GUINT64_FORMAT
                     " after %" G_GUINT64_FORMAT,
                     steps[i].name, steps[i].changes ? "change" : "stay", after, before);
        }
    }
}

static const struct test tests[] = {
    {"every byte in a value", every_byte_in_a_value, BOTH},
    {"cases 28, 29: nothing done, no event", mkdir_and_rm_without_events, BOTH},
    {"many children made and removed", many_children, BOTH},
    {"case 32: parts of a big directory", parts_of_a_big_directory, BOTH},
    {"the biggest directory in one reply", biggest_directory, SOCKET},
    {"cases 32, 33: parts of a small directory", small_parts, BOTH},
    {"case 34: generations", generations, BOTH},
};

int main(void)
{
    return bench_run("tree", tests, G_N_ELEMENTS(tests), rows, G_N_ELEMENTS(rows));
}
