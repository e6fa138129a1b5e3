/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen guests under KVM: what the kernel and QEMU leave to do.  The version shown, guest-virtual
 * copies that respect permissions, hypercalls that are made again, what a vCPU has said where
 * it is.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "hw/i386/kvm/xen_overlay.h"
#include "hw/xen/interface/arch-x86/cpuid.h"
#include "hw/xen/interface/vcpu.h"
#include "hw/xen/interface/xen.h"
#include "hw/xen/xen.h"
#include "linux/kvm.h"
#include "system/hw_accel.h"
#include "system/kvm.h"
#include "system/kvm_int.h"
#include "system/kvm_xen.h"
#include "target/i386/kvm/xen-emu.h"
#include "xenbed/emu/xenbed.h"

/* --- Options ----------------------------------------------------------------- */

int xen_kvm_accel_init(KVMState *s)
{
    Error *err = NULL;

    if (!xenbed) {
        return 0;
    }
    if (!(kvm_check_extension(s, KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_EVTCHN_SEND)) {
        error_report("xenbed: the kernel's KVM has no Xen support (CONFIG_KVM_XEN), or not enough: "
                     "use -accel tcg");
        return -ENOSYS;
    }
    if (!uffd_open_fd(&err)) {
        error_report_err(err);
        return -EPERM;
    }
    s->xen_version = xen_tcg_version();
    if (s->kernel_irqchip_split == ON_OFF_AUTO_AUTO) {
        s->kernel_irqchip_split = ON_OFF_AUTO_ON;
    }
    xen_mode = XEN_EMULATE;
    xen_domid = xenbed->domid;
    return 0;
}

uint32_t xen_kvm_fill_cpuid(CPUState *cs, struct kvm_cpuid_entry2 *entries, uint32_t first)
{
    uint32_t last = XEN_CPUID_FIRST_LEAF, i = first;

    for (uint32_t leaf = XEN_CPUID_FIRST_LEAF; leaf <= last; leaf++) {
        const uint32_t nr = leaf - XEN_CPUID_FIRST_LEAF;

        for (uint32_t subleaf = 0; subleaf < (nr == XEN_CPUID_TIME ? 3 : 1); subleaf++) {
            struct kvm_cpuid_entry2 *c = &entries[i++];

            *c = (struct kvm_cpuid_entry2){
                .function = leaf,
                .index = subleaf,
                .flags = nr >= XEN_CPUID_TIME ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            };
            (void)xen_leaf(cs, leaf, subleaf, &c->eax, &c->ebx, &c->ecx, &c->edx);
        }
        last = entries[first].eax;
    }
    return i;
}

/* --- Guest memory ------------------------------------------------------------------ */

/* How this vCPU translates addresses, asked once a hypercall. */
static __thread struct {
    bool known;
    struct kvm_sregs sregs;
} cpu;

void xen_kvm_hypercall_begins(void)
{
    cpu.known = false;
}

static const struct kvm_sregs *get_sregs(CPUState *cs)
{
    cpu.known = cpu.known || kvm_vcpu_ioctl(cs, KVM_GET_SREGS, &cpu.sregs) == 0;
    return cpu.known ? &cpu.sregs : NULL;
}

/* Where QEMU has guest RAM, which the vCPU touches by that; NULL: there is none. */
static void *touch(CPUState *cs, hwaddr addr, bool is_write)
{
    MemoryRegionSection section = memory_region_find(get_system_memory(), addr, 1);
    void *host = NULL;
    gfn_t gfn;

    if (!section.mr) {
        return NULL;
    }
    if (memory_region_is_ram(section.mr) && !(is_write && section.readonly) &&
        (!trap_gfn_of_region(section.mr, section.offset_within_region, &gfn) ||
         touch_by_vcpu(cs, gfn))) {
        host = (uint8_t *)memory_region_get_ram_ptr(section.mr) + section.offset_within_region;
    }
    memory_region_unref(section.mr);
    return host;
}

/* One level of a page table: which address bits it goes by, how wide an entry is, what is in one.
 */
struct level {
    unsigned shift, bits, width;
    bool has_flags;  /* whether it can be written to, was accessed */
    bool maps_pages; /* large ones, if the entry says so */
};

/* From the top; returns how many. */
static unsigned paging_levels(const struct kvm_sregs *s, struct level level[5])
{
    const bool pae = s->cr4 & CR4_PAE_MASK, lma = s->efer & MSR_EFER_LMA;
    const unsigned n = !pae ? 2 : !lma ? 3 : s->cr4 & CR4_LA57_MASK ? 5 : 4;

    for (unsigned i = 0; i < n; i++) {
        const unsigned up = n - 1 - i;
        const bool large = up == 1 || (up == 2 && lma);

        level[i] = pae ? (struct level){12 + 9 * up, 9, 8, true, large}
                       : (struct level){12 + 10 * up, 10, 4, true, large && s->cr4 & CR4_PSE_MASK};
    }
    if (n == 3) {
        level[0] = (struct level){.shift = 30, .bits = 2, .width = 8};
    }
    return n;
}

static bool is_canonical(const struct kvm_sregs *s, uint64_t gva)
{
    const unsigned unused = s->cr4 & CR4_LA57_MASK ? 7 : 16;

    return !(s->efer & MSR_EFER_LMA) || (uint64_t)((int64_t)(gva << unused) >> unused) == gva;
}

/* The bits of an entry that are an address, above what lies within the page it maps. */
static uint64_t entry_address(uint64_t entry, unsigned shift, unsigned width)
{
    uint64_t address = entry & 0x000ffffffffff000;

    if (width == 4 && shift == 22) {
        /* PSE-36: four more bits where a 4 MiB page has no use for them. */
        return (entry & 0xffc00000) | (entry & 0x1fe000) << 19;
    }
    return address & ~(((uint64_t)1 << shift) - 1);
}

/*
 * The walk of a vCPU at CPL 0, with its accessed and dirty bits.  KVM_TRANSLATE does not ask
 * whether a page may be written.
 */
static bool translate(CPUState *cs, uint64_t gva, bool is_write, hwaddr *gpa)
{
    const struct kvm_sregs *s = get_sregs(cs);
    uint64_t table, entry = 0;
    bool writable = true;
    struct level level[5];
    unsigned n;

    if (!s || !is_canonical(s, gva)) {
        return false;
    }
    if (!(s->cr0 & CR0_PG_MASK)) {
        *gpa = gva;
        return true;
    }
    n = paging_levels(s, level);
    table = s->cr3 & (n == 3 ? 0xffffffe0 : 0x000ffffffffff000);
    for (unsigned i = 0; i < n; i++) {
        const struct level *l = &level[i];
        const uint64_t index = gva >> l->shift & ((1 << l->bits) - 1);
        uint8_t *at = touch(cs, table + index * l->width, false);
        bool leaf;

        if (!at) {
            return false;
        }
        entry = l->width == 8 ? ldq_le_p(at) : ldl_le_p(at);
        if (!(entry & PG_PRESENT_MASK)) {
            return false;
        }
        leaf = i == n - 1 || (l->maps_pages && (entry & PG_PSE_MASK));
        writable = writable && (!l->has_flags || (entry & PG_RW_MASK));
        if (leaf && is_write && !writable && (s->cr0 & CR0_WP_MASK)) {
            return false;
        }
        if (l->has_flags) {
            const uint8_t used = PG_ACCESSED_MASK | (leaf && is_write ? PG_DIRTY_MASK : 0);

            if ((entry & used) != used) {
                qatomic_or(at, used);
            }
        }
        if (leaf) {
            const uint64_t offset = gva & (((uint64_t)1 << l->shift) - 1);

            *gpa = entry_address(entry, l->shift, l->width) | offset;
            return true;
        }
        table = entry_address(entry, 12, l->width);
    }
    return false;
}

void *xen_kvm_probe(CPUState *cs, uint64_t gva, bool is_write)
{
    hwaddr gpa;

    return translate(cs, gva, is_write, &gpa) ? touch(cs, gpa, is_write) : NULL;
}

/* --- Hypercalls ----------------------------------------------------------------------- */

/*
 * The kernel finishes the instruction when the vCPU runs next; so it is let run, to come back at
 * once, and then gets the registers of before.
 */
void xen_kvm_hypercall_done(CPUState *cs)
{
    struct kvm_run *run = cs->kvm_run;
    const struct kvm_xen_exit exit = run->xen;
    target_ulong *regs = cpu_env(cs)->regs;

    /* Stopped at an argument: it is looked at again when the guest goes on. */
    if (!(crash_stopped() && exit.u.hcall.result == (uint64_t)-EFAULT) &&
        exit.u.hcall.result != (uint64_t)-ERESTART) {
        return;
    }
    cpu_synchronize_state(cs);
    run->immediate_exit = 1;
    (void)kvm_vcpu_ioctl(cs, KVM_RUN, 0);
    /* It stays set: whoever wanted the vCPU out is not forgotten. */
    regs[exit.u.hcall.longmode ? R_EDI : R_EBX] = exit.u.hcall.params[0];
    regs[exit.u.hcall.longmode ? R_ESI : R_ECX] = exit.u.hcall.params[1];
}

int xen_kvm_get_runstate(CPUState *cs, struct vcpu_runstate_info *info)
{
    struct kvm_xen_vcpu_attr attr = {.type = KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA};
    int rc = kvm_vcpu_ioctl(cs, KVM_XEN_VCPU_GET_ATTR, &attr);

    *info = (struct vcpu_runstate_info){
        .state = attr.u.runstate.state,
        .state_entry_time = attr.u.runstate.state_entry_time,
        .time = {attr.u.runstate.time_running, attr.u.runstate.time_runnable,
                 attr.u.runstate.time_blocked, attr.u.runstate.time_offline},
    };
    return rc;
}

bool xen_kvm_is_down(CPUState *cs)
{
    struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};

    (void)kvm_vcpu_ioctl(cs, KVM_GET_MP_STATE, &mp);
    return mp.mp_state == KVM_MP_STATE_UNINITIALIZED || mp.mp_state == KVM_MP_STATE_INIT_RECEIVED ||
           (mp.mp_state == KVM_MP_STATE_HALTED && !cs->kvm_run->if_flag);
}

