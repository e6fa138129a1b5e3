/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for the arguments of hypercalls.
 *
 * Xen takes a pointer in a hypercall as a linear address of the caller and walks
 * the caller's page tables.  It wants no alignment, and what the walk does not
 * allow fails as a whole for a structure, at the element for a list.  So each
 * buffer is mapped twice in the window (layout.h): writable, then read-only, with a
 * page behind each that is not mapped.  A list that is to fault in its middle starts
 * so near to the end that its last elements would lie there, and a structure that
 * is to be half readable likewise.
 *
 * Page 0 is unmapped, so that a NULL pointer is one that faults.  Firmware leaves
 * things there that the guest has to read first.
 */
#include "buffers.h"
#include "cpu.h"
#include "print.h"
#include "text.h"

#define LIST_PAGES 4

#define PTE_PRESENT 0x65 /* user, accessed, dirty */
#define PTE_WRITABLE 0x2

struct area {
    const char *name;
    unsigned char *memory;
    unsigned pages;
    uintptr_t writable, read_only;
    size_t start;           /* of the elements */
    unsigned long elements; /* that fit or not */
};

extern unsigned long pt_low[], window[]; /* page tables */

static unsigned char list[LIST_PAGES * PAGE_SIZE] IDLE_BUFFER;
static unsigned char list2[LIST_PAGES * PAGE_SIZE] IDLE_BUFFER;
static unsigned char list3[LIST_PAGES * PAGE_SIZE] IDLE_BUFFER;
static unsigned char arg[PAGE_SIZE] IDLE_BUFFER;

static struct area areas[BUFFER_COUNT] = {
    [BUFFER_LIST] = {"list", list, LIST_PAGES},
    [BUFFER_LIST2] = {"list2", list2, LIST_PAGES},
    [BUFFER_LIST3] = {"list3", list3, LIST_PAGES},
    [BUFFER_ARG] = {"arg", arg, 1},
};

/* Map an area's pages at entry slot of the window; returns the address. */
static uintptr_t map(const struct area *area, unsigned slot, unsigned long flags)
{
    for (unsigned i = 0; i < area->pages; i++) {
        window[slot + i] = ((uintptr_t)area->memory + i * PAGE_SIZE) | PTE_PRESENT | flags;
    }
    return WINDOW_START + slot * PAGE_SIZE;
}

void buffers_map(void)
{
    unsigned slot = 0;

    for (unsigned i = 0; i < BUFFER_COUNT; i++) {
        areas[i].writable = map(&areas[i], slot, PTE_WRITABLE);
        slot += areas[i].pages + 1;
        areas[i].read_only = map(&areas[i], slot, 0);
        slot += areas[i].pages + 1;
    }
    pt_low[0] = 0;
    __asm__ volatile("invlpg %0" : : "m"(*(char *)NULL) : "memory");
}

/* The page behind the first mapping of the first buffer. */
static uintptr_t nowhere(void)
{
    return areas[0].writable + areas[0].pages * PAGE_SIZE;
}

static struct place place_in(const struct area *area, bool read_only, size_t offset)
{
    size_t size = area->pages * PAGE_SIZE;
    struct place place = {(read_only ? area->read_only : area->writable) + offset, NULL, 0};

    if (offset < size) {
        place.memory = area->memory + offset;
        place.room = size - offset;
    }
    return place;
}

struct place buffer_place(enum buffer buffer)
{
    return place_in(&areas[buffer], false, areas[buffer].start);
}

unsigned long buffer_elements(enum buffer buffer)
{
    return areas[buffer].elements;
}

/* "+BYTES" or "-BYTES"; an offset of 0 when there is neither. */
static bool take_offset(const char **s, size_t *offset)
{
    uint64_t number = 0;

    if (take_char(s, '+') || **s == '-') {
        if (!take_number(s, &number)) {
            return false;
        }
    }
    *offset = number;
    return true;
}

static bool take_named_place(const char **s, char *name, struct place *place)
{
    size_t length = text_length(name), offset;
    bool read_only = length > 3 && text_equal(name + length - 3, ".ro");

    if (text_equal(name, "null") || text_equal(name, "nowhere")) {
        *place = (struct place){text_equal(name, "null") ? 0 : nowhere(), NULL, 0};
        return true;
    }
    if (read_only) {
        name[length - 3] = '\0';
    }
    for (unsigned i = 0; i < BUFFER_COUNT; i++) {
        if (text_equal(name, areas[i].name) && take_offset(s, &offset)) {
            *place = place_in(&areas[i], read_only, areas[i].start + offset);
            return true;
        }
    }
    return false;
}

bool take_place(const char **s, struct place *place)
{
    const char *at = *s;
    uint64_t number;
    char name[16];

    if (take_number(&at, &number)) {
        *place = (struct place){number, NULL, 0};
    } else if (!take_name(&at, name, sizeof(name)) || !take_named_place(&at, name, place)) {
        return false;
    }
    *s = at;
    return true;
}

/* Append an element if it fits.  One may lie at an odd address. */
static void append(struct area *area, unsigned long value)
{
    size_t at = area->start + area->elements++ * sizeof(value);

    if (at + sizeof(value) <= area->pages * PAGE_SIZE) {
        memcpy(area->memory + at, &value, sizeof(value));
    }
}

/* "GFN[+COUNT][*TIMES]" */
static bool take_elements(const char **s, struct area *area)
{
    uint64_t count = 1, times = 1;
    unsigned long gfn;

    if (!take_gfn(s, &gfn) || (take_char(s, '+') && !take_number(s, &count)) ||
        (take_char(s, '*') && !take_number(s, &times))) {
        return false;
    }
    while (times--) {
        for (uint64_t i = 0; i < count; i++) {
            append(area, gfn + i);
        }
    }
    return true;
}

static bool fill_list(struct area *area, const char *args)
{
    int64_t start = 0, size = area->pages * PAGE_SIZE;

    if (take_char(&args, '@') &&
        (!take_number(&args, (uint64_t *)&start) || !take_char(&args, ','))) {
        return false;
    }
    if (start < 0) {
        start += size;
    }
    if (start < 0 || start >= size) {
        return false;
    }
    area->start = start;
    area->elements = 0;
    do {
        if (!take_elements(&args, area)) {
            return false;
        }
    } while (take_char(&args, ','));
    return *args == '\0';
}

bool word_list(const char *args)
{
    return fill_list(&areas[BUFFER_LIST], args);
}

bool word_list2(const char *args)
{
    return fill_list(&areas[BUFFER_LIST2], args);
}

bool word_list3(const char *args)
{
    return fill_list(&areas[BUFFER_LIST3], args);
}

bool word_show(const char *args)
{
    const char *name = args;
    struct place place;
    uint64_t count, size = sizeof(long);

    if (!take_place(&args, &place) || !take_char(&args, ',') || !take_number(&args, &count) ||
        (take_char(&args, ',') && !take_number(&args, &size)) || *args != '\0' ||
        (size != sizeof(long) && size != sizeof(int))) {
        return false;
    }
    print("show %s:", name);
    for (; count && place.room >= size; count--) {
        unsigned long value = 0;

        memcpy(&value, place.memory, size);
        print(" %#lx", value);
        place.memory += size;
        place.room -= size;
    }
    print("\n");
    return true;
}
