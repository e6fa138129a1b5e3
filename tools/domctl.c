/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control domain's calls, as QMP commands on QEMU's xenbed object: see domctl.h.
 */
#include "domctl.h"

#include "error.h"

#include <string.h>

#define XENBED_OBJECT "/objects/xenbed0"
#define LOG_PROPERTY "xen-log"

static JsonObject *property_arguments(const char *property)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "path", XENBED_OBJECT);
    json_object_set_string_member(arguments, "property", property);
    return arguments;
}

static JsonNode *get_property(Qmp *qmp, const char *property, GError **error)
{
    return qmp_execute(qmp, "qom-get", property_arguments(property), error);
}

/* Takes VALUE. */
static bool set_property(Qmp *qmp, const char *property, JsonNode *value, GError **error)
{
    JsonObject *arguments = property_arguments(property);
    g_autoptr(JsonNode) nothing = NULL;

    json_object_set_member(arguments, "value", value);
    nothing = qmp_execute(qmp, "qom-set", arguments, error);
    return nothing != NULL;
}

static JsonNode *int_node(guint64 value)
{
    return json_node_init_int(json_node_alloc(), value);
}

static bool run(Qmp *qmp, const char *command, GError **error)
{
    g_autoptr(JsonNode) nothing = qmp_execute(qmp, command, NULL, error);

    return nothing != NULL;
}

static void add_ram_block(GArray *ranges, JsonObject *block)
{
    guint64 host = json_object_get_int_member_with_default(block, "host", 0);
    pages_t pages = json_object_get_int_member_with_default(block, "pages", 0);
    struct address_range range = {host, host + pages * KIB_PER_PAGE * 1024};

    g_array_append_val(ranges, range);
}

static pages_t get_pages(JsonObject *domain, const char *member)
{
    return json_object_get_int_member_with_default(domain, member, 0);
}

/* The property `domain`: what the hypervisor knows. */
static bool get_domain(Qmp *qmp, struct dominfo *info, GError **error)
{
    g_autoptr(JsonNode) node = get_property(qmp, "domain", error);
    JsonObject *domain;
    JsonArray *blocks;

    if (!node) {
        return false;
    }
    if (!JSON_NODE_HOLDS_OBJECT(node) ||
        !json_object_has_member(domain = json_node_get_object(node), "ram")) {
        return fail(error, "%s: no domain there", XENBED_OBJECT);
    }
    info->tot_pages = get_pages(domain, "tot-pages");
    info->max_pages = get_pages(domain, "max-pages");
    info->pod = (struct pod_info){
        .entries = get_pages(domain, "pod-entries"),
        .cache_superpage = get_pages(domain, "pod-cache-superpage"),
        .cache_single = get_pages(domain, "pod-cache-single"),
        .populated = get_pages(domain, "pod-populated"),
        .reclaimed = get_pages(domain, "pod-reclaimed"),
        .swept = get_pages(domain, "pod-swept"),
    };
    info->ram = g_array_new(FALSE, FALSE, sizeof(struct address_range));
    blocks = json_object_get_array_member(domain, "ram");
    for (guint i = 0; i < json_array_get_length(blocks); i++) {
        add_ram_block(info->ram, json_array_get_object_element(blocks, i));
    }
    return true;
}

/* QEMU's run states that xl has letters for; all others are a pause of some kind. */
static bool get_state(Qmp *qmp, char *state, GError **error)
{
    static const struct {
        const char *status, *letters;
    } states[] = {
        {"running", "r"},
        {"shutdown", "s"},
        {"guest-panicked", "sc"},
    };
    g_autoptr(JsonNode) node = qmp_execute(qmp, "query-status", NULL, error);
    const char *status, *letters = "p";

    if (!node) {
        return false;
    }
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        return fail(error, "query-status: not an object");
    }
    status = json_object_get_string_member_with_default(json_node_get_object(node), "status", "");
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        if (g_str_equal(status, states[i].status)) {
            letters = states[i].letters;
        }
    }
    for (size_t i = 0; i < strlen(DOMCTL_STATE_LETTERS); i++) {
        state[i] = strchr(letters, DOMCTL_STATE_LETTERS[i]) ? DOMCTL_STATE_LETTERS[i] : '-';
    }
    state[strlen(DOMCTL_STATE_LETTERS)] = '\0';
    return true;
}

Qmp *domctl_open(const Domain *domain, unsigned seconds, GError **error)
{
    GSocketConnection *connection = domain_connect(domain, DOMAIN_QMP_SOCKET, seconds, error);

    return connection ? qmp_new(connection, domain->name, seconds, error) : NULL;
}

bool domctl_get_info(Qmp *qmp, struct dominfo *info, GError **error)
{
    *info = (struct dominfo){0};
    if (get_state(qmp, info->state, error) && get_domain(qmp, info, error)) {
        return true;
    }
    dominfo_clear(info);
    return false;
}

void dominfo_clear(struct dominfo *info)
{
    g_clear_pointer(&info->ram, g_array_unref);
}

bool domctl_read_info(const Domain *domain, unsigned seconds, struct dominfo *info, GError **error)
{
    g_autoptr(Qmp) qmp = domctl_open(domain, seconds, error);

    return qmp && domctl_get_info(qmp, info, error);
}

bool domctl_set_max_pages(Qmp *qmp, pages_t max_pages, GError **error)
{
    return set_property(qmp, "max-pages", int_node(max_pages), error);
}

bool domctl_set_pod_target(Qmp *qmp, pages_t pages, GError **error)
{
    return set_property(qmp, "pod-target", int_node(pages), error);
}

bool domctl_pause(Qmp *qmp, GError **error)
{
    return run(qmp, "stop", error);
}

bool domctl_unpause(Qmp *qmp, GError **error)
{
    return run(qmp, "cont", error);
}

char *domctl_get_log(Qmp *qmp, GError **error)
{
    g_autoptr(JsonNode) node = get_property(qmp, LOG_PROPERTY, error);

    if (node && json_node_get_value_type(node) != G_TYPE_STRING) {
        fail(error, "%s: %s: not a string", XENBED_OBJECT, LOG_PROPERTY);
        return NULL;
    }
    return node ? json_node_dup_string(node) : NULL;
}

bool domctl_clear_log(Qmp *qmp, GError **error)
{
    return set_property(qmp, LOG_PROPERTY, json_node_init_string(json_node_alloc(), ""), error);
}

bool domctl_quit(Qmp *qmp, GError **error)
{
    return run(qmp, "quit", error);
}
