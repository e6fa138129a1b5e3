/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every call QEMU makes into xenbed.  The patch in emu/patches adds nothing to
 * QEMU but calls to these functions, so this is the whole seam.  Where QEMU is
 * built without Xen emulation the same names are in stubs.c.
 */
#ifndef XENBED_EMU_HOOKS_H
#define XENBED_EMU_HOOKS_H

#include "exec/memory.h"

struct KVMState;
struct kvm_cpuid_entry2;
struct kvm_xen_exit;
struct kvm_xen_hvm_attr;
struct kvm_xen_vcpu_attr;

/* --- Xen on either accelerator ----------------------------------------- */

/* -accel xen-version=...: a Xen guest has a domain, so there is an -object xenbed. */
bool xen_emu_set_version(uint32_t version, Error **errp);

/* Guest linear memory as the vCPU itself sees it; returns the bytes done before a fault. */
size_t xen_emu_gva_rw(CPUState *cs, uint64_t gva, void *buf, size_t len, bool is_write);

/* --- kvm-xen.c: what KVM leaves to do ------------------------------------ */

/*
 * KVM is there: the accelerator's options become what a Xen guest needs, and the version that of
 * the object.  Returns 0, or what is negative, having said why: KVM cannot have a Xen guest.
 */
int xen_kvm_accel_init(struct KVMState *s);

/* Fills in the Xen leaves of CPUID from entry `first` on; returns the first free entry. */
uint32_t xen_kvm_fill_cpuid(CPUState *cs, struct kvm_cpuid_entry2 *entries, uint32_t first);

/* A hypercall has been answered: where that is -ERESTART the guest is to make it again. */
void xen_kvm_hypercall_done(CPUState *cs);

/* KVM_XEN_VCPU_SET_ATTR is about to be called. */
void xen_kvm_set_vcpu_attr(CPUState *cs, const struct kvm_xen_vcpu_attr *attr);

/* --- tcg-xen.c: what KVM does for Xen guests, for TCG ------------------- */

/* Is this a Xen guest that TCG runs? */
bool xen_tcg_enabled(void);

/* -accel tcg,xen-version=... and its companions, named as for kvm. */
void xen_tcg_accel_class_init(ObjectClass *oc);
void xen_tcg_accel_init(void);
uint16_t xen_tcg_gnttab_max_frames(void);
uint16_t xen_tcg_evtchn_max_pirq(void);

/* A vCPU is being realized. */
bool xen_tcg_init_vcpu(CPUState *cs, Error **errp);

/* version.c: the Xen leaves of CPUID; false: not one of them. */
bool xen_tcg_cpuid(CPUState *cs, uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx,
                   uint32_t *ecx, uint32_t *edx);

/* WRMSR to the hypercall page's MSR; false: another one. */
bool xen_tcg_wrmsr(CPUState *cs, uint32_t msr, uint64_t val);

/* The KVM ioctls of the same names: KVM_XEN_HVM_{GET,SET}_ATTR, KVM_XEN_VCPU_SET_ATTR. */
int xen_tcg_vm_attr(unsigned long request, struct kvm_xen_hvm_attr *attr);
int xen_tcg_set_vcpu_attr(CPUState *cs, const struct kvm_xen_vcpu_attr *attr);

bool xen_tcg_gva_to_gpa(CPUState *cs, uint64_t gva, uint64_t *gpa, size_t *len);

/* --- upcall.c ---------------------------------------------------------------- */

/* Raise an upcall, given as the MSI it amounts to.  Takes no lock but the vCPU's work queue's. */
void xen_tcg_send_upcall(CPUState *cs, const MSIMessage *msg);

/*
 * The callback vector: have the vCPU look whether an upcall is pending, with no lock but that; when
 * it can take an interrupt, which vector it is, or -1.
 */
void xen_tcg_send_callback(CPUState *cs);
int xen_tcg_get_callback(CPUState *cs);

/* Before an interrupt controller may raise a line again: the callback's may be due to go down. */
void xen_tcg_poll_callback(void);

/* A port is pending, which whoever blocks in SCHEDOP_poll has waited for.  No lock but as above. */
void xen_tcg_wake_pollers(unsigned port);

/* A vCPU is about to be halted; and has work again. */
void xen_tcg_halt(CPUState *cs);
void xen_tcg_halted(CPUState *cs);

