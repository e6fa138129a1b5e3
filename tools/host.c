/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this machine has: see host.h.  Each check tries what QEMU will do later.
 */
#include "host.h"

#include "error.h"
#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Only x86's <linux/kvm.h> has it. */
#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif

#define KVM_DEVICE "/dev/kvm"
#define USERFAULTFD_DEVICE "/dev/userfaultfd"

#define OTHER_KERNEL                                                                               \
    "boot a kernel that has it, as Debian's from 13 on "                                           \
    "(for 12: sudo apt-get install -t bookworm-backports linux-image-amd64)"

void finding_free(Finding *finding)
{
    g_free(finding->found);
    g_free(finding->remedy);
    g_free(finding);
}

static void G_GNUC_PRINTF(2, 3) well(Finding *finding, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    finding->ok = true;
    finding->found = g_strdup_vprintf(format, values);
    va_end(values);
}

/* REMEDY may be NULL. */
static void G_GNUC_PRINTF(3, 4) wrong(Finding *finding, const char *remedy, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    finding->remedy = g_strdup(remedy);
    finding->found = g_strdup_vprintf(format, values);
    va_end(values);
}

/* A bit that a kernel interface has for something it can do. */
struct flag {
    const char *name;
    guint64 bit;
    bool needed;
};

static guint64 needed_flags(const struct flag *flags, size_t count)
{
    guint64 needed = 0;

    for (size_t i = 0; i < count; i++) {
        needed |= flags[i].needed ? flags[i].bit : 0;
    }
    return needed;
}

static char *flag_names(const struct flag *flags, size_t count, guint64 set, const char *prefix)
{
    GString *names = g_string_new(NULL);

    for (size_t i = 0; i < count; i++) {
        if (set & flags[i].bit) {
            g_string_append_printf(names, "%s%s%s", names->len ? ", " : "", prefix, flags[i].name);
        }
    }
    return g_string_free(names, FALSE);
}

/* The QEMU that is built beside xenbed is mended by building it. */
static void wrong_qemu(Finding *finding, const char *path, const GError *reason)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *build = g_path_get_dirname(folder);
    g_autofree char *remedy = qemu_is_chosen() ? g_strdup("unset XENBED_QEMU")
                                               : g_strdup_printf("meson compile -C %s qemu", build);

    wrong(finding, remedy, "%s", reason->message);
}

static void look_at_qemu(Finding *finding)
{
    g_autofree char *path = qemu_path();
    g_autoptr(GError) error = NULL;
    g_autofree char *version = qemu_version(path, &error);

    if (version && qemu_lists(path, "-object", "xenbed", &error)) {
        well(finding, "%s: %s", path, version);
    } else {
        wrong_qemu(finding, path, error);
    }
}

static void look_at_firmware(Finding *finding)
{
    static const struct {
        const char *name, *package;
    } files[] = {{"bios-256k.bin", "seabios"}, {"linuxboot_dma.bin", "qemu-system-data"}};
    g_autoptr(GString) paths = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = qemu_firmware(files[i].name, &error);

        if (!path) {
            g_autofree char *remedy = g_strconcat("sudo apt-get install ", files[i].package, NULL);

            wrong(finding, remedy, "%s", error->message);
            return;
        }
        g_string_append_printf(paths, "%s%s", paths->len ? ", " : "", path);
    }
    well(finding, "%s", paths->str);
}

/* QEMU takes address space for all of maxmem and more, and counts on most of it staying empty. */
static void look_at_memory(Finding *finding)
{
    g_autofree char *overcommit = NULL;
    g_autofree char *meminfo = NULL;
    guint64 total, available;

    if (g_file_get_contents("/proc/sys/vm/overcommit_memory", &overcommit, NULL, NULL) &&
        atoi(overcommit) == 2) {
        wrong(finding, "sudo sysctl vm.overcommit_memory=0",
              "the kernel sets all memory aside in advance (vm.overcommit_memory is 2)");
    } else if (g_file_get_contents("/proc/meminfo", &meminfo, NULL, NULL) &&
               sscanf(meminfo,
                      "MemTotal: %" G_GUINT64_FORMAT " kB MemFree: %*u kB MemAvailable: "
                      "%" G_GUINT64_FORMAT,
                      &total, &available) == 2) {
        well(finding, "%" G_GUINT64_FORMAT " MiB, of which %" G_GUINT64_FORMAT " MiB are available",
             total / 1024, available / 1024);
    } else {
        wrong(finding, NULL, "/proc/meminfo: unreadable");
    }
}

