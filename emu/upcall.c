/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Upcalls without KVM: how a vCPU hears of events, and how it waits for them.
 *
 * A vCPU's own vector comes by its local APIC; the callback vector past it, as long as
 * evtchn_upcall_pending is set; a GSI or PCI INTx by a line that goes down when that is clear.
 *
 * QEMU's event channels call in here with their port_lock held and perhaps without the BQL, which
 * may not be taken under it: what wants the BQL is done by the vCPU, from its work queue.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "hw/i386/apic_internal.h"
#include "hw/i386/kvm/xen_evtchn.h"
#include "hw/i386/kvm/xen_overlay.h"
#include "hw/pci/msi.h"
#include "hw/xen/interface/event_channel.h"
#include "hw/xen/interface/hvm/params.h"
#include "hw/xen/interface/sched.h"
#include "hw/xen/interface/xen.h"
#include "system/kvm.h"
#include "system/kvm_xen.h"
#include "xenbed/emu/xenbed.h"

#define MAX_POLLED_PORTS 128
#define ANY_PORT (-1)

/* The callback vector; 0: events come in another way. */
static uint8_t vector;

static struct vcpu {
    bool polling; /* it is halted until a port is pending, or is about to be */
    int port;
    bool kick; /* it has work that it may not have heard of */
    QEMUTimer *timeout;
    MemoryRegionSection info; /* the page its vcpu_info is in; held */
} vcpus[XENBED_MAX_VCPUS];

/* Some vCPU is to be kicked. */
static bool kick;

/* As the guest sees it; NULL: it has said nowhere. */
static struct vcpu_info *vcpu_info(CPUState *cs)
{
    return cpu_env(cs)->xen_vcpu_info_hva;
}

/* --- Work for a vCPU --------------------------------------------------------------------- */

void upcall_kick(void)
{
    CPUState *cs;

    if (!qatomic_read(&kick)) {
        return;
    }
    BQL_LOCK_GUARD();
    qatomic_set_mb(&kick, false);
    CPU_FOREACH (cs) {
        if (qatomic_xchg(&vcpus[cs->cpu_index].kick, false)) {
            qemu_cpu_kick(cs);
        }
    }
}

static void kick_from_main_loop(void *unused)
{
    upcall_kick();
}

/*
 * An idle vCPU looks for work and goes to sleep with the BQL held: who queues some without it may
 * do so in between, and has to wake it once more with the BQL, at the end of the hypercall.
 */
static void run_on(CPUState *cs, run_on_cpu_func work, run_on_cpu_data data)
{
    async_run_on_cpu(cs, work, data);
    if (!bql_locked()) {
        qatomic_set(&vcpus[cs->cpu_index].kick, true);
        qatomic_set_mb(&kick, true);
        if (!current_cpu) {
            aio_bh_schedule_oneshot(qemu_get_aio_context(), kick_from_main_loop, NULL);
        }
    }
}

/* --- Waiting ----------------------------------------------------------------------------- */

/* Work of the vCPU's. */
static void wake(CPUState *cs, run_on_cpu_data unused)
{
    struct vcpu *v = &vcpus[cs->cpu_index];

    if (v->polling) {
        xen_tcg_halted(cs);
        cs->halted = 0;
    }
}

static void wake_later(void *opaque)
{
    run_on(opaque, wake, RUN_ON_CPU_NULL);
}

void xen_tcg_wake_pollers(unsigned port)
{
    CPUState *cs;

    if (!xen_tcg_enabled()) {
        return;
    }
    /* The port is pending: whoever has not seen that yet is polling already. */
    smp_mb();
    CPU_FOREACH (cs) {
        struct vcpu *v = &vcpus[cs->cpu_index];

        if (qatomic_read(&v->polling) && (v->port == ANY_PORT || v->port == port)) {
            wake_later(cs);
        }
    }
}

void xen_tcg_halt(CPUState *cs)
{
    if (xen_tcg_enabled()) {
        upcall_look(cs);
        clock_block(cs);
    }
}

void xen_tcg_halted(CPUState *cs)
{
    struct vcpu *v = &vcpus[cs->cpu_index];

    if (!xen_tcg_enabled()) {
        return;
    }
    if (v->polling) {
        qatomic_set(&v->polling, false);
        if (v->timeout) {
            timer_del(v->timeout);
        }
    }
    clock_unblock(cs);
}

/* The bits are in the same place for callers of either width. */
static bool is_pending(unsigned port)
{
    const uint8_t *shinfo = xen_overlay_get_shinfo_ptr();
    const uint8_t *pending = shinfo + offsetof(struct shared_info, evtchn_pending);

    return shinfo && (qatomic_read(&pending[port / 8]) >> port % 8 & 1);
}

