/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Xen says about itself: XENVER_* and its leaves of CPUID, as the version shown has them.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/xen/interface/arch-x86/cpuid.h"
#include "hw/xen/interface/features.h"
#include "hw/xen/interface/version.h"
#include "hw/xen/interface/xen.h"
#include "hw/xen/xen.h"
#include "linux/kvm.h"
#include "system/kvm.h"
#include "system/system.h"
#include "target/i386/kvm/xen-emu.h"
#include "xenbed/emu/xenbed.h"

#define VERSION(major, minor) ((major) << 16 | (minor))

/* What somebody without privileges is told in the place of what he may not see. */
#define DENIED "<denied>"

/* --- CPUID -------------------------------------------------------------------------------- */

static uint32_t last_leaf(uint32_t version)
{
    return XEN_CPUID_FIRST_LEAF + (version >= VERSION(4, 10)  ? 5
                                   : version >= VERSION(4, 5) ? 4
                                   : version >= VERSION(4, 0) ? 3
                                                              : 2);
}

static void time_leaf(uint32_t subleaf, uint32_t *eax, uint32_t *ecx, uint32_t *edx)
{
    switch (subleaf) {
    case 0:
        *eax = 1 << 1; /* the TSC is reliable */
        *ecx = CLOCK_TSC_KHZ;
        *edx = 1; /* the domain's incarnation: it was never migrated */
        break;
    case 1:
        *ecx = CLOCK_TSC_MUL;
        *edx = CLOCK_TSC_SHIFT;
        break;
    case 2:
        *eax = CLOCK_TSC_KHZ;
        break;
    }
}

static uint32_t hvm_features(uint32_t version)
{
    return XEN_HVM_CPUID_IOMMU_MAPPINGS | XEN_HVM_CPUID_VCPU_ID_PRESENT |
           (version >= VERSION(4, 13) ? XEN_HVM_CPUID_DOMID_PRESENT : 0) |
           (version >= VERSION(4, 17) ? XEN_HVM_CPUID_UPCALL_VECTOR : 0);
}

bool xen_leaf(CPUState *cs, uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx,
              uint32_t *ecx, uint32_t *edx)
{
    const uint32_t version = xen_tcg_version(), last = last_leaf(version);

    if (leaf < XEN_CPUID_FIRST_LEAF || leaf > last) {
        return false;
    }
    *eax = *ebx = *ecx = *edx = 0;
    switch (leaf - XEN_CPUID_FIRST_LEAF) {
    case XEN_CPUID_SIGNATURE:
        *eax = last;
        *ebx = XEN_CPUID_SIGNATURE_EBX;
        *ecx = XEN_CPUID_SIGNATURE_ECX;
        *edx = XEN_CPUID_SIGNATURE_EDX;
        break;
    case XEN_CPUID_VENDOR:
        *eax = version;
        break;
    case XEN_CPUID_HVM_MSR:
        *eax = 1; /* hypercall page */
        *ebx = XEN_HYPERCALL_MSR;
        break;
    case XEN_CPUID_TIME:
        time_leaf(subleaf, eax, ecx, edx);
        break;
    case XEN_CPUID_HVM:
        if (subleaf == 0) {
            *eax = hvm_features(version);
            *ebx = cs->cpu_index;
            *ecx = *eax & XEN_HVM_CPUID_DOMID_PRESENT ? xen_domid : 0;
        }
        break;
    }
    return true;
}

bool xen_tcg_cpuid(CPUState *cs, uint32_t leaf, uint32_t subleaf, uint32_t *eax, uint32_t *ebx,
                   uint32_t *ecx, uint32_t *edx)
{
    return xen_tcg_enabled() && xen_leaf(cs, leaf, subleaf, eax, ebx, ecx, edx);
}

/* --- The hypercall ------------------------------------------------------------------------ */

static int give(CPUState *cs, uint64_t arg, const void *data, size_t len)
{
    return copy_to_guest(cs, arg, data, len) ? 0 : -EFAULT;
}

/* As long as the field it is for, and nothing of the stack behind it. */
static int give_text(CPUState *cs, uint64_t arg, const char *text, size_t len)
{
    g_autofree char *field = g_malloc0(len);

    g_strlcpy(field, text, len);
    return give(cs, arg, field, len);
}

/* What QEMU cannot do is not announced, whatever the version: areas by guest-physical address. */
static uint32_t features(uint32_t version)
{
    uint32_t map = 1 << XENFEAT_writable_page_tables | 1 << XENFEAT_auto_translated_physmap;

    if (version >= VERSION(4, 1)) {
        map |= 1 << XENFEAT_hvm_callback_vector | 1 << XENFEAT_hvm_safe_pvclock;
    }
    if (version >= VERSION(4, 1) && version < VERSION(4, 19) && xenbed->type != XENBED_TYPE_PVH) {
        map |= 1 << XENFEAT_hvm_pirqs;
    }
    if (version >= VERSION(4, 5)) {
        map |= 1 << XENFEAT_memory_op_vnode_supported;
    }
    if (version >= VERSION(4, 15)) {
        map |= 1 << XENFEAT_not_direct_mapped;
    }
    return map;
}

static int get_features(CPUState *cs, uint64_t arg)
{
    struct xen_feature_info info;

    if (!copy_from_guest(cs, &info, arg, sizeof(info))) {
        return -EFAULT;
    }
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS) {
        return -EINVAL;
    }
    info.submap = features(xen_tcg_version());
    return give(cs, arg, &info, sizeof(info));
}

static int compile_info(CPUState *cs, uint64_t arg)
{
    const struct xen_compile_info info = {.compiler = "cc", .compile_by = "xenbed"};

    return give(cs, arg, &info, sizeof(info));
}

/* Where Xen begins, for those who share an address space with it. */
static int platform_parameters(CPUState *cs, uint64_t arg, bool compat)
{
    const uint64_t virt_start = compat ? 0 : 0xffff800000000000;

    return give(cs, arg, &virt_start, compat ? 4 : 8);
}

int version_op(CPUState *cs, unsigned cmd, uint64_t arg, bool compat)
{
    const bool checks = xen_tcg_version() >= VERSION(4, 7);

    switch (cmd) {
    case XENVER_version:
        return xen_tcg_version();
    case XENVER_extraversion:
        return give_text(cs, arg, ".7", sizeof(xen_extraversion_t));
    case XENVER_compile_info:
        return compile_info(cs, arg);
    case XENVER_capabilities:
        return give_text(cs, arg,
                         "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p "
                         "hvm-3.0-x86_64 ",
                         sizeof(xen_capabilities_info_t));
    case XENVER_changeset:
        return give_text(cs, arg, "", sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        return platform_parameters(cs, arg, compat);
    case XENVER_get_features:
        return get_features(cs, arg);
    case XENVER_pagesize:
        return arg ? -EINVAL : HCALL_PAGE_SIZE;
    case XENVER_guest_handle:
        return give(cs, arg, qemu_uuid.data, sizeof(xen_domain_handle_t));
    case XENVER_commandline:
        return checks ? give_text(cs, arg, DENIED, sizeof(DENIED))
                      : give_text(cs, arg, "", sizeof(xen_commandline_t));
    case XENVER_build_id:
        return checks ? -EPERM : -ENOSYS;
    default:
        return -ENOSYS;
    }
}
