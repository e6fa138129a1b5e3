/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables of a PVH domain, where Xen's builder puts them, by which a kernel finds
 * its processors and switches itself off.
 *
 * On Xen they describe local APICs and nothing else.  Here they name the PC's I/O APIC and
 * power management, too: a kernel that cannot have Xen's clock and timers needs the PC's.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/boards.h"
#include "hw/i386/apic.h"
#include "hw/i386/x86.h"
#include "hw/loader.h"
#include "xenbed/emu/xenbed.h"

#define XSDT (PVH_ACPI + 0x1000)
#define MADT (PVH_ACPI + 0x2000)
#define FADT (PVH_ACPI + 0x3000)
#define FACS (PVH_ACPI + 0x4000)
#define DSDT (PVH_ACPI + 0x5000)

/* The FADT's size, in its third revision, and the fields that are not 0, by offset. */
#define FADT_SIZE 244
#define FADT_FACS 36
#define FADT_DSDT 40
#define FADT_SCI_INT 46
#define FADT_SMI_CMD 48
#define FADT_ACPI_ENABLE 52
#define FADT_ACPI_DISABLE 53
#define FADT_PM1A_EVT 56
#define FADT_PM1A_CNT 64
#define FADT_PM_TMR 76
#define FADT_PM1_EVT_LEN 88
#define FADT_PM1_CNT_LEN 89
#define FADT_PM_TMR_LEN 91
#define FADT_P_LVL2_LAT 96
#define FADT_P_LVL3_LAT 98
#define FADT_BOOT_ARCH 109
#define FADT_FLAGS 112

#define SCI_INT 9
#define SMI_CMD 0xb2 /* with what the PIIX4 understands there */
#define ACPI_ENABLE 0xf1
#define ACPI_DISABLE 0xf0
#define NO_LATENCY 0xffff  /* no such state */
#define BOOT_ARCH_NO_VGA 4 /* and no keyboard controller, which is another bit */
#define FLAG_WBINVD 1
#define FLAG_PROC_C1 4

#define LAPIC_ADDRESS 0xfee00000
#define PCAT_COMPAT 1 /* there are 8259s, to be switched off */
#define ENABLED 1

struct rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t whole_checksum;
    uint8_t reserved[3];
} QEMU_PACKED;

struct table {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} QEMU_PACKED;

struct madt_lapic {
    uint8_t type, length, processor, apic_id;
    uint32_t flags;
} QEMU_PACKED;

/* What makes the bytes add up to 0. */
static uint8_t checksum(const void *data, size_t len)
{
    const uint8_t *byte = data;
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += byte[i];
    }
    return -sum;
}

/* Puts the header before BODY and all of it into the ROM at ADDRESS. */
static void add_table(uint8_t *rom, uint32_t address, const char *signature, uint8_t revision,
                      const GByteArray *body)
{
    struct table header = {
        .length = sizeof(header) + body->len,
        .revision = revision,
        .oem_id = "Xen",
        .oem_table_id = "HVM",
        .creator_id = "HVML",
    };
    uint8_t *table = rom + address - PVH_ACPI;

    memcpy(header.signature, signature, sizeof(header.signature));
    memcpy(table, &header, sizeof(header));
    memcpy(table + sizeof(header), body->data, body->len);
    table[offsetof(struct table, checksum)] = checksum(table, header.length);
}

static void add_madt(uint8_t *rom)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    const uint32_t start[] = {LAPIC_ADDRESS, PCAT_COMPAT};
    CPUState *cpu;

    g_byte_array_append(body, (const guint8 *)start, sizeof(start));
    CPU_FOREACH (cpu) {
        const struct madt_lapic lapic = {
            .type = 0,
            .length = sizeof(lapic),
            .processor = cpu->cpu_index,
            .apic_id = X86_CPU(cpu)->apic_id,
            .flags = ENABLED,
        };

        g_byte_array_append(body, (const guint8 *)&lapic, sizeof(lapic));
    }
    add_table(rom, MADT, "APIC", 3, body);
}

static void add_fadt(uint8_t *rom)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    uint8_t fadt[FADT_SIZE] = {0};

    stl_le_p(fadt + FADT_FACS, FACS);
    stl_le_p(fadt + FADT_DSDT, DSDT);
    stw_le_p(fadt + FADT_SCI_INT, SCI_INT);
    stl_le_p(fadt + FADT_SMI_CMD, SMI_CMD);
    fadt[FADT_ACPI_ENABLE] = ACPI_ENABLE;
    fadt[FADT_ACPI_DISABLE] = ACPI_DISABLE;
    stl_le_p(fadt + FADT_PM1A_EVT, PVH_PM_BASE);
    stl_le_p(fadt + FADT_PM1A_CNT, PVH_PM_BASE + 4);
    stl_le_p(fadt + FADT_PM_TMR, PVH_PM_BASE + 8);
    fadt[FADT_PM1_EVT_LEN] = 4;
    fadt[FADT_PM1_CNT_LEN] = 2;
    fadt[FADT_PM_TMR_LEN] = 4;
    stw_le_p(fadt + FADT_P_LVL2_LAT, NO_LATENCY);
    stw_le_p(fadt + FADT_P_LVL3_LAT, NO_LATENCY);
    stw_le_p(fadt + FADT_BOOT_ARCH, BOOT_ARCH_NO_VGA);
    stl_le_p(fadt + FADT_FLAGS, FLAG_WBINVD | FLAG_PROC_C1);
    g_byte_array_append(body, fadt + sizeof(struct table), sizeof(fadt) - sizeof(struct table));
    add_table(rom, FADT, "FACP", 3, body);
}

/* It has no header like the others. */
static void add_facs(uint8_t *rom)
{
    uint8_t *facs = rom + FACS - PVH_ACPI;

    memcpy(facs, "FACS", 4);
    stl_le_p(facs + 4, 64);
    facs[32] = 1; /* version */
}

static void add_dsdt(uint8_t *rom)
{
    /* Name (_S5, Package (4) {0, 0, 0, 0}): what the PIIX4 takes for soft off. */
    static const guint8 s5[] = {0x08, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0};
    g_autoptr(GByteArray) body = g_byte_array_new();

    g_byte_array_append(body, s5, sizeof(s5));
    add_table(rom, DSDT, "DSDT", 2, body);
}

static void add_xsdt(uint8_t *rom)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    const uint64_t tables[] = {FADT, MADT};

    g_byte_array_append(body, (const guint8 *)tables, sizeof(tables));
    add_table(rom, XSDT, "XSDT", 1, body);
}

static void add_rsdp(uint8_t *rom)
{
    struct rsdp rsdp = {
        .signature = "RSD PTR ",
        .oem_id = "Xen",
        .revision = 2,
        .length = sizeof(rsdp),
        .xsdt = XSDT,
    };

    rsdp.checksum = checksum(&rsdp, offsetof(struct rsdp, length));
    rsdp.whole_checksum = checksum(&rsdp, sizeof(rsdp));
    memcpy(rom + PVH_RSDP - PVH_ACPI, &rsdp, sizeof(rsdp));
}

void acpi_init(void)
{
    g_autofree uint8_t *rom = g_malloc0(PVH_ACPI_PAGES * HCALL_PAGE_SIZE);

    add_rsdp(rom);
    add_xsdt(rom);
    add_madt(rom);
    add_fadt(rom);
    add_facs(rom);
    add_dsdt(rom);
    rom_add_blob_fixed("xenbed.acpi", rom, PVH_ACPI_PAGES * HCALL_PAGE_SIZE, PVH_ACPI);
}
