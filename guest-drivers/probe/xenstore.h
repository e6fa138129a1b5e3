/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domain's xenstore.
 */
#ifndef PROBE_XENSTORE_H
#define PROBE_XENSTORE_H

/* The value at path, until the next call; NULL when there is none. */
const char *xenstore_read(const char *path);

/* NULL, or the name of the error. */
const char *xenstore_write(const char *path, const char *value);

#endif
