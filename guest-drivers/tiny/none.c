/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No driver: a guest that does not know of ballooning.  With populate-on-demand it lives as long
 * as it does not touch more than it was given.
 */
#include "balloon.h"

static void retarget(const struct target *new)
{
    (void)new;
}

static uint64_t step(void)
{
    return ARRIVED;
}

const struct policy no_policy = {"none", .retarget = retarget, .step = step};
