/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels, without interrupts.
 *
 * Xen marks an event in the domain's shared_info page, a bit for each port; a vCPU
 * can sleep until a port's bit is set (SCHEDOP_poll) and take no interrupt.  The
 * bit stays set until the guest clears it, so: clear it, look, and only then sleep.
 * An event between the look and the sleep ends the sleep at once.
 *
 * The page is Xen's and has to be given a gfn.  As Linux does in a PVH domain, we
 * name a gfn that is RAM, a page of our own; Xen frees the page that was there,
 * so a running domain has one page less than the builder gave it.  The page may come
 * back from populate_physmap, so it is zero when it goes.
 */
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "text.h"

#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define WORD_BITS (8 * sizeof(xen_ulong_t))

static union {
    struct shared_info info;
    char page[PAGE_SIZE];
} shared BUFFER;

bool events_start(void)
{
    struct xen_add_to_physmap request = {
        .domid = DOMID_SELF,
        .space = XENMAPSPACE_shared_info,
        .gpfn = (uintptr_t)&shared >> PAGE_SHIFT,
    };

    memset(&shared, 0, sizeof(shared));
    return memory_op(XENMEM_add_to_physmap, &request) == 0;
}

struct shared_info *shared_info(void)
{
    return &shared.info;
}

void notify(uint32_t port)
{
    struct evtchn_send send = {.port = port};

    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static void clear(uint32_t port)
{
    __atomic_fetch_and(&shared.info.evtchn_pending[port / WORD_BITS],
                       ~((xen_ulong_t)1 << port % WORD_BITS), __ATOMIC_SEQ_CST);
}

void wait_change(uint32_t port, const volatile uint32_t *index, uint32_t old)
{
    struct sched_poll poll = {.nr_ports = 1};

    set_xen_guest_handle(poll.ports, &port);
    for (;;) {
        clear(port);
        if (*index != old) {
            break;
        }
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
    }
    barrier();
}
