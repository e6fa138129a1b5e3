/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Touch traps: which guest page is RAM and which is not, for whoever in QEMU is
 * about to touch one, and the backing behind them (memory contract 1, 2, 5, 7).
 *
 * hcall's p2m is the truth; the trap map is its shadow for readers that cannot
 * take a lock: 2 bits a gfn in one flat mapping that costs nothing where all is
 * RAM.  It is written under the domain's lock inside an exclusive section, so a
 * vCPU never sees it change between two instructions.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/cutils.h"
#include "qemu/madvise.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/exec-all.h"
#include "exec/ram_addr.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "system/iothread.h"
#include "system/kvm.h"
#include "system/system.h"
#include "system/tcg.h"
#include "xenbed/emu/xenbed.h"

/* A state of a gfn is an XenTrap; 0, RAM, is that of what this file knows nothing about. */
#define TRAP_BITS 2
#define TRAP_PER_BYTE (8 / TRAP_BITS)
#define TRAP_MASK ((1 << TRAP_BITS) - 1)

/* A hole that has been touched; to all others it is XEN_TRAP_HOLE. */
#define TRAP_TOUCHED_HOLE 3

#define TRAP_POISON 0xc5

bool xen_trap_active;
MemoryRegion xen_trap_hole;

static struct {
    uint8_t *map;
    gfn_t end;          /* gfns the map covers */
    TrapBlock block[4]; /* RAM below 4 GiB, room above that, RAM above 4 GiB, room above that */
    unsigned nr_blocks;
    MemoryRegion low_room, high_room; /* where the machine has no RAM, but a guest may populate */
    /* Gfns no vCPU can form an address of, from here on; what pages there hold, if they were
     * moved there: gfn to page. */
    gfn_t unaddressable;
    GHashTable *hidden;
} trap;

static unsigned state_get(gfn_t gfn)
{
    return qatomic_read(&trap.map[gfn / TRAP_PER_BYTE]) >> gfn % TRAP_PER_BYTE * TRAP_BITS &
           TRAP_MASK;
}

static void state_set(gfn_t first, pages_t count, unsigned state)
{
    const uint8_t all = state * 0x55;

    while (count) {
        uint8_t *byte = &trap.map[first / TRAP_PER_BYTE];
        unsigned shift = first % TRAP_PER_BYTE * TRAP_BITS;

        if (shift == 0 && count >= TRAP_PER_BYTE) {
            size_t bytes = count / TRAP_PER_BYTE;

            memset(byte, all, bytes);
            first += bytes * TRAP_PER_BYTE;
            count -= bytes * TRAP_PER_BYTE;
            continue;
        }
        qatomic_set(byte, (*byte & ~(TRAP_MASK << shift)) | state << shift);
        first++;
        count--;
    }
    if (state != XEN_TRAP_RAM) {
        qatomic_set(&xen_trap_active, true);
    }
}

void *trap_block_host(const TrapBlock *b)
{
    return (uint8_t *)memory_region_get_ram_ptr(b->mr) + b->offset;
}

const TrapBlock *trap_blocks(unsigned *n)
{
    *n = trap.nr_blocks;
    return trap.block;
}

static const TrapBlock *block_of_gfn(gfn_t gfn)
{
    for (unsigned i = 0; i < trap.nr_blocks; i++) {
        if (gfn - trap.block[i].first < trap.block[i].pages) {
            return &trap.block[i];
        }
    }
    return NULL;
}

/* Blocks, one after the other; or where no vCPU can tell. */
bool trap_backable(gfn_t first, pages_t count)
{
    gfn_t end = first + count;
    bool in_vga_hole = first < VGA_HOLE_END && end > VGA_HOLE_FIRST;

    if (first >= trap.unaddressable) {
        return true;
    }
    while (first < end) {
        const TrapBlock *b = block_of_gfn(first);

        if (!b) {
            return false;
        }
        first = b->first + b->pages;
    }
    return xenbed->type == XENBED_TYPE_PVH || !in_vga_hole;
}

