/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calling Xen.  Errors are negative errno values, as Xen returns them.
 */
#ifndef KERNEL_HYPERCALL_H
#define KERNEL_HYPERCALL_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>

#define HYPERCALL_ARGS 5

struct hypercall {
    unsigned long number;
    unsigned long args[HYPERCALL_ARGS];
};

/* Find Xen and its hypercall page; false without Xen. */
bool hypercall_start(void);

/* How to enter Xen from now on: "page", "vmcall", "vmmcall", or "cpu" for the CPU's own. */
bool hypercall_via(const char *way);

long hypercall_issue(const struct hypercall *call);
long hypercall(unsigned long number, unsigned long a, const void *b);

long memory_op(unsigned long cmd, const void *arg);
long get_param(uint32_t index, uint64_t *value);
void yield(void);

/* Flush the console and shut down, for good if Xen agrees. */
__attribute__((noreturn)) void end(unsigned reason);

#endif