/* 0; 1: and one is pending. */
static int look_at_ports(CPUState *cs, struct vcpu *v, uint64_t ports, unsigned nr, bool compat)
{
    const unsigned end = compat ? 1024 : 4096;
    evtchn_port_t port;

    for (unsigned i = 0; i < nr; i++) {
        if (!copy_from_guest(cs, &port, ports + i * sizeof(port), sizeof(port))) {
            return -EFAULT;
        }
        if (port >= end) {
            return -EINVAL;
        }
        if (is_pending(port)) {
            return 1;
        }
        if (nr == 1) {
            v->port = port;
        }
    }
    return 0;
}

static bool interrupt_waits(CPUState *cs)
{
    if (qatomic_read(&cs->interrupt_request) & CPU_INTERRUPT_POLL) {
        /* Not an interrupt, but the news that there may be one. */
        BQL_LOCK_GUARD();
        cpu_reset_interrupt(cs, CPU_INTERRUPT_POLL);
        apic_poll_irq(X86_CPU(cs)->apic_state);
    }
    upcall_look(cs);
    return x86_cpu_pending_interrupt(cs, qatomic_read(&cs->interrupt_request)) != 0;
}

/* The vCPU is to be halted; until TIMEOUT, a system time, if that is not 0. */
static int wait_for_ports(CPUState *cs, uint64_t ports, unsigned nr, uint64_t timeout, bool compat)
{
    struct vcpu *v = &vcpus[cs->cpu_index];
    int rc;

    if (nr > MAX_POLLED_PORTS) {
        return -EINVAL;
    }
    v->port = ANY_PORT;
    qatomic_set(&v->polling, true);
    smp_mb();
    rc = interrupt_waits(cs) ? 1 : look_at_ports(cs, v, ports, nr, compat);
    if (rc != 0) {
        qatomic_set(&v->polling, false);
        return MIN(rc, 0);
    }
    if (timeout) {
        v->timeout = v->timeout ? v->timeout : timer_new_ns(QEMU_CLOCK_VIRTUAL, wake_later, cs);
        timer_mod(v->timeout, MIN(timeout, INT64_MAX));
    }
    clock_block(cs);
    return 0;
}

static int poll_op(CPUState *cs, uint64_t arg, bool compat)
{
    struct {
        uint32_t ports, nr;
        uint64_t timeout;
    } QEMU_PACKED compat_poll;
    struct {
        uint64_t ports;
        uint32_t nr, pad;
        uint64_t timeout;
    } poll64;

    if (compat) {
        if (!copy_from_guest(cs, &compat_poll, arg, sizeof(compat_poll))) {
            return -EFAULT;
        }
        return wait_for_ports(cs, compat_poll.ports, compat_poll.nr, compat_poll.timeout, compat);
    }
    if (!copy_from_guest(cs, &poll64, arg, sizeof(poll64))) {
        return -EFAULT;
    }
    return wait_for_ports(cs, poll64.ports, poll64.nr, poll64.timeout, compat);
}

bool upcall_sched_op(CPUState *cs, unsigned cmd, uint64_t arg, bool compat, int *rc)
{
    if (kvm_enabled()) {
        *rc = 0;
        if (cmd == SCHEDOP_block) {
            xen_kvm_block(cs);
        }
        return cmd == SCHEDOP_block;
    }
    switch (cmd) {
    case SCHEDOP_poll:
        *rc = poll_op(cs, arg, compat);
        return true;
    case SCHEDOP_block:
        *rc = wait_for_ports(cs, 0, 0, 0, compat);
        return true;
    default:
        return false;
    }
}

bool upcall_is_waiting(const CPUState *cs)
{
    return vcpus[cs->cpu_index].polling;
}

/* --- A vCPU's own vector ----------------------------------------------------------------- */

static void send_msi(CPUState *cs, run_on_cpu_data data)
{
    g_autofree MSIMessage *msg = data.host_ptr;

    apic_get_class(NULL)->send_msi(msg);
    wake(cs, RUN_ON_CPU_NULL);
}

void xen_tcg_send_upcall(CPUState *cs, const MSIMessage *msg)
{
    run_on(cs, send_msi, RUN_ON_CPU_HOST_PTR(g_memdup2(msg, sizeof(*msg))));
}

/* --- The callback vector ----------------------------------------------------------------- */

static void raise_callback(CPUState *cs, run_on_cpu_data unused)
{
    cpu_interrupt(cs, CPU_INTERRUPT_XEN);
    wake(cs, RUN_ON_CPU_NULL);
}