/* NULL: not guest RAM. */
static const TrapBlock *block_of_region(const MemoryRegion *mr, hwaddr offset)
{
    for (const TrapBlock *b = trap.block; b < trap.block + trap.nr_blocks; b++) {
        if (mr == b->mr && offset - b->offset < b->pages << HCALL_PAGE_SHIFT) {
            return b;
        }
    }
    return NULL;
}

static XenTrap answer(unsigned state)
{
    return state == TRAP_TOUCHED_HOLE ? XEN_TRAP_HOLE : state;
}

XenTrap trap_state(gfn_t gfn)
{
    return gfn < trap.end ? answer(state_get(gfn)) : XEN_TRAP_HOLE;
}

bool trap_touch_hole(gfn_t gfn)
{
    bool first = state_get(gfn) == XEN_TRAP_HOLE;

    if (first) {
        state_set(gfn, 1, TRAP_TOUCHED_HOLE);
    }
    return first;
}

bool trap_gfn_of_region(const MemoryRegion *mr, hwaddr offset, gfn_t *gfn)
{
    const TrapBlock *b = block_of_region(mr, offset);

    if (b) {
        *gfn = b->first + ((offset - b->offset) >> HCALL_PAGE_SHIFT);
    }
    return b;
}

/* Called for every device access and every TLB fill, from any thread. */
XenTrap xen_trap_lookup(MemoryRegion *mr, hwaddr offset, hwaddr *len)
{
    const TrapBlock *b = block_of_region(mr, offset);
    gfn_t gfn, last;
    unsigned state;

    if (!b) {
        return XEN_TRAP_RAM;
    }
    offset -= b->offset;
    gfn = b->first + (offset >> HCALL_PAGE_SHIFT);
    state = state_get(gfn);
    if (*len > HCALL_PAGE_SIZE - offset % HCALL_PAGE_SIZE) {
        last = MIN(b->pages - 1, (offset + *len - 1) >> HCALL_PAGE_SHIFT) + b->first;
        while (gfn < last && state_get(gfn + 1) == state) {
            gfn++;
        }
        *len = MIN(*len, ((gfn + 1 - b->first) << HCALL_PAGE_SHIFT) - offset);
    }
    return answer(state);
}

__thread bool trap_hole_is_zero;

static uint64_t hole_read(void *opaque, hwaddr addr, unsigned size)
{
    return trap_hole_is_zero ? 0 : ~0ULL;
}

static void hole_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
}

static const MemoryRegionOps hole_ops = {
    .read = hole_read,
    .write = hole_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

/* Calls fn for each piece of [first, first + count) that lies in one block. */
static void for_each_piece(gfn_t first, pages_t count,
                           void (*fn)(RAMBlock *rb, ram_addr_t start, ram_addr_t length))
{
    for (unsigned i = 0; i < trap.nr_blocks; i++) {
        const TrapBlock *b = &trap.block[i];
        gfn_t from = MAX(first, b->first), to = MIN(first + count, b->first + b->pages);

        if (from < to) {
            fn(b->mr->ram_block, b->offset + ((from - b->first) << HCALL_PAGE_SHIFT),
               (to - from) << HCALL_PAGE_SHIFT);
        }
    }
}

/* Holes that were touched, under KVM. */
static void forget_ones(RAMBlock *rb, ram_addr_t start, ram_addr_t length)
{
    uffd_discard_ones(qemu_map_ram_ptr(rb, start), length);
}

/* The order matters: no translated code, then dirty, then gone. */
static void discard_piece(RAMBlock *rb, ram_addr_t start, ram_addr_t length)
{
    ram_addr_t addr = qemu_ram_get_offset(rb) + start;

    if (tcg_enabled()) {
        tb_invalidate_phys_range(addr, addr + length - 1);
    }
    cpu_physical_memory_set_dirty_range(addr, length, DIRTY_CLIENTS_ALL);
    if (!xenbed->keep) {
        ram_block_discard_range(rb, start, length);
    }
    if (kvm_enabled()) {
        forget_ones(rb, start, length);
    }
}

void *trap_page(gfn_t gfn)
{
    const TrapBlock *b = block_of_gfn(gfn);

    return b ? (uint8_t *)trap_block_host(b) + ((gfn - b->first) << HCALL_PAGE_SHIFT) : NULL;
}

/* A page that was discarded gets this, whole, before a vCPU can see it. */
static void fill_page(void *page, const void *contents)
{
    if (kvm_enabled()) {
        uffd_fill(page, contents);
    } else {
        memcpy(page, contents, HCALL_PAGE_SIZE);
    }
}

static void fill_pages(gfn_t first, pages_t count, uint8_t value)
{
    uint8_t contents[HCALL_PAGE_SIZE];

    memset(contents, value, sizeof(contents));
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        void *page = trap_page(gfn);

        if (page) {
            fill_page(page, contents);
        }
    }
}

