/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU as the world of an hcall domain: the table of operations hcall/ asks
 * for, hypercall 12 on its way there, and the domain builder.
 *
 * Lock order (memory contract 6): exclusive section, then XenBed.lock.  A vCPU
 * comes here without the BQL; the main loop comes with it, takes only the lock,
 * and only to read counters or set max_pages.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "hw/i386/x86.h"
#include "linux/kvm.h"
#include "xenbed/emu/xenbed.h"

#define KIB_PER_PAGE (HCALL_PAGE_SIZE / 1024)

/* An HVM domain's pages for ioreq servers, right below the special ones. */
#define IOREQ_FIRST 0xfeff0

/* libxl's LIBXL_MAXMEM_CONSTANT: max_pages is this much above the memory asked for. */
#define MAXMEM_SLACK_KIB 1024

/* --- The world ------------------------------------------------------------ */

static size_t world_copy_from_guest(void *world, void *dst, uint64_t addr, size_t len)
{
    return xen_tcg_gva_rw(current_cpu, addr, dst, len, false);
}

static size_t world_copy_to_guest(void *world, uint64_t addr, const void *src, size_t len)
{
    return xen_tcg_gva_rw(current_cpu, addr, (void *)src, len, true);
}

static void world_lock(void *world)
{
    qemu_mutex_lock(&((XenBed *)world)->lock);
}

static void world_unlock(void *world)
{
    qemu_mutex_unlock(&((XenBed *)world)->lock);
}

static void world_begin_exclusive(void *world)
{
    /* We are inside cpu_exec(), as every hypercall is: leave it, or we wait for ourselves. */
    assert(!bql_locked());
    cpu_exec_end(current_cpu);
    start_exclusive();
    world_lock(world);
}

static void world_end_exclusive(void *world)
{
    XenBed *xb = world;
    CPUState *cs;

    if (xb->changed) {
        /*
         * No vCPU runs guest code, so their TLBs may be emptied from here; a
         * request to do it themselves could come after they touched a page.
         */
        CPU_FOREACH (cs) {
            tlb_flush(cs);
        }
        xb->changed = false;
    }
    world_unlock(world);
    end_exclusive();
    cpu_exec_start(current_cpu);
}

static bool world_backable(void *world, gfn_t gfn)
{
    return trap_backable(gfn);
}

static void world_discard(void *world, gfn_t first, pages_t count)
{
    trap_make_hole(first, count);
    ((XenBed *)world)->changed = true;
}

static void world_back(void *world, gfn_t first, pages_t count)
{
    trap_make_ram(first, count);
    ((XenBed *)world)->changed = true;
}

static void world_log(void *world, const char *line)
{
    info_report("(XEN) %s", line);
}

static const struct hcall_ops world_ops = {
    .copy_from_guest = world_copy_from_guest,
    .copy_to_guest = world_copy_to_guest,
    .lock = world_lock,
    .unlock = world_unlock,
    .begin_exclusive = world_begin_exclusive,
    .end_exclusive = world_end_exclusive,
    .backable = world_backable,
    .discard = world_discard,
    .back = world_back,
    .log = world_log,
};

/* --- The hypercall --------------------------------------------------------- */

bool xenbed_memory_op(X86CPU *cpu, struct kvm_xen_exit *exit)
{
    struct hcall_caller caller;

    if (!xenbed || !xenbed->domain) {
        return false;
    }
    caller = (struct hcall_caller){
        .domid = hcall_domain_id(xenbed->domain),
        .vcpu = CPU(cpu)->cpu_index,
        .compat = !exit->u.hcall.longmode,
    };
    exit->u.hcall.result =
        hcall_memory_op(xenbed->domain, &caller, exit->u.hcall.params[0], exit->u.hcall.params[1]);
    return true;
}

/*
 * Only the count follows.  The guest cannot see the page behind the one that was mapped,
 * and giving it back to the host would need an exclusive section, which nobody may enter
 * who has the BQL, as we do.
 */
int xenbed_mapped_over(uint64_t gfn, int rc)
{
    if (rc == 0 && xenbed && xenbed->domain) {
        QEMU_LOCK_GUARD(&xenbed->lock);

        /* Fails where there was no RAM, or no memory to say so: then the domain keeps its page. */
        hcall_domain_take_ram(xenbed->domain, gfn, 1);
    }
    return rc;
}

/* --- The builder ----------------------------------------------------------- */

static void build_ram(XenBed *xb, gfn_t first, gfn_t end)
{
    int err = first < end ? hcall_domain_build_ram(xb->domain, first, end - first) : 0;

    if (err) {
        error_report("xenbed: building domain %u: gfns 0x%" PRIx64 "-0x%" PRIx64 ": %s", xb->domid,
                     first, end - 1, strerror(-err));
        exit(1);
    }
}

/* RAM but for the VGA hole, special and ioreq pages. */
static void build_hvm(XenBed *xb, gfn_t low_end)
{
    build_ram(xb, 0, VGA_HOLE_FIRST);
    build_ram(xb, VGA_HOLE_END, low_end);
    build_ram(xb, IOREQ_FIRST, SPECIAL_END);
}

/* RAM without a hole, ACPI tables, special pages. */
static void build_pvh(XenBed *xb, gfn_t low_end)
{
    gfn_t acpi = PVH_ACPI >> HCALL_PAGE_SHIFT;

    build_ram(xb, 0, low_end);
    build_ram(xb, acpi, acpi + PVH_ACPI_PAGES);
    build_ram(xb, SPECIAL_FIRST, SPECIAL_END);
}

/* What Xen's builder gives a domain; max_pages a little above.  The pages are there already. */
void xenbed_domain_build(XenBed *xb)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());
    gfn_t low_end = x86ms->below_4g_mem_size >> HCALL_PAGE_SHIFT;

    QEMU_LOCK_GUARD(&xb->lock);

    hcall_domain_reset(xb->domain);
    hcall_domain_set_max_pages(xb->domain, (xb->memory / KiB + MAXMEM_SLACK_KIB) / KIB_PER_PAGE);
    trap_reset();
    if (xb->type == XENBED_TYPE_PVH) {
        build_pvh(xb, low_end);
    } else {
        build_hvm(xb, low_end);
    }
    build_ram(xb, GFN_4G, GFN_4G + (x86ms->above_4g_mem_size >> HCALL_PAGE_SHIFT));
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

bool xenbed_domain_init(XenBed *xb, Error **errp)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());
    struct hcall_ops ops = world_ops;

    qemu_mutex_init(&xb->lock);
    ops.max_page = sysconf(_SC_PHYS_PAGES);
    xb->domain = hcall_domain_new(xb->domid, 0, &ops, xb);
    if (!xb->domain || set_memory_map(xb, x86ms)) {
        error_setg(errp, "xenbed: domain %u: out of memory", xb->domid);
        return false;
    }
    hcall_domain_set_version(xb->domain, xen_tcg_version());
    return true;
}
