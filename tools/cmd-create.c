/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed create: starts a domain from its description.  Everything is checked
 * before QEMU is started; when it fails later, all is undone.
 */
#include "command.h"
#include "console.h"
#include "domctl.h"
#include "error.h"
#include "host.h"
#include "qemu.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SECONDS 30
#define POLL_MS 20
/* How long a QEMU that broke its connection may take to end and so tell why. */
#define END_MS 2000

static gboolean attach;
static gboolean paused;

static const GOptionEntry options[] = {
    {"console", 'c', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &attach,
     "Attach to the domain's console, from its first line on", NULL},
    {"paused", 'p', G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &paused,
     "Leave the domain paused: xenbed unpause starts it", NULL},
    G_OPTION_ENTRY_NULL,
};

/* The QEMU that is not fully started, for the signal handler; 0 if there is none. */
static volatile sig_atomic_t starting_pid;
static volatile sig_atomic_t interrupted;

/* Ending QEMU makes what waits for it fail, and that failure is undone like any other. */
static void interrupt(int signal)
{
    interrupted = signal;
    if (starting_pid) {
        kill(starting_pid, SIGKILL);
    }
}

static void handle_interrupts(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Whether PATH is a regular file that can be read; NULL will do. */
static bool check_file(const char *path, GError **error)
{
    struct stat stat;
    int file;

    if (!path) {
        return true;
    }
    file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || fstat(file, &stat) < 0) {
        return fail_errno(error, path);
    }
    close(file);
    return S_ISREG(stat.st_mode) || fail(error, "%s: not a regular file", path);
}

static Config *read_config(const char *path, GError **error)
{
    g_autoptr(Config) config = NULL;

    if (!check_file(path, error)) {
        return NULL;
    }
    printf("Parsing config from %s\n", path);
    fflush(stdout);
    config = config_read(path, error);
    if (!config) {
        return NULL;
    }
    for (guint i = 0; i < config->warnings->len; i++) {
        fprintf(stderr, "xenbed: %s\n", (char *)g_ptr_array_index(config->warnings, i));
    }
    return check_file(config->kernel, error) && check_file(config->ramdisk, error)
               ? g_steal_pointer(&config)
               : NULL;
}

/* Settles what the domain runs on, and says so. */
static bool choose_accel(Config *config, GError **error)
{
    const char *wanted = config->icount ? "tcg" : config->accel;
    g_autoptr(Finding) lack = g_str_equal(wanted, "tcg") ? NULL : host_find_lack(NEED_KVM);
    const char *why;
    const char *accel = host_accel(wanted, lack, &why, error);

    if (!accel) {
        return false;
    }
    why = config->icount ? "icount needs it" : why;
    printf("Using %s%s%s\n", accel, why ? ": " : "", why ? why : "");
    fflush(stdout);
    g_free(config->accel);
    config->accel = g_strdup(accel);
    return true;
}

/* Runs in the child: out of reach of the terminal's signals. */
static void leave_session(G_GNUC_UNUSED void *data)
{
    setsid();
}

static bool spawn(Domain *domain, GStrv arguments, GError **error)
{
    g_autofree char *path = domain_path(domain, DOMAIN_QEMU_LOG);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    GPid pid;
    bool ok;

    if (log < 0) {
        return fail_errno(error, path);
    }
    ok = g_spawn_async_with_fds(NULL, arguments, NULL, G_SPAWN_DO_NOT_REAP_CHILD, leave_session,
                                NULL, &pid, -1, log, log, error);
    close(log);
    if (!ok) {
        g_prefix_error(error, "%s: ", domain->name);
        return false;
    }
    domain->qemu.pid = starting_pid = pid;
    return !interrupted && process_identify(pid, &domain->qemu, error);
}

static bool make_core_folder(const Domain *domain, GError **error)
{
    g_autofree char *file = domain_core_file(domain);
    g_autofree char *folder = g_path_get_dirname(file);

    return g_mkdir_with_parents(folder, 0700) == 0 || fail_errno(error, folder);
}

/* Enters the domain in the registry with its QEMU running. */
static bool start(Domain *domain, const char *qemu, const Config *config, GError **error)
{
    g_autoptr(Registry) registry = registry_open(error);
    g_auto(GStrv) arguments = NULL;

    if (!registry || !registry_add(registry, domain, error) ||
        (config_dumps_core(config) && !make_core_folder(domain, error))) {
        return false;
    }
    arguments = qemu_arguments(qemu, domain, config);
    return spawn(domain, arguments, error) && domain_save(domain, error);
}

