/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host says about a QEMU process, and ending it.  A process is known by
 * its pid and its start time, so that another one that got the same pid later is
 * neither taken for it nor killed.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "memory.h"

#include <sys/types.h>

struct process {
    pid_t pid;
    guint64 start; /* clock ticks after the host's boot */
};

/* A range of a process's addresses, [start, end). */
struct address_range {
    guint64 start, end;
};

/* Fills in PROCESS for PID, which must be a child not yet waited for. */
bool process_identify(pid_t pid, struct process *process, GError **error);

/* Whether it runs; a zombie does not. */
bool process_alive(const struct process *process);

/* Waits at most MILLISECONDS for its end; returns whether it is gone. */
bool process_wait(const struct process *process, int milliseconds);

/* Sends SIGNAL, if it still runs. */
void process_kill(const struct process *process, int signal);

/* CPU time used so far, user and system; 0 if it is gone. */
double process_cpu_seconds(const struct process *process);

/*
 * The memory really present behind RANGES (of struct address_range): the Rss of
 * the mappings that overlap them.
 */
bool process_resident(const struct process *process, const GArray *ranges, kib_t *resident,
                      GError **error);

#endif
