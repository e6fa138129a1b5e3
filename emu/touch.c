/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Touch traps: populate-on-demand, for vCPUs and for devices (memory contract 3, 4 and 6).
 *
 * A vCPU populates where its TLB is filled.  While there are more populate-on-demand gfns than
 * cached pages each touch may take pages of zeroes back, so it stops the others, and the
 * instruction starts again.  Devices take from the cache only; when that is empty they have a
 * vCPU find a page.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/exec-all.h"
#include "system/kvm.h"
#include "xenbed/emu/observe.h"
#include "xenbed/emu/xenbed.h"

#ifdef CONFIG_TCG
#include "tcg/tcg.h"
#endif

__thread unsigned xen_trap_observers;

/*
 * This thread's last touch may have taken pages away, or is to stop the guest: the instruction
 * is to be started again.
 */
static __thread bool start_again;

static void touch_exclusively(const struct hcall_caller *culprit, gfn_t gfn)
{
    domain_begin_exclusive(xenbed);
    (void)hcall_domain_touch(xenbed->domain, culprit, gfn);
    hcall_domain_end_exclusive(xenbed->domain);
}

/* The same by a vCPU that has the BQL. */
static void touch_without_bql(const struct hcall_caller *culprit, gfn_t gfn)
{
    bql_unlock();
    touch_exclusively(culprit, gfn);
    bql_lock();
}

/* --- vCPUs ---------------------------------------------------------------------- */

static struct hcall_caller guest_vcpu(const CPUState *cs)
{
    return (struct hcall_caller){.domain = xenbed->domain, .vcpu = cs->cpu_index};
}

/* Who maps a guest's page for a device is domain 0. */
static struct hcall_caller device(void)
{
    return (struct hcall_caller){.domain = xenbed->control};
}

/* Work of a vCPU's, between two times that it runs the guest. */
static void touch_later(CPUState *cs, run_on_cpu_data data)
{
    const struct hcall_caller culprit = guest_vcpu(cs);

    touch_without_bql(&culprit, data.target_ptr);
}

/* False: other pages may have to go for it. */
static bool touch_cached(CPUState *cs, gfn_t gfn)
{
    const struct hcall_caller culprit = guest_vcpu(cs);

    QEMU_LOCK_GUARD(&xenbed->lock);
    if (hcall_domain_p2m(xenbed->domain, gfn, NULL) == HCALL_P2M_POD &&
        hcall_domain_touch_reclaims(xenbed->domain)) {
        return false;
    }
    (void)hcall_domain_touch(xenbed->domain, &culprit, gfn);
    return true;
}

/* Is code being translated, with locks on its pages? */
static bool translating(void)
{
#ifdef CONFIG_TCG
    return tcg_ctx->gen_tb != NULL;
#else
    return false;
#endif
}

static void cpu_touch_pod(CPUState *cs, gfn_t gfn)
{
    const struct hcall_caller culprit = guest_vcpu(cs);

    if (touch_cached(cs, gfn)) {
        return;
    }
    if (translating()) {
        /* The locks have to go first. */
        async_run_on_cpu(cs, touch_later, RUN_ON_CPU_TARGET_PTR(gfn));
        cpu_loop_exit(cs);
    }
    touch_exclusively(&culprit, gfn);
    start_again = true;
}

static void cpu_touch_hole(CPUState *cs, gfn_t gfn)
{
    if (!crash_touch_hole(cs, gfn)) {
        return;
    }
    if (translating()) {
        cpu_loop_exit(cs);
    }
    start_again = true;
}

void xen_trap_cpu_touch(CPUState *cs, hwaddr addr, bool may_restart, uintptr_t retaddr)
{
    MemoryRegionSection section;
    gfn_t gfn;

    XenTrap state = trap_state(addr >> HCALL_PAGE_SHIFT);

    if (state == XEN_TRAP_POD ||
        (state == XEN_TRAP_HOLE && xenbed->on_hole != XENBED_ACTION_NONE)) {
        section = memory_region_find(get_system_memory(), addr, 1);
        if (section.mr) {
            bool is_ram = trap_gfn_of_region(section.mr, section.offset_within_region, &gfn);

            memory_region_unref(section.mr);
            if (is_ram) {
                (state == XEN_TRAP_POD ? cpu_touch_pod : cpu_touch_hole)(cs, gfn);
            }
        }
    }
    if (may_restart) {
        xen_trap_cpu_restart(cs, retaddr);
    }
}

