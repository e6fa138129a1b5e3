/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PVH domain's start, as Xen's builder leaves it: no firmware runs; vCPU 0 stands at
 * the kernel's PVH entry point, in 32-bit protected mode without paging, and EBX leads
 * to hvm_start_info, from there to the command line, the modules and the memory map.
 *
 * QEMU's own -kernel has loaded the ELF file already (and would have had SeaBIOS start
 * it).  What is added are ROM blobs, which QEMU copies into memory at every reset.
 *
 * The chipset is told what firmware would tell it: that 0xa0000-0xfffff is RAM, and where
 * power management has its ports.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "cpu.h"
#include "elf.h"
#include "hw/boards.h"
#include "hw/i386/pc.h"
#include "hw/loader.h"
#include "hw/pci/pci.h"
#include "hw/xen/start_info.h"
#include "xenbed/emu/xenbed.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18

/* The 440FX's registers: seven for who answers in 0xc0000-0xfffff, one for 0xa0000-0xbffff. */
#define I440FX_PAM 0x59
#define I440FX_PAM_SIZE 7
#define PAM_ALL_RAM 0x33
#define I440FX_SMRAM 0x72
#define SMRAM_OPEN 0x42

/* The PIIX4's power management: where its ports are, and that they are there. */
#define PIIX4_PMBA 0x40
#define PIIX4_PMREGMISC 0x80
#define PIIX4_PMREGMISC_PMIOSE 1

/* Memory map types beyond RAM. */
#define TYPE_RAM 1
#define TYPE_RESERVED 2
#define TYPE_ACPI 3

static struct {
    uint32_t entry;      /* of the kernel */
    uint32_t start_info; /* where it is */
    PCIDevice *chipset, *pm;
    MemoryRegion acpi;
} pvh;

/* --- The kernel file ------------------------------------------------------------ */

/* A program header, from a file of 32 or of 64 bits. */
struct segment {
    uint32_t type;
    uint64_t offset, filesz, paddr, memsz;
};

static bool get_segment(const uint8_t *elf, size_t len, unsigned index, struct segment *s)
{
    if (elf[EI_CLASS] == ELFCLASS64) {
        const Elf64_Ehdr *header = (const void *)elf;
        uint64_t at = header->e_phoff + (uint64_t)index * sizeof(Elf64_Phdr);
        Elf64_Phdr p;

        if (index >= header->e_phnum || at > len || len - at < sizeof(p)) {
            return false;
        }
        memcpy(&p, elf + at, sizeof(p));
        *s = (struct segment){p.p_type, p.p_offset, p.p_filesz, p.p_paddr, p.p_memsz};
    } else {
        const Elf32_Ehdr *header = (const void *)elf;
        uint64_t at = header->e_phoff + (uint64_t)index * sizeof(Elf32_Phdr);
        Elf32_Phdr p;

        if (index >= header->e_phnum || at > len || len - at < sizeof(p)) {
            return false;
        }
        memcpy(&p, elf + at, sizeof(p));
        *s = (struct segment){p.p_type, p.p_offset, p.p_filesz, p.p_paddr, p.p_memsz};
    }
    return s->offset <= len && s->filesz <= len - s->offset;
}

/* Notes have the same layout in both: three words, name and description, each padded to 4 bytes. */
static bool find_entry_note(const uint8_t *note, size_t len, uint32_t *entry)
{
    Elf32_Nhdr header;

    while (len >= sizeof(header)) {
        const uint8_t *name = note + sizeof(header);
        size_t name_size, desc_size;

        memcpy(&header, note, sizeof(header));
        name_size = ROUND_UP((size_t)header.n_namesz, 4);
        desc_size = ROUND_UP((size_t)header.n_descsz, 4);
        if (name_size + desc_size > len - sizeof(header)) {
            return false;
        }
        if (header.n_type == XEN_ELFNOTE_PHYS32_ENTRY && header.n_namesz == sizeof("Xen") &&
            !memcmp(name, "Xen", sizeof("Xen")) && header.n_descsz >= sizeof(*entry)) {
            memcpy(entry, name + name_size, sizeof(*entry));
            return true;
        }
        note += sizeof(header) + name_size + desc_size;
        len -= sizeof(header) + name_size + desc_size;
    }
    return false;
}

