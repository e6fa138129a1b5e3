/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client: a bench with a store, a clock and domains of its own, and clients that
 * speak to it as real ones do: in bytes, over a socket or through a ring page.
 * All of it is one thread, and nothing moves but in pump(), so that each test is
 * the same every time.
 */
#ifndef TESTS_XENSTORE_CLIENT_H
#define TESTS_XENSTORE_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include "socket.h"
#include "xsl.h"

/* The protocol's numbers, written down a second time: the library is not asked. */
enum {
    CONTROL = 0,
    DIRECTORY = 1,
    READ = 2,
    GET_PERMS = 3,
    WATCH = 4,
    UNWATCH = 5,
    TRANSACTION_START = 6,
    TRANSACTION_END = 7,
    INTRODUCE = 8,
    RELEASE = 9,
    GET_DOMAIN_PATH = 10,
    WRITE = 11,
    MKDIR = 12,
    RM = 13,
    SET_PERMS = 14,
    WATCH_EVENT = 15,
    ERROR = 16,
    IS_DOMAIN_INTRODUCED = 17,
    RESUME = 18,
    SET_TARGET = 19,
    RESTRICT = 20,
    RESET_WATCHES = 21,
    DIRECTORY_PART = 22,
    GET_FEATURE = 23,
    SET_FEATURE = 24,
    GET_QUOTA = 25,
    SET_QUOTA = 26,
};

#define PAYLOAD_MAX 4096
#define RING_SIZE 1024
#define PAGE_SIZE 4096

struct header {
    uint32_t type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len;
};

/* A payload is followed by a NUL that is not its own. */
struct message {
    struct header header;
    char payload[PAYLOAD_MAX + 1];
};

struct ring_page {
    uint8_t req[RING_SIZE];
    uint8_t rsp[RING_SIZE];
    uint32_t req_cons;
    uint32_t req_prod;
    uint32_t rsp_cons;
    uint32_t rsp_prod;
    uint32_t server_features;
    uint32_t connection;
    uint32_t error;
    uint32_t evtchn_port;
    uint8_t rest[PAGE_SIZE - 2080];
};

#define DOMAINS 32

/* What the world knows of a domain. */
struct domain {
    bool exists;
    bool unmappable; /* its ring page */
    unsigned mapped; /* how often, less how often unmapped */
    unsigned notified;
    uint64_t gfn;  /* when it was mapped */
    uint32_t port; /* then, or when it was notified */
    struct ring_page *page;
};

struct bench {
    int64_t now;
    struct domain domain[DOMAINS];
    char *logged; /* the last line */
    struct xsl_store *store;
    struct xsl_server *server;
    GPtrArray *clients;
    struct client *dom0; /* a socket client that is always there */
};

struct client {
    struct bench *bench;
    const char *name;
    unsigned domid;
    int socket;             /* -1: a guest, which has ... */
    struct ring_page *page; /* ... this */
    const char *dir;        /* what $ stands for in requests and expectations */
    bool asleep;            /* reads nothing */
    bool closed;            /* by the server */
    int delay;              /* a guest's: what xsl_ring_process() said last */
    uint32_t req_id;        /* used last */
    GByteArray *out;        /* to be written */
    GByteArray *in;         /* read, not yet understood */
    GPtrArray *events;      /* that came while waiting for a reply: payloads as text */
};

/* --- The bench ------------------------------------------------------------------- */

/* bench_new - a store with /t, and dom0 as its only client; domain 0 exists. */
struct bench *bench_new(void);

/* bench_free - with the store checked, and the ring pages given back. */
void bench_free(struct bench *b);

/* bench_socket - one more client on a socket. */
struct client *bench_socket(struct bench *b);

/* bench_guest - a domain that exists, is introduced, and owns its home. */
struct client *bench_guest(struct bench *b, unsigned domid);

/* bench_bare_guest - the same without a home. */
struct client *bench_bare_guest(struct bench *b, unsigned domid);

/* pump - move bytes and let the store work until nothing moves. */
void pump(struct bench *b);

/* advance - so much later. */
void advance(struct bench *b, int64_t ms);

/* --- A client ---------------------------------------------------------------------- */

/* In texts, | is a NUL and $ the client's directory. */

/* say - send a message and do not wait.  Returns its req_id.  Nothing is pumped. */
uint32_t say(struct client *c, uint32_t type, uint32_t tx_id, const char *text);

/* send_message - the same with any bytes; send_bytes - not even a message. */
uint32_t send_message(struct client *c, uint32_t type, uint32_t tx_id, const void *payload,
                      size_t len);
