/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hooks where QEMU has no Xen emulation (other targets, user mode, tools):
 * the linker takes these only when nothing else defines them.
 */
#include "qemu/osdep.h"
#include "xenbed/emu/hooks.h"

struct CPUArchState;

/* What helper-proto.h makes of a helper; it is for one target only, and this file for all. */
G_NORETURN void helper_xen_hypercall(struct CPUArchState *env, int insn_len);

bool xen_trap_active;
__thread unsigned xen_trap_observers;
MemoryRegion xen_trap_hole;

XenTrap xen_trap_lookup(MemoryRegion *mr, hwaddr offset, hwaddr *len)
{
    return XEN_TRAP_RAM;
}

void xen_trap_cpu_touch(CPUState *cs, hwaddr addr, bool may_restart, uintptr_t retaddr)
{
}

void xen_trap_cpu_restart(CPUState *cs, uintptr_t retaddr)
{
}

XenTrap xen_trap_device_touch(MemoryRegion *mr, hwaddr offset, hwaddr *len)
{
    return XEN_TRAP_RAM;
}

void xenbed_get_pages(MemoryRegion *mr, hwaddr offset, hwaddr done, hwaddr len)
{
}

void xenbed_put_pages(MemoryRegion *mr, hwaddr offset)
{
}

bool xen_tcg_enabled(void)
{
    return false;
}

void xen_tcg_accel_class_init(ObjectClass *oc)
{
}

void xen_tcg_accel_init(void)
{
}

bool xen_tcg_init_vcpu(CPUState *cs, Error **errp)
{
    return true;
}

bool xen_tcg_cpuid(CPUState *cs, uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx,
                   uint32_t *ecx, uint32_t *edx)
{
    return false;
}

bool xen_tcg_wrmsr(CPUState *cs, uint32_t msr, uint64_t val)
{
    return false;
}

uint64_t xen_tcg_get_tsc(void)
{
    return 0;
}

int xen_tcg_get_callback(CPUState *cs)
{
    return -1;
}

void xen_tcg_poll_callback(void)
{
}

void xen_tcg_halt(CPUState *cs)
{
}

void xen_tcg_halted(CPUState *cs)
{
}

/* x86's translator calls it, if only where there is a Xen guest. */
void helper_xen_hypercall(struct CPUArchState *env, int insn_len)
{
    g_assert_not_reached();
}
