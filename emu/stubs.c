/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hooks where QEMU has no Xen emulation (other targets, user mode, tools):
 * the linker takes these only when nothing else defines them.
 */
#include "qemu/osdep.h"
#include "xenbed/emu/hooks.h"

bool xen_trap_active;
MemoryRegion xen_trap_hole;

bool xen_trap_lookup(MemoryRegion *mr, hwaddr offset, hwaddr *len)
{
    return false;
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
