/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's side of a memory_op, see call.h.
 */
#include "cmocka_all.h"

#include <errno.h>

#include "call.h"

size_t call_frame_size(bool compat)
{
    return compat ? 4 : 8;
}

uint64_t call_list_fault_at(bool compat, uint64_t n)
{
    return WORLD_PAGE(FAULT_PAGE) - n * call_frame_size(compat);
}

void call_put_reservation(struct world *w, bool compat, const struct reservation_args *args)
{
    if (compat) {
        world_put(w, ARG + 0, args->list, 4);
        world_put(w, ARG + 4, args->nr, 4);
        world_put(w, ARG + 8, args->order, 4);
        world_put(w, ARG + 12, args->flags, 4);
        world_put(w, ARG + 16, args->domid, 2);
    } else {
        world_put(w, ARG + 0, args->list, 8);
        world_put(w, ARG + 8, args->nr, 8);
        world_put(w, ARG + 16, args->order, 4);
        world_put(w, ARG + 20, args->flags, 4);
        world_put(w, ARG + 24, args->domid, 2);
    }
}

void call_put_physmap(struct world *w, bool compat, uint16_t domid, unsigned space, uint64_t idx,
                      gfn_t gpfn, unsigned size)
{
    size_t width = call_frame_size(compat);

    world_put(w, ARG + 0, domid, 2);
    world_put(w, ARG + 2, size, 2);
    world_put(w, ARG + 4, space, 4);
    world_put(w, ARG + 8, idx, width);
    world_put(w, ARG + 8 + width, gpfn, width);
}

void call_put_frame(struct world *w, bool compat, uint64_t list, uint64_t index, gfn_t gfn)
{
    world_put(w, list + index * call_frame_size(compat), gfn, call_frame_size(compat));
}

int call_touch(struct world *w, struct hcall_domain *caller, gfn_t gfn)
{
    const struct hcall_caller who = {.domain = caller, .vcpu = 3};
    int rc;

    if (hcall_domain_touch_reclaims(w->d)) {
        world_ops.begin_exclusive(w);
        rc = hcall_domain_touch(w->d, &who, gfn);
        hcall_domain_end_exclusive(w->d);
    } else {
        w->locked = true;
        rc = hcall_domain_touch(w->d, &who, gfn);
        w->locked = false;
    }
    return rc;
}

long call_memory_op(struct hcall_domain *caller, bool compat, uint64_t cmd, uint64_t arg)
{
    const struct hcall_caller who = {.domain = caller, .vcpu = 3, .compat = compat};
    uint64_t before;
    long rc;

    do {
        before = cmd;
        rc = hcall_memory_op(&who, &cmd, arg);
        /* It gets on, and goes on with the same operation; a PoD target says nothing. */
        assert_true(rc != -ERESTART || (cmd > before && (cmd - before) % 64 == 0) ||
                    (cmd == before && cmd == OP_SET_POD_TARGET));
    } while (rc == -ERESTART);
    return rc;
}
