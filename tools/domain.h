/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domains of this user: one QEMU process and one folder each, in the runtime
 * folder ($XDG_RUNTIME_DIR/xenbed, else /tmp/xenbed-UID).  There is no daemon;
 * what holds is what the folders say, read and changed under a lock file.
 */
#ifndef DOMAIN_H
#define DOMAIN_H

#include "process.h"

#include <gio/gio.h>

#define DOMAIN_CONSOLE_LOG "console.log"
#define DOMAIN_CONSOLE_SOCKET "console.sock"
#define DOMAIN_PID_FILE "pid"
#define DOMAIN_QEMU_LOG "qemu.log"
#define DOMAIN_QMP_SOCKET "qmp.sock"
#define DOMAIN_XENSTORE_SOCKET "xenstore.sock"

typedef struct Domain {
    char *folder;
    char *name;
    unsigned domid;
    unsigned vcpus;
    kib_t memory, maxmem;
    struct process qemu;
} Domain;

void domain_free(Domain *domain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_free)

/*
 * Whether NAME may name a domain: not a number, which would be a domid, and safe as
 * the name of a folder and in QEMU's options.  The error is the reason alone.
 */
bool domain_check_name(const char *name, GError **error);

/* The runtime folder, created if need be; it must be ours alone.  NULL on error. */
char *domain_runtime_folder(GError **error);

/* The domain with this name or domid, NULL on error. */
Domain *domain_lookup(const char *name_or_id, GError **error);

/* All domains by domid, NULL on error. */
GPtrArray *domain_list(GError **error);

/*
 * The registry of domains, locked while it is open: of two creates with one name only
 * one goes through.  Opening it removes the folders of domains whose QEMU is gone.
 */
typedef struct Registry Registry;

Registry *registry_open(GError **error);
void registry_close(Registry *registry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_close)

/*
 * Gives DOMAIN, whose name and sizes are set, a free domid and a folder.  It counts as
 * gone until its record is saved with a running QEMU in it, which the caller does
 * before closing the registry.
 */
bool registry_add(Registry *registry, Domain *domain, GError **error);

/* Removes the folders of domains whose QEMU is gone, by opening and closing the registry. */
bool domain_clean(GError **error);

/* Writes the domain's record. */
bool domain_save(const Domain *domain, GError **error);

/* The path of FILE in the domain's folder. */
char *domain_path(const Domain *domain, const char *file);

/* Where the domain's memory is dumped to when it crashes: it outlives the domain, the folder too.
 */
char *domain_core_file(const Domain *domain);

/*
 * Connects to one of the domain's sockets.  Waiting for it, and every later read and
 * write, takes at most SECONDS each (0: no limit).
 */
GSocketConnection *domain_connect(const Domain *domain, const char *socket, unsigned seconds,
                                  GError **error);

#endif
