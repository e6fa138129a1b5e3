/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the words of the command line, and the little of libc that is needed.
 *
 * The take functions read something at *s and move *s behind it; when it is not
 * there they return false and leave *s alone.
 */
#ifndef KERNEL_TEXT_H
#define KERNEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
size_t text_length(const char *s);
bool text_equal(const char *a, const char *b);

/* One character. */
bool take_char(const char **s, char c);

/* Letters, digits, '_' and '.': into name, which has size bytes. */
bool take_name(const char **s, char *name, size_t size);

/* Decimal, or hexadecimal after 0x, with a '-' before it or not. */
bool take_number(const char **s, uint64_t *value);

/* A gfn: hexadecimal is the gfn itself, decimal is MiB. */
bool take_gfn(const char **s, unsigned long *gfn);

/* "A-B": gfns from *first to before *end. */
bool take_range(const char **s, unsigned long *first, unsigned long *end);

#endif
