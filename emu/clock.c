/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's clock without KVM.  The guest's TSC counts the nanoseconds of QEMU's virtual clock, and so
 * does Xen's system time: what is published about the one in terms of the other never changes.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "hw/i386/kvm/xen_overlay.h"
#include "hw/xen/interface/vcpu.h"
#include "hw/xen/interface/xen.h"
#include "system/kvm.h"
#include "system/cpu-timers.h"
#include "system/rtc.h"
#include "xenbed/emu/xenbed.h"

/* XEN_PVCLOCK_TSC_STABLE_BIT of the flags, which are padding where QEMU's headers end. */
#define TSC_STABLE 1

/* vcpu_info has the same size and its time the same place for callers of either width. */
#define VCPU_INFO_TIME offsetof(struct vcpu_info, time)

/* Where 32-bit callers have the time of day in shared_info. */
#define COMPAT_WC 0x900
#define COMPAT_WC_SEC_HI 0x924

static struct runstate {
    bool registered, compat;
    hwaddr addr;
    struct vcpu_runstate_info info;
} runstates[XENBED_MAX_VCPUS];

uint64_t xen_tcg_get_tsc(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static void guest_write(hwaddr addr, const void *data, size_t len)
{
    address_space_write(&address_space_memory, addr, MEMTXATTRS_UNSPECIFIED, data, len);
}

/* --- The time of day --------------------------------------------------------------------- */

/* When system time was 0, by what -rtc says; a run that is to be repeatable has whole seconds. */
static void wall_clock(uint64_t *sec, uint32_t *nsec)
{
    struct tm now;
    uint64_t ns =
        icount_enabled() ? 0 : qemu_clock_get_ns(QEMU_CLOCK_HOST) % NANOSECONDS_PER_SECOND;

    qemu_get_timedate(&now, 0);
    ns += mktimegm(&now) * NANOSECONDS_PER_SECOND - xen_tcg_get_tsc();
    *sec = ns / NANOSECONDS_PER_SECOND;
    *nsec = ns % NANOSECONDS_PER_SECOND;
}

void clock_shared_info(bool compat)
{
    uint8_t *shinfo = xen_overlay_get_shinfo_ptr();
    /* Three numbers in a row: version, seconds, nanoseconds; and the upper half of the seconds. */
    const size_t wc = compat ? COMPAT_WC : offsetof(struct shared_info, wc_version);
    const size_t wc_sec_hi = compat ? COMPAT_WC_SEC_HI : offsetof(struct shared_info, wc_sec_hi);
    uint32_t version, nsec;
    uint64_t sec;

    if (!shinfo) {
        return;
    }
    wall_clock(&sec, &nsec);
    version = (ldl_le_p(shinfo + wc) | 1) + 1;
    stl_le_p(shinfo + wc + 4, sec);
    stl_le_p(shinfo + wc + 8, nsec);
    stl_le_p(shinfo + wc_sec_hi, sec >> 32);
    stl_le_p(shinfo + wc, version);
}

/* --- System time ------------------------------------------------------------------------- */

void clock_time_info(hwaddr addr)
{
    struct vcpu_time_info time = {
        .tsc_to_system_mul = CLOCK_TSC_MUL,
        .tsc_shift = CLOCK_TSC_SHIFT,
        .pad1 = {TSC_STABLE},
    };
    uint32_t version;

    address_space_read(&address_space_memory, addr, MEMTXATTRS_UNSPECIFIED, &version,
                       sizeof(version));
    time.version = (version | 1) + 1;
    guest_write(addr, &time, sizeof(time));
}

void clock_vcpu_info(hwaddr addr)
{
    clock_time_info(addr + VCPU_INFO_TIME);
}

/* --- What vCPUs spend their time with ---------------------------------------------------- */

/* As it is to lie in guest memory; returns its size.  32-bit callers have no hole behind the state.
 */
static size_t runstate_layout(const struct vcpu_runstate_info *info, bool compat,
                              uint8_t out[sizeof(*info)])
{
    const size_t times = offsetof(struct vcpu_runstate_info, state_entry_time);
    const size_t start = compat ? sizeof(uint32_t) : times;

    memcpy(out, info, times);
    memcpy(out + start, (const uint8_t *)info + times, sizeof(*info) - times);
    return start + sizeof(*info) - times;
}

static void publish_runstate(const struct runstate *rs)
{
    uint8_t out[sizeof(rs->info)];

    if (rs->registered) {
        guest_write(rs->addr, out, runstate_layout(&rs->info, rs->compat, out));
    }
}

static void enter(CPUState *cs, int state)
{
    struct runstate *rs = &runstates[cs->cpu_index];
    uint64_t now = xen_tcg_get_tsc();

    rs->info.time[rs->info.state] += now - rs->info.state_entry_time;
    rs->info.state_entry_time = now;
    rs->info.state = state;
    publish_runstate(rs);
}

void clock_block(CPUState *cs)
{
    enter(cs, RUNSTATE_blocked);
}

void clock_unblock(CPUState *cs)
{
    if (runstates[cs->cpu_index].info.state == RUNSTATE_blocked) {
        enter(cs, RUNSTATE_running);
    }
}

void clock_runstate(CPUState *cs, hwaddr addr, bool compat)
{
    struct runstate *rs = &runstates[cs->cpu_index];

    rs->registered = addr != HWADDR_MAX;
    rs->addr = addr;
    rs->compat = compat;
    publish_runstate(rs);
}

int clock_get_runstate(CPUState *cs, unsigned vcpu, uint64_t arg, bool compat)
{
    CPUState *target = qemu_get_cpu(vcpu);
    struct vcpu_runstate_info info;
    uint8_t out[sizeof(info)];
    size_t size;

    if (!target) {
        return -ENOENT;
    }
    if (!kvm_enabled()) {
        info = runstates[target->cpu_index].info;
        info.time[info.state] += xen_tcg_get_tsc() - info.state_entry_time;
    } else if (xen_kvm_get_runstate(target, &info)) {
        return -ENOSYS;
    }
    size = runstate_layout(&info, compat, out);
    return copy_to_guest(cs, arg, out, size) ? 0 : -EFAULT;
}

void clock_reset(void)
{
    for (struct runstate *rs = runstates; rs < runstates + XENBED_MAX_VCPUS; rs++) {
        *rs = (struct runstate){.info.state_entry_time = xen_tcg_get_tsc()};
    }
}
