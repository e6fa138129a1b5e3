/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bench and the clients of client.h.
 */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The world --------------------------------------------------------------------- */

static struct domain *domain(void *world, unsigned domid)
{
    struct bench *b = world;

    return domid < DOMAINS ? &b->domain[domid] : NULL;
}

static int64_t world_now(void *world)
{
    const struct bench *b = world;

    return b->now;
}

static void world_log(void *world, const char *line)
{
    struct bench *b = world;

    g_free(b->logged);
    b->logged = g_strdup(line);
}

static bool world_domain_exists(void *world, unsigned domid)
{
    const struct domain *d = domain(world, domid);

    return d && d->exists;
}

static void *world_map_ring(void *world, unsigned domid, uint64_t gfn, uint32_t port)
{
    struct domain *d = domain(world, domid);

    if (!d || !d->exists || d->unmappable) {
        return NULL;
    }
    d->gfn = gfn;
    d->port = port;
    d->mapped++;
    return d->page;
}

static void world_unmap_ring(void *world, unsigned domid, void *page)
{
    struct domain *d = domain(world, domid);

    assert_non_null(d);
    assert_ptr_equal(page, d->page);
    assert_int_not_equal(d->mapped, 0);
    d->mapped--;
}

static void world_notify(void *world, unsigned domid, uint32_t port)
{
    struct domain *d = domain(world, domid);

    assert_non_null(d);
    d->port = port;
    d->notified++;
}

static char *world_control(void *world, const char *const *argv, unsigned argc, int *err)
{
    (void)world;
    if (argc == 2 && strcmp(argv[0], "reverse") == 0) {
        return g_strreverse(g_strdup(argv[1]));
    }
    *err = -EINVAL;
    return NULL;
}

static const struct xsl_ops world_ops = {
    .now = world_now,
    .log = world_log,
    .domain_exists = world_domain_exists,
    .map_ring = world_map_ring,
    .unmap_ring = world_unmap_ring,
    .notify = world_notify,
    .control = world_control,
};

/* --- The bench ---------------------------------------------------------------------- */

G_STATIC_ASSERT(sizeof(struct ring_page) == PAGE_SIZE);

static struct client *new_client(struct bench *b, const char *name, const char *dir)
{
    struct client *c = g_new0(struct client, 1);

    c->bench = b;
    c->name = name;
    c->dir = dir;
    c->socket = -1;
    c->delay = -1;
    c->out = g_byte_array_new();
    c->in = g_byte_array_new();
    c->events = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(b->clients, c);
    return c;
}

struct client *bench_socket(struct bench *b)
{
    struct client *c = new_client(b, "socket", "/t");
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    c->socket = ends[0];
    assert_non_null(xsl_server_adopt(b->server, b->store, ends[1]));
    return c;
}

struct client *bench_bare_guest(struct bench *b, unsigned domid)
{
    struct client *c = new_client(b, "guest", g_intern_string(fmt("/local/domain/%u", domid)));

    assert_in_range(domid, 1, DOMAINS - 1);
    c->domid = domid;
    c->page = b->domain[domid].page;
    b->domain[domid].exists = true;
    expect(b->dom0, INTRODUCE, 0, fmt("%u|%u|%u|", domid, 1000 + domid, 10 + domid), "OK|");
    return c;
}

struct client *bench_guest(struct bench *b, unsigned domid)
{
    struct client *c = bench_bare_guest(b, domid);

    expect(b->dom0, MKDIR, 0, fmt("%s|", c->dir), "OK|");
    expect(b->dom0, SET_PERMS, 0, fmt("%s|n%u|", c->dir, domid), "OK|");
    return c;
}

struct bench *bench_new(void)
{
    struct bench *b = g_new0(struct bench, 1);

    b->now = 1000000;
    b->domain[0].exists = true;
    for (unsigned i = 0; i < DOMAINS; i++) {
        b->domain[i].page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
        memset(b->domain[i].page, 0, PAGE_SIZE);
    }
    b->clients = g_ptr_array_new();
    b->store = xsl_store_new(&world_ops, b);
    assert_non_null(b->store);
    b->server = xsl_server_new(-1);
    assert_non_null(b->server);
    b->dom0 = bench_socket(b);
    expect(b->dom0, MKDIR, 0, "/t|", "OK|");
    return b;
}

