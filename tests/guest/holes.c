/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest of one page of code that gives memory back and looks at what is left.
 *
 * Xen turns an access to a gfn that has no page into emulated I/O that nobody
 * claims: reads give all ones, writes vanish.  A vCPU sees that through its TLB,
 * which may hold what the gfn was a moment ago, so each step is checked right
 * after the hypercall that changes it, and again after code ran there.
 *
 * It is a compat caller, prints a line a check and powers off.
 */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include "bare.h"

#include <xen/xen.h>
#include <xen/memory.h>
#include <xen/sched.h>

/* Far from the kernel, and the start of a 2 MiB block. */
#define GFN 0x1000u
#define ADDR (GFN << 12)

/* The other two ways into the hypervisor. */
static long vmmcall(unsigned nr, unsigned a, const void *b)
{
    long ret;

    __asm__ volatile("vmmcall" : "=a"(ret) : "a"(nr), "b"(a), "c"(b) : "memory");
    return ret;
}

static char hypercall_page[4096] __attribute__((aligned(4096)));

static long page_call(unsigned nr, unsigned a, const void *b)
{
    long ret;

    __asm__ volatile("call *%1"
                     : "=a"(ret)
                     : "r"(hypercall_page + nr * 32), "b"(a), "c"(b)
                     : "memory");
    return ret;
}

static long memory_op(unsigned op, unsigned gfn, unsigned order)
{
    static xen_pfn_t list[1];
    struct xen_memory_reservation r = {.nr_extents = 1, .extent_order = order, .domid = DOMID_SELF};

    list[0] = gfn;
    set_xen_guest_handle(r.extent_start, list);
    return vmcall(__HYPERVISOR_memory_op, op, &r);
}

static long current_reservation(void)
{
    domid_t self = DOMID_SELF;

    return vmcall(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
}

/* Run the `mov $value, %eax; ret` that lies at addr. */
static void put_code(uint32_t addr, uint32_t value)
{
    poke(addr, 0xb8 | value << 8);
    poke(addr + 4, value >> 24 | 0xc300);
}

static uint32_t run_code(uint32_t addr)
{
    return ((uint32_t(*)(void))(uintptr_t)addr)();
}

static void entry_points(void)
{
    uint32_t eax = 0x40000000, ebx, ecx, edx;
    domid_t self = DOMID_SELF;
    long pages = current_reservation();

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    check("CPUID says XenV...", ebx, 0x566e6558);
    eax = 0x40000002;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    check("one hypercall page", eax, 1);
    __asm__ volatile("wrmsr" : : "c"(ebx), "a"(hypercall_page), "d"(0) : "memory");

    check("VMMCALL is VMCALL", vmmcall(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self),
          pages);
    check("so is the hypercall page",
          page_call(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self), pages);
    check("unknown hypercall", vmcall(63, 0, 0), -38);
}

static void one_page(void)
{
    long pages = current_reservation();

    poke(ADDR, 0x11111111);
    put_code(ADDR + 16, 0x22222222);
    check("code in the page runs", run_code(ADDR + 16), 0x22222222);
    poke(ADDR + 4096, 0x33333333);

    check("decrease one page", memory_op(XENMEM_decrease_reservation, GFN, 0), 1);
    check("it left the count", current_reservation(), pages - 1);
    check("a hole reads as ones", peek(ADDR), 0xffffffff);
    check("code in it is gone", peek(ADDR + 16), 0xffffffff);
    poke(ADDR, 0x44444444);
    check("a write is dropped", peek(ADDR), 0xffffffff);
    check("a read across its end", peek(ADDR + 4094), 0x3333ffff);
    check("the page after it is whole", peek(ADDR + 4096), 0x33333333);
    check("decrease of a hole", memory_op(XENMEM_decrease_reservation, GFN, 0), 0);

    check("populate it again", memory_op(XENMEM_populate_physmap, GFN, 0), 1);
    check("it is counted", current_reservation(), pages);
    check("it holds nothing old", peek(ADDR), 0);
    poke(ADDR, 0x55555555);
    check("it is memory", peek(ADDR), 0x55555555);
    put_code(ADDR + 16, 0x66666666);
    check("new code in it runs", run_code(ADDR + 16), 0x66666666);
    check("populate over it", memory_op(XENMEM_populate_physmap, GFN, 0), 1);
    check("a new page took its place", peek(ADDR), 0);
    check("and the old one is still owned", current_reservation(), pages + 1);
}

static void superpage(void)
{
    long pages = current_reservation();

    poke(ADDR + 0x1ff000, 0x77777777);
    check("decrease 2 MiB", memory_op(XENMEM_decrease_reservation, GFN, 9), 1);
    check("512 pages fewer", current_reservation(), pages - 512);
    check("its first page is a hole", peek(ADDR), 0xffffffff);
    check("so is its last", peek(ADDR + 0x1ff000), 0xffffffff);
    check("order 10 is too much", memory_op(XENMEM_decrease_reservation, GFN + 512, 10), 0);
    check("populate 2 MiB", memory_op(XENMEM_populate_physmap, GFN, 9), 1);
    check("512 pages more", current_reservation(), pages);
    check("they are empty", peek(ADDR + 0x1ff000), 0);
}

/* A device reads and writes memory, too. */
static void device(void)
{
    check("decrease for a device", memory_op(XENMEM_decrease_reservation, GFN, 0), 1);
    check("the device is content", fw_cfg_signature_to(ADDR + 0xffe), 0);
    check("what it wrote behind the hole is there", peek(ADDR + 4096) & 0xffff, 0x554d);
    check("what it wrote into the hole is not", peek(ADDR + 0xffc), 0xffffffff);
    check("populate after that", memory_op(XENMEM_populate_physmap, GFN, 0), 1);
    check("it left nothing behind", peek(ADDR + 0xffc), 0);
}

static void outside_ram(void)
{
    check("where nothing ever was", peek(0xd0000000), 0xffffffff);
    check("above the machine's RAM", memory_op(XENMEM_populate_physmap, 0x100000, 0), 1);
    check("over max_pages", memory_op(XENMEM_populate_physmap, 0x100200, 9), 0);
    check("a list that is not there",
          vmcall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, (void *)0xd0000000), 0);
    check("below 4 GiB, above RAM", memory_op(XENMEM_populate_physmap, 0xd0000, 0), 1);
    check("it is memory now", (poke(0xd0000000, 0x12345678), peek(0xd0000000)), 0x12345678);
    check("where no page can be", memory_op(XENMEM_populate_physmap, 0x1000000, 0), 0);
}

void run(void)
{
    struct sched_shutdown off = {.reason = SHUTDOWN_poweroff};

    entry_points();
    one_page();
    superpage();
    device();
    outside_ram();
    put(failed ? "result: FAILURE\n" : "result: SUCCESS\n");
    vmcall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &off);
    for (;;) {
        __asm__ volatile("hlt");
    }
}