static void forget_hidden(gfn_t first, pages_t count)
{
    GHashTableIter iter;
    gpointer gfn;

    if (first + count <= trap.unaddressable) {
        return;
    }
    g_hash_table_iter_init(&iter, trap.hidden);
    while (g_hash_table_iter_next(&iter, &gfn, NULL)) {
        if (*(gfn_t *)gfn - first < count) {
            g_hash_table_iter_remove(&iter);
        }
    }
}

static void discard_pages(gfn_t first, pages_t count, XenTrap state)
{
    forget_hidden(first, count);
    if (first < trap.end) {
        count = MIN(count, trap.end - first);
        state_set(first, count, state);
        for_each_piece(first, count, discard_piece);
    }
}

void trap_make_hole(gfn_t first, pages_t count)
{
    discard_pages(first, count, XEN_TRAP_HOLE);
}

void trap_make_pod(gfn_t first, pages_t count)
{
    discard_pages(first, count, XEN_TRAP_POD);
}

static void protect_piece(RAMBlock *rb, ram_addr_t start, ram_addr_t length)
{
    uffd_protect(qemu_map_ram_ptr(rb, start), length, true);
}

static void unprotect_piece(RAMBlock *rb, ram_addr_t start, ram_addr_t length)
{
    uffd_protect(qemu_map_ram_ptr(rb, start), length, false);
}

/* The pages were discarded when they became populate-on-demand, so they are zero, if not kept. */
void trap_populate(gfn_t first, pages_t count)
{
    if (xenbed->keep) {
        fill_pages(first, count, 0);
    }
    if (first < trap.end) {
        state_set(first, MIN(count, trap.end - first), XEN_TRAP_RAM);
        if (kvm_enabled()) {
            for_each_piece(first, count, forget_ones);
        }
    }
}

static bool are_zero(gfn_t first, pages_t count)
{
    bool zero = true;

    for (gfn_t gfn = first; gfn < first + count && zero; gfn++) {
        void *page = trap_page(gfn);

        if (page && kvm_enabled()) {
            uffd_back(page);
        }
        /* What no vCPU can see is not looked at. */
        zero = page && buffer_is_zero(page, HCALL_PAGE_SIZE);
    }
    return zero;
}

/* Under KVM vCPUs run on: pages of zeroes are looked at again when none can write to them. */
bool trap_is_zero(gfn_t first, pages_t count)
{
    bool zero = are_zero(first, count);

    if (zero && kvm_enabled()) {
        for_each_piece(first, count, protect_piece);
        zero = are_zero(first, count);
        if (!zero) {
            for_each_piece(first, count, unprotect_piece);
        }
    }
    return zero;
}

void trap_make_ram(gfn_t first, pages_t count)
{
    forget_hidden(first, count);
    if (first >= trap.end) {
        return;
    }
    count = MIN(count, trap.end - first);
    for (gfn_t gfn = first; gfn < first + count; gfn++) {
        if (state_get(gfn) == XEN_TRAP_RAM) {
            /* A page that was RAM already is replaced: what it held is gone. */
            for_each_piece(gfn, 1, discard_piece);
        }
    }
    if (kvm_enabled()) {
        for_each_piece(first, count, forget_ones);
    }
    state_set(first, count, XEN_TRAP_RAM);
}

