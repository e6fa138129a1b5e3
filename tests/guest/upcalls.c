/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that counts upcalls: by the callback vector, by a GSI, by a vector of its vCPU's own;
 * of a port that is masked and unmasked, with interrupts off and on, acknowledged and not.
 *
 * It is a compat caller, prints a line a check and powers off.
 */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include "bare.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define CODE 0x08
#define DATA 0x10

#define LAPIC 0xfee00000
#define LAPIC_SPURIOUS (LAPIC + 0xf0)
#define LAPIC_EOI (LAPIC + 0xb0)
#define LAPIC_ON 0x1ff
#define IOAPIC_INDEX 0xfec00000
#define IOAPIC_DATA 0xfec00010
#define IOAPIC_ENTRY(gsi) (0x10 + 2 * (gsi))
#define IOAPIC_LEVEL (1 << 15)

/* One that no device of the machine has. */
#define GSI 20

/* Times to look; the first is not reached unless something is wrong. */
#define ENDLESS 100000000
#define A_LITTLE 10000

enum { BY_CALLBACK = 0x30, BY_GSI, BY_OWN, VECTORS };
#define FIRST BY_CALLBACK

/* Lies over a page of RAM. */
static union {
    struct shared_info info;
    char page[4096];
} shared __attribute__((aligned(4096)));

static volatile unsigned count[VECTORS - FIRST];
/* How many of the next upcalls leave evtchn_upcall_pending as it is; whether there is an EOI. */
static volatile unsigned leave_pending;
static volatile bool eoi = true;

static evtchn_port_t port;

/* --- Interrupts ------------------------------------------------------------------------ */

/* Called by the stubs. */
void interrupt(unsigned vector);

void interrupt(unsigned vector)
{
    count[vector - FIRST]++;
    if (leave_pending) {
        leave_pending--;
    } else {
        shared.info.vcpu_info[0].evtchn_upcall_pending = 0;
        shared.info.vcpu_info[0].evtchn_pending_sel = 0;
        shared.info.evtchn_pending[0] = 0;
    }
    if (eoi && vector != BY_CALLBACK) {
        poke(LAPIC_EOI, 0);
    }
}

#define STUB(name, vector)                                                                         \
    __asm__(".text\n" #name ": pusha\n push $" #vector                                             \
            "\n call interrupt\n pop %eax\n popa\n iret\n");                                       \
    extern const char name[]

STUB(by_callback, 0x30);
STUB(by_gsi, 0x31);
STUB(by_own, 0x32);

static uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
static uint64_t idt[VECTORS];

static void set_gate(unsigned vector, const char *entry)
{
    uint32_t address = (uintptr_t)entry;

    idt[vector] =
        (uint64_t)((address & 0xffff0000) | 0x8e00) << 32 | CODE << 16 | (address & 0xffff);
}

static void set_up_cpu(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) gdtr = {sizeof(gdt) - 1, (uintptr_t)gdt},
                              idtr = {sizeof(idt) - 1, (uintptr_t)idt};

    set_gate(BY_CALLBACK, by_callback);
    set_gate(BY_GSI, by_gsi);
    set_gate(BY_OWN, by_own);
    __asm__ volatile("lgdt %0; lidt %1; ljmp %2, $1f; 1: mov %3, %%ds; mov %3, %%es; mov %3, %%ss"
                     :
                     : "m"(gdtr), "m"(idtr), "i"(CODE), "r"(DATA)
                     : "memory");
    /* Nothing from the old controllers. */
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    poke(LAPIC_SPURIOUS, LAPIC_ON);
}

static void let_in_for(unsigned times, unsigned vector, unsigned enough)
{
    while (times-- && count[vector - FIRST] != enough) {
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    }
}

/*
 * Lets in what comes, and returns how many upcalls have come by this vector.  A GSI takes its time;
 * so we wait for as many as there should be, and a little for one too many.
 */
static unsigned let_in(unsigned vector, unsigned expected)
{
    unsigned before = count[vector - FIRST];

    let_in_for(ENDLESS, vector, before + expected);
    let_in_for(A_LITTLE, vector, before - 1);
    return count[vector - FIRST] - before;
}

