/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU as a program: see qemu.h.
 */
#include "qemu.h"

#include "error.h"

#include <string.h>
#include <unistd.h>

/* Where Debian has SeaBIOS and QEMU's option ROMs. */
static const char *const firmware[] = {"/usr/share/seabios", "/usr/share/qemu", NULL};

/*
 * Plain, but one whose TSC kernels take for constant, as it is.  Linux measures delays on each vCPU
 * of another one, by ticks that some versions have far between under Xen: seconds a vCPU.
 */
#define TCG_CPU_MODEL "qemu64,vendor=GenuineIntel,family=6,model=26"

bool qemu_is_chosen(void)
{
    const char *chosen = g_getenv("XENBED_QEMU");

    return chosen && *chosen;
}

char *qemu_path(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = self ? g_path_get_dirname(self) : NULL;

    if (qemu_is_chosen()) {
        return g_strdup(g_getenv("XENBED_QEMU"));
    }
    return g_canonicalize_filename("../qemu/qemu-system-x86_64", folder);
}

/* What QEMU prints when started with OPTION and VALUE, which may be NULL, and ends after. */
static char *ask(const char *path, const char *option, const char *value, GError **error)
{
    const char *const arguments[] = {path, option, value, NULL};
    g_autofree char *output = NULL;
    g_autofree char *words = NULL;
    int status;

    if (access(path, X_OK) < 0) {
        fail_errno(error, path);
        return NULL;
    }
    if (!g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, &words,
                      &status, error)) {
        return NULL;
    }
    if (!g_spawn_check_wait_status(status, error)) {
        words[strcspn(words, "\n")] = '\0';
        g_prefix_error(error, "%s: %s%s", path, words, *words ? ": " : "");
        return NULL;
    }
    return g_steal_pointer(&output);
}

char *qemu_version(const char *path, GError **error)
{
    char *version = ask(path, "--version", NULL, error);

    if (version) {
        version[strcspn(version, "\n")] = '\0';
    }
    return version;
}

bool qemu_lists(const char *path, const char *option, const char *name, GError **error)
{
    g_autofree char *list = ask(path, option, "help", error);
    g_auto(GStrv) words = list ? g_strsplit_set(list, " \n", -1) : NULL;

    return words && (g_strv_contains((const char *const *)words, name) ||
                     fail(error, "%s: there is no %s in its %s help", path, name, option));
}

char *qemu_firmware(const char *name, GError **error)
{
    g_autofree char *folders = NULL;

    for (size_t i = 0; firmware[i]; i++) {
        g_autofree char *path = g_build_filename(firmware[i], name, NULL);

        if (access(path, R_OK) == 0) {
            return g_steal_pointer(&path);
        }
    }
    folders = g_strjoinv(", ", (char **)firmware);
    fail(error, "%s: in none of %s", name, folders);
    return NULL;
}

static void add(GPtrArray *arguments, const char *argument)
{
    g_ptr_array_add(arguments, g_strdup(argument));
}

static void add_pair(GPtrArray *arguments, const char *option, const char *value)
{
    if (value) {
        add(arguments, option);
        add(arguments, value);
    }
}

/* OPTION with a value made from FORMAT. */
static void G_GNUC_PRINTF(3, 4)
    add_option(GPtrArray *arguments, const char *option, const char *format, ...)
{
    va_list values;

    add(arguments, option);
    va_start(values, format);
    g_ptr_array_add(arguments, g_strdup_vprintf(format, values));
    va_end(values);
}

/* A path as QEMU's comma-separated options take it. */
static char *option_value(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, ",", -1);

    return g_strjoinv(",,", parts);
}

/* The same of a file in the domain's folder. */
static char *option_path(const Domain *domain, const char *file)
{
    g_autofree char *path = domain_path(domain, file);

    return option_value(path);
}

static void add_accel(GPtrArray *arguments, const Config *config)
{
    if (g_str_equal(config->accel, "kvm")) {
        add_option(arguments, "-accel", "kvm,xen-version=%#x,kernel-irqchip=split",
                   config_xen_version(config));
        add_pair(arguments, "-cpu", "host");
        return;
    }
    add_pair(arguments, "-accel", config->icount ? "tcg,thread=single" : "tcg,thread=multi");
    add_pair(arguments, "-icount", config->icount);
    add_pair(arguments, "-cpu", TCG_CPU_MODEL);
}