void xen_tcg_send_callback(CPUState *cs)
{
    run_on(cs, raise_callback, RUN_ON_CPU_NULL);
}

void upcall_set_vector(uint8_t new_vector)
{
    CPUState *cs;

    vector = new_vector;
    if (vector) {
        CPU_FOREACH (cs) {
            xen_tcg_send_callback(cs);
        }
    }
}

static bool is_upcall_pending(CPUState *cs)
{
    const struct vcpu_info *info = vcpu_info(cs);

    return info && qatomic_read(&info->evtchn_upcall_pending);
}

int xen_tcg_get_callback(CPUState *cs)
{
    bool is_due;

    /* Whoever sets it later has seen the flag as we have, or will set it again. */
    cpu_reset_interrupt(cs, CPU_INTERRUPT_XEN);
    smp_mb();
    is_due = vector && !cpu_env(cs)->xen_vcpu_callback_vector && is_upcall_pending(cs);
    if (is_due) {
        cs->interrupt_request |= CPU_INTERRUPT_XEN;
    }
    return is_due ? vector : -1;
}

void upcall_look(CPUState *cs)
{
    if (vector && is_upcall_pending(cs)) {
        BQL_LOCK_GUARD();
        cpu_interrupt(cs, CPU_INTERRUPT_XEN);
    }
}

/* --- GSI and INTx ------------------------------------------------------------------------ */

void xen_tcg_poll_callback(void)
{
    CPUState *cs = xen_tcg_enabled() ? first_cpu : NULL;

    if (cs && cpu_env(cs)->xen_callback_asserted && !is_upcall_pending(cs)) {
        BQL_LOCK_GUARD();
        cpu_env(cs)->xen_callback_asserted = false;
        xen_evtchn_set_callback_level(is_upcall_pending(cs));
    }
}

/* --- vcpu_info --------------------------------------------------------------------------- */

/* By whatever way events come. */
static void inject(CPUState *cs, run_on_cpu_data unused)
{
    kvm_xen_inject_vcpu_callback_vector(cs->cpu_index, HVM_PARAM_CALLBACK_TYPE_VECTOR);
    if (cs->cpu_index == 0) {
        xen_evtchn_set_callback_level(1);
    }
}

static void let_go(struct vcpu *v)
{
    if (v->info.mr) {
        xenbed_put_pages(v->info.mr, v->info.offset_within_region);
        memory_region_unref(v->info.mr);
        v->info.mr = NULL;
    }
}

/* Not started yet, or parked by the firmware: an INIT is still to come, and empties its APIC. */
static bool is_down(CPUState *cs)
{
    bool parked;

    if (kvm_enabled()) {
        return xen_kvm_is_down(cs);
    }
    parked = cs->halted && !(cpu_env(cs)->eflags & IF_MASK) && !upcall_is_waiting(cs);

    return parked || APIC_COMMON(X86_CPU(cs)->apic_state)->wait_for_sipi;
}

/*
 * As Xen: what was there stays, and as an event may get lost in between all seem to be pending.
 * Not so for a vCPU that is down, whose upcall would be lost.
 */
static void move(CPUState *cs, hwaddr addr)
{
    const size_t width = xen_is_long_mode() ? 8 : 4;
    struct vcpu_info new = {.evtchn_upcall_mask = 1};

    if (vcpu_info(cs)) {
        new = *vcpu_info(cs);
    }
    if (!is_down(cs)) {
        new.evtchn_upcall_pending = 1;
        memset((uint8_t *)&new + width, 0xff, width); /* evtchn_pending_sel */
        run_on(cs, inject, RUN_ON_CPU_NULL);
    }
    address_space_write(&address_space_memory, addr, MEMTXATTRS_UNSPECIFIED, &new, sizeof(new));
}

void upcall_vcpu_info(CPUState *cs, hwaddr addr)
{
    struct vcpu *v = &vcpus[cs->cpu_index];

    if (v->info.mr && v->info.offset_within_address_space == addr) {
        return;
    }
    let_go(v);
    if (addr == HWADDR_MAX) {
        return;
    }
    v->info = memory_region_find(get_system_memory(), addr, sizeof(struct vcpu_info));
    if (v->info.mr) {
        xenbed_get_pages(v->info.mr, v->info.offset_within_region, 0, sizeof(struct vcpu_info));
    }
    if (cpu_env(cs)->xen_vcpu_info_gpa == addr) {
        move(cs, addr);
    }
}

void upcall_reset(void)
{
    CPUState *cs;

    CPU_FOREACH (cs) {
        struct vcpu *v = &vcpus[cs->cpu_index];

        v->polling = false;
        if (v->timeout) {
            timer_del(v->timeout);
        }
        let_go(v);
    }
}
