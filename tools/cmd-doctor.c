/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbed doctor: what this machine has for guests to run, what it lacks, and what
 * mends that.
 */
#include "command.h"
#include "config.h"
#include "error.h"
#include "host.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

static gboolean as_json;

static const GOptionEntry options[] = {
    {"json", 0, G_OPTION_FLAG_NONE, G_OPTION_ARG_NONE, &as_json, "Print a JSON object", NULL},
    G_OPTION_ENTRY_NULL,
};

static const char *const needs[] = {
    [NEED_GUESTS] = "guests",
    [NEED_KVM] = "kvm",
    [NEED_GDB] = "gdb",
};

static const Finding *find_lack(const GPtrArray *findings, enum need need)
{
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        if (finding->need == need && !finding->ok) {
            return finding;
        }
    }
    return NULL;
}

/* What guests will run on, as xenbed create will have it; NULL if there will be none. */
static const char *predict(const GPtrArray *findings, const char **why, GError **error)
{
    const Finding *lack = find_lack(findings, NEED_GUESTS);
    const char *wanted = config_default_accel(error);

    if (!wanted) {
        return NULL;
    }
    if (lack) {
        fail(error, "%s: %s", lack->name, lack->found);
        return NULL;
    }
    return host_accel(wanted, find_lack(findings, NEED_KVM), why, error);
}

static void print_table(const GPtrArray *findings, const char *accel, const char *why)
{
    for (guint i = 0; i < findings->len; i++) {
        const Finding *finding = g_ptr_array_index(findings, i);

        printf("%-11s  %s  %s\n", finding->name, finding->ok ? "ok" : "no", finding->found);
        if (finding->remedy) {
            printf("%17s%s\n", "", finding->remedy);
        }
    }
    if (accel) {
        printf("Guests will run on %s%s%s\n", accel, why ? ": " : "", why ? why : "");
    }
}

static void add_string(JsonBuilder *builder, const char *key, const char *value)
{
    json_builder_set_member_name(builder, key);
    if (value) {
        json_builder_add_string_value(builder, value);
    } else {
        json_builder_add_null_value(builder);
    }
}

static void add_finding(JsonBuilder *builder, const Finding *finding)
{
    json_builder_begin_object(builder);
    add_string(builder, "name", finding->name);
    add_string(builder, "needed_for", needs[finding->need]);
    json_builder_set_member_name(builder, "ok");
    json_builder_add_boolean_value(builder, finding->ok);
    add_string(builder, "found", finding->found);
    add_string(builder, "remedy", finding->remedy);
    json_builder_end_object(builder);
}

static void print_json(const GPtrArray *findings, const char *accel, const char *why)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonNode) node = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_object(builder);
    add_string(builder, "accel", accel);
    add_string(builder, "why", why);
    json_builder_set_member_name(builder, "findings");
    json_builder_begin_array(builder);
    for (guint i = 0; i < findings->len; i++) {
        add_finding(builder, g_ptr_array_index(findings, i));
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    node = json_builder_get_root(builder);
    text = json_to_string(node, TRUE);
    printf("%s\n", text);
}

static bool run(G_GNUC_UNUSED char **arguments, GError **error)
{
    g_autoptr(GPtrArray) findings = host_examine();
    g_autoptr(GError) refusal = NULL;
    const char *why = NULL;
    const char *accel = predict(findings, &why, &refusal);

    (as_json ? print_json : print_table)(findings, accel, refusal ? refusal->message : why);
    fflush(stdout);
    return accel || fail(error, "no guest will run: %s", refusal->message);
}

const struct command cmd_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Show what this machine has for guests, and what mends what it lacks",
    .description =
        "A line each, with the remedy below what is not ok:\n"
        "  qemu         QEMU runs, and is xenbed's\n"
        "  firmware     SeaBIOS, and QEMU's option ROM that starts a kernel\n"
        "  memory       the host's, and whether QEMU may have address space that stays empty\n"
        "  kvm          /dev/kvm makes a virtual machine\n"
        "  kvm-xen      KVM's part in running Xen guests\n"
        "  userfaultfd  how QEMU hears, on KVM, of pages that are holes or populate-on-demand\n"
        "  qemu-kvm     QEMU was built with KVM\n"
        "  gdb          a debugger for guests that stop\n\n"
        "Without one of the first three no guest runs, without one of the four after them none "
        "runs on kvm.\nThe last line is what a guest whose accel is not set will run on "
        "(environment: XENBED_ACCEL).\nThe exit status is 0 if guests will run, else 1.",
    .options = options,
    .run = run,
};
