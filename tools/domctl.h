/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control domain may ask of a running domain's hypervisor and change in it.
 * Xen takes these as domctls; here they go to QEMU's xenbed object, by QMP.
 */
#ifndef DOMCTL_H
#define DOMCTL_H

#include "domain.h"
#include "qmp.h"

/* How long a command waits for QEMU. */
#define DOMCTL_SECONDS 30

#define DOMCTL_STATE_LETTERS "rbpscd" /* running, blocked, paused, shut down, crashed, dying */

/* Populate-on-demand, all in pages. */
struct pod_info {
    pages_t entries;                       /* gfns that are populate-on-demand */
    pages_t cache_superpage, cache_single; /* of tot_pages, what waits to populate them */
    /* Since the domain was built: */
    pages_t populated; /* by touches */
    pages_t reclaimed; /* taken back, as they were zero */
    pages_t swept;     /* of those, by emergency sweeps */
};

struct dominfo {
    char state[sizeof(DOMCTL_STATE_LETTERS)]; /* as xl list shows it: a letter or '-' each */
    pages_t tot_pages, max_pages;
    struct pod_info pod;
    GArray *ram; /* of struct address_range: guest memory inside QEMU */
};

void dominfo_clear(struct dominfo *info);

/* Connects to the domain's QEMU, which serves one client at a time: keep it short. */
Qmp *domctl_open(const Domain *domain, unsigned seconds, GError **error);

/* Fills in INFO, to be cleared if it returns true. */
bool domctl_get_info(Qmp *qmp, struct dominfo *info, GError **error);

bool domctl_set_max_pages(Qmp *qmp, pages_t max_pages, GError **error);

/* XENMEM_set_pod_target: nothing comes of it for a domain that has no PoD memory (any more). */
bool domctl_set_pod_target(Qmp *qmp, pages_t pages, GError **error);

/* Stops a domain's vCPUs, and lets them run again or for the first time. */
bool domctl_pause(Qmp *qmp, GError **error);
bool domctl_unpause(Qmp *qmp, GError **error);

/* What Xen printed to its console, a line each; NULL on error.  And forget it. */
char *domctl_get_log(Qmp *qmp, GError **error);
bool domctl_clear_log(Qmp *qmp, GError **error);

/* Ends QEMU. */
bool domctl_quit(Qmp *qmp, GError **error);

/* Opens a connection, reads INFO and closes again. */
bool domctl_read_info(const Domain *domain, unsigned seconds, struct dominfo *info, GError **error);

#endif
