/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstored-lite: a store on a Unix socket, for a host without Xen.
 *
 * A live update replaces the program under a running store: the store is dumped into
 * a file that has no name, the new program is executed in this process with that file
 * and all sockets open, and restores it.  Clients notice nothing.
 */
#include "socket.h"
#include "xsl-config.h"
#include "xsl.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/xenstored/socket"

/* How long clients may take to read their last answers. */
#define DRAIN_MS 2000

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static char *socket_path;
static char *log_path;
static char *state_path;
static char *pid_path;
static gboolean no_fork;
static gboolean print_version;

static const GOptionEntry options[] = {
    {"socket", 0, 0, G_OPTION_ARG_FILENAME, &socket_path,
     "Listen at PATH (default: $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else " DEFAULT_SOCKET
     ")",
     "PATH"},
    {"no-fork", 'N', 0, G_OPTION_ARG_NONE, &no_fork, "Stay in the foreground", NULL},
    {"pid-file", 0, 0, G_OPTION_ARG_FILENAME, &pid_path, "Write the process id to FILE", "FILE"},
    {"log", 0, 0, G_OPTION_ARG_FILENAME, &log_path, "Append the log to FILE", "FILE"},
    {"state", 0, 0, G_OPTION_ARG_FILENAME, &state_path,
     "Read the store from FILE if it is there, and write it there at the end", "FILE"},
    {"version", 0, 0, G_OPTION_ARG_NONE, &print_version, "Print the version", NULL},
    G_OPTION_ENTRY_NULL,
};

struct daemon {
    struct xsl_store *store;
    struct xsl_server *server;
    int listener;
    bool activated; /* the listener is a service manager's */
    bool has_pid;   /* the pid file is ours */
    FILE *log;      /* NULL: there is none */

    /* A live update that CONTROL has asked for. */
    char *program;        /* NULL: this one */
    char **arguments;     /* NULL: those of now */
    char **own_arguments; /* those of now */
    bool update;          /* now, once the answer is out */

    /* A live update that has brought us here. */
    int dump; /* what it left, -1: none has */
};

/* How one program tells the next one: the dump, the listener, whether that was given to us. */
#define UPDATE_VARIABLE "XENSTORED_LITE_UPDATE"
#define UPDATE_FORMAT "%d %d %d"

static volatile sig_atomic_t stop;
static struct xsl_server *stop_server;

