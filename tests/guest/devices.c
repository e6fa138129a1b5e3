/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that has devices read and write memory, and touches nothing by itself.
 *
 * What a device finds in a gfn that is populate-on-demand depends on nobody having been there
 * before; so this guest does one thing for each line on COM1, below 2 MiB only, and answers with
 * a line: the test looks at the counters in between.  A line is a letter and hexadecimal
 * numbers; addresses are guest-physical.
 *
 *   f ADDRESS                      fw_cfg writes its signature there
 *   r ADDRESS SECTOR N             the IDE disk is to read N sectors to there ...
 *   w ADDRESS SECTOR N             ... or to write them
 *   i                              ... and has done so
 *   v ADDRESS N                    virtio's ring of N descriptors is there
 *   b ADDRESS STATUS SECTOR N      the virtio disk reads N sectors to there, and says so in STATUS
 *   e ADDRESS DEVICE               IDE (0) or virtio (1) reads into page after page from there on
 *   p ADDRESS                      what is there
 *   c ADDRESS PAGES VALUE          fill pages with a value
 */
#include "bare.h"

#define SECTOR_SIZE 512
#define PAGE_SIZE 4096

/* --- PCI --------------------------------------------------------------------------- */

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_IDE 0x09 /* device 1, function 1 */

static uint32_t pci_select(unsigned devfn, unsigned reg)
{
    out32(PCI_ADDRESS, 1u << 31 | devfn << 8 | reg);
    return in32(PCI_DATA);
}

/* Base of a BAR's I/O ports; the device may use them, and memory. */
static uint16_t pci_io(unsigned devfn, unsigned bar)
{
    out32(PCI_DATA, pci_select(devfn, 0x04) | 5);
    return pci_select(devfn, 0x10 + 4 * bar) & ~3u;
}

/* The first device with these IDs; 0 if there is none. */
static unsigned pci_find(uint32_t ids)
{
    unsigned devfn = 0xff;

    while (devfn && pci_select(devfn, 0) != ids) {
        devfn--;
    }
    return devfn;
}

/* --- IDE ----------------------------------------------------------------------------- */

#define IDE 0x1f0
#define IDE_CONTROL 0x3f6
#define IDE_NO_INTERRUPT 2
#define IDE_READ_DMA 0xc8
#define IDE_WRITE_DMA 0xca

/* Bus master: from its BAR on. */
#define BM_COMMAND 0
#define BM_START 0x01
#define BM_TO_MEMORY 0x08
#define BM_STATUS 2
#define BM_ACTIVE 0x01
#define BM_ERROR 0x02
#define BM_TABLE 4

struct prd {
    uint32_t address, size;
};

/* A piece of memory crosses no 64 KiB; the last one has a mark. */
#define PRD_LAST (1u << 31)
#define PRD_BYTES 0x10000u

static void ide_start(uint32_t address, uint32_t sector, uint32_t count, uint8_t command)
{
    static volatile struct prd table[16] __attribute__((aligned(128)));
    const uint16_t bm = pci_io(PCI_IDE, 4);
    const uint8_t direction = command == IDE_READ_DMA ? BM_TO_MEMORY : 0;
    uint32_t left = count * SECTOR_SIZE;
    unsigned n = 0;

    while (left) {
        uint32_t room = PRD_BYTES - address % PRD_BYTES, size = left < room ? left : room;

        left -= size;
        table[n++] = (struct prd){address, size % PRD_BYTES | (left ? 0 : PRD_LAST)};
        address += size;
    }
    out8(bm + BM_COMMAND, 0);
    out8(bm + BM_STATUS, 0x06);
    out32(bm + BM_TABLE, (uintptr_t)table);

    out8(IDE_CONTROL, IDE_NO_INTERRUPT);
    out8(IDE + 6, 0xe0 | sector >> 24);
    out8(IDE + 2, count);
    out8(IDE + 3, sector);
    out8(IDE + 4, sector >> 8);
    out8(IDE + 5, sector >> 16);
    out8(IDE + 7, command);
    out8(bm + BM_COMMAND, direction | BM_START);
}

static bool ide_finish(void)
{
    const uint16_t bm = pci_io(PCI_IDE, 4);
    uint8_t status;

    do {
        status = in8(bm + BM_STATUS);
    } while (status & BM_ACTIVE);
    out8(bm + BM_COMMAND, 0);
    return !(status & BM_ERROR) && !(in8(IDE + 7) & 0x21);
}

