/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP, line by line: see qmp.h.
 */
#include "qmp.h"

#include "error.h"

#include <string.h>

struct Qmp {
    GSocketConnection *connection;
    GDataInputStream *input;
    char *name;
    unsigned seconds;
};

/* Sets *error for a connection that failed: with WHY, or by its end. */
static void fail_io(const Qmp *qmp, const GError *why, GError **error)
{
    const char *reason = "QEMU closed the connection";

    if (g_error_matches(why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        reason = "QEMU does not answer";
    } else if (why) {
        reason = why->message;
    }
    fail(error, "%s: %s", qmp->name, reason);
}

/* The next message, which is an object; NULL on error. */
static JsonObject *receive(Qmp *qmp, GError **error)
{
    g_autoptr(JsonNode) node = NULL;
    g_autoptr(GError) why = NULL;
    g_autofree char *line = g_data_input_stream_read_line(qmp->input, NULL, NULL, &why);

    if (!line) {
        fail_io(qmp, why, error);
        return NULL;
    }
    node = json_from_string(line, NULL);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        fail(error, "%s: not QMP: %s", qmp->name, line);
        return NULL;
    }
    return json_node_dup_object(node);
}

/* The next message that is no event. */
static JsonObject *receive_reply(Qmp *qmp, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + qmp->seconds * G_USEC_PER_SEC;

    for (;;) {
        g_autoptr(JsonObject) message = receive(qmp, error);

        if (!message || !json_object_has_member(message, "event")) {
            return g_steal_pointer(&message);
        }
        if (g_get_monotonic_time() > deadline) {
            fail(error, "%s: QEMU sends events but no answer", qmp->name);
            return NULL;
        }
    }
}

static bool send_command(Qmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *message = json_object_new();
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    g_autoptr(GError) why = NULL;
    GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(qmp->connection));

    json_node_take_object(node, message);
    json_object_set_string_member(message, "execute", command);
    if (arguments) {
        json_object_set_object_member(message, "arguments", arguments);
    }
    text = json_to_string(node, FALSE);
    line = g_strconcat(text, "\n", NULL);
    if (!g_output_stream_write_all(output, line, strlen(line), NULL, NULL, &why)) {
        fail_io(qmp, why, error);
        return false;
    }
    return true;
}

JsonNode *qmp_execute(Qmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
    g_autoptr(JsonObject) reply = NULL;

    if (!send_command(qmp, command, arguments, error) || !(reply = receive_reply(qmp, error))) {
        return NULL;
    }
    if (!json_object_has_member(reply, "return")) {
        JsonNode *why = json_object_get_member(reply, "error");
        const char *text = "no reason given";

        if (why && JSON_NODE_HOLDS_OBJECT(why)) {
            text =
                json_object_get_string_member_with_default(json_node_get_object(why), "desc", text);
        }
        fail(error, "%s: %s: %s", qmp->name, command, text);
        return NULL;
    }
    return json_object_dup_member(reply, "return");
}

Qmp *qmp_new(GSocketConnection *connection, const char *name, unsigned seconds, GError **error)
{
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);
    g_autoptr(JsonObject) greeting = NULL;
    g_autoptr(JsonNode) nothing = NULL;

    qmp->connection = connection;
    qmp->name = g_strdup(name);
    qmp->seconds = seconds;
    qmp->input = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    greeting = receive_reply(qmp, error);
    if (!greeting || !(nothing = qmp_execute(qmp, "qmp_capabilities", NULL, error))) {
        return NULL;
    }
    return g_steal_pointer(&qmp);
}

void qmp_free(Qmp *qmp)
{
    g_object_unref(qmp->input);
    g_object_unref(qmp->connection);
    g_free(qmp->name);
    g_free(qmp);
}