/* One line on stderr. */
static void G_GNUC_PRINTF(1, 2) complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("xenstored-lite: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void handle_stop(int number)
{
    stop = number;
    if (stop_server) {
        xsl_server_interrupt(stop_server);
    }
}

/* What the system said: GLib puts it at the end, behind a sentence. */
static const char *reason(const GError *error)
{
    const char *colon = strrchr(error->message, ':');

    return colon ? colon + 2 : error->message;
}

/* --- The world of the store ------------------------------------------------------------ */

static int64_t world_now(void *world)
{
    (void)world;
    return g_get_monotonic_time() / 1000;
}

static void world_log(void *world, const char *line)
{
    const struct daemon *d = world;
    g_autoptr(GDateTime) now = NULL;
    g_autofree char *stamp = NULL;

    if (d->log) {
        now = g_date_time_new_now_utc();
        stamp = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");
        fprintf(d->log, "%s %s\n", stamp, line);
        fflush(d->log);
    }
}

/* The words of xenstore-control's live-update: -a, -f FILE, -c COMMAND-LINE, -s [-t S] [-F]. */
static char *live_update(struct daemon *d, const char *const *argv, unsigned argc, int *err)
{
    const char *what = argc > 1 ? argv[1] : "";

    *err = -EINVAL;
    if (g_str_equal(what, "-a") && argc == 2) {
        g_clear_pointer(&d->program, g_free);
        g_clear_pointer(&d->arguments, g_strfreev);
    } else if (g_str_equal(what, "-f") && argc == 3) {
        if (access(argv[2], X_OK) < 0) {
            *err = errno == EACCES ? -EACCES : -ENOENT;
            return NULL;
        }
        g_free(d->program);
        d->program = g_canonicalize_filename(argv[2], NULL);
    } else if (g_str_equal(what, "-c") && argc == 3) {
        g_strfreev(d->arguments);
        d->arguments = NULL;
        if (!g_shell_parse_argv(argv[2], NULL, &d->arguments, NULL)) {
            return NULL;
        }
    } else if (g_str_equal(what, "-s")) {
        /* Nothing has to be waited for, nor forced: open transactions go along.  The new program
         * answers, or this one if there will be none. */
        d->update = true;
        *err = -EINPROGRESS;
        return NULL;
    } else {
        return NULL;
    }
    return g_strdup("OK");
}

static char *world_control(void *world, const char *const *argv, unsigned argc, int *err)
{
    if (g_str_equal(argv[0], "help")) {
        return g_strdup("live-update  -f <file>|-c <arguments>|-s|-a: replaces this program");
    }
    if (g_str_equal(argv[0], "live-update")) {
        return live_update(world, argv, argc, err);
    }
    *err = -EINVAL;
    return NULL;
}

static const struct xsl_ops world_ops = {
    .now = world_now,
    .log = world_log,
    .control = world_control,
};

/* --- The state file ---------------------------------------------------------------------- */

static struct xsl_conn *adopt(struct xsl_store *store, int32_t name, void *opaque)
{
    const struct daemon *d = opaque;
    struct xsl_conn *conn = xsl_server_adopt(d->server, store, name);

    if (conn) {
        fcntl(name, F_SETFD, FD_CLOEXEC);
    }
    return conn;
}

static bool read_state(struct daemon *d)
{
    g_autofree char *data = NULL;
    g_autoptr(GBytes) dump = NULL;
    g_autoptr(GError) error = NULL;
    gsize len;

    if (!g_file_get_contents(state_path, &data, &len, &error)) {
        if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            d->store = xsl_store_new(&world_ops, d);
            return true;
        }
        complain("%s: %s", state_path, reason(error));
        return false;
    }
    dump = g_bytes_new_take(g_steal_pointer(&data), len);
    d->store = xsl_store_restore(&world_ops, d, dump, NULL, NULL);
    if (!d->store) {
        complain("%s: damaged, or not a store of this version", state_path);
    }
    return d->store != NULL;
}

/* All of the old file or all of the new one: never a part. */
static bool write_state(struct daemon *d)
{
    g_autoptr(GBytes) dump = xsl_store_dump(d->store, NULL, NULL);
    g_autoptr(GError) error = NULL;
    gsize len;
    const char *data = g_bytes_get_data(dump, &len);

    if (!g_file_set_contents_full(state_path, data, len,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0600, &error)) {
        complain("%s: %s", state_path, reason(error));
        return false;
    }
    return true;
}

/* --- Live update --------------------------------------------------------------------------- */

static bool restore_update(struct daemon *d)
{
    struct stat status;
    g_autoptr(GBytes) dump = NULL;
    void *map;

    if (fstat(d->dump, &status) < 0 ||
        (map = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, d->dump, 0)) == MAP_FAILED) {
        complain("live update: %s", g_strerror(errno));
        return false;
    }
    dump = g_bytes_new_static(map, status.st_size);
    d->store = xsl_store_restore(&world_ops, d, dump, adopt, d);
    munmap(map, status.st_size);
    close(d->dump);
    if (!d->store) {
        complain("live update: the dump cannot be read");
    }
    return d->store != NULL;
}

static int32_t name_socket(const struct xsl_conn *conn, void *opaque)
{
    return xsl_server_socket(((const struct daemon *)opaque)->server, conn);
}

