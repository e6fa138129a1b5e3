/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nodes that a toolstack makes in the store for a domain, as libxl does for an HVM
 * guest without a VGA card and with maxmem = memory.  What QEMU's devices have made
 * before stays, but for its permissions and values that are named here.
 */
#include "qemu/osdep.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "hw/xen/xen.h"
#include "system/system.h"
#include "xenbed/emu/xenbed.h"

/* Whose a node is: domain 0's and nobody else's; domain 0's, for the guest to read; the guest's. */
typedef enum Access { TOOLS, GUEST_READS, GUEST_OWNS } Access;

static bool set(const char *path, const char *value, Access access, Error **errp)
{
    g_autofree char *read = g_strdup_printf("r%u", xen_domid);
    g_autofree char *own = g_strdup_printf("n%u", xen_domid);

    return xenstore_write(path, value, errp) &&
           xenstore_set_perms(path, access == GUEST_OWNS ? own : "n0",
                              access == GUEST_READS ? read : NULL, errp);
}

/* A node in the domain's home; "" is the home itself. */
static bool set_home(const char *node, const char *value, Access access, Error **errp)
{
    g_autofree char *path =
        g_strdup_printf("/local/domain/%u%s%s", xen_domid, *node ? "/" : "", node);

    return set(path, value, access, errp);
}

static bool set_home_number(const char *node, uint64_t value, Error **errp)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, value);

    return set_home(node, text, GUEST_READS, errp);
}

static const struct {
    const char *node;
    Access access;
    const char *value;
} home_nodes[] = {
    {"", GUEST_READS, ""},
    {"device", GUEST_READS, ""},
    {"device/suspend", GUEST_READS, ""},
    {"device/suspend/event-channel", GUEST_OWNS, ""},
    {"control", GUEST_READS, ""},
    /* Which of these it can do is for the guest to say. */
    {"control/shutdown", GUEST_OWNS, ""},
    {"control/feature-poweroff", GUEST_OWNS, ""},
    {"control/feature-reboot", GUEST_OWNS, ""},
    {"control/feature-suspend", GUEST_OWNS, ""},
    {"control/feature-s3", GUEST_OWNS, ""},
    {"control/feature-s4", GUEST_OWNS, ""},
    {"control/sysrq", GUEST_OWNS, ""},
    {"control/platform-feature-multiprocessor-suspend", GUEST_READS, "1"},
    {"control/platform-feature-xs_reset_watches", GUEST_READS, "1"},
    {"data", GUEST_OWNS, ""},
    {"drivers", GUEST_OWNS, ""},
    {"feature", GUEST_OWNS, ""},
    {"attr", GUEST_OWNS, ""},
    {"error", GUEST_OWNS, ""},
    {"hvmloader", GUEST_READS, ""},
    {"hvmloader/bios", GUEST_READS, "seabios"},
    {"hvmloader/allow-memory-relocate", GUEST_READS, "0"},
    {"console", GUEST_READS, ""},
    {"console/type", GUEST_READS, "xenconsoled"},
    {"console/limit", GUEST_READS, "1048576"},
    {"console/tty", GUEST_READS, ""},
    {"memory", GUEST_READS, ""},
};

static bool set_home_nodes(Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(home_nodes); i++) {
        if (!set_home(home_nodes[i].node, home_nodes[i].value, home_nodes[i].access, errp)) {
            return false;
        }
    }
    return true;
}

static bool set_identity(XenBed *xb, Error **errp)
{
    QemuUUID uuid = qemu_uuid;
    char text[UUID_STR_LEN];
    g_autofree char *vm = NULL, *name = NULL, *id = NULL, *domid = NULL, *tools = NULL;
    g_autofree char *type = NULL;

    if (!qemu_uuid_set) {
        qemu_uuid_generate(&uuid);
    }
    qemu_uuid_unparse(&uuid, text);
    vm = g_strdup_printf("/vm/%s", text);
    name = g_strdup_printf("%s/name", vm);
    id = g_strdup_printf("%s/uuid", vm);
    tools = g_strdup_printf("/libxl/%u", xen_domid);
    type = g_strdup_printf("%s/type", tools);
    return set_home("name", xb->name, GUEST_READS, errp) &&
           set_home_number("domid", xen_domid, errp) && set_home("vm", vm, GUEST_READS, errp) &&
           set(vm, "", GUEST_READS, errp) && set(name, xb->name, GUEST_READS, errp) &&
           set(id, text, GUEST_READS, errp) && set(tools, "", TOOLS, errp) &&
           set(type, XenbedType_str(xb->type), TOOLS, errp);
}

static bool set_cpus(Error **errp)
{
    CPUState *cpu;

    if (!set_home("cpu", "", GUEST_READS, errp)) {
        return false;
    }
    CPU_FOREACH (cpu) {
        g_autofree char *node = g_strdup_printf("cpu/%d", cpu->cpu_index);
        g_autofree char *availability = g_strdup_printf("%s/availability", node);

        if (!set_home(node, "", GUEST_READS, errp) ||
            !set_home(availability, "online", GUEST_READS, errp)) {
            return false;
        }
    }
    return true;
}

/* libxl takes 1 MiB off an HVM domain's target when it boots with less than it sees. */
static bool set_target(XenBed *xb, Error **errp)
{
    bool fudge = xb->type == XENBED_TYPE_HVM && xb->memory < current_machine->ram_size;

    return set_home_number("memory/target", xb->memory / 1024 - (fudge ? 1024 : 0), errp);
}

bool store_init(XenBed *xb, Error **errp)
{
    if (!xenstore_exists()) {
        error_setg(errp, "xenbed: this machine type has no xenstore: use -machine pc or q35");
        return false;
    }
    return set("/local/domain/0/name", "Domain-0", TOOLS, errp) &&
           set("/local/domain/0/domid", "0", TOOLS, errp) && set_home_nodes(errp) &&
           set_identity(xb, errp) && set_cpus(errp) &&
           set_home_number("memory/static-max", current_machine->ram_size / 1024, errp) &&
           set_target(xb, errp) && set_home_number("memory/videoram", 0, errp) &&
           (!xb->xenstore || xenstore_listen(xb->xenstore, errp));
}

void store_reset(XenBed *xb)
{
    set_target(xb, &error_fatal);
}
