/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Framing, and how the arguments of a request are told apart: cases 1 to 20 of the
 * protocol's conformance list.
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct row rows[] = {
    ROW("case 9: READ of nothing", READ, "", "!EINVAL"),
    ROW("case 9: DIRECTORY of nothing", DIRECTORY, "", "!EINVAL"),
    ROW("case 9: GET_PERMS of nothing", GET_PERMS, "", "!EINVAL"),
    ROW("case 9: MKDIR of nothing", MKDIR, "", "!EINVAL"),
    ROW("case 9: RM of nothing", RM, "", "!EINVAL"),
    ROW("case 9: WRITE of nothing", WRITE, "", "!EINVAL"),
    ROW("case 9: WATCH of nothing", WATCH, "", "!EINVAL"),
    ROW("case 9: UNWATCH of nothing", UNWATCH, "", "!EINVAL"),
    ROW("case 9: SET_PERMS of nothing", SET_PERMS, "", "!EINVAL"),
    ROW("case 9: DIRECTORY_PART of nothing", DIRECTORY_PART, "", "!EINVAL"),
    ROW("case 9: GET_DOMAIN_PATH of nothing", GET_DOMAIN_PATH, "", "!EINVAL"),
    SOCKET_ROW("case 9: CONTROL of nothing", CONTROL, "", "!EINVAL"),
    SOCKET_ROW("case 9: INTRODUCE of nothing", INTRODUCE, "", "!EINVAL"),
    SOCKET_ROW("case 9: RELEASE of nothing", RELEASE, "", "!EINVAL"),
    SOCKET_ROW("case 9: SET_TARGET of nothing", SET_TARGET, "", "!EINVAL"),
    ROW("case 9: TRANSACTION_START of nothing", TRANSACTION_START, "", "1|"),
    ROW("case 9: RESET_WATCHES of nothing", RESET_WATCHES, "", "OK|"),
    ROW("RESET_WATCHES as Linux sends it", RESET_WATCHES, "|", "OK|"),
    ROW("RESET_WATCHES ignores its payload", RESET_WATCHES, "x|y", "OK|"),

    ROW("case 10: an event from a client", WATCH_EVENT, "$/a|t|", "!ENOSYS"),
    ROW("case 10: an error from a client", ERROR, "EINVAL|", "!ENOSYS"),
    ROW("case 10: RESTRICT was removed", RESTRICT, "5|", "!ENOSYS"),
    ROW("case 10: type 27", 27, "|", "!ENOSYS"),
    ROW("case 10: type 27, no payload", 27, "", "!ENOSYS"),
    ROW("case 10: type 0xffff", 0xffff, "|", "!ENOSYS"),
    ROW("case 10: type 0xffffffff", 0xffffffff, "|", "!ENOSYS"),

    ROW("case 12: READ without a NUL", READ, "$/a", "!EINVAL"),
    ROW("case 12: DIRECTORY without a NUL", DIRECTORY, "$/d", "!EINVAL"),
    ROW("case 12: GET_PERMS without a NUL", GET_PERMS, "$/a", "!EINVAL"),
    ROW("case 12: MKDIR without a NUL", MKDIR, "$/new", "!EINVAL"),
    ROW("case 12: RM without a NUL", RM, "$/a", "!EINVAL"),
    ROW("case 12: GET_DOMAIN_PATH without a NUL", GET_DOMAIN_PATH, "5", "!EINVAL"),
    SOCKET_ROW("case 12: IS_DOMAIN_INTRODUCED without a NUL", IS_DOMAIN_INTRODUCED, "0", "!EINVAL"),
    SOCKET_ROW("case 12: RELEASE without a NUL", RELEASE, "7", "!EINVAL"),
    SOCKET_ROW("case 12: RESUME without a NUL", RESUME, "7", "!EINVAL"),
    SOCKET_ROW("case 12: CONTROL without a NUL", CONTROL, "help", "!EINVAL"),
    ROW("case 13: READ with something behind", READ, "$/a|junk", "!EINVAL"),
    ROW("case 13: READ with a second string", READ, "$/a|junk|", "!EINVAL"),
    ROW("case 13: READ with a second, empty string", READ, "$/a||", "!EINVAL"),
    ROW("DIRECTORY with a second string", DIRECTORY, "$/d||", "!EINVAL"),
    ROW("GET_PERMS with something behind", GET_PERMS, "$/a|x", "!EINVAL"),
    ROW("RM with a second string", RM, "$/a|x|", "!EINVAL"),
    THEN("... removed nothing", READ, "$/a|", "A"),
    ROW("GET_DOMAIN_PATH with a second string", GET_DOMAIN_PATH, "5|6|", "!EINVAL"),
    SOCKET_ROW("IS_DOMAIN_INTRODUCED with a second string", IS_DOMAIN_INTRODUCED, "5|6|", "!EINVAL"),
    SOCKET_ROW("RELEASE with something behind", RELEASE, "5|6", "!EINVAL"),
    ROW("case 14: READ of the empty path", READ, "|", "!EINVAL"),
    ROW("WRITE to the empty path", WRITE, "|x", "!EINVAL"),
    ROW("DIRECTORY of the empty path", DIRECTORY, "|", "!EINVAL"),
    ROW("a watch on the empty path", WATCH, "|t|", "!EINVAL"),
    ROW("case 15: WRITE without a NUL", WRITE, "$/a", "!EINVAL"),
    THEN("... changed nothing", READ, "$/a|", "A"),
    THEN("case 15: WRITE of an empty value", WRITE, "$/a|", "OK|"),
    THEN("... which is one", READ, "$/a|", ""),
    ROW("case 16: NULs in a value", WRITE, "$/a|a|b|", "OK|"),
    THEN("... come back", READ, "$/a|", "a|b|"),
    ROW("a value that is a NUL", WRITE, "$/a||", "OK|"),
    THEN("... comes back", READ, "$/a|", "|"),
    ROW("case 17: MKDIR with something behind", MKDIR, "$/n|x|", "!EINVAL"),
    THEN("... made nothing", READ, "$/n|", "!ENOENT"),
    ROW("case 18: WATCH without a token", WATCH, "$/a|", "!EINVAL"),
    ROW("case 18: WATCH, the token without a NUL", WATCH, "$/a|k", "!EINVAL"),
    ROW("WATCH with four strings", WATCH, "$/a|k|1|2|", "!EINVAL"),
    ROW("WATCH ignores what is behind the last NUL", WATCH, "$/a|k|tail", "OK|"),
    THEN("... the token is without it", UNWATCH, "$/a|k|", "OK|"),
    ROW("an empty token", WATCH, "$/a||", "OK|"),
    THEN("... is a token", UNWATCH, "$/a||", "OK|"),
    ROW("case 18: UNWATCH with one string", UNWATCH, "$/a|", "!EINVAL"),
    ROW("case 18: UNWATCH with three", UNWATCH, "$/a|k|1|", "!EINVAL"),
    ROW("case 19: SET_PERMS without an entry", SET_PERMS, "$/a|", "!EINVAL"),
    ROW("case 19: an entry without a NUL", SET_PERMS, "$/a|n0", "!EINVAL"),
    ROW("case 19: a letter that is none", SET_PERMS, "$/a|x0|", "!EINVAL"),
    ROW("case 19: no number", SET_PERMS, "$/a|r|", "!EINVAL"),
    ROW("case 19: something behind the number", SET_PERMS, "$/a|r0z|", "!EINVAL"),
    ROW("case 19: a capital letter", SET_PERMS, "$/a|R0|", "!EINVAL"),
    ROW("no letter", SET_PERMS, "$/a|0|", "!EINVAL"),
    ROW("an empty entry", SET_PERMS, "$/a||", "!EINVAL"),
    ROW("a number above 65535", SET_PERMS, "$/a|r65536|", "!EINVAL"),
    ROW("a number above 2^32", SET_PERMS, "$/a|r4294967296|", "!EINVAL"),
    ROW("a bad entry behind a good one", SET_PERMS, "$/a|n0|q5|", "!EINVAL"),
    THEN("... none of them is set", READ, "$/a|", "A"),
    SOCKET_ROW("SET_PERMS ignores what is behind the last NUL", SET_PERMS, "$/a|r0|b1", "OK|"),
    SOCKET_THEN("... it is not set", GET_PERMS, "$/a|", "r0|"),
    RING_ROW("SET_PERMS ignores what is behind the last NUL", SET_PERMS, "$/a|r5|b1", "OK|"),
    RING_THEN("... it is not set", GET_PERMS, "$/a|", "r5|"),

    ROW("a transaction", TRANSACTION_START, "|", "1|"),
    {"case 20: TRANSACTION_END with another letter", true, BOTH, TRANSACTION_END, 1, "X|", "!EINVAL"},
    {"case 20: ... with a word", true, BOTH, TRANSACTION_END, 1, "TRUE|", "!EINVAL"},
    {"case 20: ... without a NUL", true, BOTH, TRANSACTION_END, 1, "T", "!EINVAL"},
    {"case 20: ... in small", true, BOTH, TRANSACTION_END, 1, "t|", "!EINVAL"},
    {"case 20: ... of nothing", true, BOTH, TRANSACTION_END, 1, "", "!EINVAL"},
    {"case 20: ... with an empty string", true, BOTH, TRANSACTION_END, 1, "|", "!EINVAL"},
    {"case 20: ... with two strings", true, BOTH, TRANSACTION_END, 1, "T|T|", "!EINVAL"},
    {"case 20: the transaction is still there", true, BOTH, WRITE, 1, "$/a|B", "OK|"},
    {"case 20: ... and ends", true, BOTH, TRANSACTION_END, 1, "T|", "OK|"},
    THEN("... with what it did", READ, "$/a|", "B"),

    {"case 45: READ, no such transaction", false, BOTH, READ, 987654, "$/a|", "!ENOENT"},
    {"case 45: WATCH ignores it", true, BOTH, WATCH, 987654, "$/a|t|", "OK|"},
    {"UNWATCH does, too", true, BOTH, UNWATCH, 987654, "$/a|t|", "OK|"},
    {"case 45: CONTROL looks at it", true, SOCKET, CONTROL, 987654, "help|", "!ENOENT"},
    {"GET_DOMAIN_PATH looks at it", true, BOTH, GET_DOMAIN_PATH, 987654, "5|", "!ENOENT"},
    {"TRANSACTION_START looks at it", true, BOTH, TRANSACTION_START, 987654, "|", "!ENOENT"},
    {"the id comes before the arguments", true, BOTH, READ, 987654, "$/a", "!ENOENT"},
    {"the id comes before the path", true, BOTH, READ, 987654, "$//a|", "!ENOENT"},
    {"rights come before the id", false, RING, CONTROL, 987654, "help|", "!EACCES"},
    {"rights come before the arguments", false, RING, INTRODUCE, 987654, "", "!EACCES"},
};
/* clang-format on */

