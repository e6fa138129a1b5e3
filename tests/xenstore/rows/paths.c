/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is a path, and what it is relative to: cases 21 to 26 of the protocol's
 * conformance list.
 */
#include "client.h"

#include <string.h>

/* clang-format off */
static const struct row rows[] = {
    ROW("case 21: a @ within", WRITE, "$/a@b|1", "OK|"),
    THEN("... is read", READ, "$/a@b|", "1"),
    ROW("case 21: all kinds of characters", WRITE, "$/a-b_C9|1", "OK|"),
    THEN("... are read", READ, "$/a-b_C9|", "1"),
    ROW("GET_PERMS of a special path that is none", GET_PERMS, "@foo|", "!ENOENT"),
    ROW("case 25: READ of a special path", READ, "@foo|", "!EINVAL"),
    ROW("case 25: READ of @releaseDomain", READ, "@releaseDomain|", "!EINVAL"),
    ROW("case 25: WRITE to a special path", WRITE, "@foo|1", "!EINVAL"),
    ROW("WRITE to @introduceDomain", WRITE, "@introduceDomain|1", "!EINVAL"),
    ROW("DIRECTORY of a special path", DIRECTORY, "@releaseDomain|", "!EINVAL"),
    ROW("MKDIR of a special path", MKDIR, "@foo|", "!EINVAL"),
    ROW("RM of a special path", RM, "@releaseDomain|", "!EINVAL"),
    ROW("a special path may be watched, known or not", WATCH, "@foo|t|", "OK|"),
    THEN("... and no longer", UNWATCH, "@foo|t|", "OK|"),
    ROW("case 26: READ of ..", READ, "$/../t|", "!EINVAL"),

    SOCKET_ROW("case 24: a relative path of a socket's", WRITE, "foo|1", "OK|"),
    SOCKET_THEN("... is in dom0's home", READ, "/local/domain/0/foo|", "1"),
    SOCKET_THEN("... and read there", READ, "foo|", "1"),
    RING_ROW("case 24: a relative path of a guest's", WRITE, "foo/bar|1", "OK|"),
    RING_THEN("... is in its home", READ, "/local/domain/5/foo/bar|", "1"),
    RING_THEN("... and read there", READ, "foo/bar|", "1"),
    RING_ROW("a slash at the end of a relative path", WRITE, "foo/|1", "!EINVAL"),
    RING_ROW("two slashes in a relative path", WRITE, "foo//bar|1", "!EINVAL"),
};
/* clang-format on */

static void bad_paths(struct client *me)
{
    static const char *const paths[] = {"$/",
                                        "/$",
                                        "$//a",
                                        "$/a//b",
                                        "$/a b",
                                        "$/a.b",
                                        "$/a:b",
                                        "$/a+b",
                                        "$/\xc3\xa9",
                                        "$/~",
                                        "$/a\x01"
                                        "b",
                                        "$/a\n",
                                        "$/..",
                                        "$/a,b",
                                        "$/a\x80",
                                        "$/a\xff",
                                        "$/a*",
                                        "$/[",
                                        "$/`",
                                        "$/a{",
                                        "$/a\x7f",
                                        "//",
                                        "//a",
                                        "/a//",
                                        "a b",
                                        "a.b",
                                        "a//b",
                                        "a/",
                                        ".",
                                        "..",
                                        "$/a/./b"};

    expect(me, MKDIR, 0, "$/a|", "OK|");
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        expect(me, READ, 0, fmt("%s|", paths[i]), "!EINVAL");
        expect(me, WRITE, 0, fmt("%s|1", paths[i]), "!EINVAL");
        expect(me, MKDIR, 0, fmt("%s|", paths[i]), "!EINVAL");
        expect(me, RM, 0, fmt("%s|", paths[i]), "!EINVAL");
        expect(me, DIRECTORY, 0, fmt("%s|", paths[i]), "!EINVAL");
        expect(me, DIRECTORY_PART, 0, fmt("%s|0|", paths[i]), "!EINVAL");
        expect(me, GET_PERMS, 0, fmt("%s|", paths[i]), "!EINVAL");
        expect(me, SET_PERMS, 0, fmt("%s|n%u|", paths[i], me->domid), "!EINVAL");
        expect(me, WATCH, 0, fmt("%s|t|", paths[i]), "!EINVAL");
        expect(me, UNWATCH, 0, fmt("%s|t|", paths[i]), "!EINVAL");
    }
    expect(me, DIRECTORY, 0, "$|", "a|");
}