/* Waits until QEMU answers: until then its socket is missing or refuses. */
static Qmp *wait_for_qmp(const Domain *domain, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + START_SECONDS * G_USEC_PER_SEC;

    for (;;) {
        g_autoptr(GError) why = NULL;
        Qmp *qmp = domctl_open(domain, START_SECONDS, &why);
        bool not_yet = g_error_matches(why, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
                       g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);

        if (qmp) {
            return qmp;
        }
        if (!not_yet || process_wait(&domain->qemu, POLL_MS) || g_get_monotonic_time() > deadline) {
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
    }
}

/* Attaches the console before the domain runs, so that nothing of its output is missed. */
static bool let_run(const Domain *domain, GSocketConnection **console, GError **error)
{
    g_autoptr(Qmp) qmp = wait_for_qmp(domain, error);

    if (!qmp) {
        return false;
    }
    if (attach && !(*console = console_open(domain, error))) {
        return false;
    }
    return paused || domctl_unpause(qmp, error);
}

/* Sets *error, which the other end of a broken connection knows better, to QEMU's own words. */
static void explain_end(const Domain *domain, const char *qemu, int status, GError **error)
{
    g_autofree char *words = qemu_last_words(qemu, domain);

    g_clear_error(error);
    if (words) {
        fail(error, "%s: QEMU ended: %s", domain->name, words);
    } else {
        fail(error, "%s: QEMU ended with %s %d and no message", domain->name,
             WIFEXITED(status) ? "status" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
}

/* Ends the QEMU of a domain that did not start and removes its folder. */
static void undo(const Domain *domain, const char *qemu, GError **error)
{
    if (domain->qemu.pid) {
        bool ended_itself = process_wait(&domain->qemu, END_MS);
        int status;

        kill(domain->qemu.pid, SIGKILL);
        waitpid(domain->qemu.pid, &status, 0);
        if (ended_itself) {
            explain_end(domain, qemu, status, error);
        }
    }
    if (interrupted) {
        g_clear_error(error);
        fail(error, "%s: interrupted by signal %d", domain->name, interrupted);
    }
    domain_clean(NULL);
}

static Domain *new_domain(const Config *config)
{
    Domain *domain = g_new0(Domain, 1);

    domain->name = g_strdup(config->name);
    domain->vcpus = config->vcpus;
    domain->memory = config->memory * 1024;
    domain->maxmem = config->maxmem * 1024;
    return domain;
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Config) config = read_config(arguments[0], error);
    g_autofree char *qemu = qemu_path();
    g_autoptr(Domain) domain = NULL;
    g_autoptr(GSocketConnection) console = NULL;
    bool started;

    if (!config) {
        return false;
    }
    if (access(qemu, X_OK) < 0) {
        fail_errno(error, qemu);
        g_prefix_error(error, "QEMU: ");
        return false;
    }
    if (!choose_accel(config, error)) {
        return false;
    }
    domain = new_domain(config);
    handle_interrupts(interrupt);
    started = start(domain, qemu, config, error) && let_run(domain, &console, error);
    handle_interrupts(SIG_DFL);
    if (!started || interrupted) {
        undo(domain, qemu, error);
        return false;
    }
    return !console || console_run(console, error);
}

const struct command cmd_create = {
    .name = "create",
    .arguments = "FILE",
    .summary = "Start a domain from its description",
    .description =
        "FILE is in xl.cfg's syntax. Its keys:\n"
        "  name               of the domain; neither a number nor one in use\n"
        "  memory             MiB the guest gets at start\n"
        "  maxmem             MiB it may balloon up to (default: memory); it boots as if it had "
        "them, and\n"
        "                     its balloon driver has to give back what is above memory\n"
        "  vcpus              1 to 128 (default 1)\n"
        "  kernel, ramdisk    files\n"
        "  extra              added to the kernel's command line; cmdline is used in its place\n"
        "  type               \"hvm\" (default), or \"pvh\": the kernel, an ELF file with a PVH "
        "entry,\n"
        "                     starts without firmware\n"
        "  accel              \"auto\" (default), \"tcg\", \"kvm\": what the guest runs on; "
        "\"auto\" is kvm where\n"
        "                     that fully works (xenbed doctor tells), else tcg\n"
        "  xen_version        \"4.17\", say: the Xen that the guest sees (default: the newest)\n"
        "  poison             1: pages handed out by Xen hold garbage instead of zeroes "
        "(default 0)\n"
        "  check              1: Xen checks counters and p2m after every hypercall (default 0)\n"
        "  on_poweroff        \"destroy\" (default) or \"preserve\": what becomes of a domain that "
        "has\n"
        "                     shut down\n"
        "  on_crash           \"destroy\" (default), \"restart\", \"preserve\", "
        "\"coredump-destroy\",\n"
        "                     \"coredump-restart\": what becomes of one that has crashed; "
        "or \"debug\":\n"
        "                     what would crash it stops it there, and it can go on when there is "
        "memory.\n"
        "                     Cores go to $XDG_STATE_HOME/xenbed/dump/NAME (~/.local/state/...)\n"
        "  on_hole            the same for one that touches a page it has not got, each page's "
        "first "
        "time;\n"
        "                     \"none\" (default): it reads as all ones, as on Xen\n"
        "  icount             \"shift=3,sleep=off\", say: time goes by instructions, so that runs "
        "are "
        "repeatable\n"
        "                     and waiting takes none (QEMU's -icount); on tcg alone\n"
        "  device_model_args  [ \"...\" ]: more arguments for QEMU\n\n"
        "Environment: XENBED_QEMU is the QEMU to start, XENBED_ACCEL the default of accel.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