static void byte_by_byte(struct client *me)
{
    static const struct header header = {READ, 0x11223344, 0, 3};
    char payload[32];
    size_t len = strlen(me->dir) + 3;
    struct header h = header;

    expect(me, WRITE, 0, "$/a|value", "OK|");
    strcpy(payload, fmt("%s/a", me->dir));
    h.len = (uint32_t)len;
    for (size_t i = 0; i < sizeof(h) + len; i++) {
        send_bytes(me, i < sizeof(h) ? (char *)&h + i : payload + (i - sizeof(h)), 1);
        pump(me->bench);
        expect_range(me->in->len, 0, i + 1 < sizeof(h) + len ? 0 : 21);
    }
    expect_next(me, "2 value");
}

static void no_payload_no_wait(struct client *me)
{
    struct message m;

    /* Exactly the header: the reply must not wait for one more byte. */
    send_message(me, READ, 0, NULL, 0);
    assert_true(next_reply(me, &m));
    assert_int_equal(m.header.type, ERROR);
    assert_string_equal(m.payload, "EINVAL");
}

static void hundred_in_one_write(struct client *me)
{
    struct message m;
    uint32_t first = me->req_id + 2;

    expect(me, WRITE, 0, "$/a|value", "OK|");
    for (unsigned i = 0; i < 100; i++) {
        say(me, READ, 0, "$/a|");
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_true(next_reply(me, &m));
        assert_int_equal(m.header.type, READ);
        assert_int_equal(m.header.req_id, first + i);
        assert_string_equal(m.payload, "value");
    }
    assert_false(next_reply(me, &m));
}

