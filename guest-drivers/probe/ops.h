/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypercalls that the word call knows by name.
 */
#ifndef PROBE_OPS_H
#define PROBE_OPS_H

#include <stddef.h>
#include <stdint.h>

#define OP_MAX_SIZE 128

/* What a field is when the word does not say. */
enum preset {
    PRESET_ZERO,
    PRESET_SELF, /* DOMID_SELF */
    PRESET_LIST, /* where the buffer's elements start */
    PRESET_LIST2,
    PRESET_LIST3,
    PRESET_COUNT, /* how many elements list has */
    PRESET_COUNT2,
};

struct field {
    const char *name;
    uint16_t offset;
    uint16_t size;
    enum preset preset;
};

struct op {
    const char *name;
    uint16_t hypercall;
    uint16_t cmd;
    uint16_t count;             /* the third argument */
    uint16_t size;              /* of the structure */
    const struct field *fields; /* to one without a name */
};

/* To one without a name. */
extern const struct op ops[];

/* For commands of memory_op that are given as a number. */
extern const struct op numbered_op;

#endif
