/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QEMU that domains run in: where it is and how it is started.
 */
#ifndef QEMU_H
#define QEMU_H

#include "config.h"
#include "domain.h"

/* The path of the program: $XENBED_QEMU, else the one built beside xenbed. */
char *qemu_path(void);
bool qemu_is_chosen(void); /* by the variable */

/* The first line of what it answers to --version, NULL if it does not run. */
char *qemu_version(const char *path, GError **error);

/* Whether NAME is in the list that it prints for OPTION, "-accel" say; false with the reason. */
bool qemu_lists(const char *path, const char *option, const char *name, GError **error);

/* The path of a file of firmware, where it is told to look for that; NULL with the reason. */
char *qemu_firmware(const char *name, GError **error);

/*
 * Its arguments, the program first, for DOMAIN as CONFIG wants it, whose accel is "tcg" or "kvm";
 * the domain starts paused.
 */
GStrv qemu_arguments(const char *path, const Domain *domain, const Config *config);

/*
 * The reason a QEMU that ended at once gave in its log, as one line: its last message
 * with the hints that follow it; NULL if it said nothing.
 */
char *qemu_last_words(const char *path, const Domain *domain);

#endif
