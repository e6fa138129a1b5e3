/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QOM object: -object xenbed, its options before the machine is built, and
 * afterwards what the host reads and sets through it (qom-get, qom-set).
 *
 * `-accel tcg,xen-version=...` alone makes the same object with every option at
 * its default, so that tools find it in either case.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "cpu.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "hw/xen/interface/xen.h"
#include "hw/xen/xen.h"
#include "qom/object_interfaces.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"
#include "system/kvm.h"
#include "system/tcg.h"
#include "xenbed/emu/xenbed.h"

XenBed *xenbed;

/* --- Life ------------------------------------------------------------------ */

/* A reboot is a new domain: all its memory is there again, and the target says so. */
static void xenbed_reset(void *opaque)
{
    XenBed *xb = opaque;

    xenbed_domain_reset(xb);
    store_reset(xb);
    crash_reset(xb);
    upcall_reset();
    clock_reset();
    if (xb->type == XENBED_TYPE_PVH) {
        pvh_reset();
    }
}

static void check_machine(XenBed *xb, Error **errp)
{
    MachineState *ms = current_machine;

    if (!object_dynamic_cast(OBJECT(ms), TYPE_X86_MACHINE)) {
        error_setg(errp, "xenbed: machine '%s' is not an x86 PC", MACHINE_GET_CLASS(ms)->name);
    } else if (!tcg_enabled() && !kvm_enabled()) {
        error_setg(errp, "xenbed: the accelerator is neither kvm nor tcg: use -accel tcg");
    } else if (xb->keep && kvm_enabled()) {
        error_setg(errp, "xenbed: keep=on needs -accel tcg");
    } else if (ms->ram_size < 4 * MiB) {
        error_setg(errp, "xenbed: -m %" PRIu64 "K is too little for a domain: at least 4M",
                   ms->ram_size / KiB);
    } else if (xb->memory > ms->ram_size) {
        error_setg(errp,
                   "xenbed: memory (%" PRIu64 " KiB) is above the machine's -m (%" PRIu64 " KiB)",
                   xb->memory / KiB, ms->ram_size / KiB);
    }
}

static void note_start(void *opaque, bool running, RunState state)
{
    XenBed *xb = opaque;

    xb->started = xb->started || running;
}

static void xenbed_machine_done(Notifier *n, void *unused)
{
    XenBed *xb = container_of(n, XenBed, machine_done);
    Error *err = NULL;

    check_machine(xb, &err);
    if (!err) {
        xb->memory = xb->memory ? xb->memory : current_machine->ram_size;
        if (trap_init(&err) && xenbed_domain_init(xb, &err) && store_init(xb, &err) &&
            (xb->type != XENBED_TYPE_PVH || pvh_init(xb, &err)) && crash_init(xb, &err)) {
            discard_manager_init(xb);
            qemu_add_vm_change_state_handler(note_start, xb);
            qemu_register_reset(xenbed_reset, xb);
            return;
        }
    }
    error_report_err(err);
    exit(1);
}

static void xenbed_complete(UserCreatable *uc, Error **errp)
{
    XenBed *xb = XENBED(uc);

    if (xenbed) {
        error_setg(errp, "xenbed: there can be only one in a machine");
        return;
    }
    if (phase_check(PHASE_MACHINE_INITIALIZED)) {
        error_setg(errp, "xenbed: cannot be added to a running machine");
        return;
    }
    xenbed = xb;
    if (xb->type == XENBED_TYPE_PVH) {
        pvh_split_ram();
    }
    xb->machine_done.notify = xenbed_machine_done;
    qemu_add_machine_init_done_notifier(&xb->machine_done);
}

static bool xenbed_can_be_deleted(UserCreatable *uc)
{
    return false;
}

/* --- Options ---------------------------------------------------------------- */

static char *get_name(Object *obj, Error **errp)
{
    return g_strdup(XENBED(obj)->name);
}

static void set_name(Object *obj, const char *value, Error **errp)
{
    g_free(XENBED(obj)->name);
    XENBED(obj)->name = g_strdup(value);
}

