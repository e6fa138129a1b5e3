/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The toolstack's side of the xenstore inside QEMU: the nodes a domain finds
 * about its memory, and the one way by which the host tells the guest anything.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/xen/xen.h"
#include "hw/xen/xen_backend_ops.h"
#include "xenbed/emu/xenbed.h"

static struct qemu_xs_handle *xs;

static char *node_path(const char *node)
{
    return g_strdup_printf("/local/domain/%u/%s", xen_domid, node);
}

bool store_input(const char *node, const char *value, Error **errp)
{
    g_autofree char *path = node_path(node);

    if (!qemu_xen_xs_write(xs, XBT_NULL, path, value, strlen(value))) {
        error_setg_errno(errp, errno, "xenstore: cannot write %s", path);
        return false;
    }
    return true;
}

int64_t store_read_number(const char *node)
{
    g_autofree char *path = node_path(node);
    unsigned len;
    g_autofree char *value = qemu_xen_xs_read(xs, XBT_NULL, path, &len);
    int64_t number;

    return value && qemu_strtoi64(value, NULL, 10, &number) == 0 ? number : -1;
}

/* A node of dom0's that the guest may read: permissions n0,rN. */
static bool create(XenBed *xb, const char *node, const char *value, Error **errp)
{
    g_autofree char *path = node_path(node);

    if (!qemu_xen_xs_create(xs, XBT_NULL, 0, xb->domid, XS_PERM_READ, path)) {
        error_setg_errno(errp, errno, "xenstore: cannot create %s", path);
        return false;
    }
    return store_input(node, value, errp);
}

static bool create_kib(XenBed *xb, const char *node, uint64_t bytes, Error **errp)
{
    g_autofree char *value = g_strdup_printf("%" PRIu64, bytes / 1024);

    return create(xb, node, value, errp);
}

/* As libxl writes them for an HVM guest without a VGA card and with maxmem = memory. */
bool store_init(XenBed *xb, Error **errp)
{
    xs = qemu_xen_xs_open();
    if (!xs) {
        error_setg(errp, "xenbed: this machine type has no xenstore: use -machine pc or q35");
        return false;
    }
    return create(xb, "name", xb->name, errp) && create(xb, "memory", "", errp) &&
           create_kib(xb, "memory/static-max", current_machine->ram_size, errp) &&
           create_kib(xb, "memory/target", xb->memory, errp) &&
           create_kib(xb, "memory/videoram", 0, errp);
}
