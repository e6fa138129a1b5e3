/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for a xenstore daemon: speaks the protocol on its Unix socket, times what it does,
 * reads the daemon's CPU time around it, and prints one JSON object.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000.0
#define NS_PER_MS 1000000L

#define MAX_CONNECTIONS 64
#define MAX_PAYLOAD 4096
#define WRITES_PER_TRANSACTION 10
#define NODES_PER_FOLDER 100
#define VALUE "0123456789abcdef"
#define WATCHED "/bench/watched"

/* Requests in one send of `fill`; two batches are under way, far less than a socket holds. */
#define BATCH 128

/* A prime: steps of it visit every node, in no order that a cache or a list could like. */
#define STRIDE 7919u

enum message {
    READ = 2,
    WATCH = 4,
    TRANSACTION_START = 6,
    TRANSACTION_END = 7,
    WRITE = 11,
    WATCH_EVENT = 15,
    ERROR = 16,
};

struct header {
    uint32_t type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len;
};

struct connection {
    int fd;
    uint32_t sent_type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t first_node, share; /* the nodes it reads and writes */
    uint32_t nodes_used;        /* so far, counting */
    unsigned step;              /* of the operation under way */
    uint64_t started;
    size_t have; /* bytes received of what follows the last message */
    char buffer[2 * (sizeof(struct header) + MAX_PAYLOAD)];
};

struct reply {
    struct header header;
    char payload[MAX_PAYLOAD + 1];
};

struct samples {
    uint64_t *ns;
    size_t count;
    size_t room;
    uint64_t retries;
};

/* One step of an operation: sends the next request of a connection. */
typedef void request_fn(struct connection *c);
/* Takes its reply; true when the operation is complete. */
typedef bool reply_fn(struct connection *c, const struct reply *reply, struct samples *samples);

static const char *socket_path;
static int server_pid;
static uint32_t nodes = 128;

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void settle(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5 * NS_PER_MS}, NULL);
}

/* ---- the daemon's CPU time ---- */

/* In clock ticks only, for kernels without schedstat. */
static uint64_t cpu_ns_of_stat(void)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", server_pid);
    file = fopen(path, "r");
    if (!file || !fgets(line, sizeof(line), file) || !strrchr(line, ')') ||
        sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2) {
        errx(1, "%s: cannot be read", path);
    }
    fclose(file);
    return (user + system) * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

/* Of all threads; exact only while they sleep. */
static uint64_t server_cpu_ns(void)
{
    char pattern[64];
    uint64_t sum = 0;
    glob_t found;

    if (server_pid == 0) {
        return 0;
    }
    snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", server_pid);
    if (glob(pattern, 0, NULL, &found) != 0) {
        return cpu_ns_of_stat();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "r");
        uint64_t ns;

        if (file && fscanf(file, "%" SCNu64, &ns) == 1) {
            sum += ns;
        }
        if (file) {
            fclose(file);
        }
    }
    globfree(&found);
    return sum;
}

static uint64_t own_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* ---- the protocol ---- */

static struct sockaddr_un socket_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(socket_path) >= sizeof(address.sun_path)) {
        errx(1, "%s: too long for a socket", socket_path);
    }
    strcpy(address.sun_path, socket_path);
    return address;
}

static void connect_to_server(struct connection *c)
{
    struct sockaddr_un address = socket_address();

    *c = (struct connection){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        err(1, "%s", socket_path);
    }
}

static void send_all(struct connection *c, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(c->fd, bytes, count, MSG_NOSIGNAL);

        if (sent < 0) {
            err(1, "send");
        }
        bytes += sent;
        count -= sent;
    }
}

/* Writes a whole message to `to`, returns its size. */
static size_t build(struct connection *c, char *to, uint32_t type, const void *payload, size_t len)
{
    struct header header = {
        .type = type,
        .req_id = ++c->req_id,
        .tx_id = c->tx_id,
        .len = len,
    };

    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), payload, len);
    c->sent_type = type;
    return sizeof(header) + len;
}

static void request(struct connection *c, uint32_t type, const void *payload, size_t len)
{
    char message[sizeof(struct header) + MAX_PAYLOAD];

    send_all(c, message, build(c, message, type, payload, len));
}