static void biggest_payload(struct client *me)
{
    const char *value = repeat('v', PAYLOAD_MAX - 5);

    expect(me, WRITE, 0, fmt("/t/a|%s", value), "OK|");
    expect(me, READ, 0, "/t/a|", value);
}

static void too_long(struct client *me, uint32_t len)
{
    struct header header = {WRITE, 1, 0, len};

    send_bytes(me, &header, sizeof(header));
    expect_closed(me);
    expect(me->bench->dom0, READ, 0, "/t|", "");
}

static void payload_too_long(struct client *me)
{
    too_long(me, PAYLOAD_MAX + 1);
}

static void payload_much_too_long(struct client *me)
{
    too_long(me, UINT32_MAX);
}

static void what_came_before_is_answered(struct client *me)
{
    struct header header = {WRITE, 1, 0, PAYLOAD_MAX + 1};

    /* In the same piece, but a message of its own. */
    say(me, WRITE, 0, "/t/before|1");
    send_bytes(me, &header, sizeof(header));
    say(me, WRITE, 0, "/t/behind|1");
    pump(me->bench);
    expect(me->bench->dom0, READ, 0, "/t/before|", "1");
    expect(me->bench->dom0, READ, 0, "/t/behind|", "!ENOENT");
    assert_true(me->closed);
}

