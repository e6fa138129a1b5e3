/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of emu/ know of each other: the domain QEMU runs, and who
 * may do what to it under which lock.
 */
#ifndef XENBED_EMU_XENBED_H
#define XENBED_EMU_XENBED_H

#include "exec/memory.h"
#include "qapi/qapi-types-qom.h"
#include "qom/object.h"
#include "xenbed/emu/hooks.h"
#include "xenbed/hcall/hcall.h"

#define TYPE_XENBED "xenbed"
OBJECT_DECLARE_SIMPLE_TYPE(XenBed, XENBED)

/* The newest Xen there is, shown when no version is asked for; and the oldest. */
#define XENBED_VERSION_NEWEST 0x40016
#define XENBED_VERSION_OLDEST 0x30001

/* Xen's own limit for an HVM domain. */
#define XENBED_MAX_VCPUS 128

struct XenBed {
    Object parent;

    /* Options; fixed once the machine is there. */
    char *name;
    uint16_t domid;
    uint64_t memory; /* bytes; 0: all of the machine's RAM */
    char *xenstore;  /* path of the store's socket; NULL: none */
    XenbedType type;
    bool poison; /* pages that Xen hands out hold garbage */
    bool check;  /* counters and p2m are checked after every memory_op */
    bool keep;   /* pages that are given back stay with QEMU: for comparison only */
    XenbedAction on_crash, on_hole;
    char *core_file; /* where to dump core to; NULL: nowhere */

    /*
     * The hypervisor's view of the domain, and the lock around it and around
     * writes to the trap map.  Taken inside an exclusive section, or by itself;
     * the BQL may be held when it is taken, but is never taken under it.
     */
    QemuMutex lock;
    struct hcall_host *host;
    struct hcall_domain *domain, *control;
    bool in_section;  /* an exclusive section is under way */
    bool changed;     /* it has changed what gfns are */
    bool was_running; /* the vCPU that is in it runs the guest */

    QemuMutex log_lock; /* innermost */
    GString *log;

    bool started;               /* the guest has run: what comes before is the builder's doing */
    bool hole_touched, restart; /* crash.c's own */

    Notifier machine_done;
};

#define GFN_4G ((gfn_t)1 << (32 - HCALL_PAGE_SHIFT))

/* gfns the VGA hole covers: the RAM behind it is the firmware's SMRAM, not the guest's. */
#define VGA_HOLE_FIRST 0xa0
#define VGA_HOLE_END 0xc0

/* The one domain of this process, once its object is made; NULL when there is none. */
extern XenBed *xenbed;

/* tcg-xen.c: the version the guest is shown. */
bool xen_tcg_set_version(uint32_t version, Error **errp);
uint32_t xen_tcg_version(void);
/* Whether the guest was in 32-bit mode when it said so last: shared pages are laid out for it. */
bool xen_tcg_is_compat(void);
/* Guest linear memory as the vCPU itself sees it; false: not all of it could be copied. */
bool copy_from_guest(CPUState *cs, void *dst, uint64_t addr, size_t len);
bool copy_to_guest(CPUState *cs, uint64_t addr, const void *src, size_t len);
/* Any hypercall, answered by whoever answers it. */
void xen_tcg_hypercall(ArchCPU *cpu, struct kvm_xen_exit *exit);

/* domain.c: the world hcall/ sees. */
bool xenbed_domain_init(XenBed *xb, Error **errp);
/* Does it boot with less than it sees? */
bool domain_is_pod(const XenBed *xb);
/* The domain as its builder leaves it. */
void xenbed_domain_reset(XenBed *xb);
/* All vCPUs stopped and xb->lock held, by a vCPU without the BQL: running the guest or not. */
void domain_begin_exclusive(XenBed *xb);
void domain_end_exclusive(XenBed *xb);

/* log.c: the Xen console. */
void xenbed_log(XenBed *xb, const char *line);
char *xenbed_log_text(XenBed *xb);
void xenbed_log_clear(XenBed *xb);

/* touch.c: pages that are mapped are held no longer; with xb->lock held. */
void touch_reset(void);
/*
 * The same under KVM.  Without xb->lock.  A vCPU is about to access the page for a hypercall;
 * false: there is none.
 */
