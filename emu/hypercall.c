/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypercalls that are xenbed's to answer: memory_op and xen_version as a whole, and what
 * QEMU's own emulation does not have.  All else goes on to that.
 */
/* Of the two sched_op, the one that is not Xen 3.0's. */
#define __XEN_INTERFACE_VERSION__ 0x00040400

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "cpu.h"
#include "hw/xen/interface/xen.h"
#include "hw/xen/interface/hvm/hvm_op.h"
#include "hw/xen/interface/hvm/params.h"
#include "hw/xen/interface/vcpu.h"
#include "linux/kvm.h"
#include "system/kvm.h"
#include "xenbed/emu/xenbed.h"

/* The domain of this id, DOMID_SELF included: -ESRCH there is none, -EPERM it is domain 0. */
static int check_domid(domid_t domid)
{
    if (domid == DOMID_SELF || domid == xenbed->domid) {
        return 0;
    }
    return domid == 0 ? -EPERM : -ESRCH;
}

/* --- memory_op ---------------------------------------------------------------- */

static void check(XenBed *xb)
{
    const char *wrong;

    QEMU_LOCK_GUARD(&xb->lock);
    wrong = hcall_host_check(xb->host);
    if (wrong) {
        error_report("xenbed: check: %s", wrong);
        abort();
    }
}

static int64_t memory_op(X86CPU *cpu, struct kvm_xen_exit *exit)
{
    const struct hcall_caller caller = {
        .domain = xenbed->domain,
        .vcpu = CPU(cpu)->cpu_index,
        .compat = !exit->u.hcall.longmode,
    };
    uint64_t cmd = exit->u.hcall.params[0];
    int64_t rc = hcall_memory_op(&caller, &cmd, exit->u.hcall.params[1]);

    exit->u.hcall.params[0] = cmd;
    if (xenbed->check) {
        check(xenbed);
    }
    return rc;
}

/* --- hvm_op ----------------------------------------------------------------------- */

/* It does not ask which page it is, so it changes nothing. */
static int get_mem_type(CPUState *cs, uint64_t arg)
{
    struct xen_hvm_get_mem_type get;
    enum hcall_p2m_type type;
    int rc;

    QEMU_BUILD_BUG_ON(sizeof(get) != 16);
    if (!copy_from_guest(cs, &get, arg, sizeof(get))) {
        return -EFAULT;
    }
    rc = check_domid(get.domid);
    if (rc < 0) {
        return rc;
    }
    WITH_QEMU_LOCK_GUARD(&xenbed->lock)
    {
        type = hcall_domain_p2m(xenbed->domain, get.pfn, NULL);
    }
    get.mem_type =
        type == HCALL_P2M_HOLE || type == HCALL_P2M_MMIO ? HVMMEM_mmio_dm : HVMMEM_ram_rw;
    return copy_to_guest(cs, arg, &get, sizeof(get)) ? 0 : -EFAULT;
}

/* QEMU knows of no domain but the guest's; Xen has domain 0, which is no HVM domain. */
static bool param_of_domain_0(CPUState *cs, uint64_t arg)
{
    struct xen_hvm_param param;

    return copy_from_guest(cs, &param, arg, sizeof(param)) && param.domid == 0;
}

static bool hvm_op(CPUState *cs, struct kvm_xen_exit *exit)
{
    uint64_t arg = exit->u.hcall.params[1];

    switch ((int)exit->u.hcall.params[0]) {
    case HVMOP_get_mem_type:
        exit->u.hcall.result = get_mem_type(cs, arg);
        return true;
    case HVMOP_get_param:
    case HVMOP_set_param:
        exit->u.hcall.result = -EINVAL;
        return param_of_domain_0(cs, arg);
    default:
        return false;
    }
}

/* --- sched_op ---------------------------------------------------------------------- */

static bool sched_op(CPUState *cs, struct kvm_xen_exit *exit)
{
    int rc;

    if (!upcall_sched_op(cs, exit->u.hcall.params[0], exit->u.hcall.params[1],
                         !exit->u.hcall.longmode, &rc)) {
        return false;
    }
    exit->u.hcall.result = rc;
    return true;
}

/* --- vcpu_op ----------------------------------------------------------------------- */