/* Takes a complete message out of the buffer, if there is one. */
static bool take_message(struct connection *c, struct reply *reply)
{
    size_t size;

    if (c->have < sizeof(reply->header)) {
        return false;
    }
    memcpy(&reply->header, c->buffer, sizeof(reply->header));
    if (reply->header.len > MAX_PAYLOAD) {
        errx(1, "a reply of %" PRIu32 " bytes", reply->header.len);
    }
    size = sizeof(reply->header) + reply->header.len;
    if (c->have < size) {
        return false;
    }
    memcpy(reply->payload, c->buffer + sizeof(reply->header), reply->header.len);
    reply->payload[reply->header.len] = '\0';
    c->have -= size;
    memmove(c->buffer, c->buffer + size, c->have);
    return true;
}

/* Waits for bytes, if there are none. */
static void receive_some(struct connection *c)
{
    ssize_t got = recv(c->fd, c->buffer + c->have, sizeof(c->buffer) - c->have, 0);

    if (got <= 0) {
        errx(1, "recv: %s", got < 0 ? strerror(errno) : "the server closed the connection");
    }
    c->have += got;
}

static void receive(struct connection *c, struct reply *reply)
{
    while (!take_message(c, reply)) {
        receive_some(c);
    }
}

static void expect(const struct reply *reply, uint32_t type)
{
    if (reply->header.type == ERROR) {
        errx(1, "request %" PRIu32 ": %s", type, reply->payload);
    }
    if (reply->header.type != type) {
        errx(1, "request %" PRIu32 " answered as %" PRIu32, type, reply->header.type);
    }
}

static void expect_reply(const struct connection *c, const struct reply *reply)
{
    expect(reply, c->sent_type);
    if (reply->header.req_id != c->req_id) {
        errx(1, "request %" PRIu32 " answered out of turn", c->sent_type);
    }
}

/* ---- nodes: NODES_PER_FOLDER in each folder of /bench ---- */

/* Returns the length, final NUL included. */
static size_t node_path(char *to, size_t room, uint32_t node)
{
    return snprintf(to, room, "/bench/%" PRIu32 "/node-%02" PRIu32, node / NODES_PER_FOLDER,
                    node % NODES_PER_FOLDER) +
           1;
}

/* Connections share none, so that their transactions cannot conflict. */
static uint32_t next_node(struct connection *c)
{
    return c->first_node + (uint64_t)STRIDE * c->nodes_used++ % c->share;
}

/* A WRITE's payload: path, NUL, value. */
static size_t write_payload(char *to, size_t room, uint32_t node)
{
    size_t path = node_path(to, room, node);

    memcpy(to + path, VALUE, strlen(VALUE));
    return path + strlen(VALUE);
}

static void write_node(struct connection *c, uint32_t node)
{
    char payload[128];

    request(c, WRITE, payload, write_payload(payload, sizeof(payload), node));
}

static void read_node(struct connection *c, uint32_t node)
{
    char payload[128];

    request(c, READ, payload, node_path(payload, sizeof(payload), node));
}

/* Creates all nodes; the next batch is sent before the replies to the last are awaited. */
static void fill(struct connection *c)
{
    char *batch = malloc(BATCH * (sizeof(struct header) + 128));
    uint32_t replies = 0;
    struct reply reply;

    if (!batch) {
        err(1, "malloc");
    }
    for (uint32_t node = 0; node < nodes;) {
        uint32_t sent_before = node;
        size_t size = 0;

        for (unsigned i = 0; i < BATCH && node < nodes; i++, node++) {
            char payload[128];

            size += build(c, batch + size, WRITE, payload,
                          write_payload(payload, sizeof(payload), node));
        }
        send_all(c, batch, size);
        for (; replies < sent_before; replies++) {
            receive(c, &reply);
            expect(&reply, WRITE);
        }
    }
    for (; replies < nodes; replies++) {
        receive(c, &reply);
        expect(&reply, WRITE);
    }
    free(batch);
}

static void fill_unless_there(struct connection *c)
{
    struct reply reply;

    read_node(c, nodes - 1);
    receive(c, &reply);
    if (reply.header.type == ERROR) {
        fill(c);
    }
}

/* ---- operations ---- */

static void request_read(struct connection *c)
{
    read_node(c, next_node(c));
}

static void request_write(struct connection *c)
{
    write_node(c, next_node(c));
}

static bool reply_single(struct connection *c, const struct reply *reply, struct samples *samples)
{
    (void)samples;
    expect_reply(c, reply);
    return true;
}

/* Step 0 starts, the last one ends, those between write. */
static void request_transaction(struct connection *c)
{
    if (c->step == 0) {
        request(c, TRANSACTION_START, "", 1);
    } else if (c->step <= WRITES_PER_TRANSACTION) {
        write_node(c, next_node(c));
    } else {
        request(c, TRANSACTION_END, "T", 2);
    }
}

