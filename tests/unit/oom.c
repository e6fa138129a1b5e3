/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allocator of oom.h.
 */
#include <stddef.h>

#include "oom.h"

/* The linker's names, see --wrap in ld's manual. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);

static bool limited;
static bool refused;
static unsigned allowed;

void oom_after(unsigned allocations)
{
    limited = true;
    refused = false;
    allowed = allocations;
}

bool oom_stop(void)
{
    limited = false;
    return refused;
}

static bool refuse(void)
{
    if (!limited) {
        return false;
    }
    if (allowed > 0) {
        allowed--;
        return false;
    }
    refused = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
    return refuse() ? NULL : __real_calloc(nr, size);
}
