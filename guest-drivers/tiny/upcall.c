/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events as interrupts, and the timer.
 *
 * Events of unmasked ports interrupt by a vector that is the whole domain's: the oldest way that
 * works without an interrupt controller.  They are let in only while the vCPU is halted, so
 * nothing else has to reckon with them; and all an upcall has to do is to see to it that the next
 * event makes another one.  Whoever was asleep looks at everything it waits for.
 *
 * The timer is VIRQ_TIMER, set by VCPUOP_set_singleshot_timer.  Time is Xen's system time, which
 * counts nanoseconds since the domain was started; how the TSC gives it is in shared_info.
 */
#include "upcall.h"
#include "cpu.h"
#include "events.h"
#include "hypercall.h"

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/vcpu.h>

/* The type in the upper byte of HVM_PARAM_CALLBACK_IRQ; the vector is in the lowest. */
#define CALLBACK_VECTOR (2ull << 56)

extern const char upcall_entry[];

/* Called by upcall.S. */
void upcall(void);

static void unmask(uint32_t port)
{
    struct evtchn_unmask unmask = {.port = port};

    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask, &unmask);
}

bool upcall_start(uint32_t port)
{
    struct evtchn_bind_virq timer = {.virq = VIRQ_TIMER};
    struct xen_hvm_param callback = {
        .domid = DOMID_SELF,
        .index = HVM_PARAM_CALLBACK_IRQ,
        .value = CALLBACK_VECTOR | UPCALL_VECTOR,
    };

    cpu_set_interrupt(UPCALL_VECTOR, upcall_entry);
    if (hypercall(__HYPERVISOR_hvm_op, HVMOP_set_param, &callback) != 0 ||
        hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &timer) != 0) {
        return false;
    }
    unmask(port);
    unmask(timer.port);
    return true;
}

void upcall(void)
{
    struct shared_info *shared = shared_info();
    struct vcpu_info *vcpu = &shared->vcpu_info[0];

    vcpu->evtchn_upcall_pending = 0;
    __atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < sizeof(shared->evtchn_pending) / sizeof(xen_ulong_t); i++) {
        __atomic_fetch_and(&shared->evtchn_pending[i], shared->evtchn_mask[i], __ATOMIC_SEQ_CST);
    }
}

void sleep_unless(bool (*has_work)(void))
{
    /* Interrupts are off until then, and STI lets none in before HLT. */
    if (!has_work()) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

uint64_t timer_now(void)
{
    const volatile struct vcpu_time_info *time = &shared_info()->vcpu_info[0].time;
    uint64_t ticks, now;
    uint32_t version;

    do {
        version = time->version;
        barrier();
        ticks = cycles() - time->tsc_timestamp;
        ticks = time->tsc_shift < 0 ? ticks >> -time->tsc_shift : ticks << time->tsc_shift;
        now = time->system_time +
              (uint64_t)((unsigned __int128)ticks * time->tsc_to_system_mul >> 32);
        barrier();
    } while (version & 1 || version != time->version);
    return now;
}

void timer_set(uint64_t when)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = when};
    struct hypercall call = {__HYPERVISOR_vcpu_op,
                             {VCPUOP_set_singleshot_timer, 0, (uintptr_t)&timer}};

    hypercall_issue(&call);
}