static void every_character(struct client *me)
{
    for (unsigned c = 1; c < 256; c++) {
        bool good = g_ascii_isalnum((char)c) || strchr("-_@", (int)c);
        char path[8] = {'n', (char)c, 'n', '\0'};
        char *reply;

        if (c == '/') {
            continue;
        }
        /* Not with expect(): some of these characters have a meaning in its texts. */
        reply = ask(me, READ, 0, path, 4);
        if (strcmp(reply, good ? "!ENOENT" : "!EINVAL") != 0) {
            fail_msg("READ of a path with \\x%02x: got %s", c, reply);
        }
        g_free(reply);
    }
}

/* A path of this many bytes, in pieces that fit a guest's directory. */
static const char *long_path(const char *start, unsigned len)
{
    char *path = g_strdup(repeat('p', len));
    const char *result;

    memcpy(path, start, strlen(start));
    for (unsigned i = (unsigned)strlen(start) + 60; i + 1 < len; i += 60) {
        path[i] = '/';
    }
    result = fmt("%s", path);
    g_free(path);
    return result;
}

static void length_for_the_privileged(struct client *me)
{
    expect(me, WRITE, 0, fmt("%s|1", long_path("/t/", 2048)), "OK|");
    expect(me, READ, 0, fmt("%s|", long_path("/t/", 2048)), "1");
    expect(me, WRITE, 0, fmt("%s|2", long_path("/t/", 2049)), "OK|");
    expect(me, READ, 0, fmt("%s|", long_path("/t/", 2049)), "2");
    expect(me, WRITE, 0, fmt("%s|3", long_path("/t/", 3072)), "OK|");
    expect(me, READ, 0, fmt("%s|", long_path("/t/", 3072)), "3");
    expect(me, WRITE, 0, fmt("%s|4", long_path("/t/", 3073)), "!EINVAL");
    expect(me, READ, 0, fmt("%s|", long_path("/t/", 3073)), "!EINVAL");
    expect(me, WATCH, 0, fmt("%s|t|", long_path("/t/", 3072)), "OK|");
    expect(me, WATCH, 0, fmt("%s|t|", long_path("/t/", 3073)), "!EINVAL");
    expect(me, RM, 0, "/t|", "OK|");
    expect(me, READ, 0, fmt("%s|", long_path("/t/", 2048)), "!ENOENT");
}

static void length_for_a_guest(struct client *me)
{
    unsigned home = (unsigned)strlen("/local/domain/5/");

    /* At 2048 itself the daemons differ. */
    expect(me, WRITE, 0, fmt("%s|1", long_path("x", 2047)), "OK|");
    expect(me, READ, 0, fmt("%s|", long_path("x", 2047)), "1");
    expect(me, READ, 0, fmt("%s|", long_path("/local/domain/5/x", 2047 + home)), "1");
    expect(me, WRITE, 0, fmt("%s|1", long_path("x", 2049)), "!EINVAL");
    expect(me, WRITE, 0, fmt("%s|1", long_path("/local/domain/5/x", 2049 + home)), "!EINVAL");
    expect(me, READ, 0, fmt("%s|", long_path("/t/x", 2049)), "!EINVAL");
    expect(me, WATCH, 0, fmt("%s|t|", long_path("x", 2049)), "!EINVAL");
}

static void one_name_of_any_length(struct client *me)
{
    const char *path = fmt("/t/%s|", repeat('n', 3069));

    expect(me, MKDIR, 0, path, "OK|");
    expect(me, READ, 0, path, "");
    expect(me, DIRECTORY, 0, "/t|", strchr(path, 'n'));
}

static const struct test tests[] = {
    {"case 21: paths that are none", bad_paths, BOTH},
    {"case 21: each character", every_character, BOTH},
    {"case 22: the longest path of a socket's", length_for_the_privileged, SOCKET},
    {"case 23: the longest path of a guest's", length_for_a_guest, RING},
    {"a name may be as long as a path", one_name_of_any_length, SOCKET},
};

int main(void)
{
    return bench_run("paths", tests, G_N_ELEMENTS(tests), rows, G_N_ELEMENTS(rows));
}
