/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a domain that has crashed, or has touched a hole: on-crash and on-hole.
 *
 * A debug stop is as one at a breakpoint; the instruction is made again when the guest goes
 * on.  All else is a crash, as when the guest itself says so: QEMU stops it as
 * guest-panicked, and what is to be done with it then is done from the main loop.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "block/aio.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-dump.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/gdbstub.h"
#include "system/cpus.h"
#include "system/kvm.h"
#include "system/runstate-action.h"
#include "system/runstate.h"
#include "xenbed/emu/xenbed.h"

/* This thread's vCPU is to stop where it is. */
static __thread bool stopped;

static void write_core(XenBed *xb)
{
    g_autofree char *protocol = g_strconcat("file:", xb->core_file, NULL);
    Error *err = NULL;

    info_report("xenbed: dumping core to %s", xb->core_file);
    /* QEMU makes it so that nobody, we included, may write to it. */
    unlink(xb->core_file);
    qmp_dump_guest_memory(false, protocol, false, false, false, 0, false, 0, false, 0, &err);
    if (err) {
        error_reportf_err(err, "xenbed: core dump: ");
    }
}

static void carry_out(void *opaque)
{
    XenBed *xb = opaque;
    XenbedAction action = xb->hole_touched ? xb->on_hole : xb->on_crash;

    switch (action) {
    case XENBED_ACTION_COREDUMP_DESTROY:
        write_core(xb);
        /* fallthrough */
    case XENBED_ACTION_DESTROY:
        /* Whatever is to be done when a guest shuts down by itself. */
        shutdown_action = SHUTDOWN_ACTION_POWEROFF;
        qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
        break;
    case XENBED_ACTION_COREDUMP_RESTART:
        write_core(xb);
        /* fallthrough */
    case XENBED_ACTION_RESTART:
        xb->restart = true;
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_PANIC);
        break;
    default:
        break;
    }
}

static void run_on(void *opaque)
{
    vm_start();
}

/* Of the whole machine: the guest is another one. */
void crash_reset(XenBed *xb)
{
    xb->hole_touched = false;
    if (xb->restart) {
        xb->restart = false;
        aio_bh_schedule_oneshot(qemu_get_aio_context(), run_on, NULL);
    }
}

/* To vCPUs a page that could not be populated is a hole: they have to look again. */
static void revive(XenBed *xb)
{
    CPUState *cs;

    QEMU_LOCK_GUARD(&xb->lock);
    if (hcall_domain_crashed(xb->domain)) {
        hcall_domain_revive(xb->domain);
        if (!kvm_enabled()) {
            CPU_FOREACH (cs) {
                tlb_flush(cs);
            }
        }
    }
}

static void run_state_changed(void *opaque, bool running, RunState state)
{
    XenBed *xb = opaque;

    if (state == RUN_STATE_GUEST_PANICKED) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), carry_out, xb);
    } else if (running) {
        revive(xb);
        if (kvm_enabled()) {
            uffd_wake();
        }
    }
}

static bool is_coredump(XenbedAction action)
{
    return action == XENBED_ACTION_COREDUMP_DESTROY || action == XENBED_ACTION_COREDUMP_RESTART;
}

bool crash_init(XenBed *xb, Error **errp)
{
    if ((is_coredump(xb->on_crash) || is_coredump(xb->on_hole)) && !xb->core_file) {
        error_setg(errp, "xenbed: core-file is missing: where to dump core to");
        return false;
    }
    if (xb->on_crash != XENBED_ACTION_NONE || xb->on_hole != XENBED_ACTION_NONE) {
        qemu_add_vm_change_state_handler(run_state_changed, xb);
    }
    if (xb->on_crash != XENBED_ACTION_NONE) {
        panic_action = PANIC_ACTION_PAUSE;
    }
    return true;
}

/* Whose doing it is: this thread's, or that for which it touches a page; NULL: a device's. */
static CPUState *vcpu(void)
{
    return current_cpu ? current_cpu : touch_vcpu;
}

static void panic(void *opaque)
{
    qemu_system_guest_panicked(NULL);
}

/* From any thread. */
static void stop(XenbedAction action)
{
    if (action == XENBED_ACTION_DEBUG) {
        if (vcpu()) {
            gdb_set_stop_cpu(vcpu());
        }
        stopped = true;
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_DEBUG);
        cpu_stop_current();
    } else if (current_cpu) {
        panic(NULL);
    } else {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), panic, NULL);
    }
}

bool crash_stopped(void)
{
    bool was = stopped;

    stopped = false;
    return was;
}

static void dump_state(void *opaque)
{
    cpu_dump_state(opaque, stderr, CPU_DUMP_CODE);
}

void crash_domain(XenBed *xb)
{
    CPUState *cs = vcpu() ? vcpu() : first_cpu;

    if (current_cpu) {
        dump_state(cs);
    } else {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), dump_state, cs);
    }
    stop(xb->on_crash);
}

bool crash_touch_hole(const CPUState *cs, gfn_t gfn)
{
    XenBed *xb = xenbed;
    g_autofree char *who = NULL, *line = NULL;

    if (xb->on_hole == XENBED_ACTION_NONE || !xb->started) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&xb->lock)
    {
        if (!trap_touch_hole(gfn)) {
            return false;
        }
    }
    who = cs ? g_strdup_printf("d%uv%d", xb->domid, cs->cpu_index)
             : g_strdup_printf("a device of d%u", xb->domid);
    line = g_strdup_printf("%s touches the hole at gfn %#" PRIx64, who, gfn);
    xenbed_log(xb, line);
    qatomic_set(&xb->hole_touched, true);
    stop(xb->on_hole);
    return true;
}
