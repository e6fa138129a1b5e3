/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words for the domain's memory as a driver uses it.
 */
#ifndef PROBE_RESERVATION_H
#define PROBE_RESERVATION_H

#include <stdbool.h>

struct hvm_start_info;

/* Keep what word_e820() prints of the start_info. */
void reservation_start(const struct hvm_start_info *info);

bool word_info(const char *args);
bool word_e820(const char *args);
bool word_decrease(const char *args);
bool word_decrease9(const char *args);
bool word_populate(const char *args);
bool word_populate9(const char *args);
bool word_increase(const char *args);
bool word_remove(const char *args);

#endif