/* --- virtio-blk, as it was before version 1 --------------------------------------------- */

#define VIRTIO_BLK 0x10011af4u
#define VIRTIO_QUEUE_PFN 8
#define VIRTIO_QUEUE_SIZE 12
#define VIRTIO_QUEUE_SELECT 14
#define VIRTIO_NOTIFY 16
#define VIRTIO_STATUS 18
#define VIRTIO_DRIVER_OK 7

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
};

#define DESC_NEXT 1
#define DESC_WRITE 2

static volatile struct descriptor *ring;
static volatile uint16_t *available; /* flags, index, ring */
static volatile uint16_t *used;      /* likewise */

/* Only the device touches it. */
static bool virtio_start(uint32_t address, uint32_t size)
{
    const uint16_t io = pci_io(pci_find(VIRTIO_BLK), 0);

    out8(io + VIRTIO_STATUS, 0);
    out8(io + VIRTIO_STATUS, VIRTIO_DRIVER_OK);
    out16(io + VIRTIO_QUEUE_SELECT, 0);
    if ((in32(io + VIRTIO_QUEUE_SIZE) & 0xffff) != size) {
        return false;
    }
    out32(io + VIRTIO_QUEUE_PFN, address / PAGE_SIZE);
    ring = (void *)(uintptr_t)address;
    available = (void *)(ring + size);
    used = (void *)(((uintptr_t)(available + size + 3) + PAGE_SIZE - 1) & -PAGE_SIZE);
    return true;
}

static bool virtio_read(uint32_t address, uint32_t status, uint32_t sector, uint32_t count)
{
    static volatile struct {
        uint32_t type, reserved;
        uint64_t sector;
    } request;

    request.sector = sector;
    ring[0] = (struct descriptor){(uintptr_t)&request, sizeof(request), DESC_NEXT, 1};
    ring[1] = (struct descriptor){address, count * SECTOR_SIZE, DESC_NEXT | DESC_WRITE, 2};
    ring[2] = (struct descriptor){status, 1, DESC_WRITE, 0};
    available[1]++;
    out16(pci_io(pci_find(VIRTIO_BLK), 0) + VIRTIO_NOTIFY, 0);
    while (used[1] != available[1]) {
    }
    return true;
}

/* --- Lines ---------------------------------------------------------------------------- */

/* For ever. */
static void eat(uint32_t address, uint32_t device)
{
    static uint8_t status;

    for (;; address += PAGE_SIZE) {
        if (device) {
            virtio_read(address, (uintptr_t)&status, 0, PAGE_SIZE / SECTOR_SIZE);
        } else {
            ide_start(address, 0, PAGE_SIZE / SECTOR_SIZE, IDE_READ_DMA);
            ide_finish();
        }
    }
}

static bool fill(uint32_t address, uint32_t pages, uint32_t value)
{
    for (uint32_t at = address; at - address < pages * PAGE_SIZE; at += 4) {
        poke(at, value);
    }
    return true;
}

static bool run_line(char letter, const uint32_t *n)
{
    switch (letter) {
    case 'f':
        return fw_cfg_signature_to(n[0]) == 0;
    case 'r':
        ide_start(n[0], n[1], n[2], IDE_READ_DMA);
        return true;
    case 'w':
        ide_start(n[0], n[1], n[2], IDE_WRITE_DMA);
        return true;
    case 'i':
        return ide_finish();
    case 'v':
        return virtio_start(n[0], n[1]);
    case 'b':
        return virtio_read(n[0], n[1], n[2], n[3]);
    case 'e':
        eat(n[0], n[1]);
        return false;
    case 'p':
        put_hex(peek(n[0]));
        put(" ");
        return true;
    case 'c':
        return fill(n[0], n[1], n[2]);
    default:
        return false;
    }
}

static char get(void)
{
    while (!(in8(COM1_STATUS) & COM1_RECEIVED)) {
    }
    return in8(COM1);
}

void run(void)
{
    put("ready\n");
    for (;;) {
        uint32_t numbers[4] = {0};
        const char letter = get();
        int n = -1;
        char c;

        while ((c = get()) != '\n') {
            if (c == ' ') {
                n++;
            } else {
                numbers[n] = numbers[n] << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
            }
        }
        put(run_line(letter, numbers) ? "ok\n" : "FAILED\n");
    }
}
