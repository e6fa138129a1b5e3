/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a subcommand of xenbed is.  cmd-NAME.c defines `const struct command
 * cmd_NAME` with its help beside its code; main.c finds it through the table in
 * meson.build, parses its options and counts its arguments.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <glib.h>
#include <stdbool.h>

struct command {
    const char *name;
    const char *arguments;   /* as the usage line shows them, "" for none */
    const char *summary;     /* one line */
    const char *description; /* below the options in --help, or NULL */
    const GOptionEntry *options;
    int min_arguments, max_arguments;

    /* ARGUMENTS ends with NULL.  On failure returns false and sets the one line to print. */
    bool (*run)(char **arguments, GError **error);
};

#endif
