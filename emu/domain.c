/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU as the world of an hcall host and its one domain: the tables of operations hcall/
 * asks for, and the domain builder.
 *
 * Lock order (memory contract 6): exclusive section, then XenBed.lock.  A vCPU
 * comes here without the BQL; the main loop comes with it, takes only the lock,
 * and only to read counters or set max_pages.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "hw/i386/kvm/xen_gnttab.h"
#include "hw/i386/x86.h"
#include "system/kvm.h"
#include "system/kvm_xen.h"
#include "system/runstate.h"
#include "xenbed/emu/xenbed.h"

#define KIB_PER_PAGE (HCALL_PAGE_SIZE / 1024)

/* An HVM domain's pages for ioreq servers, right below the special ones. */
#define IOREQ_FIRST 0xfeff0

/* libxl's LIBXL_MAXMEM_CONSTANT: max_pages is this much above the memory asked for. */
#define MAXMEM_SLACK_KIB 1024

/* --- The world ------------------------------------------------------------ */

static size_t world_copy_from_guest(void *world, void *dst, uint64_t addr, size_t len)
{
    return xen_emu_gva_rw(current_cpu, addr, dst, len, false);
}

static size_t world_copy_to_guest(void *world, uint64_t addr, const void *src, size_t len)
{
    return xen_emu_gva_rw(current_cpu, addr, (void *)src, len, true);
}

static void world_lock(void *world)
{
    qemu_mutex_lock(&((XenBed *)world)->lock);
}

static void world_unlock(void *world)
{
    qemu_mutex_unlock(&((XenBed *)world)->lock);
}

/* Whether the vCPU that does it, without the BQL, runs the guest. */
static bool stop_vcpus(void)
{
    bool running = current_cpu->running;

    assert(!bql_locked());
    if (running) {
        /* We are inside cpu_exec(), as every hypercall is: leave it, or we wait for ourselves. */
        cpu_exec_end(current_cpu);
    }
    start_exclusive();
    return running;
}

/*
 * No vCPU runs guest code, so their TLBs may be emptied from here; a request to do it themselves
 * could come after they touched a page.
 */
static void flush_tlbs(void)
{
    CPUState *cs;

    CPU_FOREACH (cs) {
        tlb_flush(cs);
    }
}

static void let_vcpus_run(bool running)
{
    end_exclusive();
    if (running) {
        cpu_exec_start(current_cpu);
    }
}

/*
 * Under KVM nobody is stopped: a page that is not there faults, and whoever waits for it waits for
 * the lock (uffd.c).
 */
void domain_begin_exclusive(XenBed *xb)
{
    bool running = kvm_enabled() ? false : stop_vcpus();

    world_lock(xb);
    xb->was_running = running;
    xb->in_section = true;
}

void domain_end_exclusive(XenBed *xb)
{
    bool running = xb->was_running;

    if (xb->changed && !kvm_enabled()) {
        flush_tlbs();
    }
    xb->changed = false;
    xb->in_section = false;
    world_unlock(xb);
    if (!kvm_enabled()) {
        let_vcpus_run(running);
    }
}

static void world_begin_exclusive(void *world)
{
    domain_begin_exclusive(world);
}

static void world_end_exclusive(void *world)
{
    domain_end_exclusive(world);
}

/*
 * An interrupt that the vCPU would take, as in Xen; between two sections also whatever else makes
 * it leave its loop: another's section, a stop.  In a section that can wait, and must not decide
 * whether a sweep for pages of zeroes goes on.  KVM has the interrupts to itself: it gets to look
 * between any two sections.
 */
static bool world_preempt(void *world)
{
    const CPUX86State *env;
    bool interrupt;

    if (kvm_enabled()) {
        return !((XenBed *)world)->in_section;
    }
    env = cpu_env(current_cpu);
    interrupt = (qatomic_read(&current_cpu->interrupt_request) & CPU_INTERRUPT_HARD) &&
                (env->eflags & IF_MASK);
    return interrupt ||
           (!((XenBed *)world)->in_section && qatomic_read(&current_cpu->exit_request));
}

static bool world_backable(void *world, gfn_t first, pages_t count)
{
    return trap_backable(first, count);
}

static void world_discard(void *world, gfn_t first, pages_t count)
{
    trap_make_hole(first, count);
    ((XenBed *)world)->changed = true;
}

