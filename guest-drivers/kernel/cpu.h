/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU: what C has no words for, traps, privilege levels.
 */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include <stdint.h>

#include "layout.h"

/* Large things: those that every run uses, and those that are zero until a word uses them. */
#define BUFFER __attribute__((section(".buffers"), aligned(PAGE_SIZE)))
#define IDLE_BUFFER __attribute__((section(".idle"), aligned(PAGE_SIZE)))

/* Set up traps and the way to CPL 3. */
void cpu_start(void);

/* Where an interrupt of this vector leads to. */
void cpu_set_interrupt(unsigned vector, const char *entry);

/* trap.S: run function(data) at CPL 3. */
long call_at_cpl3(long (*function)(void *), void *data);

/* Where a page of guest-physical memory is mapped. */
static inline void *page_address(unsigned long gfn)
{
    return (void *)(uintptr_t)(gfn << PAGE_SHIFT);
}

/* x86 keeps the order of stores and that of loads; the compiler must too. */
static inline void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

static inline uint64_t cycles(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void out_byte(uint16_t number, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(number));
}

static inline uint8_t in_byte(uint16_t number)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(number));
    return value;
}

static inline void cpuid_count(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline void cpuid(uint32_t leaf, uint32_t regs[4])
{
    cpuid_count(leaf, 0, regs);
}

#endif
