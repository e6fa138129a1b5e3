/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for the domain's memory as a driver uses it: what it has, giving pages
 * back, asking for them again.
 *
 * The three reservation operations take a list of extents (2^order pages each) and
 * return how many they did, never an error.  A short count is the end: what a
 * balloon driver would do next depends on why, and it is not told.  The list is
 * given in pieces of at most 1024, as drivers do, so that one word can empty a
 * domain.
 */
#include "cpu.h"
#include "hypercall.h"
#include "print.h"
#include "reservation.h"
#include "text.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/memory.h>

#define CHUNK 1024
#define MAP_ENTRIES 128

struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

static xen_pfn_t extents[CHUNK] IDLE_BUFFER;
static struct e820_entry map[MAP_ENTRIES] IDLE_BUFFER;
static struct hvm_memmap_table_entry start_map[MAP_ENTRIES] BUFFER;
static unsigned start_entries;

void reservation_start(const struct hvm_start_info *info)
{
    if (info->version < 1) {
        return;
    }
    start_entries = info->memmap_entries < MAP_ENTRIES ? info->memmap_entries : MAP_ENTRIES;
    memcpy(start_map, (const void *)(uintptr_t)info->memmap_paddr,
           start_entries * sizeof(start_map[0]));
}

static long ask_self(unsigned long cmd)
{
    struct xen_memory_domain self = {.domid = DOMID_SELF};

    return memory_op(cmd, &self);
}

bool word_info(const char *args)
{
    struct xen_pod_target target = {.domid = DOMID_SELF};
    long rc;

    if (*args != '\0') {
        return false;
    }
    print("current_reservation %ld\n", ask_self(XENMEM_current_reservation));
    print("maximum_reservation %ld\n", ask_self(XENMEM_maximum_reservation));
    print("maximum_gpfn %#lx\n", (unsigned long)ask_self(XENMEM_maximum_gpfn));
    print("maximum_ram_page %ld\n", ask_self(XENMEM_maximum_ram_page));
    rc = memory_op(XENMEM_get_pod_target, &target);
    if (rc < 0) {
        print("get_pod_target rc %ld\n", rc);
    } else {
        print("get_pod_target tot %lld cache %lld entries %lld\n", (long long)target.tot_pages,
              (long long)target.pod_cache_pages, (long long)target.pod_entries);
    }
    return true;
}

static void print_range(const char *name, uint64_t addr, uint64_t size, uint32_t type)
{
    print("  %s %#010llx-%#010llx type %u\n", name, (unsigned long long)addr,
          (unsigned long long)(addr + size), type);
}

bool word_e820(const char *args)
{
    struct xen_memory_map request = {.nr_entries = MAP_ENTRIES};
    long rc;

    if (*args != '\0') {
        return false;
    }
    set_xen_guest_handle(request.buffer, (void *)map);
    rc = memory_op(XENMEM_memory_map, &request);
    print("memory_map rc %ld nr %u\n", rc, request.nr_entries);
    for (unsigned i = 0; rc == 0 && i < request.nr_entries; i++) {
        print_range("e820", map[i].addr, map[i].size, map[i].type);
    }
    for (unsigned i = 0; i < start_entries; i++) {
        print_range("start_info", start_map[i].addr, start_map[i].size, start_map[i].type);
    }
    return true;
}

/* One operation on count extents from gfn on; prints what became of it. */
static void reserve(const char *name, unsigned long cmd, unsigned order, unsigned long gfn,
                    unsigned long count)
{
    unsigned long done = 0, piece;
    long rc = 0;

    do {
        struct xen_memory_reservation request = {.extent_order = order, .domid = DOMID_SELF};

        piece = count - done < CHUNK ? count - done : CHUNK;
        for (unsigned long i = 0; i < piece; i++) {
            extents[i] = gfn + ((done + i) << order);
        }
        request.nr_extents = piece;
        set_xen_guest_handle(request.extent_start, extents);
        rc = memory_op(cmd, &request);
        done += rc > 0 ? rc : 0;
    } while (rc == (long)piece && done < count);
    print("%s order %u gfn %#lx n %lu: done %lu last rc %ld\n", name, order, gfn, count, done, rc);
}

/* "G,N" */
static bool take_extents(const char *args, unsigned long *gfn, unsigned long *count)
{
    uint64_t number;

    if (!take_gfn(&args, gfn) || !take_char(&args, ',') || !take_number(&args, &number)) {
        return false;
    }
    *count = number;
    return *args == '\0';
}

static bool reserve_word(const char *args, const char *name, unsigned long cmd, unsigned order)
{
    unsigned long gfn, count;

    if (!take_extents(args, &gfn, &count)) {
        return false;
    }
    reserve(name, cmd, order, gfn, count);
    return true;
}

bool word_decrease(const char *args)
{
    return reserve_word(args, "decrease", XENMEM_decrease_reservation, 0);
}

bool word_decrease9(const char *args)
{
    return reserve_word(args, "decrease", XENMEM_decrease_reservation, 9);
}

bool word_populate(const char *args)
{
    return reserve_word(args, "populate", XENMEM_populate_physmap, 0);
}

bool word_populate9(const char *args)
{
    return reserve_word(args, "populate", XENMEM_populate_physmap, 9);
}

bool word_increase(const char *args)
{
    uint64_t count;

    if (!take_number(&args, &count) || *args != '\0') {
        return false;
    }
    reserve("increase", XENMEM_increase_reservation, 0, 0, count);
    return true;
}

bool word_remove(const char *args)
{
    unsigned long gfn, count, done = 0;
    long rc = 0;

    if (!take_extents(args, &gfn, &count)) {
        return false;
    }
    while (done < count) {
        struct xen_remove_from_physmap request = {.domid = DOMID_SELF, .gpfn = gfn + done};

        rc = memory_op(XENMEM_remove_from_physmap, &request);
        if (rc < 0) {
            break;
        }
        done++;
    }
    print("remove_from_physmap gfn %#lx n %lu: done %lu rc %ld\n", gfn, count, done, rc);
    return true;
}