static void world_back(void *world, gfn_t first, pages_t count)
{
    XenBed *xb = world;

    trap_make_ram(first, count);
    if (xb->poison) {
        trap_poison(first, count);
    }
    xb->changed = true;
}

static bool world_is_zero(void *world, gfn_t first, pages_t count)
{
    return trap_is_zero(first, count);
}

static void world_mark_pod(void *world, gfn_t first, pages_t count)
{
    trap_make_pod(first, count);
    ((XenBed *)world)->changed = true;
}

/* No vCPU has a translation of what was no RAM. */
static void world_back_zeroed(void *world, gfn_t first, pages_t count)
{
    trap_populate(first, count);
}

static void world_move(void *world, gfn_t from, gfn_t to)
{
    trap_move(from, to);
    ((XenBed *)world)->changed = true;
}

/*
 * QEMU's own emulation has these pages and puts them over whatever is there.  It wants the
 * BQL; whoever has it last sees the last place there is.
 */
static void world_special_moved(void *world, unsigned special)
{
    XenBed *xb = world;
    gfn_t gfn;

    BQL_LOCK_GUARD();
    WITH_QEMU_LOCK_GUARD(&xb->lock)
    {
        gfn = hcall_domain_special(xb->domain, special);
    }
    if (special == HCALL_SPECIAL_SHARED_INFO) {
        xen_set_shared_info(gfn);
        if (gfn == HCALL_NO_GFN && kvm_enabled()) {
            xen_kvm_forget_shared_info();
        }
    } else {
        xen_gnttab_map_page(special - HCALL_SPECIAL_GRANT_FRAME, gfn);
    }
}

/* A domain that has not run is not built. */
static void world_crash(void *world)
{
    XenBed *xb = world;

    if (xb->started) {
        crash_domain(xb);
    }
}

static void world_log(void *world, const char *line)
{
    xenbed_log(world, line);
}

static const struct hcall_host_ops host_ops = {
    .lock = world_lock,
    .unlock = world_unlock,
    .log = world_log,
};

static const struct hcall_ops world_ops = {
    .copy_from_guest = world_copy_from_guest,
    .copy_to_guest = world_copy_to_guest,
    .preempt = world_preempt,
    .begin_exclusive = world_begin_exclusive,
    .end_exclusive = world_end_exclusive,
    .is_zero = world_is_zero,
    .backable = world_backable,
    .discard = world_discard,
    .mark_pod = world_mark_pod,
    .back = world_back,
    .back_zeroed = world_back_zeroed,
    .move = world_move,
    .special_moved = world_special_moved,
    .crash = world_crash,
};

/* --- The builder ----------------------------------------------------------- */

static void check_build(XenBed *xb, int err, gfn_t first, gfn_t end)
{
    if (err) {
        error_report("xenbed: building domain %u: gfns 0x%" PRIx64 "-0x%" PRIx64 ": %s", xb->domid,
                     first, end - 1, strerror(-err));
        exit(1);
    }
}

bool domain_is_pod(const XenBed *xb)
{
    return xb->memory < current_machine->ram_size;
}

/* Memory the guest boots with: all there, or waiting to be touched. */
static void build_memory(XenBed *xb, gfn_t first, gfn_t end)
{
    if (first < end) {
        check_build(xb,
                    domain_is_pod(xb) ? hcall_domain_build_pod(xb->domain, first, end - first)
                                      : hcall_domain_build_ram(xb->domain, first, end - first),
                    first, end);
    }
}

/* Pages that are the domain's from the first. */
static void build_ram(XenBed *xb, gfn_t first, gfn_t end)
{
    check_build(xb, hcall_domain_build_ram(xb->domain, first, end - first), first, end);
}

/* The cache that memory is populated from is filled before anything else. */
static void build_cache(XenBed *xb, pages_t vga_hole)
{
    pages_t target = xb->memory / HCALL_PAGE_SIZE - vga_hole;
    int err = domain_is_pod(xb) ? hcall_domain_set_pod_target(xb->domain, target) : 0;

    if (err) {
        error_report("xenbed: building domain %u: a cache of %" PRIu64 " pages: %s", xb->domid,
                     target, strerror(-err));
        exit(1);
    }
}

