/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oom: run out of memory on purpose.  The tests are linked with --wrap, so that
 * malloc and calloc of the code under test come here.
 */
#ifndef TESTS_OOM_H
#define TESTS_OOM_H

#include <stdbool.h>

/* oom_after - allow this many allocations, then refuse all. */
void oom_after(unsigned allocations);

/* oom_stop - memory is plenty again.  Returns whether an allocation was refused. */
bool oom_stop(void);

#endif