static void check_upcalls(const char *what, unsigned vector, unsigned expected)
{
    check(what, let_in(vector, expected), expected);
}

/* --- Events ---------------------------------------------------------------------------- */

static void send(void)
{
    struct evtchn_send op = {.port = port};

    vmcall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op);
}

static void mask(void)
{
    shared.info.evtchn_mask[0] |= 1u << port;
}

static void unmask(void)
{
    struct evtchn_unmask op = {.port = port};

    vmcall(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask, &op);
}

static long set_callback(uint64_t value)
{
    struct xen_hvm_param param = {
        .domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = value};

    return vmcall(__HYPERVISOR_hvm_op, HVMOP_set_param, &param);
}

static void set_up_events(void)
{
    struct xen_add_to_physmap add = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = (uintptr_t)&shared >> 12};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};

    check("shared_info", vmcall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &add), 0);
    check("bind_ipi", vmcall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &ipi), 0);
    port = ipi.port;
}

/* What holds for each way. */
static void check_way(unsigned vector)
{
    mask();
    send();
    check("  masked: marked", shared.info.evtchn_pending[0] >> port & 1, 1);
    check_upcalls("  masked: upcalls", vector, 0);
    unmask();
    check_upcalls("  unmasked: upcalls", vector, 1);
    check_upcalls("  and no more", vector, 0);

    send();
    send();
    check("  interrupts off: pending", shared.info.vcpu_info[0].evtchn_upcall_pending, 1);
    check_upcalls("  interrupts on: upcalls", vector, 1);
    check_upcalls("  and no more", vector, 0);
}

static void check_callback(void)
{
    put("callback vector\n");
    check("  set", set_callback(2ull << 56 | BY_CALLBACK), 0);
    let_in(BY_CALLBACK, 0);
    check_way(BY_CALLBACK);
    /* There is no EOI: it comes as long as it is pending. */
    leave_pending = 2;
    send();
    check_upcalls("  left pending twice: upcalls", BY_CALLBACK, 3);
}

static void check_gsi(void)
{
    put("GSI\n");
    poke(IOAPIC_INDEX, IOAPIC_ENTRY(GSI) + 1);
    poke(IOAPIC_DATA, 0);
    poke(IOAPIC_INDEX, IOAPIC_ENTRY(GSI));
    poke(IOAPIC_DATA, BY_GSI | IOAPIC_LEVEL);
    check("  set", set_callback(GSI), 0);
    let_in(BY_GSI, 0);
    check_way(BY_GSI);
    /* The line stays up over an EOI. */
    leave_pending = 2;
    send();
    check_upcalls("  left pending twice: upcalls", BY_GSI, 3);
    check_upcalls("  by the callback vector", BY_CALLBACK, 0);
}

static void check_own(void)
{
    struct xen_hvm_evtchn_upcall_vector op = {.vcpu = 0, .vector = BY_OWN};

    put("own vector\n");
    check("  set", vmcall(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, &op), 0);
    /* An event may have come before. */
    check_upcalls("  one at once", BY_OWN, 1);
    check_way(BY_OWN);
    /* An edge: not again for what is still pending, and not before the EOI. */
    leave_pending = 1;
    send();
    check_upcalls("  left pending: upcalls", BY_OWN, 1);
    shared.info.vcpu_info[0].evtchn_upcall_pending = 0;
    shared.info.vcpu_info[0].evtchn_pending_sel = 0;
    shared.info.evtchn_pending[0] = 0;
    eoi = false;
    send();
    check_upcalls("  no EOI: upcalls", BY_OWN, 1);
    send();
    check_upcalls("  before the EOI", BY_OWN, 0);
    eoi = true;
    poke(LAPIC_EOI, 0);
    check_upcalls("  after the EOI", BY_OWN, 1);
    check_upcalls("  by the GSI", BY_GSI, 0);
}

void run(void)
{
    static const struct sched_shutdown off = {.reason = SHUTDOWN_poweroff};

    set_up_cpu();
    set_up_events();
    check_callback();
    check_gsi();
    check_own();
    put(failed ? "failed\n" : "all good\n");
    vmcall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &off);
    for (;;) {
    }
}