/* RAM but for the VGA hole, special and ioreq pages. */
static void build_hvm(XenBed *xb, gfn_t low_end, gfn_t high_end)
{
    build_cache(xb, VGA_HOLE_END - VGA_HOLE_FIRST);
    build_memory(xb, 0, VGA_HOLE_FIRST);
    build_memory(xb, VGA_HOLE_END, low_end);
    build_memory(xb, GFN_4G, high_end);
    build_ram(xb, IOREQ_FIRST, SPECIAL_END);
}

/* RAM without a hole, ACPI tables, special pages. */
static void build_pvh(XenBed *xb, gfn_t low_end, gfn_t high_end)
{
    gfn_t acpi = PVH_ACPI >> HCALL_PAGE_SHIFT;

    build_cache(xb, 0);
    build_memory(xb, 0, low_end);
    build_memory(xb, GFN_4G, high_end);
    build_ram(xb, acpi, acpi + PVH_ACPI_PAGES);
    build_ram(xb, SPECIAL_FIRST, SPECIAL_END);
}

/* What Xen's builder gives a domain; max_pages a little above.  The pages are there already. */
static void build_domain(XenBed *xb)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());
    gfn_t low_end = x86ms->below_4g_mem_size >> HCALL_PAGE_SHIFT;
    gfn_t high_end = GFN_4G + (x86ms->above_4g_mem_size >> HCALL_PAGE_SHIFT);

    QEMU_LOCK_GUARD(&xb->lock);

    touch_reset();
    hcall_domain_reset(xb->domain);
    hcall_domain_set_max_pages(xb->domain, (xb->memory / KiB + MAXMEM_SLACK_KIB) / KIB_PER_PAGE);
    trap_reset();
    if (xb->type == XENBED_TYPE_PVH) {
        build_pvh(xb, low_end, high_end);
    } else {
        build_hvm(xb, low_end, high_end);
    }
}

/* QEMU's reset leaves grant table frames where the last kernel had them. */
static void unmap_specials(XenBed *xb)
{
    for (unsigned i = 0; i <= kvm_xen_get_gnttab_max_frames(); i++) {
        world_special_moved(xb, i);
    }
}

void xenbed_domain_reset(XenBed *xb)
{
    build_domain(xb);
    grant_reset();
    unmap_specials(xb);
    if (kvm_enabled()) {
        uffd_wake();
    }
}

/* The toolstack's map, as XENMEM_memory_map returns it. */
static int set_memory_map(XenBed *xb, X86MachineState *x86ms)
{
    struct hcall_e820 map[PVH_MAP_MAX];
    unsigned n;

    if (xb->type == XENBED_TYPE_PVH) {
        n = pvh_memory_map(map);
    } else {
        /* RAM above 1 MiB, in two pieces. */
        map[0] = (struct hcall_e820){1 * MiB, x86ms->below_4g_mem_size - 1 * MiB, 1};
        map[1] = (struct hcall_e820){4 * GiB, x86ms->above_4g_mem_size, 1};
        n = x86ms->above_4g_mem_size ? 2 : 1;
    }
    return hcall_domain_set_memory_map(xb->domain, map, n);
}

/* A host of its own, that has all the memory of this one. */
bool xenbed_domain_init(XenBed *xb, Error **errp)
{
    const struct hcall_host_params host = {
        .pages = sysconf(_SC_PHYS_PAGES),
        .max_page = sysconf(_SC_PHYS_PAGES),
        .version = xen_tcg_version(),
    };
    const struct hcall_domain_params control = {.domid = 0, .max_pages = UINT32_MAX};
    const struct hcall_domain_params guest = {
        .domid = xb->domid,
        .grant_frames = kvm_xen_get_gnttab_max_frames(),
    };

    qemu_mutex_init(&xb->lock);
    xb->host = hcall_host_new(&host, &host_ops, xb);
    if (xb->host) {
        xb->control = hcall_domain_new(xb->host, &control, &world_ops, xb);
    }
    if (xb->control) {
        xb->domain = hcall_domain_new(xb->host, &guest, &world_ops, xb);
    }
    if (!xb->domain || set_memory_map(xb, X86_MACHINE(qdev_get_machine()))) {
        error_setg(errp, "xenbed: domain %u: out of memory", xb->domid);
        return false;
    }
    return true;
}