static void check_store(const struct bench *b)
{
    const char *wrong = xsl_store_check(b->store);

    if (wrong) {
        fail_msg("xsl_store_check: %s", wrong);
    }
}

void bench_free(struct bench *b)
{
    check_store(b);
    xsl_server_free(b->server);
    check_store(b);
    xsl_store_free(b->store);
    for (unsigned i = 0; i < b->clients->len; i++) {
        struct client *c = b->clients->pdata[i];

        if (c->socket >= 0) {
            close(c->socket);
        }
        g_byte_array_free(c->out, true);
        g_byte_array_free(c->in, true);
        g_ptr_array_free(c->events, true);
        g_free(c);
    }
    g_ptr_array_free(b->clients, true);
    for (unsigned i = 0; i < DOMAINS; i++) {
        assert_int_equal(b->domain[i].mapped, 0);
        free(b->domain[i].page);
    }
    g_free(b->logged);
    g_free(b);
}

/* --- Moving bytes ------------------------------------------------------------------- */

static bool broken(int saved_errno)
{
    assert_true(saved_errno == EAGAIN || saved_errno == EPIPE || saved_errno == ECONNRESET);
    return saved_errno != EAGAIN;
}

static bool socket_push(struct client *c)
{
    ssize_t n = send(c->socket, c->out->data, c->out->len, MSG_NOSIGNAL);

    if (n < 0) {
        if (broken(errno)) {
            /* What was sent before may still be read: closed is for socket_pull() to say. */
            g_byte_array_set_size(c->out, 0);
        }
        return false;
    }
    g_byte_array_remove_range(c->out, 0, (guint)n);
    return n > 0;
}

static bool socket_pull(struct client *c)
{
    uint8_t buffer[16384];
    ssize_t n = recv(c->socket, buffer, sizeof(buffer), 0);

    if (n > 0) {
        g_byte_array_append(c->in, buffer, (guint)n);
    } else if (n == 0 || broken(errno)) {
        c->closed = true;
    }
    return n > 0;
}

/* What a guest does when it meets indices that cannot be: nothing. */
static bool ring_usable(const struct ring_page *page)
{
    return page->connection == 0 && page->req_prod - page->req_cons <= RING_SIZE &&
           page->rsp_prod - page->rsp_cons <= RING_SIZE;
}

static bool ring_push(struct client *c)
{
    struct ring_page *page = c->page;
    uint32_t prod = page->req_prod;
    uint32_t n = MIN(c->out->len, RING_SIZE - (prod - page->req_cons));

    for (uint32_t i = 0; i < n; i++) {
        page->req[(prod + i) % RING_SIZE] = c->out->data[i];
    }
    __sync_synchronize();
    page->req_prod = prod + n;
    g_byte_array_remove_range(c->out, 0, n);
    return n > 0;
}

static bool ring_pull(struct client *c)
{
    struct ring_page *page = c->page;
    uint32_t cons = page->rsp_cons;
    uint32_t n = page->rsp_prod - cons;

    for (uint32_t i = 0; i < n; i++) {
        g_byte_array_append(c->in, &page->rsp[(cons + i) % RING_SIZE], 1);
    }
    __sync_synchronize();
    page->rsp_cons = cons + n;
    return n > 0;
}

static bool push(struct client *c)
{
    if (c->out->len == 0 || c->closed) {
        return false;
    }
    return c->page ? ring_usable(c->page) && ring_push(c) : socket_push(c);
}

static bool pull(struct client *c)
{
    if (c->asleep || c->closed) {
        return false;
    }
    return c->page ? ring_usable(c->page) && ring_pull(c) : socket_pull(c);
}

