/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed info: what xenbed uses, or all that is known of one domain.
 */
#include "command.h"
#include "domctl.h"
#include "qemu.h"
#include "store.h"
#include "tools-config.h"

#include <stdio.h>

static gboolean as_json;

static const GOptionEntry options[] = {
    {"json", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &as_json, "Print a JSON object", NULL},
    G_OPTION_ENTRY_NULL,
};

static void set_string(JsonObject *facts, const char *key, const char *value)
{
    if (value) {
        json_object_set_string_member(facts, key, value);
    } else {
        json_object_set_null_member(facts, key);
    }
}

static bool describe_host(JsonObject *facts, GError **error)
{
    g_autofree char *folder = domain_runtime_folder(error);
    g_autoptr(GPtrArray) domains = folder ? domain_list(error) : NULL;
    g_autofree char *qemu = qemu_path();
    g_autofree char *version = qemu_version(qemu, NULL);

    if (!domains) {
        return false;
    }
    set_string(facts, "xenbed_version", XENBED_VERSION);
    set_string(facts, "qemu", qemu);
    set_string(facts, "qemu_version", version);
    set_string(facts, "runtime_folder", folder);
    json_object_set_int_member(facts, "domains", domains->len);
    return true;
}

/* What the store says, which is what the guest is told. */
static bool describe_memory(JsonObject *facts, const Domain *domain, GError **error)
{
    static const char *const nodes[] = {"target", "static-max", "videoram"};
    g_autoptr(Store) store = store_open(domain, error);

    for (size_t i = 0; store && i < G_N_ELEMENTS(nodes); i++) {
        g_autofree char *path = g_strconcat("memory/", nodes[i], NULL);
        kib_t value;

        if (!store_read_kib(store, XBT_NULL, path, &value, error)) {
            return false;
        }
        json_object_set_int_member(facts, nodes[i], value);
    }
    return store != NULL;
}

static bool describe_domain(JsonObject *facts, const char *name_or_id, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(name_or_id, error);
    g_autofree char *xenstore = domain ? domain_path(domain, DOMAIN_XENSTORE_SOCKET) : NULL;
    struct dominfo info;
    kib_t resident;
    bool counted;

    if (!domain || !domctl_read_info(domain, DOMCTL_SECONDS, &info, error)) {
        return false;
    }
    counted = process_resident(&domain->qemu, info.ram, &resident, error);
    dominfo_clear(&info);
    if (!counted) {
        return false;
    }
    set_string(facts, "name", domain->name);
    json_object_set_int_member(facts, "domid", domain->domid);
    json_object_set_int_member(facts, "pid", domain->qemu.pid);
    set_string(facts, "state", info.state);
    json_object_set_int_member(facts, "vcpus", domain->vcpus);
    json_object_set_int_member(facts, "tot_pages", info.tot_pages);
    json_object_set_int_member(facts, "max_pages", info.max_pages);
    json_object_set_int_member(facts, "pod_entries", info.pod.entries);
    json_object_set_int_member(facts, "pod_cache",
                               info.pod.cache_superpage + info.pod.cache_single);
    if (!describe_memory(facts, domain, error)) {
        return false;
    }
    json_object_set_int_member(facts, "resident", resident);
    set_string(facts, "xenstore", xenstore);
    return true;
}

static void print_fact(const char *key, JsonNode *value)
{
    if (json_node_get_value_type(value) == G_TYPE_INT64) {
        printf("%-23s: %" G_GINT64_FORMAT "\n", key, json_node_get_int(value));
    } else {
        printf("%-23s: %s\n", key, JSON_NODE_HOLDS_NULL(value) ? "-" : json_node_get_string(value));
    }
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *facts = json_object_new();

    json_node_take_object(node, facts);
    if (!(arguments[0] ? describe_domain(facts, arguments[0], error)
                       : describe_host(facts, error))) {
        return false;
    }
    if (as_json) {
        g_autofree char *text = json_to_string(node, TRUE);

        printf("%s\n", text);
    } else {
        JsonObjectIter fact;
        const char *key;
        JsonNode *value;

        json_object_iter_init_ordered(&fact, facts);
        while (json_object_iter_next_ordered(&fact, &key, &value)) {
            print_fact(key, value);
        }
    }
    return true;
}

const struct command cmd_info = {
    .name = "info",
    .arguments = "[DOMAIN]",
    .summary = "Show what xenbed uses, or all about one domain",
    .description =
        "Of a domain: tot_pages and max_pages are the hypervisor's, in pages of 4 KiB, and so are "
        "pod_entries\nand pod_cache: what is populate-on-demand, and what it is populated from "
        "(xenbed pod shows more);\ntarget, static-max and videoram are the store's, in KiB; "
        "resident is the host memory really behind\nthe guest's, in KiB; xenstore is the socket "
        "of its xenstore.",
    .options = options,
    .max_arguments = 1,
    .run = run,
};