bool touch_by_vcpu(CPUState *cs, gfn_t gfn);
/* Somebody has faulted: a vCPU, or a device (NULL).  False: the vCPU is to stay where it is. */
bool touch_fault(CPUState *cs, gfn_t gfn);
/* The vCPU for which this thread, which is not its own, touches a page. */
extern __thread CPUState *touch_vcpu;

/*
 * uffd.c: guest RAM under KVM.  After uffd_init() a page that is not backed faults, whoever touches
 * it.  `host` is where QEMU has it.  uffd_open_fd() tells whether that is to be had, and comes
 * first. uffd_back() to uffd_discard_ones() need xb->lock.
 */
bool uffd_open_fd(Error **errp);
bool uffd_init(Error **errp);
/* Backs one page with zeroes, if it is not. */
void uffd_back(void *host);
/* Backs one page with this. */
void uffd_fill(void *host, const void *page);
/* Whoever writes to what is protected waits for xb->lock, and looks again what it is. */
void uffd_protect(void *host, size_t length, bool on);
/* Holes that somebody has touched have a page of ones: not these any more. */
void uffd_discard_ones(const void *host, size_t length);
/* Whoever waits for a page is to try again. */
void uffd_wake(void);
/* How many faults there were; any thread. */
uint64_t uffd_faults(void);

/* kvm-xen.c: by a vCPU. */
void xen_kvm_hypercall_begins(void);
/* Where QEMU has the memory at this address, if the vCPU may access it; for as long as RCU. */
void *xen_kvm_probe(CPUState *cs, uint64_t gva, bool is_write);
struct vcpu_runstate_info;
int xen_kvm_get_runstate(CPUState *cs, struct vcpu_runstate_info *info);
void xen_kvm_block(CPUState *cs);
/* shared_info is nowhere: the kernel is not to write where a vCPU's vcpu_info was in it. */
void xen_kvm_forget_shared_info(void);
/* Not started yet, or parked by the firmware. */
bool xen_kvm_is_down(CPUState *cs);

/* clock.c: where the guest wants its time. */
#define CLOCK_TSC_KHZ 1000000
/* 2^shift * mul / 2^32 nanoseconds a tick of the TSC: one. */
#define CLOCK_TSC_SHIFT 1
#define CLOCK_TSC_MUL (1u << 31)
void clock_shared_info(bool compat);
void clock_vcpu_info(hwaddr addr);
void clock_time_info(hwaddr addr);
void clock_runstate(CPUState *cs, hwaddr addr, bool compat); /* HWADDR_MAX: nowhere */
/* VCPUOP_get_runstate_info; returns its result. */
int clock_get_runstate(CPUState *cs, unsigned vcpu, uint64_t arg, bool compat);
void clock_block(CPUState *cs);
void clock_unblock(CPUState *cs);
void clock_reset(void);

/* upcall.c: by a vCPU, with the BQL, unless said otherwise. */
void upcall_set_vector(uint8_t vector);
void upcall_vcpu_info(CPUState *cs, hwaddr addr); /* HWADDR_MAX: nowhere */
/* Has the callback vector delivered if an upcall is pending, whoever said so.  Without the BQL. */
void upcall_look(CPUState *cs);
/* At the end of a hypercall, without locks: wakes whom it has given work to. */
void upcall_kick(void);
/* The two ways to wait; false: another.  Without the BQL. */
bool upcall_sched_op(CPUState *cs, unsigned cmd, uint64_t arg, bool compat, int *rc);
bool upcall_is_waiting(const CPUState *cs);
void upcall_reset(void);

/* version.c: a Xen leaf of CPUID; false: there is none of this number. */
bool xen_leaf(CPUState *cs, uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx,
              uint32_t *ecx, uint32_t *edx);
/* XENVER_*; returns its result. */
int version_op(CPUState *cs, unsigned cmd, uint64_t arg, bool compat);

/* crash.c: what becomes of a domain that has crashed, or has touched a hole. */
bool crash_init(XenBed *xb, Error **errp);
void crash_reset(XenBed *xb);
/* The hypervisor has crashed the domain; by a vCPU, without locks. */
void crash_domain(XenBed *xb);
/*
 * A vCPU touches a hole; or a device, NULL.  True: it was the first time, and the guest is to
 * stop.  Without xb->lock.
 */
