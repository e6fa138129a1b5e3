/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads xl.cfg files: `KEY = VALUE` lines, VALUE a number, a quoted string or a
 * [list], '#' for comments.  One table says which keys there are.
 */
#include "config.h"

#include "domain.h"
#include "error.h"

#include <string.h>

enum kind { STRING, NUMBER, STRINGS };

struct key {
    const char *name;
    enum kind kind;
    size_t offset; /* of its member in Config */
    guint64 min, max;
};

#define MAX_MEMORY_MIB (16u << 20) /* 16 TiB */
#define MAX_VCPUS 128

#define KEY(member, ...)                                                                           \
    {                                                                                              \
        .name = #member, .offset = G_STRUCT_OFFSET(Config, member), __VA_ARGS__                    \
    }

static const struct key keys[] = {
    KEY(name, .kind = STRING),
    KEY(type, .kind = STRING),
    KEY(accel, .kind = STRING),
    KEY(on_poweroff, .kind = STRING),
    KEY(on_crash, .kind = STRING),
    KEY(on_hole, .kind = STRING),
    KEY(xen_version, .kind = STRING),
    KEY(kernel, .kind = STRING),
    KEY(ramdisk, .kind = STRING),
    KEY(extra, .kind = STRING),
    KEY(cmdline, .kind = STRING),
    KEY(icount, .kind = STRING),
    KEY(memory, .kind = NUMBER, .min = 1, .max = MAX_MEMORY_MIB),
    KEY(maxmem, .kind = NUMBER, .min = 1, .max = MAX_MEMORY_MIB),
    KEY(vcpus, .kind = NUMBER, .min = 1, .max = MAX_VCPUS),
    KEY(poison, .kind = NUMBER, .max = 1),
    KEY(check, .kind = NUMBER, .max = 1),
    KEY(device_model_args, .kind = STRINGS),
};

/* GLib changes none of these strings, and does not say so. */
static const GScannerConfig syntax = {
    .cset_skip_characters = (char *)" \t\r\n",
    .cset_identifier_first = (char *)(G_CSET_a_2_z G_CSET_A_2_Z "_"),
    .cset_identifier_nth = (char *)(G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_"),
    .cpair_comment_single = (char *)"#\n",
    .case_sensitive = TRUE,
    .skip_comment_single = TRUE,
    .scan_identifier = TRUE,
    .scan_identifier_1char = TRUE,
    .scan_octal = TRUE,
    .scan_hex = TRUE,
    .scan_string_sq = TRUE,
    .scan_string_dq = TRUE,
    .numbers_2_int = TRUE,
    .char_2_token = TRUE,
    .store_int64 = TRUE,
};

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (g_str_equal(keys[i].name, name)) {
            return &keys[i];
        }
    }
    return NULL;
}

/* Where reading is: an error in a value is put down to the line of its key. */
struct reader {
    GScanner *scanner;
    char *key;
    guint line;
};

static bool bad_value(const struct reader *reader, const char *reason, GError **error)
{
    return fail(error, "%s:%u: %s: %s", reader->scanner->input_name, reader->line, reader->key,
                reason);
}

static bool read_string(const struct reader *reader, char **value, GError **error)
{
    GScanner *scanner = reader->scanner;

    if (g_scanner_get_next_token(scanner) != G_TOKEN_STRING) {
        return bad_value(reader, "expected a quoted string", error);
    }
    g_free(*value);
    *value = g_strdup(scanner->value.v_string);
    return true;
}

/* A number, which may be quoted, as xl (and xm's old files) have it. */
static bool read_number(const struct reader *reader, const struct key *key, guint64 *value,
                        GError **error)
{
    GScanner *scanner = reader->scanner;
    GTokenType token = g_scanner_get_next_token(scanner);
    bool is_number = token == G_TOKEN_INT;

    if (is_number) {
        *value = scanner->value.v_int64;
    } else if (token == G_TOKEN_STRING) {
        is_number =
            g_ascii_string_to_unsigned(scanner->value.v_string, 10, 0, G_MAXUINT64, value, NULL);
    }
    if (!is_number) {
        return bad_value(reader, "expected a number", error);
    }
    if (*value < key->min || *value > key->max) {
        g_autofree char *reason =
            g_strdup_printf("must be %" G_GUINT64_FORMAT " %s %" G_GUINT64_FORMAT, key->min,
                            key->max == key->min + 1 ? "or" : "to", key->max);
        return bad_value(reader, reason, error);
    }
    return true;
}