static int open_kvm(void)
{
    return open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
}

static void wrong_kvm(Finding *finding, int reason)
{
    g_autofree char *permit =
        g_strdup_printf("sudo usermod -aG kvm %s, and log in again", g_get_user_name());
    const char *remedy = NULL;

    switch (reason) {
    case EACCES:
        remedy = permit;
        break;
    case ENOENT:
    case ENODEV:
    case ENXIO:
        remedy = "sudo modprobe kvm_intel || sudo modprobe kvm_amd";
        break;
    }
    wrong(finding, remedy, KVM_DEVICE ": %s", g_strerror(reason));
}

static void look_at_kvm(Finding *finding)
{
    int kvm = open_kvm();
    int machine;

    if (kvm < 0) {
        wrong_kvm(finding, errno);
        return;
    }
    machine = TEMP_FAILURE_RETRY(ioctl(kvm, KVM_CREATE_VM, 0));
    if (machine < 0) {
        wrong(finding, NULL, KVM_DEVICE ": KVM_CREATE_VM: %s", g_strerror(errno));
    } else {
        close(machine);
        well(finding, KVM_DEVICE);
    }
    close(kvm);
}

static void look_at_kvm_xen(Finding *finding)
{
    /*
     * KVM_XEN_HVM_CONFIG_*.  QEMU itself insists on three, and a split irqchip; ours leaves events
     * to KVM, too.
     */
    static const struct flag flags[] = {
        {"HYPERCALL_MSR", 1 << 0, true},  {"INTERCEPT_HCALL", 1 << 1, true},
        {"SHARED_INFO", 1 << 2, true},    {"RUNSTATE", 1 << 3, false},
        {"EVTCHN_2LEVEL", 1 << 4, false}, {"EVTCHN_SEND", 1 << 5, true},
    };
    const guint64 needed = needed_flags(flags, G_N_ELEMENTS(flags));
    int kvm = open_kvm();
    int set, split;

    if (kvm < 0) {
        wrong(finding, NULL, "not known without kvm");
        return;
    }
    set = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);
    split = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SPLIT_IRQCHIP);
    close(kvm);
    if (set <= 0) {
        wrong(finding, OTHER_KERNEL, "the kernel's KVM has no Xen support (CONFIG_KVM_XEN)");
    } else if (needed & ~(guint64)set) {
        g_autofree char *names =
            flag_names(flags, G_N_ELEMENTS(flags), needed & ~(guint64)set, "KVM_XEN_HVM_CONFIG_");

        wrong(finding, OTHER_KERNEL, "the kernel's KVM lacks %s", names);
    } else if (split <= 0) {
        wrong(finding, OTHER_KERNEL, "the kernel's KVM lacks KVM_CAP_SPLIT_IRQCHIP");
    } else {
        g_autofree char *names = flag_names(flags, G_N_ELEMENTS(flags), set, "");

        well(finding, "%s", names);
    }
}

/* One that hears of the kernel's accesses, too: KVM's are such. */
static int open_userfaultfd(void)
{
    int device = open(USERFAULTFD_DEVICE, O_RDWR | O_CLOEXEC);
    int uffd;

    if (device < 0) {
        return syscall(SYS_userfaultfd, O_CLOEXEC);
    }
    uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
    close(device);
    return uffd;
}

static void wrong_userfaultfd(Finding *finding, int reason)
{
    if (reason == ENOSYS) {
        wrong(finding, OTHER_KERNEL, "the kernel has no userfaultfd (CONFIG_USERFAULTFD)");
    } else if (reason == EPERM && access(USERFAULTFD_DEVICE, F_OK) == 0) {
        wrong(finding,
              "sudo chgrp kvm " USERFAULTFD_DEVICE " && sudo chmod g+rw " USERFAULTFD_DEVICE,
              USERFAULTFD_DEVICE ": %s", g_strerror(EACCES));
    } else if (reason == EPERM) {
        wrong(finding, "sudo sysctl vm.unprivileged_userfaultfd=1",
              "userfaultfd for KVM's accesses: %s", g_strerror(reason));
    } else {
        wrong(finding, NULL, "userfaultfd: %s", g_strerror(reason));
    }
}

