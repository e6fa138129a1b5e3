/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of xenbed.  A message is one line, "THING: REASON"; main() prints it.
 */
#ifndef ERROR_H
#define ERROR_H

#include <glib.h>
#include <stdbool.h>

/* Sets *error from the printf-style FORMAT and returns false. */
bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same with what errno says about THING. */
bool fail_errno(GError **error, const char *thing);

#endif
