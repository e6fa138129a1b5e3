/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Touch traps under KVM: userfaultfd on guest RAM (memory contract 3 to 6).
 *
 * A page that the host has not backed faults when it is touched, by whatever thread, and a thread
 * of ours has the fault answered: RAM gets zeroes, what is populate-on-demand is populated, a
 * hole gets a page of ones.  Whoever is to have none stays where he is: a vCPU at its
 * instruction, until it is stopped.
 *
 * Pages go away under XenBed.lock and with no vCPU stopped: a page is protected against writes
 * before it is looked at, and who writes to it meanwhile waits for the lock in that thread.  So
 * nobody may touch guest RAM that is not there while he holds the lock: uffd_back() first.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "qemu/userfaultfd.h"
#include "qapi/error.h"
#include "cpu.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "xenbed/emu/xenbed.h"

#define FEATURES (UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID)
/*
 * What the kernel has to know, though we do not switch it on: memory of any kind; and that it is
 * not older than this tells that it can stop a vCPU which waits for a page.
 */
#define FEATURES_KNOWN                                                                             \
    (FEATURES | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |                     \
     UFFD_FEATURE_WP_UNPOPULATED)

/* Most that is backed for one fault. */
#define UNIT (2 * MiB)
#define UNIT_PAGES (UNIT / HCALL_PAGE_SIZE)

static int uffd = -1;
static uint8_t ones[HCALL_PAGE_SIZE] QEMU_ALIGNED(HCALL_PAGE_SIZE);
static const uint8_t zeroes[UNIT] QEMU_ALIGNED(HCALL_PAGE_SIZE);

/* Pages of ones, by where they are. */
static GHashTable *holes;

/* How many were answered. */
static uint64_t faults;

/* --- Pages; with xb->lock, or by the thread below ------------------------------------------- */

void uffd_back(void *host)
{
    struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)host, .len = HCALL_PAGE_SIZE}};

    /* If it does not do that, there is a page. */
    (void)ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
}

void uffd_fill(void *host, const void *page)
{
    uffd_copy_page(uffd, host, (void *)page, HCALL_PAGE_SIZE, false);
}

void uffd_protect(void *host, size_t length, bool on)
{
    uffd_change_protection(uffd, host, length, on, false);
}

void uffd_discard_ones(const void *first, size_t length)
{
    GHashTableIter iter;
    gpointer host;
    ram_addr_t offset;

    g_hash_table_iter_init(&iter, holes);
    while (g_hash_table_iter_next(&iter, &host, NULL)) {
        if ((uintptr_t)host - (uintptr_t)first < length) {
            RAMBlock *rb = qemu_ram_block_from_host(host, false, &offset);

            ram_block_discard_range(rb, offset, HCALL_PAGE_SIZE);
            g_hash_table_iter_remove(&iter);
        }
    }
}

void uffd_wake(void)
{
    const TrapBlock *block;
    unsigned n;

    block = trap_blocks(&n);
    for (unsigned i = 0; i < n; i++) {
        uffd_wakeup(uffd, trap_block_host(&block[i]), block[i].pages << HCALL_PAGE_SHIFT);
    }
}

/* --- Faults ----------------------------------------------------------------------------------- */

/*
 * Whose thread it is: a vCPU's; or another of ours, a device's then (NULL); or the kernel's own,
 * which has it fetch a page for a vCPU that sleeps meanwhile and does not tell for which.
 */
static CPUState *who_touches(uint32_t thread)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%u", thread);
    CPUState *cs;

    CPU_FOREACH (cs) {
        if (cs->thread_id == thread) {
            return cs;
        }
    }
    return access(path, F_OK) == 0 ? NULL : first_cpu;
}

static void give_ones(uint8_t *host)
{
    struct uffdio_copy copy = {
        .dst = (uintptr_t)host,
        .src = (uintptr_t)ones,
        .len = HCALL_PAGE_SIZE,
        .mode = UFFDIO_COPY_MODE_WP,
    };

    if (ioctl(uffd, UFFDIO_COPY, &copy) == 0) {
        g_hash_table_add(holes, host);
    } else {
        uffd_wakeup(uffd, host, HCALL_PAGE_SIZE);
    }
}

/*
 * Backs pages; for a write with pages of their own: to have the kernel replace a page of zeroes at
 * each first write takes two exits instead of one.
 */
static void back(uint8_t *host, size_t length, bool is_write)
{
    struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)host, .len = length}};
    struct uffdio_copy copy = {
        .dst = (uintptr_t)host,
        .src = (uintptr_t)zeroes,
        .len = length,
    };

    if (is_write) {
        (void)ioctl(uffd, UFFDIO_COPY, &copy);
    } else {
        (void)ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
    }
}

