/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program as others write them against libxenstore: daemon.py runs one scene of it at
 * a time, with XENSTORED_PATH set.  It checks what it is told and says where that was wrong.
 *
 * Usage: libxenstore_client SCENE [ARGUMENT]
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s (errno: %s)\n", __FILE__, __LINE__, #condition,   \
                    strerror(errno));                                                              \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

#define CHECK_FAILS(call, error)                                                                   \
    do {                                                                                           \
        errno = 0;                                                                                 \
        CHECK(!(call));                                                                            \
        CHECK(errno == (error));                                                                   \
    } while (0)

#define CHILDREN 3000
#define HANG_MS 60000

static struct xs_handle *open_store(void)
{
    struct xs_handle *xs = xs_open(0);

    CHECK(xs != NULL);
    return xs;
}

static void write_string(struct xs_handle *xs, xs_transaction_t tx, const char *path,
                         const char *value)
{
    CHECK(xs_write(xs, tx, path, value, strlen(value)));
}

static bool holds(struct xs_handle *xs, xs_transaction_t tx, const char *path, const char *value)
{
    unsigned len;
    char *got = xs_read(xs, tx, path, &len);
    bool same = got != NULL && len == strlen(value) && memcmp(got, value, len) == 0;

    free(got);
    return same;
}

/* The next event, which is waited for without a limit of our own other than a hang's. */
static void expect_event(struct xs_handle *xs, const char *path, const char *token)
{
    struct pollfd pollfd = {.fd = xs_fileno(xs), .events = POLLIN};
    char **event = xs_check_watch(xs);

    while (event == NULL) {
        CHECK(errno == EAGAIN);
        CHECK(poll(&pollfd, 1, HANG_MS) == 1);
        event = xs_check_watch(xs);
    }
    CHECK(strcmp(event[XS_WATCH_PATH], path) == 0);
    CHECK(strcmp(event[XS_WATCH_TOKEN], token) == 0);
    free(event);
}

static void scene_nodes(void)
{
    static const char binary[] = "a\0b\xff\n";
    struct xs_handle *xs = open_store();
    char longest[XENSTORE_PAYLOAD_MAX - sizeof("/c/long")];
    unsigned len;
    void *value;

    CHECK(xs_write(xs, XBT_NULL, "/c/binary", binary, sizeof(binary)));
    value = xs_read(xs, XBT_NULL, "/c/binary", &len);
    CHECK(value != NULL && len == sizeof(binary) && memcmp(value, binary, len) == 0);
    free(value);

    memset(longest, 'l', sizeof(longest));
    CHECK(xs_write(xs, XBT_NULL, "/c/long", longest, sizeof(longest)));
    value = xs_read(xs, XBT_NULL, "/c/long", &len);
    CHECK(value != NULL && len == sizeof(longest) && memcmp(value, longest, len) == 0);
    free(value);

    write_string(xs, XBT_NULL, "relative", "home");
    CHECK(holds(xs, XBT_NULL, "/local/domain/0/relative", "home"));
    CHECK(xs_mkdir(xs, XBT_NULL, "/c/made"));
    CHECK(holds(xs, XBT_NULL, "/c/made", ""));
    CHECK(xs_rm(xs, XBT_NULL, "/c"));
    CHECK_FAILS(xs_read(xs, XBT_NULL, "/c/made", &len), ENOENT);
    CHECK_FAILS(xs_read(xs, XBT_NULL, "/c//made", &len), EINVAL);
    CHECK_FAILS(xs_directory(xs, XBT_NULL, "/c", &len), ENOENT);
    CHECK_FAILS(xs_rm(xs, XBT_NULL, "/"), EINVAL);
    xs_close(xs);
}

