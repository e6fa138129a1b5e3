/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels.
 */
#ifndef KERNEL_EVENTS_H
#define KERNEL_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>

/* Map the shared_info page; false when Xen does not let us. */
bool events_start(void);

/* The page. */
struct shared_info *shared_info(void);

/* Tell who is at the other end of a port to look. */
void notify(uint32_t port);

/*
 * Wait until *index, which the other end of a port writes, is no longer old.  The
 * other end notifies after it wrote.
 */
void wait_change(uint32_t port, const volatile uint32_t *index, uint32_t old);

#endif
