/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal of a domain: standard input and output joined to its console socket.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "domain.h"

GSocketConnection *console_open(const Domain *domain, GError **error);

/*
 * Copies both ways until the domain closes the console, Ctrl-] is typed on a terminal,
 * a signal asks to end, or, once standard input has ended, the domain is silent for a
 * second.  A terminal is raw meanwhile and always restored.
 */
bool console_run(GSocketConnection *connection, GError **error);

#endif