static void add_machine(GPtrArray *arguments, const Domain *domain, const Config *config)
{
    static const char *const fixed[] = {"-nodefaults", "-display", "none", "-vga",
                                        "none",        "-nic",     "none", "-no-user-config"};
    g_autofree char *xenstore = option_path(domain, DOMAIN_XENSTORE_SOCKET);
    g_autoptr(GString) object = g_string_new(NULL);
    g_autofree char *core_file = domain_core_file(domain);
    g_autofree char *core = option_value(core_file);

    add_accel(arguments, config);
    g_string_printf(object, "xenbed,id=xenbed0,name=%s,domid=%u,xenstore=%s,domain-type=%s",
                    domain->name, domain->domid, xenstore, config->type);
    if (config->xen_version) {
        g_string_append_printf(object, ",xen-version=%u", config_xen_version(config));
    }
    if (config->memory < config->maxmem) {
        g_string_append_printf(object, ",memory=%" G_GUINT64_FORMAT "M", config->memory);
    }
    g_string_append_printf(object, ",on-crash=%s", config->on_crash);
    if (!g_str_equal(config->on_hole, "none")) {
        g_string_append_printf(object, ",on-hole=%s", config->on_hole);
    }
    if (config_dumps_core(config)) {
        g_string_append_printf(object, ",core-file=%s", core);
    }
    if (config->poison) {
        g_string_append(object, ",poison=on");
    }
    if (config->check) {
        g_string_append(object, ",check=on");
    }
    add_pair(arguments, "-object", object->str);
    add_pair(arguments, "-machine", "pc");
    if (g_str_equal(config->on_poweroff, "preserve")) {
        add(arguments, "-no-shutdown");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        add(arguments, fixed[i]);
    }
    for (size_t i = 0; firmware[i]; i++) {
        add_pair(arguments, "-L", firmware[i]);
    }
    add_option(arguments, "-m", "%" G_GUINT64_FORMAT "M", config->maxmem);
    add_option(arguments, "-smp", "%" G_GUINT64_FORMAT, config->vcpus);
}

static void add_connections(GPtrArray *arguments, const Domain *domain)
{
    g_autofree char *console = option_path(domain, DOMAIN_CONSOLE_SOCKET);
    g_autofree char *log = option_path(domain, DOMAIN_CONSOLE_LOG);
    g_autofree char *qmp = option_path(domain, DOMAIN_QMP_SOCKET);
    g_autofree char *pid = domain_path(domain, DOMAIN_PID_FILE);

    add_option(arguments, "-chardev", "socket,id=console,path=%s,server=on,wait=off,logfile=%s",
               console, log);
    add_pair(arguments, "-device", "xen-console,chardev=console");
    add_option(arguments, "-qmp", "unix:%s,server=on,wait=off", qmp);
    add_pair(arguments, "-pidfile", pid);
}

GStrv qemu_arguments(const char *path, const Domain *domain, const Config *config)
{
    GPtrArray *arguments = g_ptr_array_new();

    add(arguments, path);
    add(arguments, "-S");
    add_machine(arguments, domain, config);
    add_connections(arguments, domain);
    add_pair(arguments, "-kernel", config->kernel);
    add_pair(arguments, "-initrd", config->ramdisk);
    add_pair(arguments, "-append", config->cmdline ? config->cmdline : config->extra);
    for (guint i = 0; config->device_model_args && i < config->device_model_args->len; i++) {
        add(arguments, g_ptr_array_index(config->device_model_args, i));
    }
    g_ptr_array_add(arguments, NULL);
    return (GStrv)g_ptr_array_free(arguments, FALSE);
}

char *qemu_last_words(const char *path, const Domain *domain)
{
    g_autofree char *log = domain_path(domain, DOMAIN_QEMU_LOG);
    g_autofree char *program = g_path_get_basename(path);
    g_autofree char *prefix = g_strconcat(program, ":", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GString *words = g_string_new(NULL);
    bool has_message = false;

    if (g_file_get_contents(log, &text, NULL, NULL)) {
        lines = g_strsplit(text, "\n", -1);
    }
    for (char **line = lines; line && *line; line++) {
        bool is_message = g_str_has_prefix(*line, prefix);

        if (!*g_strstrip(*line)) {
            continue;
        }
        has_message |= is_message;
        if (is_message || !has_message) {
            g_string_truncate(words, 0);
        }
        g_string_append_printf(words, "%s%s", words->len ? "; " : "", *line);
    }
    return g_string_free(words, words->len == 0);
}