/* The kernel's entry point, and where its memory ends. */
static bool read_kernel(const uint8_t *elf, size_t len, uint32_t *entry, uint64_t *end)
{
    struct segment s;
    bool found = false;

    *end = 0;
    if (len < sizeof(Elf64_Ehdr) || memcmp(elf, ELFMAG, SELFMAG)) {
        return false;
    }
    for (unsigned i = 0; get_segment(elf, len, i, &s); i++) {
        if (s.type == PT_LOAD) {
            *end = MAX(*end, s.paddr + s.memsz);
        } else if (s.type == PT_NOTE && !found) {
            found = find_entry_note(elf + s.offset, s.filesz, entry);
        }
    }
    return found;
}

/* --- What the guest finds ----------------------------------------------------------- */

unsigned pvh_memory_map(struct hcall_e820 *map)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());
    unsigned n = 0;

    map[n++] = (struct hcall_e820){0, x86ms->below_4g_mem_size, TYPE_RAM};
    map[n++] =
        (struct hcall_e820){(uint64_t)SPECIAL_FIRST << HCALL_PAGE_SHIFT,
                            (SPECIAL_END - SPECIAL_FIRST) << HCALL_PAGE_SHIFT, TYPE_RESERVED};
    map[n++] = (struct hcall_e820){PVH_RSDP, 0x40, TYPE_ACPI};
    map[n++] = (struct hcall_e820){PVH_ACPI, 0x1000, TYPE_ACPI};
    map[n++] = (struct hcall_e820){PVH_ACPI + 0x1000, 0x7000, TYPE_ACPI};
    if (x86ms->above_4g_mem_size) {
        map[n++] = (struct hcall_e820){4 * GiB, x86ms->above_4g_mem_size, TYPE_RAM};
    }
    return n;
}

/* The start info and all it leads to but the modules, for the address it will have. */
static GByteArray *make_start_info(uint64_t addr, uint64_t module, uint64_t module_size,
                                   const char *cmdline)
{
    GByteArray *blob = g_byte_array_new();
    struct hcall_e820 map[PVH_MAP_MAX];
    unsigned entries = pvh_memory_map(map);
    struct hvm_start_info info = {
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .nr_modules = module ? 1 : 0,
        .rsdp_paddr = PVH_RSDP,
        .memmap_entries = entries,
    };
    const struct hvm_modlist_entry module_entry = {.paddr = module, .size = module_size};

    info.memmap_paddr = addr + sizeof(info);
    info.modlist_paddr =
        module ? info.memmap_paddr + entries * sizeof(struct hvm_memmap_table_entry) : 0;
    info.cmdline_paddr =
        info.memmap_paddr + entries * sizeof(struct hvm_memmap_table_entry) + sizeof(module_entry);
    g_byte_array_append(blob, (const guint8 *)&info, sizeof(info));
    for (unsigned i = 0; i < entries; i++) {
        const struct hvm_memmap_table_entry entry = {
            .addr = map[i].addr, .size = map[i].size, .type = map[i].type};

        g_byte_array_append(blob, (const guint8 *)&entry, sizeof(entry));
    }
    g_byte_array_append(blob, (const guint8 *)&module_entry, sizeof(module_entry));
    g_byte_array_append(blob, (const guint8 *)cmdline, strlen(cmdline) + 1);
    return blob;
}

/* The module, a page after the kernel ends; then the start info, in a page of its own. */
static bool place(MachineState *ms, uint64_t end, Error **errp)
{
    uint64_t limit = X86_MACHINE(ms)->below_4g_mem_size, module = 0, addr;
    g_autoptr(GByteArray) blob = NULL;
    g_autofree char *data = NULL;
    gsize size = 0;

    end = ROUND_UP(end, HCALL_PAGE_SIZE);
    if (ms->initrd_filename) {
        if (!g_file_get_contents(ms->initrd_filename, &data, &size, NULL)) {
            error_setg(errp, "xenbed: cannot read %s", ms->initrd_filename);
            return false;
        }
        module = end;
    }
    addr = ROUND_UP(end + size, HCALL_PAGE_SIZE);
    blob = make_start_info(addr, module, size, ms->kernel_cmdline ? ms->kernel_cmdline : "");
    if (addr + blob->len > limit) {
        error_setg(errp, "xenbed: kernel and ramdisk need %" PRIu64 " KiB, the domain has %" PRIu64,
                   (addr + blob->len) / KiB, limit / KiB);
        return false;
    }
    if (module) {
        rom_add_blob_fixed("xenbed.module", data, size, module);
    }
    rom_add_blob_fixed("xenbed.start_info", blob->data, blob->len, addr);
    pvh.start_info = addr;
    return true;
}