static bool read_strings(const struct reader *reader, GPtrArray **value, GError **error)
{
    GScanner *scanner = reader->scanner;
    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);

    if (g_scanner_get_next_token(scanner) != '[') {
        return bad_value(reader, "expected a list: [ \"...\", \"...\" ]", error);
    }
    while (g_scanner_peek_next_token(scanner) != ']') {
        char *string = NULL;

        if (!read_string(reader, &string, error)) {
            return false;
        }
        g_ptr_array_add(strings, string);
        if (g_scanner_peek_next_token(scanner) == ',') {
            g_scanner_get_next_token(scanner);
        } else if (scanner->next_token != ']') {
            return bad_value(reader, "expected , or ] in the list", error);
        }
    }
    g_scanner_get_next_token(scanner);
    g_clear_pointer(value, g_ptr_array_unref);
    *value = g_steal_pointer(&strings);
    return true;
}

/* Passes over the value of a key that is not ours: one token, or a list of any depth. */
static bool skip_value(const struct reader *reader, GError **error)
{
    GScanner *scanner = reader->scanner;
    unsigned depth = 0;

    do {
        switch ((int)g_scanner_get_next_token(scanner)) {
        case '[':
            depth++;
            break;
        case ']':
            if (!depth--) {
                return bad_value(reader, "] without [", error);
            }
            break;
        case ',':
        case G_TOKEN_INT:
        case G_TOKEN_STRING:
            break;
        default:
            return bad_value(reader, "expected a number, a string or a list", error);
        }
    } while (depth);
    return true;
}

static bool read_value(const struct reader *reader, Config *config, GError **error)
{
    const struct key *key = find_key(reader->key);
    void *member = key ? G_STRUCT_MEMBER_P(config, key->offset) : NULL;

    if (!key) {
        g_ptr_array_add(config->warnings,
                        g_strdup_printf("%s:%u: %s: unknown key, ignored",
                                        reader->scanner->input_name, reader->line, reader->key));
        return skip_value(reader, error);
    }
    switch (key->kind) {
    case STRING:
        return read_string(reader, member, error);
    case NUMBER:
        return read_number(reader, key, member, error);
    case STRINGS:
        return read_strings(reader, member, error);
    }
    g_assert_not_reached();
}

/* An assignment ends with its line or with ';'. */
static bool read_end(const struct reader *reader, GError **error)
{
    GScanner *scanner = reader->scanner;
    GTokenType next = g_scanner_peek_next_token(scanner);

    if (next == ';') {
        g_scanner_get_next_token(scanner);
        return true;
    }
    return next == G_TOKEN_EOF || scanner->next_line > scanner->line ||
           bad_value(reader, "expected the end of the line after its value", error);
}

static bool read_assignment(struct reader *reader, Config *config, GError **error)
{
    GScanner *scanner = reader->scanner;

    if (scanner->token != G_TOKEN_IDENTIFIER) {
        return fail(error, "%s:%u: expected KEY = VALUE", scanner->input_name, scanner->line);
    }
    reader->line = scanner->line;
    g_free(reader->key);
    reader->key = g_strdup(scanner->value.v_identifier);
    if (g_scanner_get_next_token(scanner) != '=') {
        return bad_value(reader, "expected = after it", error);
    }
    return read_value(reader, config, error) && read_end(reader, error);
}

static bool read_assignments(GScanner *scanner, Config *config, GError **error)
{
    struct reader reader = {.scanner = scanner};
    bool ok = true;

    while (ok && g_scanner_get_next_token(scanner) != G_TOKEN_EOF) {
        ok = read_assignment(&reader, config, error);
    }
    g_free(reader.key);
    return ok;
}

#define ACCELS "auto", "tcg", "kvm"

/* Keys whose value is one of a few words; the first is the default. */
static const struct choice {
    const char *name;
    size_t offset;
    const char *const *words;
} choices[] = {
#define CHOICE(member, ...)                                                                        \
    {                                                                                              \
#member, G_STRUCT_OFFSET(Config, member), (const char *const[])                            \
        {                                                                                          \
            __VA_ARGS__, NULL                                                                      \
        }                                                                                          \
    }
#define ACTIONS "destroy", "restart", "preserve", "coredump-destroy", "coredump-restart", "debug"
    CHOICE(type, "hvm", "pvh"),
    CHOICE(accel, ACCELS),
    CHOICE(on_poweroff, "destroy", "preserve"),
    CHOICE(on_crash, ACTIONS),
    CHOICE(on_hole, "none", ACTIONS),
};

static bool check_word(const char *word, const char *const *words, GError **error)
{
    g_autofree char *list = NULL;

    if (g_strv_contains(words, word)) {
        return true;
    }
    list = g_strjoinv(", ", (char **)words);
    return fail(error, "\"%s\" is not supported, only these are: %s", word, list);
}

