/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xenstore's ring.
 *
 * Like the console: a page with a ring of bytes in each direction, free-running
 * indices, and a port, all found through the domain's parameters.  A message is a
 * 16-byte header and up to 4096 bytes, in a ring of 1024: it crosses in pieces, and
 * even the header may.  Each side notifies the other when it took something and
 * when it put something.  There is one request at a time, so the next message that is
 * no watch event is our reply.  Of events we keep which watches they are of: what has
 * changed is read anyway.
 */
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "text.h"
#include "xenstore.h"

#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>

static volatile struct xenstore_domain_interface *ring;
static uint32_t port;

/* What came back, with a 0 behind it. */
static char reply[XENSTORE_PAYLOAD_MAX + 1] IDLE_BUFFER;

/* A bit for each watch that had an event. */
static uint32_t events;

static bool connect(void)
{
    uint64_t gfn, number;

    if (ring) {
        return true;
    }
    if (get_param(HVM_PARAM_STORE_PFN, &gfn) != 0 || gfn == 0 ||
        get_param(HVM_PARAM_STORE_EVTCHN, &number) != 0) {
        return false;
    }
    port = number;
    ring = page_address(gfn);
    return true;
}

/* Tell the server to look, and wait until it moved an index. */
static void wait_for(const volatile XENSTORE_RING_IDX *index, XENSTORE_RING_IDX old)
{
    notify(port);
    wait_change(port, index, old);
}

static void send(const void *data, size_t bytes)
{
    const char *from = data;

    for (XENSTORE_RING_IDX prod = ring->req_prod; bytes; bytes--) {
        if (prod - ring->req_cons == XENSTORE_RING_SIZE) {
            wait_for(&ring->req_cons, prod - XENSTORE_RING_SIZE);
        }
        ring->req[MASK_XENSTORE_IDX(prod)] = *from++;
        barrier();
        ring->req_prod = ++prod;
    }
}

static void receive(void *data, size_t bytes)
{
    char *to = data;

    for (XENSTORE_RING_IDX cons = ring->rsp_cons; bytes; bytes--) {
        if (cons == ring->rsp_prod) {
            wait_for(&ring->rsp_prod, cons);
        }
        *to++ = ring->rsp[MASK_XENSTORE_IDX(cons)];
        barrier();
        ring->rsp_cons = ++cons;
    }
}

/* The type of the next message, whose text is in reply. */
static uint32_t receive_message(void)
{
    struct xsd_sockmsg header;

    receive(&header, sizeof(header));
    if (header.len > XENSTORE_PAYLOAD_MAX) {
        memcpy(reply, "E2BIG", sizeof("E2BIG"));
        return XS_ERROR;
    }
    receive(reply, header.len);
    reply[header.len] = '\0';
    if (header.type == XS_WATCH_EVENT) {
        /* Path, 0, token, which is one letter. */
        events |= 1u << (reply[text_length(reply) + 1] - 'a');
    }
    return header.type;
}

/* The type of the reply, whose text is in reply; path and value_size bytes are sent. */
static uint32_t request(uint32_t type, const char *path, const char *value, size_t value_size)
{
    struct xsd_sockmsg header = {.type = type};

    if (!connect()) {
        memcpy(reply, "ENODEV", sizeof("ENODEV"));
        return XS_ERROR;
    }
    header.len = text_length(path) + 1 + value_size;
    send(&header, sizeof(header));
    send(path, text_length(path) + 1);
    send(value, value_size);

    do {
        type = receive_message();
    } while (type == XS_WATCH_EVENT);
    return type;
}

const char *xenstore_read(const char *path)
{
    return request(XS_READ, path, NULL, 0) == XS_READ ? reply : NULL;
}

const char *xenstore_write(const char *path, const char *value)
{
    return request(XS_WRITE, path, value, text_length(value)) == XS_WRITE ? NULL : reply;
}

const char *xenstore_watch(const char *path, unsigned number)
{
    const char token[] = {'a' + number, '\0'};

    return request(XS_WATCH, path, token, sizeof(token)) == XS_WATCH ? NULL : reply;
}

bool xenstore_has_events(void)
{
    return events || (ring && ring->rsp_cons != ring->rsp_prod);
}

uint32_t xenstore_events(void)
{
    uint32_t seen;

    while (ring && ring->rsp_cons != ring->rsp_prod) {
        receive_message();
    }
    seen = events;
    events = 0;
    return seen;
}

uint32_t xenstore_port(void)
{
    return connect() ? port : 0;
}
