/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traps, and the task state that the way back from CPL 3 needs.
 *
 * Interrupts are off, but where a guest that wants events to interrupt it waits for
 * one (tiny).  What can come is an exception, and it means that the guest or Xen did something
 * it should not; the domain says what and ends as crashed, rather than resetting
 * silently as a CPU without handlers does.
 *
 * Hypercalls are for CPL 0 only, and that Xen refuses them from CPL 3 is one of the
 * things to test.  To come back from there the CPU wants a gate that CPL 3 may use
 * and, in the TSS, a stack for CPL 0.
 */
#include "cpu.h"
#include "hypercall.h"
#include "print.h"

#include <xen/sched.h>

#define GATE_INTERRUPT 0x8e00
#define GATE_CPL3 0x6000
#define TSS_AVAILABLE 0x8900
#define TSS_WORDS 26
#define TRAP_ENTRY_SIZE 16

/* The stack of a trap, from trap.S and the CPU. */
struct trap_frame {
    unsigned long vector;
    unsigned long error;
    unsigned long ip;
    unsigned long cs;
    unsigned long flags;
};

extern uint64_t gdt[];
extern const char trap_entries[], return_entry[];

__attribute__((noreturn)) void trap(const struct trap_frame *frame);

/* Also for the symbols in boot.S and trap.S. */
char kernel_stack[2 * PAGE_SIZE] BUFFER;
char user_stack[PAGE_SIZE] IDLE_BUFFER;
static char trap_stack[PAGE_SIZE] IDLE_BUFFER;

static uint32_t tss[TSS_WORDS];
static uint32_t idt[UPCALL_VECTOR + 1][2 * sizeof(long) / sizeof(uint32_t)]
    __attribute__((aligned(16)));

void trap(const struct trap_frame *frame)
{
    unsigned long address;

    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    print("trap %lu error %#lx cs %#lx ip %#lx cr2 %#lx\nTest result: CRASH\n", frame->vector,
          frame->error, frame->cs, frame->ip, address);
    end(SHUTDOWN_crash);
}

/* The image is below 4 GiB, so a gate's third and fourth word stay 0. */
static void set_gate(unsigned vector, const char *entry, unsigned flags)
{
    uint32_t address = (uintptr_t)entry;

    idt[vector][0] = KERNEL_CS << 16 | (address & 0xffff);
    idt[vector][1] = (address & 0xffff0000) | GATE_INTERRUPT | flags;
}

void cpu_set_interrupt(unsigned vector, const char *entry)
{
    set_gate(vector, entry, 0);
}

/* Word 1 is the low half of CPL 0's stack pointer in both layouts; the 32-bit one has SS behind it.
 */
static void set_tss(void)
{
    uint32_t address = (uintptr_t)tss, limit = sizeof(tss) - 1;

    tss[1] = (uintptr_t)trap_stack + sizeof(trap_stack);
    if (sizeof(long) == sizeof(uint32_t)) {
        tss[2] = KERNEL_DS;
    }
    tss[TSS_WORDS - 1] = sizeof(tss) << 16; /* no map of I/O ports */
    gdt[TSS_SELECTOR / 8] = (uint64_t)(address & 0xff000000) << 32 |
                            (uint64_t)(TSS_AVAILABLE | (address >> 16 & 0xff)) << 32 |
                            (address & 0xffff) << 16 | limit;
    __asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}

void cpu_start(void)
{
    struct {
        uint16_t limit;
        unsigned long base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uintptr_t)idt};

    for (unsigned vector = 0; vector < RETURN_VECTOR; vector++) {
        set_gate(vector, trap_entries + vector * TRAP_ENTRY_SIZE, 0);
    }
    set_gate(RETURN_VECTOR, return_entry, GATE_CPL3);
    __asm__ volatile("lidt %0" : : "m"(pointer));
    set_tss();
}