static char *get_xenstore(Object *obj, Error **errp)
{
    return g_strdup(XENBED(obj)->xenstore);
}

static void set_xenstore(Object *obj, const char *value, Error **errp)
{
    g_free(XENBED(obj)->xenstore);
    XENBED(obj)->xenstore = g_strdup(value);
}

static int get_type(Object *obj, Error **errp)
{
    return XENBED(obj)->type;
}

static void set_type(Object *obj, int value, Error **errp)
{
    XENBED(obj)->type = value;
}

static bool get_poison(Object *obj, Error **errp)
{
    return XENBED(obj)->poison;
}

static void set_poison(Object *obj, bool value, Error **errp)
{
    XENBED(obj)->poison = value;
}

static bool get_check(Object *obj, Error **errp)
{
    return XENBED(obj)->check;
}

static void set_check(Object *obj, bool value, Error **errp)
{
    XENBED(obj)->check = value;
}

static bool get_keep(Object *obj, Error **errp)
{
    return XENBED(obj)->keep;
}

static void set_keep(Object *obj, bool value, Error **errp)
{
    XENBED(obj)->keep = value;
}

static int get_on_crash(Object *obj, Error **errp)
{
    return XENBED(obj)->on_crash;
}

static void set_on_crash(Object *obj, int value, Error **errp)
{
    XENBED(obj)->on_crash = value;
}

static int get_on_hole(Object *obj, Error **errp)
{
    return XENBED(obj)->on_hole;
}

static void set_on_hole(Object *obj, int value, Error **errp)
{
    XENBED(obj)->on_hole = value;
}

static char *get_core_file(Object *obj, Error **errp)
{
    return g_strdup(XENBED(obj)->core_file);
}

static void set_core_file(Object *obj, const char *value, Error **errp)
{
    g_free(XENBED(obj)->core_file);
    XENBED(obj)->core_file = g_strdup(value);
}

static void get_domid(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    visit_type_uint16(v, name, &XENBED(obj)->domid, errp);
}

static void set_domid(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    uint16_t domid;

    if (!visit_type_uint16(v, name, &domid, errp)) {
        return;
    }
    if (domid == 0 || domid >= DOMID_FIRST_RESERVED) {
        error_setg(errp, "xenbed: domid %u is not between 1 and %u", domid,
                   DOMID_FIRST_RESERVED - 1);
        return;
    }
    XENBED(obj)->domid = domid;
}

static void get_memory(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    visit_type_size(v, name, &XENBED(obj)->memory, errp);
}

static void set_memory(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    visit_type_size(v, name, &XENBED(obj)->memory, errp);
}

static void get_xen_version(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    uint32_t version = xen_tcg_version();

    visit_type_uint32(v, name, &version, errp);
}

static void set_xen_version(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    uint32_t version;

    if (visit_type_uint32(v, name, &version, errp)) {
        xen_tcg_set_version(version, errp);
    }
}

/* --- What the host reads and sets ------------------------------------------- */

/* Options can be set when the machine is not there yet, the rest when it is. */
static XenBed *running(Object *obj, Error **errp)
{
    if (!XENBED(obj)->domain) {
        error_setg(errp, "xenbed: the domain is not built yet");
        return NULL;
    }
    return XENBED(obj);
}

static bool visit_block(Visitor *v, const TrapBlock *b, Error **errp)
{
    uint64_t gfn = b->first, pages = b->pages;
    uint64_t host = (uintptr_t)memory_region_get_ram_ptr(b->mr) + b->offset;
    bool ok =
        visit_start_struct(v, NULL, NULL, 0, errp) && visit_type_uint64(v, "gfn", &gfn, errp) &&
        visit_type_uint64(v, "pages", &pages, errp) && visit_type_uint64(v, "host", &host, errp);

    visit_end_struct(v, NULL);
    return ok;
}