void send_bytes(struct client *c, const void *data, size_t len);

/* next_message - pump, and take the next one of any type.  False if there is none. */
bool next_message(struct client *c, struct message *m);

/* next_reply - the same, with events put aside. */
bool next_reply(struct client *c, struct message *m);

/*
 * ask - send any bytes and get the reply, which must have the request's ids, and its
 * type or ERROR.  Returns it as text: the payload with NULs as |, !NAME for an error,
 * words in parentheses if there is none.  To be freed by g_free().
 */
char *ask(struct client *c, uint32_t type, uint32_t tx_id, const void *payload, size_t len);

/* ask_text - the same with a text. */
char *ask_text(struct client *c, uint32_t type, uint32_t tx_id, const char *text);

/* expect - that asking gives this. */
#define expect(c, type, tx_id, request, expected)                                                  \
    expect_at(__FILE__, __LINE__, c, type, tx_id, request, expected)
void expect_at(const char *file, int line, struct client *c, uint32_t type, uint32_t tx_id,
               const char *request, const char *expected);

/* expect_next - that the next message of any type is this, such as "4 OK|": type, payload. */
#define expect_next(c, expected) expect_next_at(__FILE__, __LINE__, c, expected)
void expect_next_at(const char *file, int line, struct client *c, const char *expected);

/*
 * expect_events - that exactly these came since the last time, in any order; payloads
 * with a space between.  expect_ordered_events - in this order.
 */
#define expect_events(c, expected) expect_events_at(__FILE__, __LINE__, c, expected, false)
#define expect_ordered_events(c, expected) expect_events_at(__FILE__, __LINE__, c, expected, true)
void expect_events_at(const char *file, int line, struct client *c, const char *expected,
                      bool ordered);

/* count_events - how many came since the last time; they are forgotten. */
unsigned count_events(struct client *c);

/* expect_range - a number, with both ends allowed. */
#define expect_range(got, low, high)                                                               \
    expect_range_at(__FILE__, __LINE__, #got, (int64_t)(got), low, high)
void expect_range_at(const char *file, int line, const char *what, int64_t got, int64_t low,
                     int64_t high);

/* expect_closed - that the server has hung up, having sent nothing more. */
#define expect_closed(c) expect_closed_at(__FILE__, __LINE__, c)
void expect_closed_at(const char *file, int line, struct client *c);

/* begin - start a transaction. */
#define begin(c) begin_at(__FILE__, __LINE__, c)
uint32_t begin_at(const char *file, int line, struct client *c);

/* hang_up - close a socket client's end. */
void hang_up(struct client *c);

/* forget - what a client has received and not looked at. */
void forget(struct client *c);

/* fmt - a text that is good for the next few calls. */
const char *fmt(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* repeat - a text of so many of a character, good as long. */
const char *repeat(char c, unsigned n);

/* --- Tests ---------------------------------------------------------------------------- */

/* Over what a test or row runs. */
enum over {
    BOTH, /* a socket client whose $ is /t, then guest 5 whose $ is its home */
    SOCKET,
    RING,
};

struct test {
    const char *name;
    void (*run)(struct client *me);
    enum over over;
};

/* A request and its reply. */
struct row {
    const char *name;
    bool then; /* goes on where the row above ended */
    enum over over;
    uint32_t type;
    uint32_t tx_id;
    const char *request;
    const char *expected;
};

/* Rows: on their own over both or one, and going on with the row above. */
#define ROW(name, type, request, expected)                                                         \
    {                                                                                              \
        name, false, BOTH, type, 0, request, expected                                              \
    }
#define SOCKET_ROW(name, type, request, expected)                                                  \
    {                                                                                              \
        name, false, SOCKET, type, 0, request, expected                                            \
    }
#define RING_ROW(name, type, request, expected)                                                    \
    {                                                                                              \
        name, false, RING, type, 0, request, expected                                              \
    }
#define THEN(name, type, request, expected)                                                        \
    {                                                                                              \
        name, true, BOTH, type, 0, request, expected                                               \
    }
#define RING_THEN(name, type, request, expected)                                                   \
    {                                                                                              \
        name, true, RING, type, 0, request, expected                                               \
    }
#define SOCKET_THEN(name, type, request, expected)                                                 \
    {                                                                                              \
        name, true, SOCKET, type, 0, request, expected                                             \
    }

/*
 * bench_run - each over what it says, on a bench of its own; rows likewise, with
 * $/a = "A" and $/d there.  To be returned by main().
 */
int bench_run(const char *group, const struct test *tests, size_t n_tests, const struct row *rows,
              size_t n_rows);

#endif