void trap_poison(gfn_t first, pages_t count)
{
    fill_pages(first, count, TRAP_POISON);
}

void trap_move(gfn_t from, gfn_t to)
{
    uint8_t copy[HCALL_PAGE_SIZE] = {0};
    void *source = trap_page(from);
    void *target = trap_page(to);

    if (source && kvm_enabled()) {
        uffd_back(source);
        uffd_protect(source, HCALL_PAGE_SIZE, true);
    }
    source = source ? source : g_hash_table_lookup(trap.hidden, &from);
    if (source) {
        memcpy(copy, source, sizeof(copy));
    }
    trap_make_hole(from, 1);
    trap_make_ram(to, 1);
    if (target) {
        fill_page(target, copy);
    } else {
        g_hash_table_insert(trap.hidden, g_memdup2(&to, sizeof(to)), g_memdup2(copy, sizeof(copy)));
    }
}

static bool is_room(const TrapBlock *b)
{
    return b->mr == &trap.low_room || b->mr == &trap.high_room;
}

/* Whatever has been populated goes; what is a hole already, which is most of it, is passed over. */
static void empty_room(const TrapBlock *b)
{
    gfn_t gfn = b->first, end = b->first + b->pages, first;

    while (gfn < end) {
        while (gfn < end && trap_state(gfn) == XEN_TRAP_HOLE) {
            gfn++;
        }
        first = gfn;
        while (gfn < end && trap_state(gfn) != XEN_TRAP_HOLE) {
            gfn++;
        }
        if (first < gfn) {
            trap_make_hole(first, gfn - first);
        }
    }
}

/* As at power-on: the machine's RAM is RAM, all else a hole. */
void trap_reset(void)
{
    g_hash_table_remove_all(trap.hidden);
    if (kvm_enabled()) {
        for_each_piece(0, trap.end, forget_ones);
    }
    for (unsigned i = 0; i < trap.nr_blocks; i++) {
        const TrapBlock *b = &trap.block[i];

        if (is_room(b)) {
            empty_room(b);
        } else {
            state_set(b->first, b->pages, XEN_TRAP_RAM);
        }
    }
}

static int is_vhost(Object *obj, void *opaque)
{
    return g_str_has_prefix(object_get_typename(obj), "vhost-");
}

/* One that devices may be in; QEMU's own are elsewhere. */
static int is_iothread(Object *obj, void *opaque)
{
    return !!object_dynamic_cast(obj, TYPE_IOTHREAD);
}

/* Memory contract 1: what cannot be trapped or given back is refused. */
static bool check_backing(MachineState *ms, Error **errp)
{
    RAMBlock *rb = ms->ram ? ms->ram->ram_block : NULL;

    if (!rb) {
        error_setg(errp, "xenbed: guest RAM must be one block: NUMA memory devices are refused");
    } else if (should_mlock(mlock_state)) {
        error_setg(errp, "xenbed: -overcommit mem-lock=on is refused: locked memory cannot be "
                         "given back to the host");
    } else if (qemu_ram_pagesize(rb) != HCALL_PAGE_SIZE) {
        error_setg(errp,
                   "xenbed: memory backend '%s' has pages of %zu bytes: hugetlbfs is "
                   "refused, single 4 KiB pages cannot be given back from it",
                   qemu_ram_get_idstr(rb), qemu_ram_pagesize(rb));
    } else if (rb->fd >= 0 && !qemu_ram_is_shared(rb)) {
        error_setg(errp,
                   "xenbed: memory backend '%s' is a private mapping of a file: refused, "
                   "use share=on, memory-backend-memfd or plain -m",
                   qemu_ram_get_idstr(rb));
    } else if (object_child_foreach_recursive(object_get_root(), is_vhost, NULL)) {
        error_setg(errp, "xenbed: vhost devices are refused: their accesses cannot be trapped");
    } else if (domain_is_pod(xenbed) &&
               object_child_foreach_recursive(object_get_root(), is_iothread, NULL)) {
        error_setg(errp, "xenbed: I/O threads are refused where memory is populate-on-demand: they "
                         "cannot stop the guest to look for a page");
    } else if (ram_block_discard_require(true) != 0) {
        error_setg(errp, "xenbed: a device in this machine does not allow RAM to be given back "
                         "(VFIO, or another that pins memory)");
    } else {
        return true;
    }
    return false;
}

