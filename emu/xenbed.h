/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of emu/ know of each other: the domain QEMU runs, and who
 * may do what to it under which lock.
 */
#ifndef XENBED_EMU_XENBED_H
#define XENBED_EMU_XENBED_H

#include "exec/memory.h"
#include "qom/object.h"
#include "xenbed/emu/hooks.h"
#include "xenbed/hcall/hcall.h"

#define TYPE_XENBED "xenbed"
OBJECT_DECLARE_SIMPLE_TYPE(XenBed, XENBED)

/* The newest Xen there is, shown when no version is asked for; and the oldest that works here. */
#define XENBED_VERSION_NEWEST 0x40016
#define XENBED_VERSION_OLDEST 0x40011

struct XenBed {
    Object parent;

    /* Options; fixed once the machine is there. */
    char *name;
    uint16_t domid;
    uint64_t memory; /* bytes; 0: all of the machine's RAM */

    /*
     * The hypervisor's view of the domain, and the lock around it and around
     * writes to the trap map.  Taken inside an exclusive section, or by itself;
     * the BQL may be held when it is taken, but is never taken under it.
     */
    QemuMutex lock;
    struct hcall_domain *domain;
    bool changed; /* this exclusive section changed what gfns are */

    Notifier machine_done;
};

#define GFN_4G ((gfn_t)1 << (32 - HCALL_PAGE_SHIFT))

/* gfns the VGA hole covers: the RAM behind it is the firmware's SMRAM, not the guest's. */
#define VGA_HOLE_FIRST 0xa0
#define VGA_HOLE_END 0xc0

/* The one domain of this process, once its object is made; NULL when there is none. */
extern XenBed *xenbed;

/* tcg-xen.c: the version the guest is shown. */
bool xen_tcg_set_version(uint32_t version, Error **errp);
uint32_t xen_tcg_version(void);

/* domain.c: the world hcall/ sees. */
bool xenbed_domain_init(XenBed *xb, Error **errp);
void xenbed_domain_build(XenBed *xb);

/* trap.c: backing and trap map.  All but trap_init need xb->lock. */
bool trap_init(Error **errp);
void trap_reset(void);
bool trap_backable(gfn_t gfn);
void trap_make_hole(gfn_t first, pages_t count);
void trap_make_ram(gfn_t first, pages_t count);

/* A run of guest RAM: gfns [first, first + pages) are mr at offset. */
typedef struct TrapBlock {
    MemoryRegion *mr;
    hwaddr offset;
    gfn_t first;
    pages_t pages;
} TrapBlock;

/* The blocks behind guest memory, `*n` of them, in order of gfn. */
const TrapBlock *trap_blocks(unsigned *n);

/* discard.c: the object as RamDiscardManager of guest RAM; init comes after trap_init(). */
void discard_manager_class_init(ObjectClass *oc);
void discard_manager_init(XenBed *xb);

/* store.c: the toolstack's nodes, and everything the host tells the guest. */
bool store_init(XenBed *xb, Error **errp);
/* Every input from the host to the guest goes through here: write node (below the domain's path).
 */
bool store_input(const char *node, const char *value, Error **errp);
/* A number in a node; -1 when there is none. */
int64_t store_read_number(const char *node);

#endif
