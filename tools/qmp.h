/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small synchronous client of QEMU's machine protocol (QMP).  Events are ignored.
 */
#ifndef QMP_H
#define QMP_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef struct Qmp Qmp;

/*
 * Negotiates on CONNECTION, which it takes.  No answer, to this or to a later command,
 * is waited for much longer than SECONDS.  NAME is whom errors are about.  NULL on error.
 */
Qmp *qmp_new(GSocketConnection *connection, const char *name, unsigned seconds, GError **error);

void qmp_free(Qmp *qmp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

/* Runs COMMAND with ARGUMENTS, taken, or NULL; returns what it returned, NULL on error. */
JsonNode *qmp_execute(Qmp *qmp, const char *command, JsonObject *arguments, GError **error);

#endif
