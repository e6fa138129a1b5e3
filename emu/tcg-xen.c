/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen guests without KVM: what the kernel's KVM_XEN does for QEMU's Xen
 * emulation, done in software for TCG.  CPUID, the hypercall MSR, VMCALL, the
 * attribute ioctls, guest-virtual copies, upcalls.  QEMU's own handlers of the
 * hypercalls (xen-emu.c) are used as they are.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"
#include "hw/i386/e820_memory_layout.h"
#include "hw/i386/kvm/xen_overlay.h"
#include "hw/xen/interface/xen.h"
#include "hw/xen/xen.h"
#include "linux/kvm.h"
#include "qom/object_interfaces.h"
#include "system/kvm.h"
#include "system/kvm_xen.h"
#include "system/tcg.h"
#include "target/i386/kvm/xen-emu.h"
#include "xenbed/emu/xenbed.h"

static struct {
    uint32_t version;
    uint16_t gnttab_max_frames;
    uint16_t evtchn_max_pirq;
    uint8_t long_mode; /* latched when the guest fills its hypercall page */
} xen = {
    .version = XENBED_VERSION_NEWEST,
    .gnttab_max_frames = 64,
    .evtchn_max_pirq = 256,
};

/* --- Options ----------------------------------------------------------------- */

bool xen_tcg_enabled(void)
{
    return tcg_enabled() && xen_mode == XEN_EMULATE;
}

uint32_t xen_tcg_version(void)
{
    return xen.version;
}

bool xen_tcg_is_compat(void)
{
    return !xen.long_mode;
}

uint16_t xen_tcg_gnttab_max_frames(void)
{
    return xen.gnttab_max_frames;
}

uint16_t xen_tcg_evtchn_max_pirq(void)
{
    return xen.evtchn_max_pirq;
}

bool xen_tcg_set_version(uint32_t version, Error **errp)
{
    if (version < XENBED_VERSION_OLDEST) {
        error_setg(errp, "xen-version 0x%x is too old: it is 0x%x (3.1) at least", version,
                   XENBED_VERSION_OLDEST);
        return false;
    }
    xen.version = version;
    return true;
}

/*
 * Objects and the accelerator's options come before this, the machine after.
 * Under another accelerator it is not called, so Xen stays off there.
 */
void xen_tcg_accel_init(void)
{
    if (xenbed && xen_mode == XEN_DISABLED) {
        xen_mode = XEN_EMULATE;
        xen_domid = xenbed->domid;
        /* As for KVM: the firmware must not use the special pages. */
        e820_add_entry(XEN_SPECIAL_AREA_ADDR, XEN_SPECIAL_AREA_SIZE, E820_RESERVED);
    }
}

bool xen_emu_set_version(uint32_t version, Error **errp)
{
    if (!xen_tcg_set_version(version, errp)) {
        return false;
    }
    /* No -object xenbed was given: have one all the same. */
    return xenbed ||
           object_new_with_props(TYPE_XENBED, object_get_objects_root(), "xenbed0", errp, NULL);
}

static void accel_get_xen_version(Object *obj, Visitor *v, const char *name, void *opaque,
                                  Error **errp)
{
    visit_type_uint32(v, name, &xen.version, errp);
}

static void accel_set_xen_version(Object *obj, Visitor *v, const char *name, void *opaque,
                                  Error **errp)
{
    uint32_t version;

    if (visit_type_uint32(v, name, &version, errp) && version) {
        (void)xen_emu_set_version(version, errp);
    }
}

static void accel_get_uint16(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    visit_type_uint16(v, name, opaque, errp);
}

void xen_tcg_accel_class_init(ObjectClass *oc)
{
    object_class_property_add(oc, "xen-version", "uint32", accel_get_xen_version,
                              accel_set_xen_version, NULL, NULL);
    object_class_property_set_description(oc, "xen-version",
                                          "Xen version to be emulated (in XENVER_version form "
                                          "e.g. 0x40011 for 4.17)");
    object_class_property_add(oc, "xen-gnttab-max-frames", "uint16", accel_get_uint16,
                              accel_get_uint16, NULL, &xen.gnttab_max_frames);
    object_class_property_set_description(oc, "xen-gnttab-max-frames",
                                          "Maximum number of grant table frames");
    object_class_property_add(oc, "xen-evtchn-max-pirq", "uint16", accel_get_uint16,
                              accel_get_uint16, NULL, &xen.evtchn_max_pirq);
    object_class_property_set_description(oc, "xen-evtchn-max-pirq", "Maximum number of Xen PIRQs");
}

