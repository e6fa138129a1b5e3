/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into xenbed it stands in for a machine: what xenbed looks at of the host
 * is taken from below the folder in the environment variable FAKE_HOST, where a file
 * may be missing, or closed to all (mode 0; it is root's own to read otherwise).  Two of
 * the files hold numbers, with an error number or 0 as the first:
 *   dev/kvm          that of KVM_CREATE_VM, the flags of KVM_CAP_XEN_HVM, KVM_CAP_SPLIT_IRQCHIP
 *   dev/userfaultfd  that of UFFDIO_API, its features
 *   userfaultfd      the same, for the system call's; its error is the call's.  No file: ENOSYS
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Only x86's <linux/kvm.h> has it. */
#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif

/* Under its plain name <fcntl.h> may have made an alias of the first. */
int fake_open(const char *path, int flags, ...) __asm__("open");
int fake_open64(const char *path, int flags, ...) __asm__("open64");
int ioctl(int fd, unsigned long request, ...);

/* Whether PATH is one of those that are not the real machine's. */
static bool is_faked(const char *path)
{
    static const char *const paths[] = {
        "/dev/kvm", "/dev/userfaultfd", "/proc/sys/vm/", "/proc/meminfo", "/usr/share/",
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strncmp(path, paths[i], strlen(paths[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Sets ACTUAL to where PATH is; false if that is closed. */
static bool find(const char *path, char actual[PATH_MAX])
{
    struct stat stat;

    snprintf(actual, PATH_MAX, "%s%s", is_faked(path) ? getenv("FAKE_HOST") : "", path);
    if (is_faked(path) && fstatat(AT_FDCWD, actual, &stat, 0) == 0 && !(stat.st_mode & S_IRUSR)) {
        errno = EACCES;
        return false;
    }
    return true;
}

static int open_actual(const char *path, int flags, mode_t mode)
{
    char actual[PATH_MAX];

    return find(path, actual) ? openat(AT_FDCWD, actual, flags, mode) : -1;
}

#define DEFINE_OPEN(name)                                                                          \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        mode_t mode = 0;                                                                           \
                                                                                                   \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                                     \
            va_list arguments;                                                                     \
                                                                                                   \
            va_start(arguments, flags);                                                            \
            mode = va_arg(arguments, mode_t);                                                      \
            va_end(arguments);                                                                     \
        }                                                                                          \
        return open_actual(path, flags, mode);                                                     \
    }

DEFINE_OPEN(fake_open)
DEFINE_OPEN(fake_open64)

int access(const char *path, int mode)
{
    char actual[PATH_MAX];

    /* A closed file is there all the same. */
    return find(path, actual) || mode == F_OK ? faccessat(AT_FDCWD, actual, mode, 0) : -1;
}

/* Number INDEX in the file. */
static unsigned long long answer(int fd, int index)
{
    char text[100] = "";
    char *next = text;
    unsigned long long number = 0;

    pread(fd, text, sizeof(text) - 1, 0);
    for (int i = 0; i <= index; i++) {
        number = strtoull(next, &next, 0);
    }
    return number;
}

/* What a call answers that ends with this error; 0: RESULT. */
static int answer_error(unsigned long long error, int result)
{
    if (error) {
        errno = error;
        return -1;
    }
    return result;
}

static long real_syscall(long number, const unsigned long *arguments)
{
    const void *address = dlsym(RTLD_NEXT, "syscall");
    long (*call)(long, ...);

    memcpy(&call, &address, sizeof(call));
    return call(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}

int ioctl(int fd, unsigned long request, ...)
{
    unsigned long argument;
    va_list arguments;

    va_start(arguments, request);
    argument = va_arg(arguments, unsigned long);
    va_end(arguments);
    switch (request) {
    case KVM_CREATE_VM:
        return answer_error(answer(fd, 0), dup(fd));
    case KVM_CHECK_EXTENSION:
        return argument == KVM_CAP_XEN_HVM         ? answer(fd, 1)
               : argument == KVM_CAP_SPLIT_IRQCHIP ? answer(fd, 2)
                                                   : 0;
    case USERFAULTFD_IOC_NEW:
        return dup(fd);
    case UFFDIO_API:
        ((struct uffdio_api *)argument)->features = answer(fd, 1);
        return answer_error(answer(fd, 0), 0);
    default:
        return real_syscall(SYS_ioctl, (unsigned long[6]){fd, request, argument});
    }
}

static int fake_userfaultfd(void)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/userfaultfd", getenv("FAKE_HOST"));
    fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? answer_error(ENOSYS, 0) : answer_error(answer(fd, 0), fd);
}

long syscall(long number, ...)
{
    unsigned long six[6];
    va_list arguments;

    if (number == SYS_userfaultfd) {
        return fake_userfaultfd();
    }
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) {
        six[i] = va_arg(arguments, unsigned long);
    }
    va_end(arguments);
    return real_syscall(number, six);
}
