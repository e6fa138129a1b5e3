/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domain's xenstore.
 */
#ifndef KERNEL_XENSTORE_H
#define KERNEL_XENSTORE_H

#include <stdbool.h>
#include <stdint.h>

/* The value at path, until the next call; NULL when there is none. */
const char *xenstore_read(const char *path);

/* NULL, or the name of the error. */
const char *xenstore_write(const char *path, const char *value);

#define XENSTORE_WATCHES 26

/*
 * Have changes of path, and of what is below it, be told; there is an event at once.  The number
 * is below XENSTORE_WATCHES.  NULL, or the name of the error.
 */
const char *xenstore_watch(const char *path, unsigned number);

/* Whether there are events to be asked for. */
bool xenstore_has_events(void);

/* A bit for each number of a watch that had an event since this was asked last. */
uint32_t xenstore_events(void);

/* Where events are announced; 0 without xenstore. */
uint32_t xenstore_port(void);

#endif