static void half_a_message_then_close(struct client *me)
{
    struct header header = {WRITE, 1, 0, 100};

    send_bytes(me, &header, sizeof(header) / 2);
    hang_up(me);
    expect(me->bench->dom0, READ, 0, "/t|", "");
    me = bench_socket(me->bench);
    send_bytes(me, &header, sizeof(header));
    send_bytes(me, "/t/a", 5);
    hang_up(me);
    expect(me->bench->dom0, READ, 0, "/t/a|", "!ENOENT");
}

static void half_a_message_stalls_nobody_else(struct client *me)
{
    struct header header = {WRITE, 77, 0, 100};
    const char *payload = fmt("%s/a|%s", me->dir, repeat('x', 100));

    send_bytes(me, &header, sizeof(header));
    send_bytes(me, payload, 5);
    expect(me->bench->dom0, WRITE, 0, "$/a|new", "OK|");
    expect(me->bench->dom0, READ, 0, "$/a|", "new");
    send_bytes(me, payload + 5, 95);
    /* With | instead of a NUL, which is no path. */
    expect_next(me, "16 EINVAL|");
}

static void ids_come_back(struct client *me)
{
    static const uint32_t ids[] = {0, 1, 0xdeadbeef, UINT32_MAX};
    struct message m;

    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        /* In an error ... */
        me->req_id = ids[i] - 1;
        say(me, READ, ids[i] | 0x80000000, "$|");
        assert_true(next_reply(me, &m));
        assert_int_equal(m.header.type, ERROR);
        assert_int_equal(m.header.req_id, ids[i]);
        assert_int_equal(m.header.tx_id, ids[i] | 0x80000000);
        /* ... and where the operation ignores tx_id. */
        me->req_id = ids[i] - 1;
        say(me, RESET_WATCHES, 0, "|");
        assert_true(next_reply(me, &m));
        assert_int_equal(m.header.type, RESET_WATCHES);
        assert_int_equal(m.header.req_id, ids[i]);
        me->req_id = ids[i] - 1;
        say(me, WATCH, 0xabcd, fmt("$/w|%zu|", i));
        assert_true(next_reply(me, &m));
        assert_int_equal(m.header.type, WATCH);
        assert_int_equal(m.header.req_id, ids[i]);
        assert_int_equal(m.header.tx_id, 0xabcd);
        me->req_id = ids[i] - 1;
        say(me, 0xffff, 0xabcd, "|");
        assert_true(next_reply(me, &m));
        assert_int_equal(m.header.type, ERROR);
        assert_int_equal(m.header.req_id, ids[i]);
        assert_int_equal(m.header.tx_id, 0xabcd);
    }
}

static void replies_wait_for_a_sleeper(struct client *me)
{
    const char *value = repeat('v', 3000);
    struct message m;

    expect(me, WRITE, 0, fmt("$/a|%s", value), "OK|");
    me->asleep = true;
    for (unsigned i = 0; i < 3000; i++) {
        say(me, READ, 0, "$/a|");
    }
    for (unsigned i = 0; i < 10; i++) {
        expect(me->bench->dom0, READ, 0, "$|", "");
    }
    me->asleep = false;
    for (unsigned i = 0; i < 3000; i++) {
        assert_true(next_reply(me, &m));
        assert_int_equal(m.header.type, READ);
        assert_int_equal(m.header.req_id, i + 2);
        assert_int_equal(m.header.len, 3000);
    }
}

static const struct test tests[] = {
    {"case 1: byte by byte", byte_by_byte, BOTH},
    {"case 2: 100 requests in one write", hundred_in_one_write, BOTH},
    {"case 3: the biggest payload", biggest_payload, SOCKET},
    {"case 4: a payload of 4097", payload_too_long, SOCKET},
    {"case 5: a payload of 2^32-1", payload_much_too_long, SOCKET},
    {"what came before a bad header is carried out", what_came_before_is_answered, SOCKET},
    {"case 6: half a message, then the end", half_a_message_then_close, SOCKET},
    {"case 7: half a message", half_a_message_stalls_nobody_else, BOTH},
    {"case 8: ids come back", ids_come_back, BOTH},
    {"case 9: no payload, no wait", no_payload_no_wait, BOTH},
    {"case 11: 3000 replies wait for one who sleeps", replies_wait_for_a_sleeper, SOCKET},
};

int main(void)
{
    return bench_run("messages", tests, G_N_ELEMENTS(tests), rows, G_N_ELEMENTS(rows));
}
