/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for single hypercalls.
 */
#ifndef PROBE_CALL_H
#define PROBE_CALL_H

#include <stdbool.h>

bool word_call(const char *args);
bool word_hypercall(const char *args);
bool word_via(const char *args);

/* What call knows, for the word help. */
void print_ops(void);

#endif