static bool vcpu_op(CPUState *cs, struct kvm_xen_exit *exit)
{
    const __u64 *params = exit->u.hcall.params;

    if ((int)params[0] != VCPUOP_get_runstate_info) {
        return false;
    }
    exit->u.hcall.result = clock_get_runstate(cs, params[1], params[2], !exit->u.hcall.longmode);
    return true;
}

/* --- multicall -------------------------------------------------------------------- */

/* An entry is eight numbers of the caller's width: operation, result, six arguments. */
enum { ENTRY_OP, ENTRY_RESULT, ENTRY_ARGS, ENTRY_NUMBERS = 8 };

static bool copy_numbers(CPUState *cs, uint64_t addr, uint64_t *numbers, unsigned n, size_t width)
{
    for (unsigned i = 0; i < n; i++) {
        numbers[i] = 0;
        if (!copy_from_guest(cs, &numbers[i], addr + i * width, width)) {
            return false;
        }
    }
    return true;
}

/* 0, or -EFAULT, or -ERESTART: then the entry has been changed to what continues it. */
static int do_entry(X86CPU *cpu, bool longmode, uint64_t addr)
{
    const size_t width = longmode ? 8 : 4;
    struct kvm_xen_exit exit = {.type = KVM_EXIT_XEN_HCALL, .u.hcall.longmode = longmode};
    uint64_t entry[ENTRY_NUMBERS];
    CPUState *cs = CPU(cpu);

    if (!copy_numbers(cs, addr, entry, ENTRY_NUMBERS, width)) {
        return -EFAULT;
    }
    exit.u.hcall.input = entry[ENTRY_OP];
    memcpy(exit.u.hcall.params, &entry[ENTRY_ARGS], sizeof(exit.u.hcall.params));
    if (exit.u.hcall.input == __HYPERVISOR_multicall) {
        exit.u.hcall.result = -EINVAL; /* not within itself */
    } else {
        xen_tcg_hypercall(cpu, &exit);
    }
    if (exit.u.hcall.result == (uint64_t)-ERESTART) {
        for (unsigned i = 0; i < 2; i++) {
            if (!copy_to_guest(cs, addr + (ENTRY_ARGS + i) * width, &exit.u.hcall.params[i],
                               width)) {
                return -EFAULT;
            }
        }
        return -ERESTART;
    }
    return copy_to_guest(cs, addr + ENTRY_RESULT * width, &exit.u.hcall.result, width) ? 0
                                                                                       : -EFAULT;
}

static int multicall(X86CPU *cpu, struct kvm_xen_exit *exit)
{
    const bool longmode = exit->u.hcall.longmode;
    __u64 *list = &exit->u.hcall.params[0], *nr = &exit->u.hcall.params[1];
    int rc = 0;

    /* What the parameters say is left: a continuation takes it from there. */
    for (*nr = (uint32_t)*nr; *nr > 0 && rc == 0; *nr -= rc == 0) {
        rc = do_entry(cpu, longmode, *list);
        if (rc == 0) {
            *list += ENTRY_NUMBERS * (longmode ? 8 : 4);
        }
    }
    return rc;
}

/* --- All of them -------------------------------------------------------------------- */

bool xenbed_hypercall(X86CPU *cpu, struct kvm_xen_exit *exit)
{
    if (!xenbed || !xenbed->domain) {
        return false;
    }
    if (kvm_enabled()) {
        xen_kvm_hypercall_begins();
    }
    if (exit->u.hcall.input > UINT16_MAX) {
        /* QEMU's emulation would not see the upper bits. */
        exit->u.hcall.result = -ENOSYS;
        return true;
    }
    switch (exit->u.hcall.input) {
    case __HYPERVISOR_memory_op:
        exit->u.hcall.result = memory_op(cpu, exit);
        return true;
    case __HYPERVISOR_multicall:
        exit->u.hcall.result = multicall(cpu, exit);
        return true;
    case __HYPERVISOR_xen_version:
        exit->u.hcall.result = version_op(CPU(cpu), exit->u.hcall.params[0],
                                          exit->u.hcall.params[1], !exit->u.hcall.longmode);
        return true;
    case __HYPERVISOR_sched_op:
        return sched_op(CPU(cpu), exit);
    case __HYPERVISOR_vcpu_op:
        return vcpu_op(CPU(cpu), exit);
    case __HYPERVISOR_grant_table_op:
        return grant_table_op(CPU(cpu), exit);
    case __HYPERVISOR_hvm_op:
        return hvm_op(CPU(cpu), exit);
    default:
        return false;
    }
}