static void scene_directory(void)
{
    struct xs_handle *xs = open_store();
    static bool seen[CHILDREN];
    char path[64];
    unsigned n, i;
    char **names;

    CHECK(xs_mkdir(xs, XBT_NULL, "/d"));
    names = xs_directory(xs, XBT_NULL, "/d", &n);
    CHECK(names != NULL && n == 0);
    free(names);
    for (i = 0; i < CHILDREN; i++) {
        snprintf(path, sizeof(path), "/d/child-%u", i);
        write_string(xs, XBT_NULL, path, "");
    }
    names = xs_directory(xs, XBT_NULL, "/d", &n);
    CHECK(names != NULL && n == CHILDREN);
    for (i = 0; i < n; i++) {
        unsigned number = CHILDREN;

        CHECK(sscanf(names[i], "child-%u", &number) == 1 && number < CHILDREN);
        CHECK(!seen[number]);
        seen[number] = true;
    }
    free(names);
    CHECK(xs_rm(xs, XBT_NULL, "/d"));
    xs_close(xs);
}

static void scene_permissions(void)
{
    struct xs_permissions wanted[] = {
        {.id = 0, .perms = XS_PERM_NONE},
        {.id = 5, .perms = XS_PERM_READ},
        {.id = 6, .perms = XS_PERM_READ | XS_PERM_WRITE},
        {.id = 7, .perms = XS_PERM_WRITE},
    };
    unsigned count = sizeof(wanted) / sizeof(wanted[0]);
    struct xs_handle *xs = open_store();
    struct xs_permissions *got;
    unsigned n, i;

    write_string(xs, XBT_NULL, "/p", "");
    CHECK(xs_set_permissions(xs, XBT_NULL, "/p", wanted, count));
    got = xs_get_permissions(xs, XBT_NULL, "/p", &n);
    CHECK(got != NULL && n == count);
    for (i = 0; i < n; i++) {
        CHECK(got[i].id == wanted[i].id && got[i].perms == wanted[i].perms);
    }
    free(got);
    CHECK_FAILS(xs_get_permissions(xs, XBT_NULL, "/p/none", &n), ENOENT);
    xs_close(xs);
}

static void scene_transactions(void)
{
    struct xs_handle *xs = open_store(), *other = open_store();
    xs_transaction_t tx;

    write_string(xs, XBT_NULL, "/t/a", "old");

    tx = xs_transaction_start(xs);
    CHECK(tx != XBT_NULL);
    write_string(xs, tx, "/t/a", "new");
    CHECK(holds(xs, tx, "/t/a", "new"));
    CHECK(holds(other, XBT_NULL, "/t/a", "old"));
    CHECK(xs_transaction_end(xs, tx, false));
    CHECK(holds(other, XBT_NULL, "/t/a", "new"));

    tx = xs_transaction_start(xs);
    write_string(xs, tx, "/t/a", "never");
    CHECK(xs_transaction_end(xs, tx, true));
    CHECK(holds(other, XBT_NULL, "/t/a", "new"));

    tx = xs_transaction_start(xs);
    CHECK(holds(xs, tx, "/t/a", "new"));
    write_string(other, XBT_NULL, "/t/a", "theirs");
    write_string(xs, tx, "/t/b", "mine");
    CHECK_FAILS(xs_transaction_end(xs, tx, false), EAGAIN);
    CHECK(holds(xs, XBT_NULL, "/t/a", "theirs"));
    CHECK_FAILS(xs_read(xs, XBT_NULL, "/t/b", NULL), ENOENT);
    CHECK_FAILS(xs_transaction_end(xs, tx, false), ENOENT);

    xs_close(other);
    xs_close(xs);
}

static void scene_watches(void)
{
    struct xs_handle *xs = open_store(), *other = open_store();

    CHECK(xs_watch(xs, "/w", "token one"));
    expect_event(xs, "/w", "token one");
    write_string(other, XBT_NULL, "/w/x/y", "");
    expect_event(xs, "/w/x/y", "token one");
    CHECK(xs_rm(other, XBT_NULL, "/w/x"));
    expect_event(xs, "/w/x", "token one");

    CHECK(xs_watch(xs, "relative", "two"));
    expect_event(xs, "relative", "two");
    write_string(xs, XBT_NULL, "relative", "my own");
    expect_event(xs, "relative", "two");

    CHECK_FAILS(xs_watch(xs, "/w", "token one"), EEXIST);
    CHECK(xs_unwatch(xs, "/w", "token one"));
    CHECK_FAILS(xs_unwatch(xs, "/w", "token one"), ENOENT);
    write_string(other, XBT_NULL, "/w/z", "");
    write_string(other, XBT_NULL, "/local/domain/0/relative", "");
    expect_event(xs, "relative", "two");
    CHECK(xs_check_watch(xs) == NULL && errno == EAGAIN);
    xs_close(other);
    xs_close(xs);
}

