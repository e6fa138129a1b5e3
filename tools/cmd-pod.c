/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed pod: what of a domain's memory is populate-on-demand, what there is to
 * populate it from, and what has come of it so far.
 */
#include "command.h"
#include "domctl.h"
#include "store.h"

#include <stdio.h>

static gboolean as_json;

static const GOptionEntry options[] = {
    {"json", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &as_json, "Print a JSON object", NULL},
    G_OPTION_ENTRY_NULL,
};

enum unit { PAGES, KIB };

struct fact {
    const char *key;
    guint64 value;
    enum unit unit;
};

static void print_json(const struct fact *facts, size_t count)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;

    json_node_take_object(node, object);
    for (size_t i = 0; i < count; i++) {
        json_object_set_int_member(object, facts[i].key, facts[i].value);
    }
    text = json_to_string(node, TRUE);
    printf("%s\n", text);
}

static void print_table(const struct fact *facts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool pages = facts[i].unit == PAGES;
        kib_t kib = facts[i].value * (pages ? KIB_PER_PAGE : 1);

        printf("%-23s: %" G_GUINT64_FORMAT " %s (%.1f MiB)\n", facts[i].key, facts[i].value,
               pages ? "pages" : "KiB", (double)kib / 1024);
    }
}

static bool run(char **arguments, GError **error)
{
    g_autoptr(Domain) domain = domain_lookup(arguments[0], error);
    g_autoptr(Store) store = domain ? store_open(domain, error) : NULL;
    struct dominfo info;
    kib_t target;

    if (!store || !store_read_kib(store, XBT_NULL, "memory/target", &target, error) ||
        !domctl_read_info(domain, DOMCTL_SECONDS, &info, error)) {
        return false;
    }
    const struct fact facts[] = {
        {"tot_pages", info.tot_pages, PAGES},
        {"max_pages", info.max_pages, PAGES},
        {"target", target, KIB},
        {"entries", info.pod.entries, PAGES},
        {"cache_superpage", info.pod.cache_superpage, PAGES},
        {"cache_single", info.pod.cache_single, PAGES},
        {"populated", info.pod.populated, PAGES},
        {"reclaimed", info.pod.reclaimed, PAGES},
        {"swept", info.pod.swept, PAGES},
    };
    dominfo_clear(&info);
    (as_json ? print_json : print_table)(facts, G_N_ELEMENTS(facts));
    return true;
}

const struct command cmd_pod = {
    .name = "pod",
    .arguments = "DOMAIN",
    .summary = "Show the populate-on-demand (PoD) state of a domain",
    .description =
        "All but the target are the hypervisor's numbers, in pages of 4 KiB:\n"
        "  tot_pages        what the domain owns, the PoD cache included\n"
        "  max_pages        the most it may own\n"
        "  target           in KiB, the store's: what its balloon driver is to leave it\n"
        "  entries          what the guest sees and nothing is behind before it is touched\n"
        "  cache_superpage  what is left to put behind the entries, as superpages of 2 MiB\n"
        "  cache_single     the same, as single pages\n"
        "  populated        what touches took out of the cache since the domain was built\n"
        "  reclaimed        what was zero and was taken back into the cache\n"
        "  swept            of reclaimed, what a search found when the cache was empty\n\n"
        "If the entries are more than the cache, the balloon driver has to give back the rest. "
        "In a domain\nwithout populate-on-demand all numbers from entries on are 0.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