bool crash_touch_hole(const CPUState *cs, gfn_t gfn);
/* Whether this thread has asked for a debug stop since it was last asked. */
bool crash_stopped(void);

/* grant.c: the two grant_table_ops that xenbed answers; false: another. */
struct kvm_xen_exit;
bool grant_table_op(CPUState *cs, struct kvm_xen_exit *exit);
void grant_reset(void);

/* Special pages (store, console, those for a device model), and where they end. */
#define SPECIAL_FIRST 0xfeff8
#define SPECIAL_END 0xff000

/*
 * pvh.c: a domain that starts without firmware.  split_ram comes before the machine is made: what
 * RAM there is no room for below 4 GiB is above, as on Xen.  init comes before its first
 * reset, reset after that of devices and vCPUs.  The ACPI pages are the builder's.
 */
#define PVH_RAM_LOW_END 0xfc000000
#define PVH_ACPI PVH_RAM_LOW_END
#define PVH_ACPI_PAGES 9
#define PVH_RSDP (PVH_ACPI + 0x8000)
/* The I/O ports of power management. */
#define PVH_PM_BASE 0x600
void pvh_split_ram(void);
bool pvh_init(XenBed *xb, Error **errp);
void pvh_reset(void);
#define PVH_MAP_MAX 6
/* Fills in the map, PVH_MAP_MAX entries at most; returns how many. */
unsigned pvh_memory_map(struct hcall_e820 *map);

/* acpi.c: the tables in a PVH domain's ACPI pages. */
void acpi_init(void);

/* trap.c: backing and trap map.  All but trap_init need xb->lock. */
bool trap_init(Error **errp);
void trap_reset(void);
bool trap_backable(gfn_t first, pages_t count);
void trap_make_hole(gfn_t first, pages_t count);
void trap_make_ram(gfn_t first, pages_t count);
void trap_make_pod(gfn_t first, pages_t count);
void trap_populate(gfn_t first, pages_t count);
bool trap_is_zero(gfn_t first, pages_t count);
/* What the page is, without a region or a lock; of an address that is no guest RAM, a hole. */
XenTrap trap_state(gfn_t gfn);
/* Whether the gfn is a hole that was not touched before; from now on it was. */
bool trap_touch_hole(gfn_t gfn);
/* False: mr at this offset is no guest RAM.  Needs no lock. */
bool trap_gfn_of_region(const MemoryRegion *mr, hwaddr offset, gfn_t *gfn);
/* What pages hold that nobody has scrubbed: no zero anywhere. */
void trap_poison(gfn_t first, pages_t count);
/* The page at from is at to, and from is a hole. */
void trap_move(gfn_t from, gfn_t to);

/* A run of guest RAM: gfns [first, first + pages) are mr at offset. */
typedef struct TrapBlock {
    MemoryRegion *mr;
    hwaddr offset;
    gfn_t first;
    pages_t pages;
} TrapBlock;

/* The blocks behind guest memory, `*n` of them, in order of gfn. */
const TrapBlock *trap_blocks(unsigned *n);
/* Where QEMU has it. */
void *trap_block_host(const TrapBlock *b);
/* Where QEMU keeps what the page holds; NULL: no vCPU can see it. */
void *trap_page(gfn_t gfn);

/* What this thread reads of xen_trap_hole is zeroes. */
extern __thread bool trap_hole_is_zero;

/* discard.c: the object as RamDiscardManager of guest RAM; init comes after trap_init(). */
void discard_manager_class_init(ObjectClass *oc);
void discard_manager_init(XenBed *xb);

/* store.c: the nodes the toolstack makes for a domain. */
bool store_init(XenBed *xb, Error **errp);
/* Those a reboot makes anew. */
void store_reset(XenBed *xb);

/* xenstore.c: the store, as domain 0 uses it; perms as in SET_PERMS, `other` may be NULL. */
bool xenstore_exists(void);
bool xenstore_write(const char *path, const char *value, Error **errp);
bool xenstore_set_perms(const char *path, const char *owner, const char *other, Error **errp);
/* Serve the host on a Unix socket. */
bool xenstore_listen(const char *path, Error **errp);

#endif
