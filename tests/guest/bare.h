/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest without an operating system starts with: a multiboot kernel in 32-bit mode without
 * paging (so linear addresses are guest-physical), and COM1.  For one source file.
 */
#ifndef XENBED_TESTS_BARE_H
#define XENBED_TESTS_BARE_H

#include <stdbool.h>
#include <stdint.h>

#define COM1 0x3f8
#define COM1_STATUS (COM1 + 5)
#define COM1_RECEIVED 0x01
#define COM1_CAN_SEND 0x20

/* The header, which must be near the start of the file, and the entry point behind it. */
__asm__(".text\n"
        ".align 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".globl _start\n"
        "_start: mov $stack_end, %esp\n"
        "        call run\n"
        ".bss\n"
        ".skip 8192\n"
        "stack_end:\n"
        ".text\n");

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t peek(uint32_t addr)
{
    return *(volatile uint32_t *)(uintptr_t)addr;
}

static inline void poke(uint32_t addr, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)addr = value;
}

static inline void put(const char *s)
{
    for (; *s; s++) {
        while (!(in8(COM1_STATUS) & COM1_CAN_SEND)) {
        }
        out8(COM1, *s);
    }
}

static inline void put_hex(uint32_t value)
{
    char text[11] = "0x00000000";

    for (int i = 9; value; i--, value >>= 4) {
        text[i] = "0123456789abcdef"[value & 15];
    }
    put(text);
}

/* How many checks have failed; a check prints a line. */
static unsigned failed;

static inline void check(const char *what, uint32_t got, uint32_t expected)
{
    put(got == expected ? "ok   " : "FAIL ");
    put(what);
    put(": ");
    put_hex(got);
    if (got != expected) {
        put(", expected ");
        put_hex(expected);
        failed++;
    }
    put("\n");
}

/* A hypercall, which has the CPU's own instruction if that is Intel's. */
static inline long vmcall(unsigned nr, unsigned a, const void *b)
{
    long ret;

    __asm__ volatile("vmcall" : "=a"(ret) : "a"(nr), "b"(a), "c"(b) : "memory");
    return ret;
}

/*
 * A device that reads and writes memory: QEMU's fw_cfg, which copies its signature ("QEMU") to
 * where it is told.  Numbers are big-endian.  Returns 0 when the device is content.
 */
static inline uint32_t fw_cfg_signature_to(uint32_t addr)
{
    static volatile uint32_t dma[4] __attribute__((aligned(8)));

    dma[0] = __builtin_bswap32(8 | 2); /* select item 0, the signature; read it */
    dma[1] = __builtin_bswap32(4);
    dma[2] = 0;
    dma[3] = __builtin_bswap32(addr);
    out32(0x514, 0);
    out32(0x518, __builtin_bswap32((uintptr_t)dma));
    return dma[0];
}

#endif
