/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways into Xen.
 *
 * Xen's CPUID leaves start at 0x40000000, or at a multiple of 0x100 above it when
 * Xen shows another hypervisor's interface as well.  Leaf 2 names an MSR; a write of
 * a page's address makes Xen fill that page with one entry of 32 bytes for each
 * hypercall, each with the instruction that this CPU has for it.  That instruction
 * is VMCALL on Intel and VMMCALL on AMD, and a guest may use it itself, with the
 * number in EAX.  Arguments are in registers: rdi, rsi, rdx, r10, r8, or ebx, ecx,
 * edx, esi, edi for a caller in 32-bit mode, which also gets the 32-bit layout of
 * every structure.
 */
#include "hypercall.h"
#include "cpu.h"
#include "print.h"
#include "text.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define ENTRY_SIZE 32
#define LAST_LEAF 0x40010000

extern const char vmcall_entry[], vmmcall_entry[];

static char hypercall_page[PAGE_SIZE] BUFFER;

/* Where a hypercall goes: step bytes behind entry for each number.  NULL without Xen. */
static const char *entry;
static unsigned step;

static uint32_t find_leaves(void)
{
    uint32_t regs[4];

    for (uint32_t leaf = XEN_CPUID_FIRST_LEAF; leaf < LAST_LEAF; leaf += 0x100) {
        cpuid(leaf, regs);
        if (regs[1] == XEN_CPUID_SIGNATURE_EBX && regs[2] == XEN_CPUID_SIGNATURE_ECX &&
            regs[3] == XEN_CPUID_SIGNATURE_EDX) {
            return leaf;
        }
    }
    return 0;
}

bool hypercall_start(void)
{
    uint32_t leaf = find_leaves(), regs[4];

    if (leaf == 0) {
        return false;
    }
    cpuid(leaf + 2, regs);
    __asm__ volatile("wrmsr"
                     :
                     : "c"(regs[1]), "a"((uint32_t)(uintptr_t)hypercall_page), "d"(0)
                     : "memory");
    return hypercall_via("page");
}

static bool is_intel(void)
{
    uint32_t regs[4];

    cpuid(0, regs);
    return regs[2] == 0x6c65746e; /* "ntel" */
}

bool hypercall_via(const char *way)
{
    if (text_equal(way, "page")) {
        entry = hypercall_page;
        step = ENTRY_SIZE;
        return true;
    }
    if (text_equal(way, "cpu")) {
        way = is_intel() ? "vmcall" : "vmmcall";
    }
    if (!text_equal(way, "vmcall") && !text_equal(way, "vmmcall")) {
        return false;
    }
    entry = text_equal(way, "vmcall") ? vmcall_entry : vmmcall_entry;
    step = 0;
    return true;
}

/* Xen may leave anything in the argument registers (a debug build does). */
long hypercall_issue(const struct hypercall *call)
{
    const char *target = entry + step * call->number;
    unsigned long a = call->args[0], b = call->args[1], c = call->args[2];
    long result;

#ifdef __x86_64__
    register unsigned long d __asm__("r10") = call->args[3];
    register unsigned long e __asm__("r8") = call->args[4];

    __asm__ volatile("call *%[target]"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(d), "+r"(e)
                     : "a"(call->number), [target] "b"(target)
                     : "r9", "r11", "rcx", "memory", "cc");
#else
    unsigned long d = call->args[3], e = call->args[4];
    static const char *volatile kept; /* no register is left */

    kept = target;
    __asm__ volatile("call *%[target]"
                     : "=a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e)
                     : "a"(call->number), [target] "m"(kept)
                     : "memory", "cc");
#endif
    return result;
}

long hypercall(unsigned long number, unsigned long a, const void *b)
{
    struct hypercall call = {number, {a, (uintptr_t)b}};

    return hypercall_issue(&call);
}

long memory_op(unsigned long cmd, const void *arg)
{
    return hypercall(__HYPERVISOR_memory_op, cmd, arg);
}

long get_param(uint32_t index, uint64_t *value)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = index};
    long rc = hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, &param);

    *value = param.value;
    return rc;
}

void yield(void)
{
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, NULL);
}

void end(unsigned reason)
{
    struct sched_shutdown shutdown = {.reason = reason};

    console_flush();
    if (entry) {
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &shutdown);
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
