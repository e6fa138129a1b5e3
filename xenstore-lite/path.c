/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be a path: its characters, its length, and what a relative one means.
 */
#include "store.h"

#include <stdio.h>

static bool is_path_char(unsigned char c)
{
    return g_ascii_isalnum(c) || c == '-' || c == '/' || c == '_' || c == '@';
}

/* No empty component: none begins with '/', and only the root ends with it. */
static bool is_well_formed(const char *path)
{
    size_t i;

    for (i = 0; path[i]; i++) {
        if (!is_path_char(path[i]) || (path[i] == '/' && path[i + 1] == '/')) {
            return false;
        }
    }
    return i > 0 && (path[i - 1] != '/' || i == 1);
}

bool xsl_path_is_absolute(const char *path)
{
    return path[0] == '/' && is_well_formed(path) && strlen(path) <= XSL_ABS_PATH_MAX;
}

/* How much of PATH is a home, "/local/domain/5/", which a quota does not count. */
static size_t home_len(const char *path)
{
    unsigned domid;
    int len = 0;

    return sscanf(path, "/local/domain/%5u/%n", &domid, &len) == 1 ? len : 0;
}

int xsl_path_resolve(const struct xsl_conn *conn, const char *given, char *path, size_t *relative)
{
    size_t prefix = 0, len = strlen(given);

    if (!is_well_formed(given)) {
        return -EINVAL;
    }
    if (given[0] != '/' && !xsl_path_is_special(given)) {
        prefix = snprintf(path, XSL_PATH_SIZE, "/local/domain/%u/", conn->domid);
    }
    if (prefix + len > XSL_ABS_PATH_MAX) {
        return -EINVAL;
    }
    memcpy(path + prefix, given, len + 1);
    /* The quota counts the NUL, too. */
    if (!xsl_conn_privileged(conn) &&
        prefix + len - home_len(path) >= xsl_conn_quota(conn, XSL_QUOTA_PATH_MAX)) {
        return -EINVAL;
    }
    *relative = prefix;
    return 0;
}

bool xsl_path_cut(char *path)
{
    char *slash = strrchr(path, '/');

    if (path[1] == '\0') {
        return false;
    }
    slash[slash == path] = '\0';
    return true;
}

const char *xsl_path_name(const char *path)
{
    return strrchr(path, '/') + 1;
}
