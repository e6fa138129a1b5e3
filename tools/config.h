/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The description of a domain: a file in xl.cfg's syntax.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <glib.h>
#include <stdbool.h>

typedef struct Config {
    char *name;
    char *type;        /* "hvm" or "pvh" */
    char *accel;       /* "auto", "tcg" or "kvm"; with icount not "kvm" */
    char *xen_version; /* "4.17"; may be NULL: the newest */
    char *on_poweroff; /* "destroy" or "preserve" */
    char *on_crash;    /* XenbedAction in QEMU's QAPI schema; on_hole may be "none" */
    char *on_hole;
    char *kernel; /* these four may be NULL */
    char *ramdisk;
    char *extra;
    char *cmdline;          /* instead of extra */
    char *icount;           /* QEMU's option of that name; may be NULL */
    guint64 memory, maxmem; /* MiB */
    guint64 vcpus;
    guint64 poison, check;        /* 0 or 1: pages handed out hold garbage; Xen checks itself */
    GPtrArray *device_model_args; /* strings, may be NULL: more arguments for QEMU */
    GPtrArray *warnings;          /* lines for the user, e.g. on unknown keys */
} Config;

/*
 * Reads and checks the file at PATH, fills in defaults.  Looks at no other file:
 * whether there is such a kernel is not checked here.
 * Returns NULL on error: "PATH:LINE: KEY: REASON" when one line is to blame,
 * else "PATH: KEY: REASON".
 */
Config *config_read(const char *path, GError **error);

/* What accel is without being set: $XENBED_ACCEL, else "auto"; NULL if the variable is wrong. */
const char *config_default_accel(GError **error);

/* Whether on_crash or on_hole may want to dump the domain's memory. */
bool config_dumps_core(const Config *config);

/* The newest Xen that QEMU's xenbed knows, XENBED_VERSION_NEWEST there. */
#define XEN_VERSION_NEWEST 0x40016

/* The Xen version to show as XENVER_version has it; 0 if xen_version is none. */
guint32 config_xen_version(const Config *config);

void config_free(Config *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

#endif
