/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into Debian's xenstored 4.17 it stands in for the calls to Xen, so that the
 * daemon starts without one and serves its Unix socket: there is dom0 and nobody else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096UL

/*
 * The functions are declared here, not by Xen's headers: what counts is the binary interface
 * of 4.17, and the headers of a newer Xen no longer have all of it.  Handles are opaque.
 */
#define HANDLE ((void *)&handle)
static char handle;

/* The beginning of 4.17's xc_dominfo_t; xenstored looks at no more of it. */
struct dominfo {
    uint32_t domid;
    uint32_t ssidref;
    uint32_t flags; /* dying, crashed, shutdown, ... */
};

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags);
int xc_interface_close(void *xch);
int xc_domain_getinfo(void *xch, uint32_t first, unsigned max, struct dominfo *info);
void *xengnttab_open(void *logger, unsigned flags);
int xengnttab_close(void *xgt);
int xengnttab_set_max_grants(void *xgt, uint32_t count);
void *xengnttab_map_grant_ref(void *xgt, uint32_t domid, uint32_t ref, int prot);
int xengnttab_unmap(void *xgt, void *start, uint32_t count);
void *xenevtchn_open(void *logger, unsigned flags);
void *xenevtchn_fdopen(void *logger, int fd, unsigned flags);
int xenevtchn_fd(void *xce);
int xenevtchn_notify(void *xce, uint32_t port);
int xenevtchn_bind_interdomain(void *xce, uint32_t domid, uint32_t port);
int xenevtchn_bind_virq(void *xce, unsigned virq);
int xenevtchn_unbind(void *xce, uint32_t port);
int xenevtchn_pending(void *xce);
int xenevtchn_unmask(void *xce, uint32_t port);
/* Under its plain name <fcntl.h> may have made a macro or an alias of it. */
int shim_open(const char *path, int flags, ...) __asm__("open");

void *xc_interface_open(void *logger, void *dombuild_logger, unsigned flags)
{
    return HANDLE;
}

int xc_interface_close(void *xch)
{
    return 0;
}

int xc_domain_getinfo(void *xch, uint32_t first, unsigned max, struct dominfo *info)
{
    if (first > 0 || max == 0) {
        return 0;
    }
    *info = (struct dominfo){0};
    return 1;
}

void *xengnttab_open(void *logger, unsigned flags)
{
    return HANDLE;
}

int xengnttab_close(void *xgt)
{
    return 0;
}

int xengnttab_set_max_grants(void *xgt, uint32_t count)
{
    return 0;
}

void *xengnttab_map_grant_ref(void *xgt, uint32_t domid, uint32_t ref, int prot)
{
    void *page = mmap(NULL, PAGE_BYTES, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(void *xgt, void *start, uint32_t count)
{
    return munmap(start, count * PAGE_BYTES);
}

void *xenevtchn_open(void *logger, unsigned flags)
{
    return HANDLE;
}

void *xenevtchn_fdopen(void *logger, int fd, unsigned flags)
{
    return HANDLE;
}

/* Something to poll, which never becomes readable. */
int xenevtchn_fd(void *xce)
{
    static int fd = -1;

    if (fd < 0) {
        fd = eventfd(0, 0);
    }
    return fd;
}

int xenevtchn_notify(void *xce, uint32_t port)
{
    return 0;
}

int xenevtchn_bind_interdomain(void *xce, uint32_t domid, uint32_t port)
{
    return 2;
}

int xenevtchn_bind_virq(void *xce, unsigned virq)
{
    return 1;
}

int xenevtchn_unbind(void *xce, uint32_t port)
{
    return 0;
}

int xenevtchn_pending(void *xce)
{
    errno = EAGAIN;
    return -1;
}

int xenevtchn_unmask(void *xce, uint32_t port)
{
    return 0;
}

/* A file of one page that begins with this text. */
static int page_file(const char *text)
{
    int fd = memfd_create("xenstored-shim", 0);

    if (fd >= 0 && (ftruncate(fd, PAGE_BYTES) < 0 || pwrite(fd, text, strlen(text), 0) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The daemon asks the kernel for dom0's event channel and ring: a port, and an idle ring. */
int shim_open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (strcmp(path, "/proc/xen/xsd_port") == 0) {
        return page_file("1");
    }
    if (strcmp(path, "/proc/xen/xsd_kva") == 0) {
        return page_file("");
    }
    if (flags & O_CREAT) {
        va_list arguments;

        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return openat(AT_FDCWD, path, flags, mode);
}
