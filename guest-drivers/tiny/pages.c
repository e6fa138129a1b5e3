/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's memory, as a state of two bits for each page.
 *
 * They are in the image and not in the pages, for two reasons: a page that nobody has touched may
 * be populate-on-demand, and one that was given back is not there to be written to.
 *
 * Pages are used and taken again from the bottom and given back from the top, so that what is
 * absent is one range, unless somebody uses all there is.
 */
#include "pages.h"
#include "cpu.h"

/* The loader and the image have the first 2 MiB. */
#define FIRST 0x200
#define LAST (4ul << 30 >> PAGE_SHIFT)
#define STATE_BITS 2
#define STATES_PER_BYTE (8 / STATE_BITS)
#define STATE_MASK ((1 << STATE_BITS) - 1)

enum state { NO_RAM, ABSENT, USED, FREE };

static uint8_t states[LAST / STATES_PER_BYTE] IDLE_BUFFER;

static unsigned long seen, end, count[STATE_MASK + 1];

static unsigned shift(unsigned long gfn)
{
    return gfn % STATES_PER_BYTE * STATE_BITS;
}

static enum state get(unsigned long gfn)
{
    return states[gfn / STATES_PER_BYTE] >> shift(gfn) & STATE_MASK;
}

static void set(unsigned long gfn, enum state state)
{
    uint8_t *byte = &states[gfn / STATES_PER_BYTE];

    count[get(gfn)]--;
    count[state]++;
    *byte = (*byte & ~(STATE_MASK << shift(gfn))) | state << shift(gfn);
}

static void add_range(uint64_t address, uint64_t size)
{
    unsigned long from = (address + PAGE_SIZE - 1) >> PAGE_SHIFT;
    unsigned long to = (address + size) >> PAGE_SHIFT;

    to = to < LAST ? to : LAST;
    for (unsigned long gfn = from; gfn < to; gfn++) {
        set(gfn, gfn < FIRST ? USED : FREE);
        seen++;
    }
    end = from < to && to > end ? to : end;
}

void pages_start(const struct hvm_start_info *info)
{
    const struct hvm_memmap_table_entry *map = (void *)(uintptr_t)info->memmap_paddr;

    for (unsigned i = 0; i < info->memmap_entries; i++) {
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM) {
            add_range(map[i].addr, map[i].size);
        }
    }
}

unsigned long pages_seen(void)
{
    return seen;
}

unsigned long pages_end(void)
{
    return end;
}

unsigned long pages_owned(void)
{
    return count[USED] + count[FREE];
}

unsigned long pages_absent(void)
{
    return count[ABSENT];
}

bool page_is_free(unsigned long gfn)
{
    return get(gfn) == FREE;
}

unsigned long page_alloc(void)
{
    for (unsigned long gfn = FIRST; gfn < end; gfn++) {
        if (get(gfn) == FREE) {
            set(gfn, USED);
            return gfn;
        }
    }
    return 0;
}

void page_free(unsigned long gfn)
{
    set(gfn, FREE);
}

unsigned pages_find_free(unsigned long gfns[], unsigned n)
{
    unsigned found = 0;

    for (unsigned long gfn = end; gfn > FIRST && found < n; gfn--) {
        if (get(gfn - 1) == FREE) {
            gfns[found++] = gfn - 1;
        }
    }
    return found;
}

unsigned pages_find_absent(unsigned long gfns[], unsigned n)
{
    unsigned found = 0;

    for (unsigned long gfn = FIRST; gfn < end && found < n; gfn++) {
        if (get(gfn) == ABSENT) {
            gfns[found++] = gfn;
        }
    }
    return found;
}

void pages_gave(const unsigned long gfns[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        set(gfns[i], ABSENT);
    }
}

void pages_took(const unsigned long gfns[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        set(gfns[i], FREE);
    }
}
