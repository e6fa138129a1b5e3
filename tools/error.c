/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of xenbed: see error.h.
 */
#include "error.h"

#include <errno.h>

bool fail(GError **error, const char *format, ...)
{
    GQuark domain = g_quark_from_static_string("xenbed");
    va_list arguments;

    va_start(arguments, format);
    g_propagate_error(error, g_error_new_valist(domain, 0, format, arguments));
    va_end(arguments);
    return false;
}

bool fail_errno(GError **error, const char *thing)
{
    return fail(error, "%s: %s", thing, g_strerror(errno));
}