static void look_at_userfaultfd(Finding *finding)
{
    static const struct flag flags[] = {
        {"PAGEFAULT_FLAG_WP", UFFD_FEATURE_PAGEFAULT_FLAG_WP, true},
        {"THREAD_ID", UFFD_FEATURE_THREAD_ID, true},
        {"MISSING_SHMEM", UFFD_FEATURE_MISSING_SHMEM, true},
        {"WP_HUGETLBFS_SHMEM", UFFD_FEATURE_WP_HUGETLBFS_SHMEM, true},
        /* Of Linux 6.4.  Not used, but older kernels cannot stop a vCPU that waits for a page. */
        {"WP_UNPOPULATED", 1 << 13, true},
    };
    const guint64 needed = needed_flags(flags, G_N_ELEMENTS(flags));
    struct uffdio_api api = {.api = UFFD_API};
    int uffd = open_userfaultfd();

    if (uffd < 0) {
        wrong_userfaultfd(finding, errno);
        return;
    }
    if (ioctl(uffd, UFFDIO_API, &api) < 0) {
        wrong(finding, NULL, "userfaultfd: UFFDIO_API: %s", g_strerror(errno));
    } else if (needed & ~(guint64)api.features) {
        g_autofree char *names = flag_names(flags, G_N_ELEMENTS(flags),
                                            needed & ~(guint64)api.features, "UFFD_FEATURE_");

        wrong(finding, OTHER_KERNEL, "the kernel's userfaultfd lacks %s", names);
    } else {
        g_autofree char *names = flag_names(flags, G_N_ELEMENTS(flags), api.features, "");

        well(finding, "%s", names);
    }
    close(uffd);
}

static void look_at_qemu_kvm(Finding *finding)
{
    g_autofree char *path = qemu_path();
    g_autoptr(GError) error = NULL;

    if (qemu_lists(path, "-accel", "kvm", &error)) {
        well(finding, "-accel kvm");
    } else {
        wrong_qemu(finding, path, error);
    }
}

static void look_at_gdb(Finding *finding)
{
    g_autofree char *path = g_find_program_in_path("gdb");

    if (path) {
        well(finding, "%s", path);
    } else {
        wrong(finding, "sudo apt-get install gdb", "not in PATH");
    }
}

static const struct check {
    const char *name;
    enum need need;
    void (*look)(Finding *finding);
} checks[] = {
    {"qemu", NEED_GUESTS, look_at_qemu},      {"firmware", NEED_GUESTS, look_at_firmware},
    {"memory", NEED_GUESTS, look_at_memory},  {"kvm", NEED_KVM, look_at_kvm},
    {"kvm-xen", NEED_KVM, look_at_kvm_xen},   {"userfaultfd", NEED_KVM, look_at_userfaultfd},
    {"qemu-kvm", NEED_KVM, look_at_qemu_kvm}, {"gdb", NEED_GDB, look_at_gdb},
};

static Finding *look(const struct check *check)
{
    Finding *finding = g_new0(Finding, 1);

    finding->name = check->name;
    finding->need = check->need;
    check->look(finding);
    return finding;
}

GPtrArray *host_examine(void)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);

    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_ptr_array_add(findings, look(&checks[i]));
    }
    return findings;
}

Finding *host_find_lack(enum need need)
{
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_autoptr(Finding) finding = checks[i].need == need ? look(&checks[i]) : NULL;

        if (finding && !finding->ok) {
            return g_steal_pointer(&finding);
        }
    }
    return NULL;
}

const char *host_accel(const char *wanted, const Finding *lack, const char **why, GError **error)
{
    *why = NULL;
    if (g_str_equal(wanted, "tcg")) {
        *why = "asked for";
        return "tcg";
    }
    if (!lack) {
        return "kvm";
    }
    if (g_str_equal(wanted, "kvm")) {
        fail(error, "kvm: %s; %s%suse accel = \"tcg\"", lack->found,
             lack->remedy ? lack->remedy : "", lack->remedy ? ", or " : "");
        return NULL;
    }
    *why = lack->found;
    return "tcg";
}