bool xen_tcg_init_vcpu(CPUState *cs, Error **errp)
{
    int err;

    if (!xen_tcg_enabled()) {
        return true;
    }
    if (cs->cpu_index >= XENBED_MAX_VCPUS) {
        error_setg(errp, "a Xen guest has at most %d vCPUs", XENBED_MAX_VCPUS);
        return false;
    }
    err = kvm_xen_init_vcpu(cs);
    if (err) {
        error_setg_errno(errp, -err, "Xen state of vCPU %d", cs->cpu_index);
    }
    return !err;
}

/* --- The hypercall page ---------------------------------------------------------- */

/* 32 bytes a hypercall: `mov $nr, %eax`, the CPU's vmcall or vmmcall, `ret`. */
static void fill_hypercall_page(const CPUX86State *env, uint8_t page[TARGET_PAGE_SIZE])
{
    const uint8_t call = IS_AMD_CPU(env) ? 0xd9 : 0xc1;
    const uint8_t stub[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x01, call, 0xc3};

    memset(page, 0xcc, TARGET_PAGE_SIZE);
    for (unsigned nr = 0; nr < TARGET_PAGE_SIZE / 32; nr++) {
        memcpy(page + nr * 32, stub, sizeof(stub));
        page[nr * 32 + 1] = nr;
    }
    /* Only PV guests have this one: ud2. */
    memset(page + __HYPERVISOR_iret * 32, 0xcc, 32);
    page[__HYPERVISOR_iret * 32] = 0x0f;
    page[__HYPERVISOR_iret * 32 + 1] = 0x0b;
}

bool xen_tcg_wrmsr(CPUState *cs, uint32_t msr, uint64_t val)
{
    uint8_t page[TARGET_PAGE_SIZE];

    if (!xen_tcg_enabled() || msr != XEN_HYPERCALL_MSR) {
        return false;
    }
    /* The low bits name the hypercall page; there is one. */
    if ((val & ~TARGET_PAGE_MASK) == 0) {
        fill_hypercall_page(cpu_env(cs), page);
        address_space_write(cs->as, val, MEMTXATTRS_UNSPECIFIED, page, sizeof(page));
        xen.long_mode = !!(X86_CPU(cs)->env.hflags & HF_CS64_MASK);
    }
    return true;
}

/* --- The attributes of KVM's ioctls -------------------------------------------- */

int xen_tcg_vm_attr(unsigned long request, struct kvm_xen_hvm_attr *attr)
{
    const bool get = request == KVM_XEN_HVM_GET_ATTR;

    switch (attr->type) {
    case KVM_XEN_ATTR_TYPE_LONG_MODE:
        if (get) {
            attr->u.long_mode = xen.long_mode;
        } else {
            xen.long_mode = attr->u.long_mode;
            clock_shared_info(xen_tcg_is_compat());
        }
        return 0;
    case KVM_XEN_ATTR_TYPE_SHARED_INFO:
        if (attr->u.shared_info.gfn != KVM_XEN_INVALID_GFN) {
            clock_shared_info(xen_tcg_is_compat());
        }
        return 0;
    case KVM_XEN_ATTR_TYPE_UPCALL_VECTOR:
        upcall_set_vector(attr->u.vector);
        return 0;
    default:
        return -ENOSYS;
    }
}

int xen_tcg_set_vcpu_attr(CPUState *cs, const struct kvm_xen_vcpu_attr *attr)
{
    const bool gone = attr->u.gpa == KVM_XEN_INVALID_GPA;

    switch (attr->type) {
    case KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO:
        upcall_vcpu_info(cs, attr->u.gpa);
        if (!gone) {
            clock_vcpu_info(attr->u.gpa);
        }
        return 0;
    case KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO:
        if (!gone) {
            clock_time_info(attr->u.gpa);
        }
        return 0;
    case KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR:
        clock_runstate(cs, attr->u.gpa, xen_tcg_is_compat());
        return 0;
    default:
        return -ENOSYS;
    }
}

/* --- Guest memory ----------------------------------------------------------------- */

/* Where QEMU has the memory at this address, if the vCPU may access it; nobody asks without TCG. */
static void *probe(CPUX86State *env, vaddr addr, size_t len, bool is_write)
{
    void *host = NULL;

#ifdef CONFIG_TCG
    MMUAccessType access = is_write ? MMU_DATA_STORE : MMU_DATA_LOAD;
    int mmu_index = cpu_mmu_index(env_cpu(env), false);

    if (probe_access_flags(env, addr, len, access, mmu_index, true, &host, 0) & TLB_INVALID_MASK) {
        return NULL;
    }
#endif
    return host;
}

/*
 * As the vCPU itself would: its TLB or page tables, its permissions, its accessed and dirty
 * bits.  What is not RAM (a device, a hole) faults, as on Xen.
 */