static bool find_chipset(MachineState *ms, Error **errp)
{
    PCIBus *bus = object_dynamic_cast(OBJECT(ms), TYPE_PC_MACHINE) ? PC_MACHINE(ms)->pcibus : NULL;

    pvh.chipset = bus ? pci_find_device(bus, 0, 0) : NULL;
    pvh.pm = bus ? pci_find_device(bus, 0, PCI_DEVFN(1, 3)) : NULL;
    if (!pvh.chipset || !pvh.pm || !object_dynamic_cast(OBJECT(pvh.chipset), "i440FX")) {
        error_setg(errp, "xenbed: domain-type=pvh needs -machine pc");
        return false;
    }
    return true;
}

/* Later than this come the machine's own options, which may ask for another place. */
void pvh_split_ram(void)
{
    MachineState *ms = current_machine;

    if (object_dynamic_cast(OBJECT(ms), TYPE_PC_MACHINE)) {
        PC_MACHINE_GET_CLASS(ms)->gigabyte_align = false;
        PC_MACHINE(ms)->max_ram_below_4g = PVH_RAM_LOW_END;
    }
}

bool pvh_init(XenBed *xb, Error **errp)
{
    MachineState *ms = current_machine;
    g_autofree char *elf = NULL;
    uint64_t end;
    gsize len;

    if (!find_chipset(ms, errp)) {
        return false;
    }
    if (!ms->kernel_filename) {
        error_setg(errp, "xenbed: domain-type=pvh needs a kernel: -kernel FILE");
        return false;
    }
    if (!g_file_get_contents(ms->kernel_filename, &elf, &len, NULL) ||
        !read_kernel((const uint8_t *)elf, len, &pvh.entry, &end)) {
        error_setg(errp,
                   "xenbed: %s: domain-type=pvh needs an uncompressed ELF kernel with a PVH entry",
                   ms->kernel_filename);
        return false;
    }
    if (!memory_region_init_ram_flags_nomigrate(&pvh.acpi, OBJECT(ms), "xenbed.acpi",
                                                PVH_ACPI_PAGES * HCALL_PAGE_SIZE, 0, errp)) {
        return false;
    }
    memory_region_add_subregion_overlap(get_system_memory(), PVH_ACPI, &pvh.acpi, 1);
    acpi_init();
    return place(ms, end, errp);
}

/* --- Reset ------------------------------------------------------------------------------- */

static void load_segment(CPUX86State *env, int segment, uint32_t kind)
{
    cpu_x86_load_seg_cache(env, segment, 0, 0, 0xffffffff,
                           DESC_G_MASK | DESC_B_MASK | DESC_P_MASK | DESC_S_MASK | DESC_A_MASK |
                               kind);
}

static void start_vcpu(CPUX86State *env)
{
    cpu_x86_update_cr0(env, CR0_PE_MASK | CR0_ET_MASK);
    load_segment(env, R_CS, DESC_CS_MASK | DESC_R_MASK);
    load_segment(env, R_DS, DESC_W_MASK);
    load_segment(env, R_ES, DESC_W_MASK);
    load_segment(env, R_SS, DESC_W_MASK);
    env->tr = (SegmentCache){.limit = 0x67, .flags = DESC_P_MASK | 11 << DESC_TYPE_SHIFT};
    env->regs[R_EBX] = pvh.start_info;
    env->eip = pvh.entry;
}

void pvh_reset(void)
{
    for (unsigned i = 0; i < I440FX_PAM_SIZE; i++) {
        pvh.chipset->config_write(pvh.chipset, I440FX_PAM + i, PAM_ALL_RAM, 1);
    }
    pvh.chipset->config_write(pvh.chipset, I440FX_SMRAM, SMRAM_OPEN, 1);
    pvh.pm->config_write(pvh.pm, PIIX4_PMBA, PVH_PM_BASE, 4);
    pvh.pm->config_write(pvh.pm, PIIX4_PMREGMISC, PIIX4_PMREGMISC_PMIOSE, 1);
    start_vcpu(&X86_CPU(first_cpu)->env);
}