static bool reply_transaction(struct connection *c, const struct reply *reply,
                              struct samples *samples)
{
    bool end = c->step > WRITES_PER_TRANSACTION;

    if (end && reply->header.type == ERROR && strcmp(reply->payload, "EAGAIN") == 0) {
        /* Another connection was in the way. */
        c->step = 0;
        c->tx_id = 0;
        samples->retries++;
        return false;
    }
    expect_reply(c, reply);
    if (c->step == 0) {
        c->tx_id = strtoul(reply->payload, NULL, 10);
    }
    c->step = end ? 0 : c->step + 1;
    if (end) {
        c->tx_id = 0;
    }
    return end;
}

static void add_sample(struct samples *samples, uint64_t ns)
{
    if (samples->count == samples->room) {
        samples->room = samples->room ? 2 * samples->room : 4096;
        samples->ns = reallocarray(samples->ns, samples->room, sizeof(*samples->ns));
        if (!samples->ns) {
            err(1, "reallocarray");
        }
    }
    samples->ns[samples->count++] = ns;
}

struct load;

struct mode {
    const char *name;
    request_fn *request;
    reply_fn *reply;
    /* Instead of the two: all the work is done here. */
    void (*work)(struct load *load, double seconds);
};

struct load {
    const struct mode *mode;
    struct connection connections[MAX_CONNECTIONS];
    unsigned count;
    struct samples samples;
};

/* Runs for this long; every connection has one request under way until its time is over. */
static void run(struct load *load, double seconds)
{
    uint64_t end = now() + seconds * NS_PER_S;
    struct pollfd polls[MAX_CONNECTIONS];
    unsigned active = load->count;

    for (unsigned i = 0; i < load->count; i++) {
        struct connection *c = &load->connections[i];

        polls[i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
        c->started = now();
        load->mode->request(c);
    }
    while (active > 0) {
        /* With one connection recv() waits as well. */
        if (load->count > 1 && poll(polls, load->count, -1) < 0) {
            err(1, "poll");
        }
        for (unsigned i = 0; i < load->count; i++) {
            struct connection *c = &load->connections[i];
            struct reply reply;

            if (load->count > 1 && !polls[i].revents) {
                continue;
            }
            receive_some(c);
            if (!take_message(c, &reply)) {
                continue;
            }
            if (load->mode->reply(c, &reply, &load->samples)) {
                uint64_t t = now();

                add_sample(&load->samples, t - c->started);
                c->started = t;
                if (t >= end) {
                    polls[i].fd = -1; /* which poll() leaves out */
                    active--;
                    continue;
                }
            }
            load->mode->request(c);
        }
    }
}

/* One connection writes and the other sees; the write's reply is awaited too, but not timed. */
static void run_watch(struct load *load, double seconds)
{
    static const char payload[] = WATCHED "\0" VALUE;
    struct connection *watcher = &load->connections[0], *writer = &load->connections[1];
    uint64_t end = now() + seconds * NS_PER_S;
    uint64_t start;

    while ((start = now()) < end) {
        struct reply reply;

        request(writer, WRITE, payload, sizeof(payload) - 1);
        receive(watcher, &reply);
        add_sample(&load->samples, now() - start);
        expect(&reply, WATCH_EVENT);
        receive(writer, &reply);
        expect_reply(writer, &reply);
    }
}

static void start_watch(struct connection *watcher)
{
    static const char payload[] = WATCHED "\0token";
    struct reply reply;

    request(watcher, WATCH, payload, sizeof(payload));
    receive(watcher, &reply);
    expect_reply(watcher, &reply);
    /* The one that each watch begins with. */
    receive(watcher, &reply);
    expect(&reply, WATCH_EVENT);
}

/* Takes the time it takes. */
static void run_fill(struct load *load, double seconds)
{
    (void)seconds;
    fill(&load->connections[0]);
}

static const struct mode modes[] = {
    {.name = "read", .request = request_read, .reply = reply_single},
    {.name = "write", .request = request_write, .reply = reply_single},
    {.name = "transaction", .request = request_transaction, .reply = reply_transaction},
    {.name = "watch", .work = run_watch},
    {.name = "fill", .work = run_fill},
};

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (strcmp(modes[i].name, name) == 0) {
            return &modes[i];
        }
    }
    return NULL;
}