static bool check_choice(const struct choice *choice, Config *config, const char *path,
                         GError **error)
{
    char **value = G_STRUCT_MEMBER_P(config, choice->offset);

    if (!*value) {
        *value = g_strdup(choice->words[0]);
    }
    if (!check_word(*value, choice->words, error)) {
        g_prefix_error(error, "%s: %s: ", path, choice->name);
        return false;
    }
    return true;
}

const char *config_default_accel(GError **error)
{
    static const char *const words[] = {ACCELS, NULL};
    const char *word = g_getenv("XENBED_ACCEL");

    if (!word || !*word) {
        return words[0];
    }
    if (!check_word(word, words, error)) {
        g_prefix_error(error, "XENBED_ACCEL: ");
        return NULL;
    }
    return word;
}

/* What concerns more than one value, and defaults. */
static bool check(Config *config, const char *path, GError **error)
{
    if (!config->name) {
        return fail(error, "%s: name: missing", path);
    }
    if (!domain_check_name(config->name, error)) {
        g_prefix_error(error, "%s: name: ", path);
        return false;
    }
    /* Only tcg counts instructions: a default gives way to that. */
    if (!config->accel && !config->icount) {
        config->accel = g_strdup(config_default_accel(error));
        if (!config->accel) {
            return false;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++) {
        if (!check_choice(&choices[i], config, path, error)) {
            return false;
        }
    }
    if (config->icount && g_str_equal(config->accel, "kvm")) {
        return fail(error, "%s: icount: not with accel = \"kvm\", only tcg has it", path);
    }
    if (config_xen_version(config) == 0) {
        return fail(error, "%s: xen_version: \"%s\" is not MAJOR.MINOR", path, config->xen_version);
    }
    if (g_str_equal(config->type, "pvh") && !config->kernel) {
        return fail(
            error, "%s: kernel: missing, a PVH domain has no firmware to start it otherwise", path);
    }
    if (!config->memory) {
        return fail(error, "%s: memory: missing", path);
    }
    if (!config->maxmem) {
        config->maxmem = config->memory;
    }
    if (config->memory > config->maxmem) {
        return fail(error,
                    "%s: memory: %" G_GUINT64_FORMAT " is more than maxmem, %" G_GUINT64_FORMAT,
                    path, config->memory, config->maxmem);
    }
    if (config->extra && config->cmdline) {
        g_ptr_array_add(config->warnings,
                        g_strdup_printf("%s: extra: ignored in favour of cmdline", path));
    }
    return true;
}

bool config_dumps_core(const Config *config)
{
    return g_str_has_prefix(config->on_crash, "coredump") ||
           g_str_has_prefix(config->on_hole, "coredump");
}

guint32 config_xen_version(const Config *config)
{
    g_auto(GStrv) parts = NULL;
    guint64 major, minor;

    if (!config->xen_version) {
        return XEN_VERSION_NEWEST;
    }
    parts = g_strsplit(config->xen_version, ".", -1);
    if (g_strv_length(parts) != 2 ||
        !g_ascii_string_to_unsigned(parts[0], 10, 1, G_MAXUINT16, &major, NULL) ||
        !g_ascii_string_to_unsigned(parts[1], 10, 0, G_MAXUINT16, &minor, NULL)) {
        return 0;
    }
    return major << 16 | minor;
}

Config *config_read(const char *path, GError **error)
{
    g_autoptr(Config) config = g_new0(Config, 1);
    g_autofree char *text = NULL;
    g_autofree char *lines = NULL;
    GScanner *scanner;
    bool ok;

    config->vcpus = 1;
    config->warnings = g_ptr_array_new_with_free_func(g_free);
    if (!g_file_get_contents(path, &text, NULL, error)) {
        return NULL;
    }
    /* GScanner wants the end of a comment on the last line, too. */
    lines = g_strconcat(text, "\n", NULL);
    scanner = g_scanner_new(&syntax);
    scanner->input_name = path;
    g_scanner_input_text(scanner, lines, strlen(lines));
    ok = read_assignments(scanner, config, error) && check(config, path, error);
    g_scanner_destroy(scanner);
    return ok ? g_steal_pointer(&config) : NULL;
}

void config_free(Config *config)
{
    g_free(config->name);
    g_free(config->type);
    g_free(config->accel);
    g_free(config->on_poweroff);
    g_free(config->on_crash);
    g_free(config->on_hole);
    g_free(config->xen_version);
    g_free(config->kernel);
    g_free(config->ramdisk);
    g_free(config->extra);
    g_free(config->cmdline);
    g_free(config->icount);
    g_clear_pointer(&config->device_model_args, g_ptr_array_unref);
    g_ptr_array_unref(config->warnings);
    g_free(config);
}
