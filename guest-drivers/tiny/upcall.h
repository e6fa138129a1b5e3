/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events as interrupts, and the timer; times are nanoseconds.
 */
#ifndef TINY_UPCALL_H
#define TINY_UPCALL_H

#include <stdbool.h>
#include <stdint.h>

#define SECOND 1000000000ull

/* Be woken by the events of this port, and by the timer; false when Xen does not let us. */
bool upcall_start(uint32_t port);

/* Sleep until the next event, if there is no work; the events of what is looked at may have come.
 */
void sleep_unless(bool (*has_work)(void));

/* Since the domain was started. */
uint64_t timer_now(void);

/* Have an event at that time; it takes the place of the one asked for before. */
void timer_set(uint64_t when);

#endif
