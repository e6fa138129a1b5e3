/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry of domains: see domain.h.
 */
#include "domain.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* No domain's name begins with a dot. */
#define LOCK_FILE ".lock"
#define RECORD_FILE "domain.json"

#define NAME_FIRST G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_"
#define NAME_CHARACTERS NAME_FIRST ".+-"

#define CONNECT_RETRY_US (20 * 1000)

struct Registry {
    char *folder;
    int lock;
    GPtrArray *domains; /* by domid */
};

void domain_free(Domain *domain)
{
    g_free(domain->folder);
    g_free(domain->name);
    g_free(domain);
}

static bool is_number(const char *text)
{
    return *text && !text[strspn(text, G_CSET_DIGITS)];
}

bool domain_check_name(const char *name, GError **error)
{
    if (is_number(name)) {
        return fail(error, "\"%s\" is a number, which would be a domain id", name);
    }
    if (!*name || !strchr(NAME_FIRST, *name) || name[strspn(name, NAME_CHARACTERS)]) {
        return fail(error,
                    "\"%s\" must begin with a letter, digit or _ and go on with these or . + -",
                    name);
    }
    return true;
}

char *domain_path(const Domain *domain, const char *file)
{
    return g_build_filename(domain->folder, file, NULL);
}

char *domain_core_file(const Domain *domain)
{
    return g_build_filename(g_get_user_state_dir(), "xenbed", "dump", domain->name, NULL);
}

char *domain_runtime_folder(GError **error)
{
    const char *user_folder = g_getenv("XDG_RUNTIME_DIR");
    g_autofree char *folder = user_folder && *user_folder
                                  ? g_build_filename(user_folder, "xenbed", NULL)
                                  : g_strdup_printf("/tmp/xenbed-%u", (unsigned)getuid());
    struct stat stat;

    if ((mkdir(folder, 0700) < 0 && errno != EEXIST) || lstat(folder, &stat) < 0) {
        fail_errno(error, folder);
        return NULL;
    }
    /* In /tmp anybody may have made it. */
    if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || stat.st_mode & 077) {
        fail(error, "%s: not a folder that belongs to this user alone (mode 0700)", folder);
        return NULL;
    }
    return g_steal_pointer(&folder);
}

/* Its folder holds files only. */
static void remove_folder(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, file, NULL);

        g_unlink(path);
    }
    g_rmdir(folder);
}

bool domain_save(const Domain *domain, GError **error)
{
    g_autofree char *path = domain_path(domain, RECORD_FILE);
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;
    JsonObject *record = json_object_new();

    json_node_take_object(node, record);
    json_object_set_string_member(record, "name", domain->name);
    json_object_set_int_member(record, "domid", domain->domid);
    json_object_set_int_member(record, "pid", domain->qemu.pid);
    json_object_set_int_member(record, "pid_start", domain->qemu.start);
    json_object_set_int_member(record, "memory", domain->memory);
    json_object_set_int_member(record, "maxmem", domain->maxmem);
    json_object_set_int_member(record, "vcpus", domain->vcpus);
    text = json_to_string(node, TRUE);
    return g_file_set_contents(path, text, -1, error);
}

/* The domain recorded in FOLDER; NULL if there is no record. */
static Domain *load(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, RECORD_FILE, NULL);
    g_autofree char *text = NULL;
    g_autoptr(JsonNode) node = NULL;
    JsonObject *record;
    Domain *domain;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(node = json_from_string(text, NULL)) ||
        !JSON_NODE_HOLDS_OBJECT(node)) {
        return NULL;
    }
    record = json_node_get_object(node);
    domain = g_new0(Domain, 1);
    domain->folder = g_strdup(folder);
    domain->name = g_path_get_basename(folder);
    domain->domid = json_object_get_int_member_with_default(record, "domid", 0);
    domain->qemu.pid = json_object_get_int_member_with_default(record, "pid", 0);
    domain->qemu.start = json_object_get_int_member_with_default(record, "pid_start", 0);
    domain->memory = json_object_get_int_member_with_default(record, "memory", 0);
    domain->maxmem = json_object_get_int_member_with_default(record, "maxmem", 0);
    domain->vcpus = json_object_get_int_member_with_default(record, "vcpus", 0);
    return domain;
}

static int by_domid(gconstpointer a, gconstpointer b)
{
    const Domain *left = *(Domain *const *)a, *right = *(Domain *const *)b;

    return left->domid < right->domid ? -1 : left->domid > right->domid;
}