/* --- clock.c ------------------------------------------------------------------- */

/* The guest's TSC. */
uint64_t xen_tcg_get_tsc(void);

/* --- hypercall.c: what xenbed answers ------------------------------------- */

/*
 * Of a caller that may make hypercalls at all.  False: not answered, it is QEMU's.  The
 * result -ERESTART is for xen_tcg's own eyes: the call has changed its first parameters and
 * is to be made again once the vCPU has taken its interrupts.
 */
bool xenbed_hypercall(ArchCPU *cpu, struct kvm_xen_exit *exit);

/* --- xenstore.c: QEMU's xenstore ------------------------------------------ */

struct XenstoreImplState;
struct xsd_sockmsg;

/* The store's server_features: reconnection, error, watch depth, DOMID_ANY. */
#define XENBED_XENSTORE_FEATURES 15

/*
 * Answer a whole message of the guest's: `rsp` has room for the longest one.  Events
 * for the guest go to fn from now on.  False: not answered.
 */
bool xenbed_xenstore_request(struct XenstoreImplState *s, const struct xsd_sockmsg *req,
                             struct xsd_sockmsg *rsp,
                             void (*fn)(void *opaque, const char *path, const char *token),
                             void *opaque);

/* --- trap.c, touch.c: touch traps ----------------------------------------- */

/* Set once, when guest RAM first gets a page that is not plain RAM. */
extern bool xen_trap_active;

/* What the page is that is about to be touched. */
typedef enum {
    XEN_TRAP_RAM,
    XEN_TRAP_HOLE,
    XEN_TRAP_POD, /* it gets a page when it is touched */
} XenTrap;

XenTrap xen_trap_lookup(MemoryRegion *mr, hwaddr offset, hwaddr *len);
XenTrap xen_trap_device_touch(MemoryRegion *mr, hwaddr offset, hwaddr *len);
void xen_trap_cpu_touch(CPUState *cs, hwaddr addr, bool may_restart, uintptr_t retaddr);

/*
 * A device is about to access guest memory at mr + offset: is that a hole?  What is
 * populate-on-demand is populated first.  *len is cut to the run of pages that have the same
 * answer.
 */
static inline bool xen_trap_is_hole(MemoryRegion *mr, hwaddr offset, hwaddr *len)
{
    return unlikely(qatomic_read(&xen_trap_active)) &&
           xen_trap_device_touch(mr, offset, len) == XEN_TRAP_HOLE;
}

/*
 * A vCPU's TLB is filled with the page at this guest physical address: it is populated if it is
 * populate-on-demand.  If that took pages away from elsewhere it does not return, but starts the
 * instruction at retaddr again, which may have looked at one of them.  A fill that cannot
 * do that (a probe, or one of the page walker's own) leaves it to the next that can.
 */
static inline void xen_trap_cpu(CPUState *cs, hwaddr addr, bool may_restart, uintptr_t retaddr)
{
    if (unlikely(qatomic_read(&xen_trap_active))) {
        xen_trap_cpu_touch(cs, addr, may_restart, retaddr);
    }
}

/* A page walk has failed: it may have looked at such a page, too. */
void xen_trap_cpu_restart(CPUState *cs, uintptr_t retaddr);

/*
 * A backend or a device maps guest memory at mr + offset, piece by piece: after `done` bytes come
 * `len` more.  Until it unmaps all of it none of its pages is taken back.  Memory of any other kind
 * is allowed.
 */
void xenbed_get_pages(MemoryRegion *mr, hwaddr offset, hwaddr done, hwaddr len);
void xenbed_put_pages(MemoryRegion *mr, hwaddr offset);

/* For the same fill, then: is the page no RAM? */
static inline bool xen_trap_page_is_hole(MemoryRegion *mr, hwaddr offset)
{
    hwaddr one = 1;

    return unlikely(qatomic_read(&xen_trap_active)) &&
           xen_trap_lookup(mr, offset, &one) != XEN_TRAP_RAM;
}

/*
 * What is there instead: reads give all ones, writes are dropped.  The region
 * lies behind everything else, so also where QEMU has nothing mapped, and
 * always at this address, which no vCPU can form.
 */
extern MemoryRegion xen_trap_hole;
#define XEN_TRAP_HOLE_ADDR (1ULL << 60)

#endif
