/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Observers: a debugger, the monitor.  What they read of guest memory is not populated:
 * a page that is populate-on-demand reads as the zeroes it would get.
 */
#ifndef XENBED_EMU_OBSERVE_H
#define XENBED_EMU_OBSERVE_H

/* How many observers this thread is just now: they may call each other. */
extern __thread unsigned xen_trap_observers;

static inline void xen_trap_observe_begin(void)
{
    xen_trap_observers++;
}

static inline void xen_trap_observe_end(void)
{
    xen_trap_observers--;
}

#endif
