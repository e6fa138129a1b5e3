/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ops: numbers of the XENMEM operations, written down here a second time.
 */
#ifndef TESTS_OPS_H
#define TESTS_OPS_H

enum {
    OP_INCREASE = 0,
    OP_DECREASE = 1,
    OP_MAXIMUM_RAM_PAGE = 2,
    OP_CURRENT = 3,
    OP_MAXIMUM = 4,
    OP_MFN_LIST = 5,
    OP_POPULATE = 6,
    OP_ADD = 7,
    OP_MEMORY_MAP = 9,
    OP_MACHINE_MAP = 10,
    OP_EXCHANGE = 11,
    OP_SET_MAP = 13,
    OP_MAXIMUM_GPFN = 14,
    OP_REMOVE = 15,
    OP_SET_POD_TARGET = 16,
    OP_GET_POD_TARGET = 17,
    OP_FREED = 18,
    OP_SHARED = 19,
    OP_ACCESS = 21,
    OP_ADD_BATCH = 23,
    OP_CLAIM = 24,
    OP_COMPAT_MFN_LIST = 25,
    OP_VNUMA = 26,
    OP_RDM = 27,
    OP_ACQUIRE = 28,
};

#endif