void xen_trap_cpu_restart(CPUState *cs, uintptr_t retaddr)
{
    if (start_again) {
        start_again = false;
        cpu_loop_exit_restore(cs, retaddr);
    }
}

/* --- vCPUs, under KVM ----------------------------------------------------------- */

__thread CPUState *touch_vcpu;

/* Once it has crashed it says nothing more: until its vCPUs have stopped they fault again. */
static void touch_pod(const struct hcall_caller *culprit, gfn_t gfn)
{
    if (trap_state(gfn) != XEN_TRAP_POD) {
        return;
    }
    domain_begin_exclusive(xenbed);
    if (!hcall_domain_crashed(xenbed->domain)) {
        (void)hcall_domain_touch(xenbed->domain, culprit, gfn);
    }
    hcall_domain_end_exclusive(xenbed->domain);
}

bool touch_by_vcpu(CPUState *cs, gfn_t gfn)
{
    const struct hcall_caller culprit = guest_vcpu(cs);

    touch_pod(&culprit, gfn);
    if (trap_state(gfn) == XEN_TRAP_HOLE) {
        (void)crash_touch_hole(cs, gfn);
    }
    return trap_state(gfn) == XEN_TRAP_RAM;
}

bool touch_fault(CPUState *cs, gfn_t gfn)
{
    const struct hcall_caller culprit = cs ? guest_vcpu(cs) : device();

    touch_vcpu = cs;
    touch_pod(&culprit, gfn);
    if (trap_state(gfn) == XEN_TRAP_HOLE && crash_touch_hole(cs, gfn)) {
        return !cs;
    }
    return !cs || trap_state(gfn) != XEN_TRAP_POD;
}

/* --- Devices ---------------------------------------------------------------------- */

static void find_page(CPUState *cs, run_on_cpu_data data)
{
    const struct hcall_caller culprit = device();

    touch_without_bql(&culprit, data.target_ptr);
}

/* The cache is empty: only a vCPU can stop the others to look for a page. */
static void device_touch_exclusively(gfn_t gfn)
{
    const struct hcall_caller culprit = device();

    if (kvm_enabled()) {
        touch_exclusively(&culprit, gfn);
    } else if (!current_cpu) {
        run_on_cpu(first_cpu, find_page, RUN_ON_CPU_TARGET_PTR(gfn));
    } else if (bql_locked()) {
        touch_without_bql(&culprit, gfn);
    } else {
        touch_exclusively(&culprit, gfn);
    }
}

XenTrap xen_trap_device_touch(MemoryRegion *mr, hwaddr offset, hwaddr *len)
{
    const struct hcall_caller culprit = device();
    hwaddr wanted = *len;
    XenTrap state = xen_trap_lookup(mr, offset, len);
    gfn_t gfn;
    bool look;
    int rc;

    if (state == XEN_TRAP_RAM || !trap_gfn_of_region(mr, offset, &gfn)) {
        return state;
    }
    if (xen_trap_observers) {
        /* TCG has zeroes there; under KVM to look at them would be to touch them. */
        trap_hole_is_zero = kvm_enabled() && state == XEN_TRAP_POD;
        return state == XEN_TRAP_POD && !trap_hole_is_zero ? XEN_TRAP_RAM : XEN_TRAP_HOLE;
    }
    trap_hole_is_zero = false;
    if (state == XEN_TRAP_HOLE) {
        (void)crash_touch_hole(NULL, gfn);
        return state;
    }
    WITH_QEMU_LOCK_GUARD(&xenbed->lock)
    {
        rc = hcall_domain_touch_cached(xenbed->domain, &culprit, gfn);
        /* Once is enough: a device that has got a hole goes there a few bytes at a time. */
        look = rc == -EAGAIN && !hcall_domain_crashed(xenbed->domain);
    }
    if (look) {
        device_touch_exclusively(gfn);
        if (!xenbed->started && hcall_domain_crashed(xenbed->domain)) {
            error_report("xenbed: building domain %u: kernel and ramdisk need more than its memory",
                         xenbed->domid);
            exit(1);
        }
    }
    *len = wanted;
    state = xen_trap_lookup(mr, offset, len);
    /* What there is no page for is a hole. */
    return state == XEN_TRAP_POD ? XEN_TRAP_HOLE : state;
}

