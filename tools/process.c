/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU process as /proc shows it: see process.h.
 */
#include "process.h"

#include "error.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLL_US (10 * 1000)

struct stat_line {
    char state;
    guint64 cpu_ticks;
    guint64 start;
};

static bool read_stat(pid_t pid, struct stat_line *stat)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *line = NULL;
    guint64 user, system;
    const char *fields;

    if (!g_file_get_contents(path, &line, NULL, NULL)) {
        return false;
    }
    /* The second field, the program's name, may itself hold blanks and ')'. */
    fields = strrchr(line, ')');
    if (!fields || sscanf(fields,
                          ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" G_GUINT64_FORMAT
                          " %" G_GUINT64_FORMAT " %*s %*s %*s %*s %*s %*s %" G_GUINT64_FORMAT,
                          &stat->state, &user, &system, &stat->start) != 4) {
        return false;
    }
    stat->cpu_ticks = user + system;
    return true;
}

static bool read_own_stat(const struct process *process, struct stat_line *stat)
{
    return read_stat(process->pid, stat) && stat->start == process->start;
}

bool process_identify(pid_t pid, struct process *process, GError **error)
{
    struct stat_line stat;

    if (!read_stat(pid, &stat)) {
        return fail(error, "/proc/%d/stat: unreadable", (int)pid);
    }
    *process = (struct process){.pid = pid, .start = stat.start};
    return true;
}

bool process_alive(const struct process *process)
{
    struct stat_line stat;

    return read_own_stat(process, &stat) && stat.state != 'Z' && stat.state != 'X';
}

bool process_wait(const struct process *process, int milliseconds)
{
    gint64 deadline = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;

    while (process_alive(process)) {
        if (g_get_monotonic_time() >= deadline) {
            return false;
        }
        g_usleep(POLL_US);
    }
    return true;
}

void process_kill(const struct process *process, int signal)
{
    if (process_alive(process)) {
        kill(process->pid, signal);
    }
}

double process_cpu_seconds(const struct process *process)
{
    struct stat_line stat;

    return read_own_stat(process, &stat) ? (double)stat.cpu_ticks / sysconf(_SC_CLK_TCK) : 0;
}

static bool overlaps(const GArray *ranges, guint64 start, guint64 end)
{
    for (guint i = 0; i < ranges->len; i++) {
        const struct address_range *range = &g_array_index(ranges, struct address_range, i);

        if (start < range->end && range->start < end) {
            return true;
        }
    }
    return false;
}

bool process_resident(const struct process *process, const GArray *ranges, kib_t *resident,
                      GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps", (int)process->pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    bool counted = false;

    if (!g_file_get_contents(path, &text, NULL, error)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    *resident = 0;
    for (char **line = lines; *line; line++) {
        guint64 start, end, rss;

        if (sscanf(*line, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x ", &start, &end) == 2) {
            counted = overlaps(ranges, start, end);
        } else if (counted && sscanf(*line, "Rss: %" G_GUINT64_FORMAT, &rss) == 1) {
            *resident += rss;
        }
    }
    return true;
}
