/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words that touch memory.
 */
#ifndef PROBE_TOUCH_H
#define PROBE_TOUCH_H

#include <stdbool.h>

bool word_write(const char *args);
bool word_zero(const char *args);
bool word_read(const char *args);
bool word_verify(const char *args);
bool word_fill(const char *args);
bool word_look(const char *args);
bool word_peek(const char *args);
bool word_poke(const char *args);
bool word_wait(const char *args);

#endif