static int dump_to_fd(struct daemon *d)
{
    g_autoptr(GBytes) dump = xsl_store_dump(d->store, name_socket, d);
    gsize len, written = 0;
    const char *data = g_bytes_get_data(dump, &len);
    int fd = memfd_create("xenstore", 0);

    while (fd >= 0 && written < len) {
        ssize_t n = write(fd, data + written, len - written);

        if (n < 0) {
            close(fd);
            return -1;
        }
        written += n;
    }
    return fd;
}

static GStrv update_arguments(const struct daemon *d, const char *program)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    g_strv_builder_add(builder, program);
    g_strv_builder_addv(builder, (const char **)(d->arguments ? d->arguments : d->own_arguments));
    return g_strv_builder_end(builder);
}

/* Whether the sockets stay open in the next program. */
static void keep_sockets(const struct daemon *d, bool keep)
{
    xsl_server_set_inherited(d->server, keep);
    fcntl(d->listener, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

/* Returns only if that could not be done; then everything is as it was. */
static void update(struct daemon *d)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    const char *program = d->program ? d->program : self;
    g_auto(GStrv) arguments = update_arguments(d, program);
    g_autofree char *handed_on = NULL;
    int dump = dump_to_fd(d), error = errno;

    d->update = false;
    if (dump >= 0) {
        handed_on = g_strdup_printf(UPDATE_FORMAT, dump, d->listener, d->activated);
        g_setenv(UPDATE_VARIABLE, handed_on, TRUE);
        keep_sockets(d, true);
        world_log(d, "live update");
        execv(program, arguments);
        error = errno;
        keep_sockets(d, false);
        g_unsetenv(UPDATE_VARIABLE);
        close(dump);
    }
    world_log(d, "live update failed");
    complain("live update: %s: %s", program, g_strerror(error));
    xsl_store_answer(d->store, -error, NULL);
}

/* Finds what the program before this one has left. */
static void find_update(struct daemon *d)
{
    const char *handed_on = g_getenv(UPDATE_VARIABLE);
    int is_activated;

    if (handed_on && sscanf(handed_on, UPDATE_FORMAT, &d->dump, &d->listener, &is_activated) == 3) {
        d->activated = is_activated;
        fcntl(d->dump, F_SETFD, FD_CLOEXEC);
        fcntl(d->listener, F_SETFD, FD_CLOEXEC);
    }
    g_unsetenv(UPDATE_VARIABLE);
}

/* --- Start and end ------------------------------------------------------------------------------
 */

static void choose_socket_path(void)
{
    const char *path = g_getenv("XENSTORED_PATH"), *folder = g_getenv("XENSTORED_RUNDIR");

    if (!socket_path) {
        socket_path = path && *path       ? g_strdup(path)
                      : folder && *folder ? g_build_filename(folder, "socket", NULL)
                                          : g_strdup(DEFAULT_SOCKET);
    }
}

static int open_listener(struct daemon *d)
{
    int n = sd_listen_fds(1), fd;

    if (n == 1 && sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) > 0) {
        d->activated = true;
        fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK);
        return SD_LISTEN_FDS_START;
    }
    if (n != 0) {
        complain("socket activation: needs one listening Unix stream socket, got %d descriptors",
                 n);
        return -1;
    }
    fd = xsl_socket_listen(socket_path);
    if (fd < 0) {
        complain("%s: %s", socket_path,
                 fd == -EADDRINUSE     ? "somebody is listening there already"
                 : fd == -ENAMETOOLONG ? "too long for the path of a socket, at most 107 bytes"
                                       : g_strerror(-fd));
    }
    return fd;
}

static bool open_log(struct daemon *d)
{
    if (log_path) {
        d->log = fopen(log_path, "ae");
        if (!d->log) {
            complain("%s: %s", log_path, g_strerror(errno));
            return false;
        }
    } else if (no_fork) {
        d->log = stderr;
    }
    return true;
}

