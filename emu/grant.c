/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that maps its own grants: GNTTABOP_map_grant_ref and _unmap_grant_ref with
 * its own domid.  QEMU has the table, and the grants that backends map; a guest has no
 * other domain's here.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/xen/interface/xen.h"
#include "hw/xen/interface/grant_table.h"
#include "hw/i386/kvm/xen_gnttab.h"
#include "linux/kvm.h"
#include "xenbed/emu/xenbed.h"

struct mapping {
    bool used;
    bool readonly;
    grant_ref_t ref;
};

/* By handle; read and changed inside exclusive sections. */
static GArray *mappings;

void grant_reset(void)
{
    if (mappings) {
        g_array_set_size(mappings, 0);
    }
}

static grant_handle_t new_handle(void)
{
    if (!mappings) {
        mappings = g_array_new(false, true, sizeof(struct mapping));
    }
    for (unsigned i = 0; i < mappings->len; i++) {
        if (!g_array_index(mappings, struct mapping, i).used) {
            return i;
        }
    }
    g_array_set_size(mappings, mappings->len + 1);
    return mappings->len - 1;
}

/* Is another mapping of the same grant left, that writes or not? */
static bool still_mapped(grant_ref_t ref, bool writing)
{
    for (unsigned i = 0; i < mappings->len; i++) {
        const struct mapping *m = &g_array_index(mappings, struct mapping, i);

        if (m->used && m->ref == ref && !(writing && m->readonly)) {
            return true;
        }
    }
    return false;
}

/* Take the grant, so that the guest sees it in use; the gfn it is for. */
static int pin(grant_ref_t ref, bool readonly, uint64_t *gfn)
{
    grant_entry_v1_t *entry = xen_gnttab_entry(ref);
    grant_entry_v1_t seen;
    uint16_t flags;

    if (!entry) {
        return GNTST_bad_gntref;
    }
    do {
        /* The guest may change it at any time: what was seen must still hold when it is taken. */
        seen.flags = qatomic_read(&entry->flags);
        seen.domid = qatomic_read(&entry->domid);
        seen.frame = qatomic_read(&entry->frame);
        if ((seen.flags & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access ||
            seen.domid != xenbed->domid || (!readonly && (seen.flags & GTF_readonly))) {
            return GNTST_general_error;
        }
        flags = seen.flags | GTF_reading | (readonly ? 0 : GTF_writing);
    } while (qatomic_cmpxchg(&entry->flags, seen.flags, flags) != seen.flags);
    *gfn = seen.frame;
    return GNTST_okay;
}

static void unpin(grant_ref_t ref)
{
    grant_entry_v1_t *entry = xen_gnttab_entry(ref);
    uint16_t over =
        (still_mapped(ref, false) ? 0 : GTF_reading) | (still_mapped(ref, true) ? 0 : GTF_writing);

    if (entry) {
        qatomic_and(&entry->flags, (uint16_t)~over);
    }
}

static void map(gnttab_map_grant_ref_t *op)
{
    const bool readonly = op->flags & GNTMAP_readonly;
    grant_handle_t handle;
    uint64_t from;

    if (op->dom != DOMID_SELF && op->dom != xenbed->domid) {
        /* Domain 0 has granted nothing. */
        op->status = op->dom == 0 ? GNTST_bad_gntref : GNTST_bad_domain;
        return;
    }
    if (!(op->flags & GNTMAP_host_map)) {
        op->status = GNTST_bad_gntref;
        return;
    }
    op->status = pin(op->ref, readonly, &from);
    if (op->status != GNTST_okay) {
        return;
    }
    handle = new_handle();
    if (op->host_addr % HCALL_PAGE_SIZE != 0 ||
        hcall_domain_map_own_grant(xenbed->domain, from, op->host_addr >> HCALL_PAGE_SHIFT) < 0) {
        unpin(op->ref);
        op->status = GNTST_general_error;
        return;
    }
    g_array_index(mappings, struct mapping, handle) =
        (struct mapping){.used = true, .readonly = readonly, .ref = op->ref};
    op->handle = handle;
    op->dev_bus_addr = 0;
}

static void unmap(gnttab_unmap_grant_ref_t *op)
{
    struct mapping *m = NULL;
    int rc;

    if (mappings && op->handle < mappings->len) {
        m = &g_array_index(mappings, struct mapping, op->handle);
    }
    if (!m || !m->used) {
        op->status = GNTST_bad_handle;
        return;
    }
    rc = hcall_domain_unmap_own_grant(xenbed->domain, op->host_addr >> HCALL_PAGE_SHIFT);
    /* What the guest has decreased, or removed otherwise, stays mapped for ever. */
    op->status = rc < 0 ? GNTST_general_error : GNTST_okay;
    if (rc == 0) {
        m->used = false;
        unpin(m->ref);
    }
}

bool grant_table_op(CPUState *cs, struct kvm_xen_exit *exit)
{
    const uint64_t list = exit->u.hcall.params[1];
    const unsigned nr = exit->u.hcall.params[2];
    const bool mapping = (int)exit->u.hcall.params[0] == GNTTABOP_map_grant_ref;
    union {
        gnttab_map_grant_ref_t map;
        gnttab_unmap_grant_ref_t unmap;
    } op;
    const size_t size = mapping ? sizeof(op.map) : sizeof(op.unmap);

    QEMU_BUILD_BUG_ON(sizeof(op.map) != 32 || sizeof(op.unmap) != 24);
    if (!mapping && (int)exit->u.hcall.params[0] != GNTTABOP_unmap_grant_ref) {
        return false;
    }
    exit->u.hcall.result = 0;
    for (unsigned i = 0; i < nr; i++) {
        if (!copy_from_guest(cs, &op, list + i * size, size)) {
            exit->u.hcall.result = -EFAULT;
            break;
        }
        domain_begin_exclusive(xenbed);
        if (mapping) {
            map(&op.map);
        } else {
            unmap(&op.unmap);
        }
        domain_end_exclusive(xenbed);
        if (!copy_to_guest(cs, list + i * size, &op, size)) {
            exit->u.hcall.result = -EFAULT;
            break;
        }
    }
    return true;
}
