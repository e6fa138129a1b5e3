/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Xen console: what Xen would print to it, kept for `xenbed dmesg`.  As in Xen the
 * newest 16 KiB stay, in whole lines.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "xenbed/emu/xenbed.h"

#define CONSOLE_RING_SIZE (16 * 1024)

/*
 * Lines that QEMU's own log gets in a second of the host's time.  A guest that tries for ever what
 * fails fills the host's disk otherwise, all the more where its time costs none (-icount).
 */
#define LINES_PER_SECOND 100

static void drop_oldest_lines(GString *log)
{
    while (log->len > CONSOLE_RING_SIZE) {
        g_string_erase(log, 0, strchr(log->str, '\n') + 1 - log->str);
    }
}

/* Whether this second's lines are used up; with the log's lock. */
static bool too_many(unsigned *left_out)
{
    static int64_t second;
    static unsigned lines, skipped;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) / 1000;

    *left_out = 0;
    if (now != second) {
        *left_out = skipped;
        second = now;
        lines = skipped = 0;
    }
    if (++lines > LINES_PER_SECOND) {
        skipped++;
        return true;
    }
    return false;
}

/* From any thread, whatever locks it holds. */
void xenbed_log(XenBed *xb, const char *line)
{
    unsigned left_out;
    bool skip;

    WITH_QEMU_LOCK_GUARD(&xb->log_lock)
    {
        g_string_append_printf(xb->log, "(XEN) %s\n", line);
        drop_oldest_lines(xb->log);
        skip = too_many(&left_out);
    }
    if (left_out) {
        info_report("xenbed: %u more lines of Xen's were left out here", left_out);
    }
    if (!skip) {
        info_report("(XEN) %s", line);
    }
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