/* As many clients as the system allows. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool write_pid(struct daemon *d)
{
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    g_autoptr(GError) error = NULL;

    if (pid_path && !g_file_set_contents(pid_path, text, -1, &error)) {
        complain("%s: %s", pid_path, reason(error));
        return false;
    }
    d->has_pid = pid_path != NULL;
    return true;
}

/* What is opened before the fork, so that its failure is the program's. */
static bool start(struct daemon *d)
{
    if (d->listener < 0 && (d->listener = open_listener(d)) < 0) {
        return false;
    }
    d->server = xsl_server_new(d->listener);
    if (!d->server) {
        complain("epoll: %s", g_strerror(errno));
        return false;
    }
    stop_server = d->server;
    if (d->dump >= 0) {
        if (!restore_update(d)) {
            return false;
        }
        xsl_store_answer(d->store, 0, "OK");
    } else if (state_path) {
        if (!read_state(d)) {
            return false;
        }
    } else {
        d->store = xsl_store_new(&world_ops, d);
    }
    xsl_server_serve(d->server, d->store);
    return true;
}

static void serve(struct daemon *d)
{
    while (!stop) {
        int err = xsl_server_dispatch(d->server, -1);

        if (err && err != -EINTR) {
            complain("epoll: %s", g_strerror(-err));
            return;
        }
        if (d->update) {
            update(d);
        }
    }
    xsl_server_drain(d->server, DRAIN_MS);
}

static void remove_files(const struct daemon *d)
{
    if (!d->activated && d->listener >= 0) {
        unlink(socket_path);
    }
    if (d->has_pid) {
        unlink(pid_path);
    }
}

/*
 * Goes on in the background.  The parent stays until that is ready, and ends with its
 * status; *ready is where the child tells it.
 */
static bool go_to_background(int *ready)
{
    int ends[2], status = 0;
    pid_t child;
    char byte;

    if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        complain("fork: %s", g_strerror(errno));
        return false;
    }
    if (child == 0) {
        close(ends[0]);
        *ready = ends[1];
        setsid();
        return true;
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) == 1) {
        _exit(0);
    }
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILED);
}

/* The folder stays: paths may be relative, now and after a live update. */
static void leave_terminal(int ready)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        dup2(null, fd);
    }
    close(null);
    if (write(ready, "", 1) < 0) {
        complain("the program that started this one has gone");
    }
    close(ready);
}

static bool parse(int *argc, char ***argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, "A xenstore daemon for a host without Xen.");
    g_option_context_set_description(
        context, "SIGTERM ends it after everything received has been carried out.\n"
                 "`xenstore-control live-update FILE` replaces the running program by FILE;\n"
                 "connections, watches and transactions stay.");
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        complain("%s", error->message);
        return false;
    }
    if (*argc > 1) {
        complain("%s: no such argument, see --help", (*argv)[1]);
        return false;
    }
    return true;
}

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = handle_stop};

    /* No SA_RESTART: waiting ends. */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    g_auto(GStrv) own_arguments = g_strdupv(argv + 1);
    struct daemon d = {.listener = -1, .dump = -1};
    int ready = -1;
    bool good;

    d.own_arguments = own_arguments;
    if (!parse(&argc, &argv)) {
        return EXIT_USAGE;
    }
    if (print_version) {
        printf("xenstored-lite %s\n", XENBED_VERSION);
        return 0;
    }
    choose_socket_path();
    find_update(&d);
    handle_signals();
    raise_limit();
    good = open_log(&d) && start(&d) && (no_fork || d.dump >= 0 || go_to_background(&ready)) &&
           write_pid(&d);
    if (good) {
        if (ready >= 0) {
            leave_terminal(ready);
        }
        sd_notify(0, "READY=1");
        serve(&d);
        sd_notify(0, "STOPPING=1");
        good = !state_path || write_state(&d);
    }
    stop_server = NULL;
    xsl_server_free(d.server);
    xsl_store_free(d.store);
    remove_files(&d);
    g_free(d.program);
    g_strfreev(d.arguments);
    return good ? 0 : EXIT_FAILED;
}
