/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step: one thing that a guest or a toolstack does to domain 5, written down, so that it can
 * be done to the library and to the model, done again, and printed.
 */
#ifndef TESTS_STEP_H
#define TESTS_STEP_H

#include "call.h"

#define STEP_LIST 1100
#define STEP_BATCH 24

#define STEP_GUEST 5
#define STEP_NOBODY 99
/* DOMID_IO: reserved, and not found. */
#define STEP_RESERVED 0x7ff1

#define SPACE_SHARED_INFO 0
#define SPACE_GRANT_TABLE 1
#define SPACE_GMFN 2
#define SPACE_GMFN_RANGE 3
#define SPACE_GMFN_FOREIGN 4
#define SPACE_DEV_MMIO 5

/* What a toolstack does, numbered above all that fits into a hypercall's cmd. */
enum {
    TOOL_SET_MAX_PAGES = 64,
    TOOL_SET_IO,
    TOOL_SET_DYING,
    TOOL_RESET,
    TOOL_BUILD_RAM,
    TOOL_MAP,
    TOOL_MAP_OWN_GRANT,
    TOOL_UNMAP_OWN_GRANT,
    TOOL_BUILD_POD,
    TOOL_SET_POD_TARGET,
    TOOL_TEARDOWN,
    TOOL_DUMP,
    /* Not all of it the toolstack: the guest, or the control domain, uses gfns. */
    TOOL_TOUCH,
    TOOL_ZERO,
    TOOL_GET_PAGE,
    TOOL_PUT_PAGE,
};

/* The list that ends where a page begins that cannot be used. */
enum step_fault { FAULT_NONE, FAULT_LIST, FAULT_GPFNS, FAULT_ERRS };

struct step {
    unsigned op; /* OP_* or TOOL_* */
    bool control;
    bool compat;
    bool preempt;
    uint64_t start;

    /* The structure: so much of it can be read if it is short, and none of it be written. */
    bool arg_short, arg_read_only;
    unsigned arg_bytes;
    struct reservation_args in; /* its domid is every operation's */
    struct reservation_args out;
    uint64_t nr_exchanged;
    uint32_t space;
    uint16_t size;
    uint16_t res0;
    gfn_t idx;  /* where a page comes from */
    gfn_t gpfn; /* where it goes, or the first of a toolstack's range */
    uint64_t count;
    enum hcall_p2m_type type;
    bool io;
    bool write;
    bool cached; /* nothing is to be taken back */
    unsigned pin;

    /* Lists: elements that can be used, of the one with a fault; it is read-only as a whole. */
    enum step_fault fault;
    uint64_t usable;
    bool read_only;
    gfn_t list[STEP_LIST]; /* extents, or a batch's gpfns */
    gfn_t idxs[STEP_BATCH];
};

/* All that a step gives back. */
struct outcome {
    long rc;
    int32_t errs[STEP_BATCH];
    uint64_t numbers[4]; /* of a pod_target; or how many gfns were touched */
    bool list_changed;   /* of extents, whose frames a domain like this is not told */
};

/* What is there before: nothing that a call would write. */
void outcome_init(struct outcome *o, const struct step *s);

/* How many of the extents' elements can be written. */
uint64_t step_writable(const struct step *s);

/* step_do - do it to the library. */
void step_do(struct world *w, const struct step *s, struct outcome *o);

/* step_print - one line on stderr. */
void step_print(const struct step *s);

const char *step_type_name(enum hcall_p2m_type type);

#endif
