/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed: finds the subcommand, parses its options, runs it, and prints the one
 * line of its error.  Exit status: 0 success, 1 failure, 2 wrong usage.
 */
#include "command.h"
#include "error.h"
#include "tools-config.h"

#include <locale.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* COMMANDS(X) is X(name) for each command in meson.build's table. */
#define DECLARE(name) extern const struct command cmd_##name;
#define ADDRESS(name) &cmd_##name,

COMMANDS(DECLARE)

static const struct command *const commands[] = {COMMANDS(ADDRESS)};

static void print_help(FILE *out)
{
    fprintf(out, "Usage: xenbed COMMAND [OPTION...] [ARGUMENT...]\n\n"
                 "Runs unmodified Xen guests in QEMU.\n\nCommands:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        fprintf(out, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n`xenbed COMMAND --help` tells more; `xenbed --version` prints the version.\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(commands[i]->name, name)) {
            return commands[i];
        }
    }
    return NULL;
}

/* One line on stderr, whatever line ends came in from elsewhere. */
static int report(GError *error, int status)
{
    fprintf(stderr, "xenbed: %s\n", g_strdelimit(error->message, "\r\n", ' '));
    g_error_free(error);
    return status;
}

static GOptionContext *option_context(const struct command *command)
{
    GOptionContext *context = g_option_context_new(command->arguments);
    g_autofree char *program = g_strconcat("xenbed ", command->name, NULL);

    g_set_prgname(program);
    g_option_context_set_summary(context, command->summary);
    g_option_context_set_description(context, command->description);
    if (command->options) {
        g_option_context_add_main_entries(context, command->options, NULL);
    }
    return context;
}

static int run(const struct command *command, char **argv)
{
    g_autoptr(GOptionContext) context = option_context(command);
    /* GLib moves the strings around: the copy is of the array alone. */
    g_autofree char **arguments = g_memdup2(argv, (g_strv_length(argv) + 1) * sizeof(*argv));
    int count = g_strv_length(argv);
    GError *error = NULL;

    if (!g_option_context_parse(context, &count, &arguments, &error)) {
        g_prefix_error(&error, "%s: ", command->name);
        return report(error, EXIT_USAGE);
    }
    /* arguments[0] is the command itself. */
    if (count - 1 < command->min_arguments || count - 1 > command->max_arguments) {
        fail(&error, "%s: wrong number of arguments: the usage is %s [OPTION...] %s", command->name,
             g_get_prgname(), command->arguments);
        return report(error, EXIT_USAGE);
    }
    if (!command->run(arguments + 1, &error)) {
        return report(error, EXIT_FAILED);
    }
    return EXIT_OK;
}

/* Output that could not be written is a failure, unless another was reported already. */
static int flush_output(int status)
{
    GError *error = NULL;

    if (status == EXIT_OK && (fflush(stdout) != 0 || ferror(stdout))) {
        fail_errno(&error, "standard output");
        return report(error, EXIT_FAILED);
    }
    return status;
}

int main(int argc, char **argv)
{
    const struct command *command;
    GError *error = NULL;

    setlocale(LC_CTYPE, "");
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h")) {
        print_help(stdout);
        return flush_output(EXIT_OK);
    }
    if (g_str_equal(argv[1], "--version")) {
        printf("xenbed %s\n", XENBED_VERSION);
        return flush_output(EXIT_OK);
    }
    command = find_command(argv[1]);
    if (!command) {
        fail(&error, "%s: no such command, see xenbed --help", argv[1]);
        return report(error, EXIT_USAGE);
    }
    return flush_output(run(command, argv + 1));
}
