/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Xen console: what Xen would print to it, kept for `xenbed dmesg`.  As in Xen the
 * newest 16 KiB stay, in whole lines.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "xenbed/emu/xenbed.h"

#define CONSOLE_RING_SIZE (16 * 1024)

static void drop_oldest_lines(GString *log)
{
    while (log->len > CONSOLE_RING_SIZE) {
        g_string_erase(log, 0, strchr(log->str, '\n') + 1 - log->str);
    }
}

/* From any thread, whatever locks it holds. */
void xenbed_log(XenBed *xb, const char *line)
{
    WITH_QEMU_LOCK_GUARD(&xb->log_lock)
    {
        g_string_append_printf(xb->log, "(XEN) %s\n", line);
        drop_oldest_lines(xb->log);
    }
    info_report("(XEN) %s", line);
}

char *xenbed_log_text(XenBed *xb)
{
    QEMU_LOCK_GUARD(&xb->log_lock);

    return g_strdup(xb->log->str);
}

void xenbed_log_clear(XenBed *xb)
{
    QEMU_LOCK_GUARD(&xb->log_lock);

    g_string_truncate(xb->log, 0);
}