static void add_block(MemoryRegion *mr, hwaddr offset, gfn_t first, pages_t pages)
{
    if (pages) {
        trap.block[trap.nr_blocks++] =
            (TrapBlock){.mr = mr, .offset = offset, .first = first, .pages = pages};
        trap.end = first + pages;
    }
}

/* Behind whatever a device may have mapped there. */
static bool add_room(MemoryRegion *mr, const char *name, hwaddr start, hwaddr size, Error **errp)
{
    if (size == 0) {
        return true;
    }
    if (!memory_region_init_ram_flags_nomigrate(mr, OBJECT(current_machine), name, size,
                                                RAM_NORESERVE, errp)) {
        return false;
    }
    memory_region_add_subregion_overlap(get_system_memory(), start, mr, -5);
    add_block(mr, 0, start >> HCALL_PAGE_SHIFT, size >> HCALL_PAGE_SHIFT);
    return true;
}

/*
 * A guest may populate gfns it did not boot with (Linux hot-adds memory for its balloon
 * above all RAM).  They need backing, too: below 4 GiB all there is, above as much again
 * as the machine has.
 */
static bool add_blocks(MachineState *ms, Error **errp)
{
    X86MachineState *x86ms = X86_MACHINE(ms);
    hwaddr low_end = x86ms->below_4g_mem_size;
    hwaddr low_size = 4 * GiB - low_end;
    hwaddr high_end = 4 * GiB + x86ms->above_4g_mem_size;
    hwaddr high_size = MAX(1 * GiB, ROUND_UP(ms->ram_size, 1 * GiB));

    add_block(ms->ram, 0, 0, low_end >> HCALL_PAGE_SHIFT);
    if (!add_room(&trap.low_room, "xenbed.low-room", low_end, low_size, errp)) {
        return false;
    }
    add_block(ms->ram, low_end, GFN_4G, x86ms->above_4g_mem_size >> HCALL_PAGE_SHIFT);
    return add_room(&trap.high_room, "xenbed.high-room", high_end, high_size, errp);
}

bool trap_init(Error **errp)
{
    MachineState *ms = MACHINE(qdev_get_machine());

    if (!check_backing(ms, errp) || !add_blocks(ms, errp)) {
        return false;
    }
    trap.unaddressable = (gfn_t)1 << (X86_CPU(first_cpu)->phys_bits - HCALL_PAGE_SHIFT);
    trap.hidden = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);

    memory_region_init_io(&xen_trap_hole, OBJECT(ms), &hole_ops, NULL, "xenbed.hole", UINT64_MAX);
    memory_region_add_subregion_overlap(get_system_memory(), 0, &xen_trap_hole, -10);

    for (unsigned i = 0; i < trap.nr_blocks; i++) {
        const TrapBlock *b = &trap.block[i];

        /* A huge page would fill the holes in it again. */
        qemu_madvise(trap_block_host(b), b->pages << HCALL_PAGE_SHIFT, QEMU_MADV_NOHUGEPAGE);
    }

    trap.map = mmap(NULL, DIV_ROUND_UP(trap.end, TRAP_PER_BYTE), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (trap.map == MAP_FAILED) {
        error_setg_errno(errp, errno, "xenbed: trap map");
        return false;
    }
    for (unsigned i = 0; i < trap.nr_blocks; i++) {
        if (is_room(&trap.block[i])) {
            state_set(trap.block[i].first, trap.block[i].pages, XEN_TRAP_HOLE);
        }
    }
    return !kvm_enabled() || uffd_init(errp);
}
