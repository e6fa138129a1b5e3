/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring page, used well and badly: cases 75 to 82 of the protocol's conformance
 * list.
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

enum { ERROR_NONE, ERROR_EVTCHN, ERROR_INDICES, ERROR_LENGTH };

static void check_fresh(const struct ring_page *page)
{
    assert_int_equal(page->req_cons, 0);
    assert_int_equal(page->req_prod, 0);
    assert_int_equal(page->rsp_cons, 0);
    assert_int_equal(page->rsp_prod, 0);
    assert_int_equal(page->connection, 0);
    assert_int_equal(page->error, ERROR_NONE);
}

static void fresh_page(struct client *me)
{
    struct ring_page *page = me->bench->domain[7].page;
    struct client *g;

    memset(page, 0xaa, sizeof(*page));
    page->connection = 1;
    page->evtchn_port = 0;
    g = bench_bare_guest(me->bench, 7);
    check_fresh(page);
    /* All that is supported, this being all that is described. */
    assert_int_equal(page->server_features, 15);
    assert_int_equal(page->req[0], 0xaa);
    assert_int_equal(page->rest[0], 0xaa);
    assert_int_not_equal(me->bench->domain[7].notified, 0);
    expect(g, GET_DOMAIN_PATH, 0, "7|", "/local/domain/7|");
}

/* Whoever waits for space in the request ring is told of it, and of each response. */
static void notifications(struct client *g)
{
    struct domain *d = &g->bench->domain[5];
    struct header header = {READ, 1, 0, 2};
    unsigned before = d->notified;

    pump(g->bench);
    assert_int_equal(d->notified, before);
    send_bytes(g, &header, sizeof(header));
    pump(g->bench);
    expect_range(d->notified, before + 1, UINT32_MAX);
    before = d->notified;
    send_bytes(g, "x", 2);
    pump(g->bench);
    expect_range(d->notified, before + 1, UINT32_MAX);
    expect_next(g, "16 ENOENT|");
    pump(g->bench);
    before = d->notified;
    pump(g->bench);
    assert_int_equal(d->notified, before);
    /* An event nobody asked for. */
    expect(g, WATCH, 0, "$|t|", "OK|");
    forget(g);
    before = d->notified;
    expect(g->bench->dom0, WRITE, 0, "$/x|1", "OK|");
    expect_range(d->notified, before + 1, UINT32_MAX);
    expect_events(g, "$/x|t|");
}

/* A lost notification is made good by whoever comes next. */
static void all_rings_are_looked_at(struct client *g)
{
    struct client *other = bench_guest(g->bench, 6);
    struct header header = {READ, 0x1234, 0, 3};

    g->asleep = other->asleep = true;
    for (int i = 0; i < 2; i++) {
        struct ring_page *page = i == 0 ? g->page : other->page;

        for (unsigned n = 0; n < sizeof(header) + 3; n++) {
            page->req[(page->req_prod + n) % RING_SIZE] = n < sizeof(header)
                                                              ? ((const uint8_t *)&header)[n]
                                                              : (uint8_t) "zz"[n - sizeof(header)];
        }
        page->req_prod += sizeof(header) + 3;
    }
    xsl_ring_process_all(g->bench->store);
    g->asleep = other->asleep = false;
    expect_next(g, "16 ENOENT|");
    expect_next(other, "16 ENOENT|");
}

static void many_sizes(struct client *g)
{
    for (unsigned i = 0; i < 500; i++) {
        unsigned len = (i * 37) % 331;
        const char *value = repeat((char)('a' + i % 26), len);

        expect(g, WRITE, 0, fmt("v|%s", value), "OK|");
        expect(g, READ, 0, "v|", value);
    }
    expect(g, WRITE, 0, fmt("v|%s", repeat('x', 1900)), "OK|");
    expect(g, READ, 0, "v|", repeat('x', 1900));
}

static void byte_by_byte(struct client *g)
{
    const char payload[] = "v\0value";
    struct header header = {WRITE, 99, 0, sizeof(payload) - 1};
    unsigned whole = sizeof(header) + header.len;

    for (unsigned i = 0; i < whole; i++) {
        send_bytes(g, i < sizeof(header) ? (char *)&header + i : payload + (i - sizeof(header)), 1);
        pump(g->bench);
        assert_int_equal(g->in->len == 0, i + 1 < whole);
    }
    expect_next(g, "11 OK|");
    expect(g, READ, 0, "v|", "value");
}

/* --- Broken rings ------------------------------------------------------------------------- */