static bool take_lock(Registry *registry, GError **error)
{
    g_autofree char *path = g_build_filename(registry->folder, LOCK_FILE, NULL);

    registry->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (registry->lock < 0 || flock(registry->lock, LOCK_EX) < 0) {
        return fail_errno(error, path);
    }
    return true;
}

static bool load_all(Registry *registry, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(registry->folder, 0, error);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *folder = g_build_filename(registry->folder, name, NULL);
        g_autoptr(Domain) domain = NULL;

        if (*name == '.') {
            continue;
        }
        domain = load(folder);
        if (domain && process_alive(&domain->qemu)) {
            g_ptr_array_add(registry->domains, g_steal_pointer(&domain));
        } else {
            remove_folder(folder);
        }
    }
    g_ptr_array_sort(registry->domains, by_domid);
    return dir != NULL;
}

Registry *registry_open(GError **error)
{
    g_autofree char *folder = domain_runtime_folder(error);
    g_autoptr(Registry) registry = NULL;

    if (!folder) {
        return NULL;
    }
    registry = g_new0(Registry, 1);
    registry->folder = g_steal_pointer(&folder);
    registry->domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_free);
    return take_lock(registry, error) && load_all(registry, error) ? g_steal_pointer(&registry)
                                                                   : NULL;
}

void registry_close(Registry *registry)
{
    if (registry->lock >= 0) {
        close(registry->lock);
    }
    g_ptr_array_unref(registry->domains);
    g_free(registry->folder);
    g_free(registry);
}

static bool check_socket_path(const Domain *domain, const char *socket, GError **error)
{
    const size_t limit = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    g_autofree char *path = domain_path(domain, socket);

    return strlen(path) <= limit ||
           fail(error, "%s: path of a socket too long, at most %zu bytes are allowed", path, limit);
}

bool registry_add(Registry *registry, Domain *domain, GError **error)
{
    domain->folder = g_build_filename(registry->folder, domain->name, NULL);
    domain->domid = 1;
    for (guint i = 0; i < registry->domains->len; i++) {
        const Domain *other = g_ptr_array_index(registry->domains, i);

        if (g_str_equal(other->name, domain->name)) {
            return fail(error, "%s: a domain of this name exists already (id %u)", domain->name,
                        other->domid);
        }
        if (other->domid == domain->domid) {
            domain->domid++;
        }
    }
    if (!check_socket_path(domain, DOMAIN_QMP_SOCKET, error) ||
        !check_socket_path(domain, DOMAIN_CONSOLE_SOCKET, error) ||
        !check_socket_path(domain, DOMAIN_XENSTORE_SOCKET, error)) {
        return false;
    }
    return mkdir(domain->folder, 0700) == 0 || fail_errno(error, domain->folder);
}

Domain *domain_lookup(const char *name_or_id, GError **error)
{
    g_autoptr(Registry) registry = registry_open(error);

    if (!registry) {
        return NULL;
    }
    for (guint i = 0; i < registry->domains->len; i++) {
        const Domain *domain = g_ptr_array_index(registry->domains, i);
        g_autofree char *id = g_strdup_printf("%u", domain->domid);

        if (g_str_equal(name_or_id, domain->name) || g_str_equal(name_or_id, id)) {
            return g_ptr_array_steal_index(registry->domains, i);
        }
    }
    fail(error, "%s: no such domain", name_or_id);
    return NULL;
}

GPtrArray *domain_list(GError **error)
{
    g_autoptr(Registry) registry = registry_open(error);

    return registry ? g_ptr_array_ref(registry->domains) : NULL;
}

bool domain_clean(GError **error)
{
    g_autoptr(Registry) registry = registry_open(error);

    return registry != NULL;
}

GSocketConnection *domain_connect(const Domain *domain, const char *socket, unsigned seconds,
                                  GError **error)
{
    g_autofree char *path = domain_path(domain, socket);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    gint64 deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

    g_socket_client_set_timeout(client, seconds);
    for (;;) {
        g_autoptr(GError) why = NULL;
        GSocketConnection *connection =
            g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &why);

        if (connection) {
            return connection;
        }
        /* QEMU serves one at a time and lets few wait: then Linux says EAGAIN at once. */
        if (!g_error_matches(why, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ||
            g_get_monotonic_time() > deadline) {
            g_propagate_prefixed_error(error, g_steal_pointer(&why), "%s: %s: ", domain->name,
                                       socket);
            return NULL;
        }
        g_usleep(CONNECT_RETRY_US);
    }
}
