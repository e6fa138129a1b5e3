/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that touch memory.
 *
 * A gfn is RAM, or populate-on-demand, or a hole.  The first touch of the second
 * kind, a read as well as a write, makes it RAM that holds zeroes, or crashes the
 * domain when no page is left.  Reads of a hole give ones, writes to it are lost.
 * RAM from populate_physmap may hold anything.  So what a page holds says what it
 * was, and each word here touches exactly the pages that it is given, in order.
 */
#include "cpu.h"
#include "hypercall.h"
#include "print.h"
#include "text.h"
#include "touch.h"

#define MIB_PAGES (1ul << (20 - PAGE_SHIFT))
#define PAGE_WORDS (PAGE_SIZE / sizeof(uint64_t))

typedef void (*page_fn)(unsigned long gfn);

static unsigned long nonzero;

static volatile uint64_t *first_word(unsigned long gfn)
{
    return page_address(gfn);
}

static void fill_page(unsigned long gfn, uint64_t value)
{
    volatile uint64_t *word = first_word(gfn);

    for (unsigned i = 0; i < PAGE_WORDS; i++) {
        word[i] = value;
    }
}

static void write_page(unsigned long gfn)
{
    *first_word(gfn) = gfn + 1;
}

static void zero_page(unsigned long gfn)
{
    fill_page(gfn, 0);
}

static void read_page(unsigned long gfn)
{
    nonzero += *first_word(gfn) != 0;
}

/* "A-B[/S]": page() for each gfn of the range, a line every S MiB. */
static bool each_page(const char *args, char name, page_fn page)
{
    unsigned long first, end;
    uint64_t step = 1;

    if (!take_range(&args, &first, &end) || (take_char(&args, '/') && !take_number(&args, &step)) ||
        *args != '\0') {
        return false;
    }
    for (unsigned long gfn = first, left = step * MIB_PAGES; gfn < end; gfn++) {
        page(gfn);
        if (--left == 0) {
            left = step * MIB_PAGES;
            print("%c %lu MiB\n", name, (gfn + 1) / MIB_PAGES);
        }
    }
    return true;
}

bool word_write(const char *args)
{
    return each_page(args, 'w', write_page);
}

bool word_zero(const char *args)
{
    return each_page(args, 'z', zero_page);
}

bool word_read(const char *args)
{
    nonzero = 0;
    if (!each_page(args, 'r', read_page)) {
        return false;
    }
    print("nonzero pages %lu\n", nonzero);
    return true;
}

bool word_verify(const char *args)
{
    unsigned long first, end, bad = 0;

    if (!take_range(&args, &first, &end) || *args != '\0') {
        return false;
    }
    for (unsigned long gfn = first; gfn < end; gfn++) {
        bad += *first_word(gfn) != gfn + 1;
    }
    if ((first | end) % MIB_PAGES == 0) {
        print("verify %lu-%lu MiB: %lu bad\n", first / MIB_PAGES, end / MIB_PAGES, bad);
    } else {
        print("verify gfn %#lx-%#lx: %lu bad\n", first, end, bad);
    }
    return true;
}

bool word_fill(const char *args)
{
    unsigned long first, end;
    uint64_t value;

    if (!take_range(&args, &first, &end) || !take_char(&args, ',') || !take_number(&args, &value) ||
        *args != '\0') {
        return false;
    }
    for (unsigned long gfn = first; gfn < end; gfn++) {
        fill_page(gfn, value);
    }
    return true;
}

/* Whether the page holds one value throughout, and its first value. */
static bool is_uniform(unsigned long gfn, uint64_t *value)
{
    volatile uint64_t *word = first_word(gfn);

    *value = word[0];
    for (unsigned i = 1; i < PAGE_WORDS; i++) {
        if (word[i] != *value) {
            return false;
        }
    }
    return true;
}

static void print_run(unsigned long first, unsigned long end, bool uniform, uint64_t value)
{
    print("look gfn %#lx n %lu: ", first, end - first);
    if (uniform) {
        print("all %#llx\n", (unsigned long long)value);
    } else {
        print("mixed\n");
    }
}

bool word_look(const char *args)
{
    unsigned long first, end;
    bool uniform, now_uniform;
    uint64_t value, now;

    if (!take_range(&args, &first, &end) || *args != '\0' || first >= end) {
        return false;
    }
    uniform = is_uniform(first, &value);
    for (unsigned long gfn = first + 1; gfn < end; gfn++) {
        now_uniform = is_uniform(gfn, &now);
        if (now_uniform != uniform || (uniform && now != value)) {
            print_run(first, gfn, uniform, value);
            first = gfn;
            uniform = now_uniform;
            value = now;
        }
    }
    print_run(first, end, uniform, value);
    return true;
}

bool word_peek(const char *args)
{
    uint64_t address;

    if (!take_number(&args, &address) || *args != '\0') {
        return false;
    }
    print("peek %#llx: %#llx\n", (unsigned long long)address,
          (unsigned long long)*(volatile uint64_t *)(uintptr_t)address);
    return true;
}

bool word_poke(const char *args)
{
    uint64_t address, value;

    if (!take_number(&args, &address) || !take_char(&args, ',') || !take_number(&args, &value) ||
        *args != '\0') {
        return false;
    }
    *(volatile uint64_t *)(uintptr_t)address = value;
    return true;
}

bool word_wait(const char *args)
{
    uint64_t address, value;

    if (!take_number(&args, &address) || !take_char(&args, ',') || !take_number(&args, &value) ||
        *args != '\0') {
        return false;
    }
    while (*(volatile uint64_t *)(uintptr_t)address != value) {
        yield();
    }
    print("wait %#llx: %#llx\n", (unsigned long long)address, (unsigned long long)value);
    return true;
}