/* Connections, and what the mode needs in the store; warms up for a tenth of the time. */
static void prepare(struct load *load, double seconds)
{
    if (load->mode->work == run_watch) {
        load->count = 2;
    } else if (load->mode->work == run_fill) {
        load->count = 1;
    }
    for (unsigned i = 0; i < load->count; i++) {
        struct connection *c = &load->connections[i];

        connect_to_server(c);
        c->share = nodes / load->count;
        c->first_node = i * c->share;
    }
    if (load->mode->work == run_fill) {
        return;
    }
    if (load->mode->work == run_watch) {
        start_watch(&load->connections[0]);
        run_watch(load, seconds / 10);
    } else {
        fill_unless_there(&load->connections[0]);
        run(load, seconds / 10);
    }
    load->samples.count = 0;
    load->samples.retries = 0;
}

/* ---- a server that does nothing ---- */

static void answer(int fd)
{
    char buffer[sizeof(struct header) + MAX_PAYLOAD];
    ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    struct header header;
    const char *payload;

    if (got < (ssize_t)sizeof(header)) {
        close(fd);
        return;
    }
    memcpy(&header, buffer, sizeof(header));
    payload = header.type == READ ? VALUE : header.type == TRANSACTION_START ? "1" : "OK";
    header.len = strlen(payload) + (header.type != READ);
    memcpy(buffer, &header, sizeof(header));
    memcpy(buffer + sizeof(header), payload, header.len);
    if (send(fd, buffer, sizeof(header) + header.len, MSG_NOSIGNAL) < 0) {
        close(fd);
    }
}

/*
 * Gives every request, which must come in one piece, the answer that `read`, `write` and
 * `transaction` hope for.  It has no store: what it costs, any daemon costs.
 */
static void serve(void)
{
    struct sockaddr_un address = socket_address();
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, MAX_CONNECTIONS) < 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) {
        err(1, "%s", socket_path);
    }
    for (;;) {
        struct epoll_event events[MAX_CONNECTIONS];
        int count = epoll_wait(poller, events, MAX_CONNECTIONS, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                answer(events[i].data.fd);
                continue;
            }
            event.data.fd = accept(listener, NULL, NULL);
            if (epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event) < 0) {
                err(1, "accept");
            }
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t percentile(const struct samples *samples, unsigned percent)
{
    return samples->count ? samples->ns[(samples->count - 1) * percent / 100] : 0;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        err(1, "CPU %d", cpu);
    }
}

static void usage(void)
{
    fputs("usage: xenstore_load --socket PATH [--pid PID] [--cpu N] [--connections N]\n"
          "           [--nodes N] [--seconds S] read|write|transaction|watch|fill|serve\n"
          "--pid: the server, whose CPU time is wanted; --nodes: how many different ones;\n"
          "serve: be a server with no store instead\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'},
        {"pid", required_argument, NULL, 'p'},
        {"cpu", required_argument, NULL, 'c'},
        {"connections", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 't'},
        {"nodes", required_argument, NULL, 'm'},
        {0},
    };
    static struct load load = {.count = 1};
    uint64_t start, server, client;
    double seconds = 1;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            socket_path = optarg;
            break;
        case 'p':
            server_pid = atoi(optarg);
            break;
        case 'c':
            pin(atoi(optarg));
            break;
        case 'n':
            load.count = atoi(optarg);
            break;
        case 't':
            seconds = atof(optarg);
            break;
        case 'm':
            nodes = atoi(optarg);
            break;
        default:
            usage();
        }
    }
    if (!socket_path || optind != argc - 1 || load.count == 0 || load.count > MAX_CONNECTIONS ||
        nodes < load.count) {
        usage();
    }
    if (strcmp(argv[optind], "serve") == 0) {
        serve();
    }
    load.mode = find_mode(argv[optind]);
    if (!load.mode) {
        usage();
    }

    prepare(&load, seconds);
    settle();
    server = server_cpu_ns();
    client = own_cpu_ns();
    start = now();
    if (load.mode->work) {
        load.mode->work(&load, seconds);
    } else {
        run(&load, seconds);
    }
    seconds = (now() - start) / NS_PER_S;
    client = own_cpu_ns() - client;
    settle();
    server = server_cpu_ns() - server;

    if (load.samples.count > 0) {
        qsort(load.samples.ns, load.samples.count, sizeof(*load.samples.ns), compare);
    }
    printf("{\"mode\": \"%s\", \"connections\": %u, \"ops\": %zu, \"retries\": %" PRIu64
           ", \"seconds\": %.6f, \"server_cpu_ns\": %" PRIu64 ", \"client_cpu_ns\": %" PRIu64
           ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 "}\n",
           load.mode->name, load.count, load.mode->work == run_fill ? nodes : load.samples.count,
           load.samples.retries, seconds, server, client, percentile(&load.samples, 50),
           percentile(&load.samples, 99));
    free(load.samples.ns);
    return 0;
}
