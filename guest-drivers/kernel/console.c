/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console.
 *
 * A domain's first console is a page shared with the toolstack: two rings of bytes,
 * each with a free-running index for the writer and one for the reader, and an
 * event channel to say "look".  Xen tells the gfn of the page and the port as
 * parameters of the domain.  We write a line, publish the index, then notify, once
 * a line: a hypercall for each character would be most of the run.  When the ring is
 * full we sleep until the reader notifies us.
 *
 * Without such a page (QEMU without a xen-console device), text goes to port 0xe9,
 * QEMU's debug console, and to the first serial port.  Nobody need be there.
 */
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "layout.h"
#include "print.h"

#include <xen/hvm/params.h>
#include <xen/io/console.h>

#define DEBUG_PORT 0xe9
#define COM1 0x3f8
#define COM1_LINE_STATUS (COM1 + 5)
#define LINE_STATUS_READY 0x20

/* How long to wait for a reader at the end, in cycles: a second or so. */
#define FLUSH_CYCLES (1ull << 32)

static volatile struct xencons_interface *ring;
static evtchn_port_t port;
static XENCONS_RING_IDX produced;

void console_start(void)
{
    uint64_t gfn, number;

    if (get_param(HVM_PARAM_CONSOLE_PFN, &gfn) != 0 || gfn == 0 ||
        get_param(HVM_PARAM_CONSOLE_EVTCHN, &number) != 0) {
        return;
    }
    ring = page_address(gfn);
    port = number;
    produced = ring->out_prod;
}

static void publish(void)
{
    barrier();
    ring->out_prod = produced;
    barrier();
    notify(port);
}

static void put_ports(char c)
{
    out_byte(DEBUG_PORT, c);
    /* Reads as ones without a serial port, and 8250s never take this long. */
    for (unsigned i = 0; i < 10000 && !(in_byte(COM1_LINE_STATUS) & LINE_STATUS_READY); i++) {
        __asm__ volatile("pause");
    }
    out_byte(COM1, c);
}

void console_put(char c)
{
    if (!ring) {
        put_ports(c);
        return;
    }
    if (produced - ring->out_cons == sizeof(ring->out)) {
        publish();
        wait_change(port, &ring->out_cons, produced - sizeof(ring->out));
    }
    ring->out[MASK_XENCONS_IDX(produced, ring->out)] = c;
    produced++;
    if (c == '\n') {
        publish();
    }
}

void console_flush(void)
{
    uint64_t end = cycles() + FLUSH_CYCLES;

    while (ring && produced != ring->out_cons && cycles() < end) {
        yield();
    }
}