static void get_domain(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    XenBed *xb = running(obj, errp);
    uint64_t domid, tot_pages, max_pages, faults = kvm_enabled() ? uffd_faults() : 0;
    struct hcall_pod_info pod;
    const TrapBlock *block;
    unsigned n;

    if (!xb || !visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&xb->lock)
    {
        domid = hcall_domain_id(xb->domain);
        tot_pages = hcall_domain_tot_pages(xb->domain);
        max_pages = hcall_domain_max_pages(xb->domain);
        hcall_domain_pod_info(xb->domain, &pod);
    }
    visit_type_str(v, "name", &xb->name, errp);
    visit_type_uint64(v, "domid", &domid, errp);
    visit_type_uint64(v, "tot-pages", &tot_pages, errp);
    visit_type_uint64(v, "max-pages", &max_pages, errp);
    visit_type_uint64(v, "pod-entries", &pod.entries, errp);
    visit_type_uint64(v, "pod-cache-superpage", &pod.cache_superpage, errp);
    visit_type_uint64(v, "pod-cache-single", &pod.cache_single, errp);
    visit_type_uint64(v, "pod-populated", &pod.populated, errp);
    visit_type_uint64(v, "pod-reclaimed", &pod.reclaimed, errp);
    visit_type_uint64(v, "pod-swept", &pod.swept, errp);
    visit_type_uint64(v, "faults", &faults, errp);
    visit_start_list(v, "ram", NULL, 0, errp);
    block = trap_blocks(&n);
    for (unsigned i = 0; i < n; i++) {
        visit_block(v, &block[i], errp);
    }
    visit_end_list(v, NULL);
    visit_end_struct(v, NULL);
}

static void get_max_pages(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    XenBed *xb = running(obj, errp);
    uint64_t pages;

    if (xb) {
        WITH_QEMU_LOCK_GUARD(&xb->lock)
        {
            pages = hcall_domain_max_pages(xb->domain);
        }
        visit_type_uint64(v, name, &pages, errp);
    }
}

static void set_max_pages(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    XenBed *xb = running(obj, errp);
    uint64_t pages;

    if (xb && visit_type_uint64(v, name, &pages, errp)) {
        QEMU_LOCK_GUARD(&xb->lock);
        hcall_domain_set_max_pages(xb->domain, pages);
    }
}

static void get_free_pages(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    XenBed *xb = running(obj, errp);
    uint64_t pages;

    if (xb) {
        WITH_QEMU_LOCK_GUARD(&xb->lock)
        {
            pages = hcall_host_free_pages(xb->host);
        }
        visit_type_uint64(v, name, &pages, errp);
    }
}

static void set_free_pages(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    XenBed *xb = running(obj, errp);
    uint64_t pages;

    if (!xb || !visit_type_uint64(v, name, &pages, errp)) {
        return;
    }
    QEMU_LOCK_GUARD(&xb->lock);
    if (hcall_host_set_free_pages(xb->host, pages)) {
        error_setg(errp, "xenbed: free-pages: domains have claimed more than %" PRIu64, pages);
    }
}

static char *get_xen_log(Object *obj, Error **errp)
{
    return xenbed_log_text(XENBED(obj));
}

static void set_xen_log(Object *obj, const char *value, Error **errp)
{
    if (*value) {
        error_setg(errp, "xenbed: xen-log can only be emptied");
        return;
    }
    xenbed_log_clear(XENBED(obj));
}

/* What the toolstack does with XENMEM_set_pod_target. */
static void set_pod_target(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
    XenBed *xb = running(obj, errp);
    uint64_t pages;
    int err;

    if (!xb || !visit_type_uint64(v, name, &pages, errp)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&xb->lock)
    {
        err = hcall_domain_set_pod_target(xb->domain, pages);
    }
    if (err) {
        error_setg_errno(errp, -err, "xenbed: pod-target %" PRIu64 " pages", pages);
    }
}

/* --- Class ------------------------------------------------------------------- */

static void add(ObjectClass *oc, const char *name, const char *type, ObjectPropertyAccessor *get,
                ObjectPropertyAccessor *set, const char *description)
{
    object_class_property_add(oc, name, type, get, set, NULL, NULL);
    object_class_property_set_description(oc, name, description);
}