/* The ring is as it was found, the domain too, and everybody else is well. */
static void expect_broken(struct client *g, uint32_t error)
{
    struct client *dom0 = g->bench->dom0;
    uint32_t cons;

    pump(g->bench);
    assert_int_equal(g->page->error, error);
    expect(dom0, IS_DOMAIN_INTRODUCED, 0, "5|", "T|");
    expect(dom0, WRITE, 0, "$/dom0|1", "OK|");
    /* Nothing more is read, nor is anything sent. */
    cons = g->page->req_cons;
    g->page->req_prod = cons + 100;
    g->page->rsp_cons = g->page->rsp_prod;
    pump(g->bench);
    assert_int_equal(g->page->req_cons, cons);
    assert_int_equal(g->page->rsp_cons, g->page->rsp_prod);
    assert_int_equal(g->page->error, error);
}

static void reconnect(struct client *g)
{
    unsigned before = g->bench->domain[5].notified;

    g_byte_array_set_size(g->out, 0);
    g_byte_array_set_size(g->in, 0);
    g->page->connection = 1;
    pump(g->bench);
    check_fresh(g->page);
    expect_range(g->bench->domain[5].notified, before + 1, UINT32_MAX);
}

static void introduce_again(struct client *g)
{
    g_byte_array_set_size(g->out, 0);
    g_byte_array_set_size(g->in, 0);
    expect(g->bench->dom0, INTRODUCE, 0, "5|1005|15|", "OK|");
    check_fresh(g->page);
}

static void expect_alive(struct client *g)
{
    forget(g);
    expect(g, WRITE, 0, "alive|1", "OK|");
    expect(g, READ, 0, "/local/domain/5/alive|", "1");
    expect(g, UNWATCH, 0, "$|t|", "!ENOENT");
    expect(g, WATCH, 0, "$|t|", "OK|");
    expect_events(g, "$|t|");
    expect(g->bench->dom0, WRITE, 0, "$/x|1", "OK|");
    expect_events(g, "$/x|t|");
}

static void prepare(struct client *g)
{
    expect(g, WATCH, 0, "$|t|", "OK|");
    begin(g);
    forget(g);
}

static void break_request_indices(struct client *g)
{
    g->page->req_prod = g->page->req_cons + 2000;
    expect_broken(g, ERROR_INDICES);
}

static void break_request_indices_backwards(struct client *g)
{
    g->page->req_prod = g->page->req_cons - 1;
    expect_broken(g, ERROR_INDICES);
}

static void break_request_indices_by_one(struct client *g)
{
    g->page->req_prod = g->page->req_cons + RING_SIZE + 1;
    expect_broken(g, ERROR_INDICES);
}

static void break_response_indices(struct client *g)
{
    say(g, READ, 0, "x|");
    /* Put the request in before the indices are such that our guest does nothing. */
    for (unsigned i = 0; i < g->out->len; i++) {
        g->page->req[(g->page->req_prod + i) % RING_SIZE] = g->out->data[i];
    }
    g->page->req_prod += g->out->len;
    g_byte_array_set_size(g->out, 0);
    g->page->rsp_cons = g->page->rsp_prod + 5;
    expect_broken(g, ERROR_INDICES);
}

static void break_length(struct client *g)
{
    struct header header = {WRITE, 1, 0, PAYLOAD_MAX + 1};

    send_bytes(g, &header, sizeof(header));
    expect_broken(g, ERROR_LENGTH);
}

static void break_length_more(struct client *g)
{
    struct header header = {WRITE, 1, 0, UINT32_MAX};

    send_bytes(g, &header, sizeof(header));
    expect_broken(g, ERROR_LENGTH);
}

static void broken_and_revived(struct client *g)
{
    static void (*const breaks[])(struct client *) = {
        break_request_indices,
        break_request_indices_by_one,
        break_request_indices_backwards,
        break_response_indices,
        break_length,
        break_length_more,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(breaks); i++) {
        for (int again = 0; again <= 1; again++) {
            print_message("way %zu to break it, way %d to revive it\n", i, again);
            prepare(g);
            breaks[i](g);
            if (again) {
                introduce_again(g);
            } else {
                reconnect(g);
            }
            expect_alive(g);
            expect(g, RESET_WATCHES, 0, "|", "OK|");
        }
    }
}

static void broken_then_released(struct client *g)
{
    break_request_indices(g);
    expect(g->bench->dom0, RELEASE, 0, "5|", "OK|");
    assert_int_equal(g->bench->domain[5].mapped, 0);
    expect(g->bench->dom0, READ, 0, "$|", "!ENOENT");
}

