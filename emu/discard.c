/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RamDiscardManager of guest RAM: migration and dumps ask it which pages
 * exist, and leave out the holes instead of reading, and so populating, them.
 */
#include "qemu/osdep.h"
#include "xenbed/emu/xenbed.h"

void discard_manager_init(XenBed *xb)
{
    const TrapBlock *block;
    unsigned n;

    block = trap_blocks(&n);
    for (unsigned i = 0; i < n; i++) {
        if (!memory_region_has_ram_discard_manager(block[i].mr)) {
            memory_region_set_ram_discard_manager(block[i].mr, RAM_DISCARD_MANAGER(xb));
        }
    }
}

/* Calls fn for the runs in a section that are no RAM, or are; stops when it returns non-zero. */
static int replay(const MemoryRegionSection *section, bool holes,
                  int (*fn)(MemoryRegionSection *, void *), void *opaque)
{
    hwaddr offset = section->offset_within_region;
    hwaddr end = offset + int128_get64(section->size);
    int ret = 0;

    while (offset < end && !ret) {
        hwaddr length = end - offset;

        if ((xen_trap_lookup(section->mr, offset, &length) != XEN_TRAP_RAM) == holes) {
            MemoryRegionSection run = *section;

            run.offset_within_region = offset;
            run.offset_within_address_space += offset - section->offset_within_region;
            run.size = int128_make64(length);
            ret = fn(&run, opaque);
        }
        offset += length;
    }
    return ret;
}

static uint64_t get_min_granularity(const RamDiscardManager *rdm, const MemoryRegion *mr)
{
    return HCALL_PAGE_SIZE;
}

static int stop_at_first(MemoryRegionSection *section, void *opaque)
{
    return 1;
}

static bool is_populated(const RamDiscardManager *rdm, const MemoryRegionSection *section)
{
    return !replay(section, true, stop_at_first, NULL);
}

struct replay_data {
    ReplayRamPopulate populated;
    ReplayRamDiscard discarded;
    void *opaque;
};

static int call_populated(MemoryRegionSection *section, void *opaque)
{
    struct replay_data *d = opaque;

    return d->populated(section, d->opaque);
}

static int call_discarded(MemoryRegionSection *section, void *opaque)
{
    struct replay_data *d = opaque;

    d->discarded(section, d->opaque);
    return 0;
}

static int replay_populated(const RamDiscardManager *rdm, MemoryRegionSection *section,
                            ReplayRamPopulate fn, void *opaque)
{
    return replay(section, false, call_populated,
                  &(struct replay_data){.populated = fn, .opaque = opaque});
}

static void replay_discarded(const RamDiscardManager *rdm, MemoryRegionSection *section,
                             ReplayRamDiscard fn, void *opaque)
{
    replay(section, true, call_discarded, &(struct replay_data){.discarded = fn, .opaque = opaque});
}

/* VFIO alone listens, and trap_init() keeps it out: it pins what it sees. */
static void register_listener(RamDiscardManager *rdm, RamDiscardListener *rdl,
                              MemoryRegionSection *section)
{
    g_assert_not_reached();
}

static void unregister_listener(RamDiscardManager *rdm, RamDiscardListener *rdl)
{
    g_assert_not_reached();
}

void discard_manager_class_init(ObjectClass *oc)
{
    RamDiscardManagerClass *rdmc = RAM_DISCARD_MANAGER_CLASS(oc);

    rdmc->get_min_granularity = get_min_granularity;
    rdmc->is_populated = is_populated;
    rdmc->replay_populated = replay_populated;
    rdmc->replay_discarded = replay_discarded;
    rdmc->register_listener = register_listener;
    rdmc->unregister_listener = unregister_listener;
}