/* --- Pages that backends and devices have mapped ---------------------------------------- */

/*
 * By where QEMU keeps the first byte: a pointer into guest RAM.  Who unmaps memory may have
 * forgotten how long it was: of all that is mapped from the same byte on, the longest is held until
 * the last goes.
 */
static GHashTable *mappings;

struct mapping {
    unsigned references;
    GPtrArray *pages; /* struct hcall_page, page after page; NULL: not held */
};

static void put_page(gpointer page)
{
    if (page) {
        hcall_domain_put_page(xenbed->domain, page);
    }
}

static void free_mapping(gpointer mapping)
{
    g_ptr_array_unref(((struct mapping *)mapping)->pages);
    g_free(mapping);
}

/* NULL: no guest RAM. */
static void *host_address(MemoryRegion *mr, hwaddr offset)
{
    gfn_t gfn;

    return trap_gfn_of_region(mr, offset, &gfn) ? (uint8_t *)memory_region_get_ram_ptr(mr) + offset
                                                : NULL;
}

static struct mapping *get_mapping(void *host)
{
    struct mapping *m;

    mappings = mappings ? mappings : g_hash_table_new_full(NULL, NULL, NULL, free_mapping);
    m = g_hash_table_lookup(mappings, host);
    if (!m) {
        m = g_new0(struct mapping, 1);
        m->pages = g_ptr_array_new_with_free_func(put_page);
        g_hash_table_insert(mappings, host, m);
    }
    return m;
}

/* False: it has to be touched first. */
static bool hold_page(struct mapping *m, unsigned index, MemoryRegion *mr, hwaddr offset)
{
    hwaddr one = 1;
    gpointer *page;
    gfn_t gfn;

    if (index >= m->pages->len) {
        g_ptr_array_set_size(m->pages, index + 1);
    }
    page = &g_ptr_array_index(m->pages, index);
    if (!*page && trap_gfn_of_region(mr, offset, &gfn)) {
        *page = hcall_domain_get_page(xenbed->domain, gfn);
    }
    return *page || xen_trap_lookup(mr, offset, &one) == XEN_TRAP_RAM;
}

/* xb->lock is held, but not in between.  False: it is no RAM afterwards either. */
static bool touch_unlocked(MemoryRegion *mr, hwaddr offset)
{
    hwaddr one = 1;
    XenTrap state;

    if (xen_trap_observers) {
        return false;
    }
    qemu_mutex_unlock(&xenbed->lock);
    state = xen_trap_device_touch(mr, offset, &one);
    qemu_mutex_lock(&xenbed->lock);
    return state == XEN_TRAP_RAM;
}

/*
 * What was touched just now may have been taken back before it is held here; but what is held is
 * not taken back for the next piece.
 */
void xenbed_get_pages(MemoryRegion *mr, hwaddr offset, hwaddr done, hwaddr len)
{
    const hwaddr start = QEMU_ALIGN_DOWN(offset, HCALL_PAGE_SIZE), end = offset + done + len;
    void *host = host_address(mr, offset);
    struct mapping *m;

    if (!host) {
        return;
    }
    QEMU_LOCK_GUARD(&xenbed->lock);
    m = get_mapping(host);
    m->references += done ? 0 : 1;
    for (hwaddr at = QEMU_ALIGN_DOWN(offset + done, HCALL_PAGE_SIZE); at < end;
         at += HCALL_PAGE_SIZE) {
        while (!hold_page(m, (at - start) >> HCALL_PAGE_SHIFT, mr, at) && touch_unlocked(mr, at)) {
        }
    }
}

void xenbed_put_pages(MemoryRegion *mr, hwaddr offset)
{
    void *host = host_address(mr, offset);
    struct mapping *m;

    if (!host) {
        return;
    }
    QEMU_LOCK_GUARD(&xenbed->lock);
    m = mappings ? g_hash_table_lookup(mappings, host) : NULL;
    if (m && --m->references == 0) {
        g_hash_table_remove(mappings, host);
    }
}

/* The domain is built anew, its pages are others; but who has mapped memory has yet to unmap it. */
void touch_reset(void)
{
    GHashTableIter iter;
    gpointer m;

    if (mappings) {
        g_hash_table_iter_init(&iter, mappings);
        while (g_hash_table_iter_next(&iter, NULL, &m)) {
            g_ptr_array_set_size(((struct mapping *)m)->pages, 0);
        }
    }
}