/* Its open transaction conflicts with nothing, and its watches are not kept full of events. */
static void broken_takes_no_part(struct client *g)
{
    struct client *g6 = bench_guest(g->bench, 6);
    struct message m;

    prepare(g);
    break_length(g);
    for (unsigned i = 0; i < 200; i++) {
        say(g6, WRITE, 0, "x|1");
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_true(next_reply(g6, &m));
        assert_int_equal(m.header.type, WRITE);
    }
}

static void reconnection(struct client *g)
{
    struct client *dom0 = g->bench->dom0;
    struct header header = {WRITE, 1, 0, 100};
    uint32_t tx = begin(g);

    expect(g, WATCH, 0, "$|t|", "OK|");
    expect(g, WRITE, tx, "y|1", "OK|");
    forget(g);
    /* Half a message from it, and answers and events that wait for it. */
    g->asleep = true;
    for (unsigned i = 0; i < 100; i++) {
        expect(dom0, WRITE, 0, fmt("$/%u|1", i), "OK|");
    }
    send_bytes(g, &header, sizeof(header));
    send_bytes(g, "half", 4);
    pump(g->bench);
    reconnect(g);
    g->asleep = false;
    expect(g, READ, tx, "y|", "!ENOENT");
    expect_events(g, "");
    expect(g, READ, 0, "y|", "!ENOENT");
    expect(g, READ, 0, "99|", "1");
    expect_alive(g);
    reconnect(g);
    reconnect(g);
    expect_alive(g);
}

/* --- Full, and long in use ------------------------------------------------------------------ */

static void full(struct client *g)
{
    struct client *g6 = bench_guest(g->bench, 6);
    struct client *dom0 = g->bench->dom0;

    expect(g, WATCH, 0, "$|t|", "OK|");
    forget(g);
    g->asleep = true;
    for (unsigned i = 0; i < 300; i++) {
        expect(dom0, WRITE, 0, fmt("$/%u|1", i), "OK|");
        if (i % 50 == 0) {
            expect(g6, WRITE, 0, "x|1", "OK|");
        }
    }
    assert_int_equal(g->page->rsp_prod - g->page->rsp_cons, RING_SIZE);
    g->asleep = false;
    assert_int_equal(count_events(g), 300);
    expect(g, READ, 0, "299|", "1");
}

static void unread_answers(struct client *g)
{
    struct message m;
    uint32_t first = g->req_id + 1;

    g->asleep = true;
    for (unsigned i = 0; i < 55; i++) {
        say(g, GET_PERMS, 0, "$|");
    }
    pump(g->bench);
    g->asleep = false;
    for (unsigned i = 0; i < 55; i++) {
        assert_true(next_reply(g, &m));
        assert_int_equal(m.header.req_id, first + i);
        assert_string_equal(m.payload, "n5");
    }
}

static void wrap(struct client *g)
{
    forget(g);
    g->page->req_cons = g->page->req_prod = 0xfffffe00;
    g->page->rsp_cons = g->page->rsp_prod = 0xfffffe00;
    for (unsigned i = 0; i < 120; i++) {
        const char *value = fmt("%s%u", repeat('v', i), i);

        expect(g, WRITE, 0, fmt("v|%s", value), "OK|");
        expect(g, READ, 0, "v|", value);
    }
    assert_in_range(g->page->req_prod, 1, 0x10000);
    assert_in_range(g->page->rsp_prod, 1, 0x10000);
}

static void not_introduced(struct client *me)
{
    me->bench->domain[9].exists = true;
    assert_int_equal(xsl_ring_process(me->bench->store, 9), -1);
    assert_int_equal(xsl_ring_process(me->bench->store, 30), -1);
    assert_int_equal(xsl_ring_process(me->bench->store, 0), -1);
    assert_int_equal(xsl_ring_process(me->bench->store, UINT32_MAX), -1);
    assert_int_equal(xsl_ring_process_all(me->bench->store), -1);
}

static const struct test tests[] = {
    {"case 75: a fresh page", fresh_page, SOCKET},
    {"notifications", notifications, RING},
    {"all rings are looked at", all_rings_are_looked_at, RING},
    {"case 76: many sizes", many_sizes, RING},
    {"case 76: byte by byte", byte_by_byte, RING},
    {"cases 77 to 79: broken and revived", broken_and_revived, RING},
    {"broken, then released", broken_then_released, RING},
    {"broken, it takes no part", broken_takes_no_part, RING},
    {"case 80: reconnection", reconnection, RING},
    {"case 81: full", full, RING},
    {"answers not read", unread_answers, RING},
    {"case 82: indices wrap", wrap, RING},
    {"a ring that is not there", not_introduced, SOCKET},
};

int main(void)
{
    return bench_run("ring", tests, G_N_ELEMENTS(tests), NULL, 0);
}