size_t xen_emu_gva_rw(CPUState *cs, uint64_t gva, void *buf, size_t len, bool is_write)
{
    size_t done = 0;

    RCU_READ_LOCK_GUARD();
    while (done < len) {
        vaddr addr = gva + done;
        size_t part = MIN(len - done, -(addr | TARGET_PAGE_MASK));
        void *host = kvm_enabled() ? xen_kvm_probe(cs, addr, is_write)
                                   : probe(cpu_env(cs), addr, part, is_write);

        if (!host) {
            break;
        }
        if (is_write) {
            memcpy(host, (uint8_t *)buf + done, part);
        } else {
            memcpy((uint8_t *)buf + done, host, part);
        }
        done += part;
    }
    return done;
}

bool copy_from_guest(CPUState *cs, void *dst, uint64_t addr, size_t len)
{
    return xen_emu_gva_rw(cs, addr, dst, len, false) == len;
}

bool copy_to_guest(CPUState *cs, uint64_t addr, const void *src, size_t len)
{
    return xen_emu_gva_rw(cs, addr, (void *)src, len, true) == len;
}

bool xen_tcg_gva_to_gpa(CPUState *cs, uint64_t gva, uint64_t *gpa, size_t *len)
{
    MemTxAttrs attrs;
    hwaddr page = cpu_get_phys_page_attrs_debug(cs, gva & TARGET_PAGE_MASK, &attrs);

    if (page == -1) {
        return false;
    }
    *gpa = page | (gva & ~TARGET_PAGE_MASK);
    if (len) {
        *len = TARGET_PAGE_SIZE - (gva & ~TARGET_PAGE_MASK);
    }
    return true;
}

/* --- VMCALL --------------------------------------------------------------------------- */

void xen_tcg_hypercall(X86CPU *cpu, struct kvm_xen_exit *exit)
{
    (void)crash_stopped();
    kvm_xen_handle_exit(cpu, exit);
    if (crash_stopped() && exit->u.hcall.result == (uint64_t)-EFAULT) {
        /* Stopped at an argument: it is looked at again when the guest goes on. */
        exit->u.hcall.result = -ERESTART;
    }
}

/* False: it is to be made again, with other arguments. */
static bool hypercall(X86CPU *cpu)
{
    CPUX86State *env = &cpu->env;
    target_ulong *regs = env->regs;
    const bool longmode = env->hflags & HF_CS64_MASK;
    struct kvm_xen_exit exit = {
        .type = KVM_EXIT_XEN_HCALL,
        .u.hcall =
            {
                .longmode = longmode,
                .cpl = env->hflags & HF_CPL_MASK,
                .input = longmode ? regs[R_EAX] : (uint32_t)regs[R_EAX],
            },
    };
    static const uint8_t params64[] = {R_EDI, R_ESI, R_EDX, R_R10, R_R8, R_R9};
    static const uint8_t params32[] = {R_EBX, R_ECX, R_EDX, R_ESI, R_EDI, R_EBP};

    for (unsigned i = 0; i < ARRAY_SIZE(params64); i++) {
        exit.u.hcall.params[i] = longmode ? regs[params64[i]] : (uint32_t)regs[params32[i]];
    }
    xen_tcg_hypercall(cpu, &exit);
    if (exit.u.hcall.result == (uint64_t)-ERESTART) {
        /* As Xen: the guest makes it again without knowing, and may be interrupted before. */
        regs[longmode ? R_EDI : R_EBX] = exit.u.hcall.params[0];
        regs[longmode ? R_ESI : R_ECX] = exit.u.hcall.params[1];
        return false;
    }
    regs[R_EAX] = longmode ? exit.u.hcall.result : (uint32_t)exit.u.hcall.result;
    return true;
}

/*
 * The translation block ends with the instruction, and this never returns to
 * it: an exclusive section in the hypercall may have let another vCPU flush all
 * translated code.
 */
void helper_xen_hypercall(CPUX86State *env, int insn_len)
{
    CPUState *cs = env_cpu(env);

    if (hypercall(env_archcpu(env))) {
        env->eip += insn_len;
    }
    env->eflags &= ~RF_MASK;
    env->hflags &= ~HF_INHIBIT_IRQ_MASK;
    cs->exception_index = cs->singlestep_enabled ? EXCP_DEBUG : -1;
    xen_tcg_poll_callback();
    upcall_kick();
    upcall_look(cs);
    if (upcall_is_waiting(cs)) {
        cs->halted = 1;
        cs->exception_index = EXCP_HLT;
    }
    cpu_loop_exit(cs);
}