/* The kernel lets it sleep as after HLT, until there is an interrupt. */
void xen_kvm_block(CPUState *cs)
{
    struct kvm_mp_state state = {.mp_state = KVM_MP_STATE_HALTED};

    (void)kvm_vcpu_ioctl(cs, KVM_SET_MP_STATE, &state);
}

void xen_kvm_set_vcpu_attr(CPUState *cs, const struct kvm_xen_vcpu_attr *attr)
{
    if (attr->type == KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO) {
        upcall_vcpu_info(cs, attr->u.gpa);
    }
}

static void forget_vcpu_info(CPUState *cs, run_on_cpu_data unused)
{
    const struct kvm_xen_vcpu_attr attr = {
        .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
        .u.gpa = KVM_XEN_INVALID_GPA,
    };

    if (cpu_env(cs)->xen_vcpu_info_gpa == KVM_XEN_INVALID_GPA) {
        cpu_env(cs)->xen_vcpu_info_default_gpa = KVM_XEN_INVALID_GPA;
        (void)kvm_vcpu_ioctl(cs, KVM_XEN_VCPU_SET_ATTR, &attr);
    }
}

void xen_kvm_forget_shared_info(void)
{
    CPUState *cs;

    CPU_FOREACH (cs) {
        if (cs == current_cpu) {
            forget_vcpu_info(cs, RUN_ON_CPU_NULL);
        } else {
            async_run_on_cpu(cs, forget_vcpu_info, RUN_ON_CPU_NULL);
        }
    }
}