static void scene_domains(void)
{
    struct xs_handle *xs = open_store();
    char *text;

    text = xs_get_domain_path(xs, 7);
    CHECK(text != NULL && strcmp(text, "/local/domain/7") == 0);
    free(text);

    CHECK(!xs_is_domain_introduced(xs, 5));
    CHECK(xs_watch(xs, "@introduceDomain", "in"));
    expect_event(xs, "@introduceDomain", "in");
    CHECK(xs_watch(xs, "@releaseDomain", "out"));
    expect_event(xs, "@releaseDomain", "out");
    CHECK(xs_introduce_domain(xs, 5, 1, 2));
    expect_event(xs, "@introduceDomain", "in");
    CHECK(xs_is_domain_introduced(xs, 5));
    CHECK(xs_introduce_domain(xs, 6, 1, 3));
    expect_event(xs, "@introduceDomain", "in");
    CHECK(xs_set_target(xs, 6, 5));
    CHECK(xs_resume_domain(xs, 5));
    CHECK(xs_release_domain(xs, 5));
    expect_event(xs, "@releaseDomain", "out");
    CHECK(!xs_is_domain_introduced(xs, 5));
    CHECK_FAILS(xs_release_domain(xs, 5), ENOENT);

    text = xs_control_command(xs, "print", (void *)(uintptr_t) "hello", sizeof("hello"));
    CHECK(text != NULL && strcmp(text, "OK") == 0);
    free(text);
    CHECK_FAILS(xs_control_command(xs, "no-such-command", NULL, 0), EINVAL);
    xs_close(xs);
}

static char *live_update(struct xs_handle *xs, const char *option, const char *value)
{
    char argument[1024];
    int len = snprintf(argument, sizeof(argument), "%s%c%s", option, '\0', value);

    CHECK(len > 0 && (size_t)len < sizeof(argument));
    return xs_control_command(xs, "live-update", argument, value[0] ? len + 1 : len);
}

/* The library's thread, its watches and an open transaction live through a new daemon. */
static void scene_live_update(const char *binary)
{
    struct xs_handle *xs = open_store(), *other = open_store();
    xs_transaction_t tx;
    char *answer;

    CHECK(xs_watch(xs, "/l", "kept"));
    expect_event(xs, "/l", "kept");
    tx = xs_transaction_start(xs);
    CHECK(tx != XBT_NULL);
    write_string(xs, tx, "/l/committed", "later");

    answer = live_update(other, "-f", binary);
    CHECK(answer != NULL && strcmp(answer, "OK") == 0);
    free(answer);
    answer = live_update(other, "-s", "");
    CHECK(answer != NULL && strcmp(answer, "OK") == 0);
    free(answer);

    CHECK_FAILS(xs_read(other, XBT_NULL, "/l/committed", NULL), ENOENT);
    CHECK(xs_transaction_end(xs, tx, false));
    expect_event(xs, "/l/committed", "kept");
    CHECK(holds(other, XBT_NULL, "/l/committed", "later"));
    write_string(other, XBT_NULL, "/l/more", "");
    expect_event(xs, "/l/more", "kept");
    xs_close(other);
    xs_close(xs);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } scenes[] = {
        {"nodes", scene_nodes},     {"directory", scene_directory},
        {"watches", scene_watches}, {"permissions", scene_permissions},
        {"domains", scene_domains}, {"transactions", scene_transactions},
    };
    size_t i;

    if (argc == 3 && strcmp(argv[1], "live-update") == 0) {
        scene_live_update(argv[2]);
        return EXIT_SUCCESS;
    }
    for (i = 0; argc == 2 && i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        if (strcmp(argv[1], scenes[i].name) == 0) {
            scenes[i].run();
            return EXIT_SUCCESS;
        }
    }
    fprintf(stderr, "usage: libxenstore_client SCENE [ARGUMENT]\n");
    return 2;
}