/* All that is RAM and not backed in the unit that the page is in. */
static void back_unit(const TrapBlock *b, gfn_t gfn, bool is_write)
{
    const gfn_t start = MAX(ROUND_DOWN(gfn, UNIT_PAGES), b->first);
    const gfn_t end = MIN(ROUND_UP(gfn + 1, UNIT_PAGES), b->first + b->pages);
    uint8_t *host = trap_page(start);
    unsigned char resident[UNIT_PAGES];
    const unsigned n = end - start;
    unsigned first, i = 0;

    if (mincore(host, n << HCALL_PAGE_SHIFT, resident) < 0) {
        memset(resident, 1, n);
        resident[gfn - start] = 0;
    }
    while (i < n) {
        first = i;
        while (i < n && !(resident[i] & 1) && trap_state(start + i) == XEN_TRAP_RAM) {
            i++;
        }
        if (first < i) {
            back(host + (first << HCALL_PAGE_SHIFT), (i - first) << HCALL_PAGE_SHIFT, is_write);
        }
        i++;
    }
    /* If it was there, or the kernel thought so. */
    uffd_wakeup(uffd, trap_page(gfn), HCALL_PAGE_SIZE);
}

static void report_write(const CPUState *cs, gfn_t gfn)
{
    warn_report("xenbed: d%uv%d writes to the hole at gfn %#" PRIx64
                ": KVM cannot drop that, the page keeps it",
                xenbed->domid, cs ? cs->cpu_index : 0, gfn);
}

static void answer(const TrapBlock *b, gfn_t gfn, uint64_t flags, CPUState *cs)
{
    uint8_t *host = trap_page(gfn);
    const bool protected = flags & UFFD_PAGEFAULT_FLAG_WP;

    if (!touch_fault(cs, gfn)) {
        return;
    }
    QEMU_LOCK_GUARD(&xenbed->lock);
    if (trap_state(gfn) != XEN_TRAP_RAM && !protected) {
        give_ones(host);
    } else if (protected) {
        if (g_hash_table_contains(holes, host)) {
            report_write(cs, gfn);
        }
        uffd_protect(host, HCALL_PAGE_SIZE, false);
    } else {
        back_unit(b, gfn, flags & UFFD_PAGEFAULT_FLAG_WRITE);
    }
}

uint64_t uffd_faults(void)
{
    return qatomic_read(&faults);
}

static void handle(const struct uffd_msg *msg)
{
    const uintptr_t address = ROUND_DOWN(msg->arg.pagefault.address, HCALL_PAGE_SIZE);
    const TrapBlock *block;
    unsigned n;

    if (msg->event != UFFD_EVENT_PAGEFAULT) {
        return;
    }
    qatomic_set(&faults, faults + 1);
    block = trap_blocks(&n);
    for (unsigned i = 0; i < n; i++) {
        const uintptr_t offset = address - (uintptr_t)trap_block_host(&block[i]);

        if (offset < block[i].pages << HCALL_PAGE_SHIFT) {
            answer(&block[i], block[i].first + (offset >> HCALL_PAGE_SHIFT),
                   msg->arg.pagefault.flags, who_touches(msg->arg.pagefault.feat.ptid));
            return;
        }
    }
}

static void *fault_thread(void *unused)
{
    struct uffd_msg msgs[16];

    rcu_register_thread();
    for (;;) {
        struct pollfd fd = {.fd = uffd, .events = POLLIN};
        int n = poll(&fd, 1, -1) > 0 ? uffd_read_events(uffd, msgs, ARRAY_SIZE(msgs)) : 0;

        for (int i = 0; i < n; i++) {
            handle(&msgs[i]);
        }
    }
    return NULL;
}

/* --- Setting up ------------------------------------------------------------------------------- */

static bool register_block(const TrapBlock *b, Error **errp)
{
    const uint64_t needed =
        1 << _UFFDIO_ZEROPAGE | 1 << _UFFDIO_COPY | 1 << _UFFDIO_WAKE | 1 << _UFFDIO_WRITEPROTECT;
    uint64_t ioctls = 0;

    if (uffd_register_memory(uffd, trap_block_host(b), b->pages << HCALL_PAGE_SHIFT,
                             UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP, &ioctls) ||
        (ioctls & needed) != needed) {
        error_setg_errno(errp, errno, "xenbed: userfaultfd on guest RAM");
        return false;
    }
    return true;
}

bool uffd_open_fd(Error **errp)
{
    uint64_t known = 0;

    uffd = uffd_query_features(&known) == 0 ? uffd_create_fd(FEATURES, true) : -1;
    if (uffd < 0) {
        error_setg(errp, "xenbed: no userfaultfd for what KVM accesses: make /dev/userfaultfd "
                         "readable and writable for this user, or sysctl "
                         "vm.unprivileged_userfaultfd=1, or use -accel tcg");
        return false;
    }
    if (FEATURES_KNOWN & ~known) {
        error_setg(errp,
                   "xenbed: the kernel's userfaultfd lacks features %#" PRIx64
                   ", which Linux 6.4 has: use -accel tcg",
                   FEATURES_KNOWN & ~known);
        return false;
    }
    return true;
}

bool uffd_init(Error **errp)
{
    const TrapBlock *block;
    QemuThread thread;
    unsigned n;

    block = trap_blocks(&n);
    memset(ones, 0xff, sizeof(ones));
    holes = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; i < n; i++) {
        if (!register_block(&block[i], errp)) {
            return false;
        }
    }
    qemu_thread_create(&thread, "xenbed-faults", fault_thread, NULL, QEMU_THREAD_DETACHED);
    return true;
}