static void xenbed_class_init(ObjectClass *oc, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = xenbed_complete;
    ucc->can_be_deleted = xenbed_can_be_deleted;
    discard_manager_class_init(oc);

    object_class_property_add_str(oc, "name", get_name, set_name);
    object_class_property_set_description(oc, "name", "Name of the domain");
    add(oc, "domid", "uint16", get_domid, set_domid, "Id of the domain");
    object_class_property_add_enum(oc, "domain-type", "XenbedType", &XenbedType_lookup, get_type,
                                   set_type);
    object_class_property_set_description(oc, "domain-type", "Type of the domain: hvm or pvh");
    add(oc, "memory", "size", get_memory, set_memory,
        "Memory the domain owns at start (default: all of -m)");
    add(oc, "xen-version", "uint32", get_xen_version, set_xen_version,
        "Xen version to show the guest, in XENVER_version form (0x40011 for 4.17)");

    object_class_property_add_str(oc, "xenstore", get_xenstore, set_xenstore);
    object_class_property_set_description(oc, "xenstore",
                                          "Path of a Unix socket that serves the xenstore");

    object_class_property_add_bool(oc, "poison", get_poison, set_poison);
    object_class_property_set_description(
        oc, "poison", "Pages that Xen hands out hold garbage instead of zeroes (default off)");
    object_class_property_add_bool(oc, "check", get_check, set_check);
    object_class_property_set_description(
        oc, "check", "Check counters and p2m after every memory_op (default off)");
    object_class_property_add_bool(oc, "keep", get_keep, set_keep);
    object_class_property_set_description(
        oc, "keep", "Keep pages that the guest gives back, to compare the time (default off)");

    object_class_property_add_enum(oc, "on-crash", "XenbedAction", &XenbedAction_lookup,
                                   get_on_crash, set_on_crash);
    object_class_property_set_description(
        oc, "on-crash", "What becomes of a domain that has crashed (default: as -action panic=)");
    object_class_property_add_enum(oc, "on-hole", "XenbedAction", &XenbedAction_lookup, get_on_hole,
                                   set_on_hole);
    object_class_property_set_description(
        oc, "on-hole", "What becomes of one that touches a hole (default: it reads all ones)");
    object_class_property_add_str(oc, "core-file", get_core_file, set_core_file);
    object_class_property_set_description(oc, "core-file", "Where to dump core to");

    object_class_property_add_str(oc, "xen-log", get_xen_log, set_xen_log);
    object_class_property_set_description(oc, "xen-log",
                                          "What Xen printed to its console; can be emptied");

    add(oc, "domain", "XenbedDomain", get_domain, NULL,
        "The hypervisor's counters and the blocks behind guest memory");
    add(oc, "free-pages", "uint64", get_free_pages, set_free_pages,
        "Pages of the host that no domain owns; can be set, to see what a guest does without");
    add(oc, "max-pages", "uint64", get_max_pages, set_max_pages,
        "Limit for new allocations (pages)");
    add(oc, "pod-target", "uint64", NULL, set_pod_target,
        "What the populate-on-demand cache makes tot-pages come to (pages)");
}

static void xenbed_instance_init(Object *obj)
{
    XENBED(obj)->name = g_strdup("domain");
    XENBED(obj)->domid = 1;
    qemu_mutex_init(&XENBED(obj)->log_lock);
    XENBED(obj)->log = g_string_new(NULL);
}

static void xenbed_finalize(Object *obj)
{
    g_free(XENBED(obj)->name);
    g_free(XENBED(obj)->xenstore);
    g_free(XENBED(obj)->core_file);
    g_string_free(XENBED(obj)->log, true);
    qemu_mutex_destroy(&XENBED(obj)->log_lock);
}

static const TypeInfo xenbed_type = {
    .name = TYPE_XENBED,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(XenBed),
    .instance_init = xenbed_instance_init,
    .instance_finalize = xenbed_finalize,
    .class_init = xenbed_class_init,
    .interfaces =
        (InterfaceInfo[]){
            {TYPE_USER_CREATABLE},
            {TYPE_RAM_DISCARD_MANAGER},
            {},
        },
};

static void xenbed_register(void)
{
    type_register_static(&xenbed_type);
}

type_init(xenbed_register)