static bool server_has_work(const struct bench *b)
{
    struct pollfd p = {.fd = xsl_server_fd(b->server), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

void pump(struct bench *b)
{
    bool moved;

    do {
        moved = false;
        for (unsigned i = 0; i < b->clients->len; i++) {
            moved |= push(b->clients->pdata[i]);
        }
        assert_int_equal(xsl_server_dispatch(b->server, 0), 0);
        for (unsigned i = 0; i < b->clients->len; i++) {
            struct client *c = b->clients->pdata[i];

            if (c->page) {
                c->delay = xsl_ring_process(b->store, c->domid);
                moved |= c->delay == 0;
            }
        }
        for (unsigned i = 0; i < b->clients->len; i++) {
            moved |= pull(b->clients->pdata[i]);
        }
    } while (moved || server_has_work(b));
}

void advance(struct bench *b, int64_t ms)
{
    b->now += ms;
    pump(b);
}

/* --- Texts -------------------------------------------------------------------------- */

#define TEXTS 16

static char *text_buffer(size_t size)
{
    static char *texts[TEXTS];
    static unsigned next;

    next = (next + 1) % TEXTS;
    g_free(texts[next]);
    texts[next] = g_malloc(size);
    return texts[next];
}

const char *fmt(const char *format, ...)
{
    va_list args;
    char *whole, *text;

    va_start(args, format);
    whole = g_strdup_vprintf(format, args);
    va_end(args);
    text = text_buffer(strlen(whole) + 1);
    strcpy(text, whole);
    g_free(whole);
    return text;
}

const char *repeat(char c, unsigned n)
{
    char *text = text_buffer(n + 1);

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* With $ replaced. */
static GString *expand(const struct client *c, const char *text)
{
    GString *s = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '$') {
            g_string_append(s, c->dir);
        } else {
            g_string_append_c(s, *text);
        }
    }
    return s;
}

static char *payload_text(const void *payload, size_t len)
{
    char *text = g_malloc(len + 1);

    for (size_t i = 0; i < len; i++) {
        text[i] = ((const char *)payload)[i];
        if (text[i] == '\0') {
            text[i] = '|';
        }
    }
    text[len] = '\0';
    return text;
}

static char *message_text(const struct message *m)
{
    if (m->header.type != ERROR) {
        return payload_text(m->payload, m->header.len);
    }
    if (m->header.len == 0 ||
        memchr(m->payload, 0, m->header.len) != m->payload + m->header.len - 1) {
        return g_strdup("(an error that is not one string)");
    }
    return g_strdup_printf("!%s", m->payload);
}

static void G_GNUC_PRINTF(4, 5)
    complain(const char *file, int line, const struct client *c, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    print_error("%s %u: %s\n", c->name, c->domid, text);
    g_free(text);
    _fail(file, line);
}

/* --- Messages ------------------------------------------------------------------------- */

void send_bytes(struct client *c, const void *data, size_t len)
{
    g_byte_array_append(c->out, data, (guint)len);
}

uint32_t send_message(struct client *c, uint32_t type, uint32_t tx_id, const void *payload,
                      size_t len)
{
    struct header header = {type, ++c->req_id, tx_id, (uint32_t)len};

    send_bytes(c, &header, sizeof(header));
    if (len > 0) {
        send_bytes(c, payload, len);
    }
    return header.req_id;
}

static void unescape(GString *s)
{
    for (gsize i = 0; i < s->len; i++) {
        if (s->str[i] == '|') {
            s->str[i] = '\0';
        }
    }
}

uint32_t say(struct client *c, uint32_t type, uint32_t tx_id, const char *text)
{
    GString *s = expand(c, text);
    uint32_t req_id;

    unescape(s);
    req_id = send_message(c, type, tx_id, s->str, s->len);
    g_string_free(s, true);
    return req_id;
}

static bool take_message(struct client *c, struct message *m)
{
    size_t size;

    if (c->in->len < sizeof(m->header)) {
        return false;
    }
    memcpy(&m->header, c->in->data, sizeof(m->header));
    if (m->header.len > PAYLOAD_MAX) {
        fail_msg("%s %u: received a message of type %u with a length of %u", c->name, c->domid,
                 m->header.type, m->header.len);
    }
    size = sizeof(m->header) + m->header.len;
    if (c->in->len < size) {
        return false;
    }
    memcpy(m->payload, c->in->data + sizeof(m->header), m->header.len);
    m->payload[m->header.len] = '\0';
    g_byte_array_remove_range(c->in, 0, (guint)size);
    return true;
}

bool next_message(struct client *c, struct message *m)
{
    if (take_message(c, m)) {
        return true;
    }
    pump(c->bench);
    return take_message(c, m);
}

static void keep_event(struct client *c, const struct message *m)
{
    if (m->header.req_id != 0 || m->header.tx_id != 0) {
        fail_msg("an event with req_id %u, tx_id %u", m->header.req_id, m->header.tx_id);
    }
    g_ptr_array_add(c->events, payload_text(m->payload, m->header.len));
}

bool next_reply(struct client *c, struct message *m)
{
    while (next_message(c, m)) {
        if (m->header.type != WATCH_EVENT) {
            return true;
        }
        keep_event(c, m);
    }
    return false;
}

char *ask(struct client *c, uint32_t type, uint32_t tx_id, const void *payload, size_t len)
{
    struct message *m = g_new(struct message, 1);
    uint32_t req_id = send_message(c, type, tx_id, payload, len);
    char *text;

    if (!next_reply(c, m)) {
        text = g_strdup(c->closed ? "(closed)" : "(no reply)");
    } else if ((m->header.type != type && m->header.type != ERROR) || m->header.req_id != req_id ||
               m->header.tx_id != tx_id) {
        text =
            g_strdup_printf("(type %u req_id %u tx_id %u in reply to type %u req_id %u tx_id %u)",
                            m->header.type, m->header.req_id, m->header.tx_id, type, req_id, tx_id);
    } else {
        text = message_text(m);
    }
    g_free(m);
    return text;
}

char *ask_text(struct client *c, uint32_t type, uint32_t tx_id, const char *text)
{
    GString *s = expand(c, text);
    char *reply;

    unescape(s);
    reply = ask(c, type, tx_id, s->str, s->len);
    g_string_free(s, true);
    return reply;
}

void expect_at(const char *file, int line, struct client *c, uint32_t type, uint32_t tx_id,
               const char *request, const char *expected)
{
    GString *want = expand(c, expected);
    char *got = ask_text(c, type, tx_id, request);

    if (strcmp(got, want->str) != 0) {
        complain(file, line, c, "type %u tx_id %u '%.200s': expected '%.200s', got '%.200s'", type,
                 tx_id, request, want->str, got);
    }
    g_string_free(want, true);
    g_free(got);
}

void expect_next_at(const char *file, int line, struct client *c, const char *expected)
{
    struct message *m = g_new(struct message, 1);
    GString *want = expand(c, expected);
    char *payload = NULL, *got;

    if (next_message(c, m)) {
        payload = payload_text(m->payload, m->header.len);
        got = g_strdup_printf("%u %s", m->header.type, payload);
    } else {
        got = g_strdup("(nothing)");
    }
    if (strcmp(got, want->str) != 0) {
        complain(file, line, c, "next message: expected '%.200s', got '%.200s'", want->str, got);
    }
    g_free(m);
    g_free(payload);
    g_free(got);
    g_string_free(want, true);
}

static void take_events(const char *file, int line, struct client *c)
{
    struct message *m = g_new(struct message, 1);

    while (next_message(c, m)) {
        if (m->header.type != WATCH_EVENT) {
            complain(file, line, c, "a message of type %u among events", m->header.type);
        }
        keep_event(c, m);
    }
    g_free(m);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *join(char **texts, unsigned n, bool ordered)
{
    GString *s = g_string_new(NULL);

    if (n > 0 && !ordered) {
        qsort(texts, n, sizeof(texts[0]), compare_strings);
    }
    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(s, "%s%s", i > 0 ? " " : "", texts[i]);
    }
    return g_string_free(s, false);
}

void expect_events_at(const char *file, int line, struct client *c, const char *expected,
                      bool ordered)
{
    GString *expanded = expand(c, expected);
    char **list = g_strsplit(expanded->str, " ", -1);
    char *want = join(list, g_strv_length(list), ordered);
    char *got;

    take_events(file, line, c);
    got = join((char **)c->events->pdata, c->events->len, ordered);
    if (strcmp(got, want) != 0) {
        complain(file, line, c, "events: expected '%.500s', got '%.500s'", want, got);
    }
    g_ptr_array_set_size(c->events, 0);
    g_free(got);
    g_free(want);
    g_strfreev(list);
    g_string_free(expanded, true);
}

unsigned count_events(struct client *c)
{
    unsigned n;

    take_events(__FILE__, __LINE__, c);
    n = c->events->len;
    g_ptr_array_set_size(c->events, 0);
    return n;
}

void expect_range_at(const char *file, int line, const char *what, int64_t got, int64_t low,
                     int64_t high)
{
    if (got < low || got > high) {
        print_error("%s: expected %" PRId64 " to %" PRId64 ", got %" PRId64 "\n", what, low, high,
                    got);
        _fail(file, line);
    }
}

void expect_closed_at(const char *file, int line, struct client *c)
{
    pump(c->bench);
    if (c->in->len > 0) {
        complain(file, line, c, "%u bytes received before the end", c->in->len);
    }
    if (!c->closed) {
        complain(file, line, c, "still connected");
    }
}

uint32_t begin_at(const char *file, int line, struct client *c)
{
    char *reply = ask_text(c, TRANSACTION_START, 0, "|");
    char *end;
    unsigned long id = strtoul(reply, &end, 10);

    if (end == reply || strcmp(end, "|") != 0 || id == 0 || id > UINT32_MAX) {
        complain(file, line, c, "TRANSACTION_START: expected an id, got '%s'", reply);
    }
    g_free(reply);
    return (uint32_t)id;
}

void hang_up(struct client *c)
{
    push(c);
    close(c->socket);
    c->socket = -1;
    c->closed = true;
    pump(c->bench);
}

void forget(struct client *c)
{
    pump(c->bench);
    g_byte_array_set_size(c->in, 0);
    g_ptr_array_set_size(c->events, 0);
}

/* --- Tests ------------------------------------------------------------------------------ */

/* What one of cmocka's tests runs. */
struct run {
    const struct test *test;
    const struct row *rows;
    size_t n_rows;
    bool ring;
};

static bool runs_over(enum over over, bool ring)
{
    return over == BOTH || ring == (over == RING);
}

static struct client *new_me(bool ring)
{
    struct bench *b = bench_new();
    struct client *me = ring ? bench_guest(b, 5) : bench_socket(b);

    b->dom0->dir = me->dir;
    return me;
}

static void run_one_test(void **state)
{
    const struct run *run = *state;
    struct client *me = new_me(run->ring);

    run->test->run(me);
    bench_free(me->bench);
}

static void run_rows(void **state)
{
    const struct run *run = *state;
    struct client *me = NULL;
    unsigned failures = 0;

    for (size_t i = 0; i < run->n_rows; i++) {
        const struct row *row = &run->rows[i];
        GString *want;
        char *got;

        if (!row->then && me) {
            bench_free(me->bench);
            me = NULL;
        }
        if (!runs_over(row->over, run->ring)) {
            continue;
        }
        if (!me) {
            me = new_me(run->ring);
            expect(me, WRITE, 0, "$/a|A", "OK|");
            expect(me, MKDIR, 0, "$/d|", "OK|");
        }
        want = expand(me, row->expected);
        got = ask_text(me, row->type, row->tx_id, row->request);
        if (strcmp(got, want->str) != 0) {
            print_error("%s: type %u tx_id %u '%.100s': expected '%.100s', got '%.100s'\n",
                        row->name, row->type, row->tx_id, row->request, want->str, got);
            failures++;
        }
        g_string_free(want, true);
        g_free(got);
    }
    if (me) {
        bench_free(me->bench);
    }
    if (failures > 0) {
        fail_msg("%u rows failed", failures);
    }
}

static void add_test(GArray *list, const char *name, CMUnitTestFunction function, struct run run)
{
    struct CMUnitTest test = {
        .name = g_strdup_printf("%s over a %s", name, run.ring ? "ring" : "socket"),
        .test_func = function,
        .initial_state = g_memdup2(&run, sizeof(run)),
    };

    g_array_append_val(list, test);
}

int bench_run(const char *group, const struct test *tests, size_t n_tests, const struct row *rows,
              size_t n_rows)
{
    GArray *list = g_array_new(false, false, sizeof(struct CMUnitTest));
    int failures;

    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
    for (int ring = 0; ring <= 1; ring++) {
        if (n_rows > 0) {
            add_test(list, "rows", run_rows,
                     (struct run){.rows = rows, .n_rows = n_rows, .ring = ring});
        }
        for (size_t i = 0; i < n_tests; i++) {
            if (runs_over(tests[i].over, ring)) {
                add_test(list, tests[i].name, run_one_test,
                         (struct run){.test = &tests[i], .ring = ring});
            }
        }
    }
    failures = _cmocka_run_group_tests(group, (const struct CMUnitTest *)(void *)list->data,
                                       list->len, NULL, NULL);
    for (unsigned i = 0; i < list->len; i++) {
        struct CMUnitTest *test = &g_array_index(list, struct CMUnitTest, i);

        g_free((char *)test->name);
        g_free(test->initial_state);
    }
    g_array_free(list, true);
    return failures;
}
