/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest uses memory for beside ballooning.
 */
#ifndef TINY_WORK_H
#define TINY_WORK_H

#include <stdbool.h>
#include <stdint.h>

/* Use so much memory for good; false when there is not as much. */
bool work_hold(unsigned mib);

/*
 * Use so much memory bit by bit, as a boot does, then all of it no more.  work_step() does a bit
 * and returns after how many nanoseconds the next is due, UINT64_MAX at the end.
 */
void work_start(unsigned mib);
uint64_t work_step(void);

#endif
