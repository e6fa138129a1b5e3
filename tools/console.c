/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal of a domain: see console.h.
 */
#include "console.h"

#include "error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define CONNECT_SECONDS 5
#define IDLE_MS 1000
#define ESCAPE 0x1d /* Ctrl-] */

struct console {
    int socket; /* non-blocking, as GSocket has it */
    int signals;
    bool is_terminal;
    bool input_open;
    GByteArray *to_guest; /* read from standard input, not sent yet */
};

enum outcome { GO_ON, DONE, FAILED };

GSocketConnection *console_open(const Domain *domain, GError **error)
{
    return domain_connect(domain, DOMAIN_CONSOLE_SOCKET, CONNECT_SECONDS, error);
}

/* The socket's side: an end or a reset is the domain's end. */
static enum outcome print_output(struct console *console, GError **error)
{
    char buffer[4096];
    ssize_t length = read(console->socket, buffer, sizeof(buffer));

    if (length < 0 && errno == EAGAIN) {
        return GO_ON;
    }
    if (length <= 0) {
        return DONE;
    }
    if (fwrite(buffer, 1, length, stdout) < (size_t)length || fflush(stdout) != 0) {
        fail_errno(error, "standard output");
        return FAILED;
    }
    return GO_ON;
}

static enum outcome send_input(struct console *console)
{
    ssize_t length = write(console->socket, console->to_guest->data, console->to_guest->len);

    if (length > 0) {
        g_byte_array_remove_range(console->to_guest, 0, length);
    }
    return length > 0 || errno == EAGAIN ? GO_ON : DONE;
}

static enum outcome read_input(struct console *console)
{
    guint8 buffer[4096];
    ssize_t length = read(STDIN_FILENO, buffer, sizeof(buffer));
    const guint8 *escape;

    if (length <= 0) {
        console->input_open = false;
        return GO_ON;
    }
    escape = console->is_terminal ? memchr(buffer, ESCAPE, length) : NULL;
    if (escape) {
        return DONE;
    }
    g_byte_array_append(console->to_guest, buffer, length);
    return GO_ON;
}

static enum outcome step(struct console *console, GError **error)
{
    /* Input is read only when the last is sent: a guest that does not read cannot make us grow. */
    bool sending = console->to_guest->len > 0;
    bool reading = console->input_open && !sending;
    struct pollfd signals = {.fd = console->signals, .events = POLLIN};
    struct pollfd socket = {.fd = console->socket, .events = POLLIN | (sending ? POLLOUT : 0)};
    struct pollfd input = {.fd = reading ? STDIN_FILENO : -1, .events = POLLIN};
    struct pollfd all[] = {signals, socket, input};
    enum outcome outcome = GO_ON;

    if (poll(all, G_N_ELEMENTS(all), sending || reading ? -1 : IDLE_MS) <= 0 || all[0].revents) {
        return DONE;
    }
    if (all[1].revents & ~POLLOUT) {
        outcome = print_output(console, error);
    }
    if (outcome == GO_ON && all[1].revents & POLLOUT) {
        outcome = send_input(console);
    }
    if (outcome == GO_ON && all[2].revents) {
        outcome = read_input(console);
    }
    return outcome;
}

/* Makes the signals that ask to end readable instead of deadly; the terminal is restored then. */
static int open_signals(sigset_t *previous)
{
    sigset_t ending;

    sigemptyset(&ending);
    sigaddset(&ending, SIGHUP);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, previous);
    return signalfd(-1, &ending, SFD_CLOEXEC);
}

bool console_run(GSocketConnection *connection, GError **error)
{
    sigset_t previous;
    struct termios cooked, raw;
    struct console console = {
        .socket = g_socket_get_fd(g_socket_connection_get_socket(connection)),
        .signals = open_signals(&previous),
        .is_terminal = tcgetattr(STDIN_FILENO, &cooked) == 0,
        .input_open = true,
        .to_guest = g_byte_array_new(),
    };
    enum outcome outcome;

    if (console.is_terminal) {
        raw = cooked;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    do {
        outcome = step(&console, error);
    } while (outcome == GO_ON);
    if (console.is_terminal) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
    }
    g_byte_array_unref(console.to_guest);
    close(console.signals);
    sigprocmask(SIG_SETMASK, &previous, NULL);
    return outcome != FAILED;
}
