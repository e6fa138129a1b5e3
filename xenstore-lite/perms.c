/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Permission lists: who may do what with a node.
 */
#include "store.h"

#include <stdio.h>

/* By access: none, read, write, both. */
static const char letters[] = "nrwb";

struct xsl_perms *xsl_perms_new(unsigned n)
{
    struct xsl_perms *perms =
        g_rc_box_alloc0(sizeof(struct xsl_perms) + n * sizeof(struct xsl_perm));

    perms->n = n;
    return perms;
}

struct xsl_perms *xsl_perms_copy(const struct xsl_perms *perms)
{
    struct xsl_perms *copy = xsl_perms_new(perms->n);

    memcpy(copy->entry, perms->entry, perms->n * sizeof(perms->entry[0]));
    return copy;
}

struct xsl_perms *xsl_perms_ref(const struct xsl_perms *perms)
{
    return g_rc_box_acquire((struct xsl_perms *)perms);
}

void xsl_perms_unref(struct xsl_perms *perms)
{
    if (perms) {
        g_rc_box_release(perms);
    }
}

static bool parse_entry(const char *text, struct xsl_perm *entry)
{
    const char *letter = *text ? strchr(letters, *text) : NULL;
    guint64 domid;

    if (!letter || !g_ascii_string_to_unsigned(text + 1, 10, 0, UINT16_MAX, &domid, NULL)) {
        return false;
    }
    *entry = (struct xsl_perm){.domid = domid, .access = letter - letters};
    return true;
}

struct xsl_perms *xsl_perms_parse(const char *const *text, unsigned n)
{
    struct xsl_perms *perms = xsl_perms_new(n);

    for (unsigned i = 0; i < n; i++) {
        if (!parse_entry(text[i], &perms->entry[i])) {
            xsl_perms_unref(perms);
            return NULL;
        }
    }
    return perms;
}

void xsl_perms_format(const struct xsl_perms *perms, GByteArray *buf)
{
    for (unsigned i = 0; i < perms->n; i++) {
        char text[8];
        int len = snprintf(text, sizeof(text), "%c%u", letters[perms->entry[i].access & 3],
                           perms->entry[i].domid);

        g_byte_array_append(buf, (const guint8 *)text, len + 1);
    }
}

/* A client counts as its domain, and as the domain that one stands in for. */
static bool is_domain(const struct xsl_conn *conn, unsigned domid)
{
    return conn->domid == domid || conn->domain->target == (int)domid;
}

unsigned xsl_perms_of(const struct xsl_perms *perms, const struct xsl_conn *conn)
{
    if (xsl_conn_privileged(conn) || is_domain(conn, perms->entry[0].domid)) {
        return XSL_READ | XSL_WRITE | XSL_OWNER;
    }
    for (unsigned i = 1; i < perms->n; i++) {
        const struct xsl_perm *entry = &perms->entry[i];

        if (!entry->dead && (entry->domid == XSL_DOMID_ANY || is_domain(conn, entry->domid))) {
            return entry->access;
        }
    }
    return perms->entry[0].access;
}
