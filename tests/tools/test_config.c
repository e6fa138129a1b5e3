/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading of xl.cfg files: what is taken, and the line each refusal names.
 */
#include "config.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define FILE_NAME "guest.cfg"

/* The tests run in a folder of their own, so that messages begin with FILE_NAME. */
static int enter_folder(void **state)
{
    g_unsetenv("XENBED_ACCEL");
    *state = g_dir_make_tmp("xenbed-test-XXXXXX", NULL);
    return *state ? g_chdir(*state) : -1;
}

static int leave_folder(void **state)
{
    g_unlink(FILE_NAME);
    g_chdir("/");
    g_rmdir(*state);
    g_free(*state);
    return 0;
}

static Config *read_text(const char *text, GError **error)
{
    assert_true(g_file_set_contents(FILE_NAME, text, -1, NULL));
    return config_read(FILE_NAME, error);
}

static Config *read_good(const char *text)
{
    g_autoptr(GError) error = NULL;
    Config *config = read_text(text, &error);

    if (!config) {
        fail_msg("refused: %s", error->message);
    }
    return config;
}

static void assert_refused(const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = read_text(text, &error);

    if (config) {
        fail_msg("accepted, expected: %s", message);
    }
    assert_string_equal(error->message, message);
}

static void assert_warning(const Config *config, guint index, const char *message)
{
    assert_in_range(index, 0, config->warnings->len - 1);
    assert_string_equal(g_ptr_array_index(config->warnings, index), message);
}

static void test_all_keys(void **state)
{
    g_autoptr(Config) config = read_good("# A guest.\n"
                                         "name = \"guest-1\"\n"
                                         "type = 'hvm'; accel = 'tcg'\n"
                                         "memory = 1024 # MiB\n"
                                         "maxmem = 1024\n"
                                         "vcpus = 2; kernel = \"/boot/vmlinuz\"\n"
                                         "ramdisk = \"initrd.img\"\r\n"
                                         "poison = 1; check = \"1\"; icount = 'shift=3'\n"
                                         "on_crash = 'coredump-restart'; on_hole = 'debug'\n"
                                         "\n"
                                         "extra = \"console=hvc0 a='b # no comment'\"\n"
                                         "device_model_args = [ \"-s\",\n"
                                         "                      '-d', \"guest_errors\", ]\n");

    (void)state;
    assert_string_equal(config->name, "guest-1");
    assert_string_equal(config->type, "hvm");
    assert_string_equal(config->accel, "tcg");
    assert_int_equal(config->memory, 1024);
    assert_int_equal(config->maxmem, 1024);
    assert_int_equal(config->vcpus, 2);
    assert_string_equal(config->kernel, "/boot/vmlinuz");
    assert_string_equal(config->ramdisk, "initrd.img");
    assert_int_equal(config->poison, 1);
    assert_int_equal(config->check, 1);
    assert_string_equal(config->icount, "shift=3");
    assert_string_equal(config->on_crash, "coredump-restart");
    assert_string_equal(config->on_hole, "debug");
    assert_string_equal(config->extra, "console=hvc0 a='b # no comment'");
    assert_null(config->cmdline);
    assert_int_equal(config->device_model_args->len, 3);
    assert_string_equal(g_ptr_array_index(config->device_model_args, 0), "-s");
    assert_string_equal(g_ptr_array_index(config->device_model_args, 2), "guest_errors");
    assert_int_equal(config->warnings->len, 0);
}

/* The least there is; numbers may be quoted, as in xm's time; no end of line at the end. */
static void test_defaults(void **state)
{
    g_autoptr(Config) config = read_good("name='g'\nmemory=\"768\" # the end");

    (void)state;
    assert_int_equal(config->memory, 768);
    assert_int_equal(config->maxmem, 768);
    assert_int_equal(config->vcpus, 1);
    assert_int_equal(config->poison, 0);
    assert_int_equal(config->check, 0);
    assert_string_equal(config->on_crash, "destroy");
    assert_string_equal(config->on_hole, "none");
    assert_string_equal(config->accel, "auto");
    assert_int_equal(config_xen_version(config), XEN_VERSION_NEWEST);
    assert_null(config->kernel);
    assert_null(config->icount);
    assert_null(config->device_model_args);
}

static void assert_accel(const char *text, const char *accel)
{
    g_autoptr(Config) config = read_good(text);

    assert_string_equal(config->accel, accel);
}

/* The variable is for those that leave it open. */
static void test_accel(void **state)
{
    (void)state;
    assert_refused("name='g'\nmemory=1\naccel='xen'\n",
                   "guest.cfg: accel: \"xen\" is not supported, only these are: auto, tcg, kvm");
    assert_refused("name='g'\nmemory=1\naccel='kvm'\nicount='shift=3'\n",
                   "guest.cfg: icount: not with accel = \"kvm\", only tcg has it");
    g_setenv("XENBED_ACCEL", "kvm", true);
    assert_accel("name='g'\nmemory=1\n", "kvm");
    assert_accel("name='g'\nmemory=1\naccel='auto'\n", "auto");
    assert_accel("name='g'\nmemory=1\nicount='shift=3'\n", "auto");
    g_setenv("XENBED_ACCEL", "xen", true);
    assert_refused("name='g'\nmemory=1\n",
                   "XENBED_ACCEL: \"xen\" is not supported, only these are: auto, tcg, kvm");
    assert_accel("name='g'\nmemory=1\naccel='tcg'\n", "tcg");
    g_setenv("XENBED_ACCEL", "", true);
    assert_accel("name='g'\nmemory=1\n", "auto");
    g_unsetenv("XENBED_ACCEL");
}

static void test_last_one_counts(void **state)
{
    g_autoptr(Config) config = read_good("name='a'\nmemory=1\nname='b'\nmemory=2\n"
                                         "poison=1\npoison=0\n"
                                         "device_model_args=['x']\ndevice_model_args=[]\n");

    (void)state;
    assert_string_equal(config->name, "b");
    assert_int_equal(config->memory, 2);
    assert_int_equal(config->poison, 0);
    assert_int_equal(config->device_model_args->len, 0);
}

static void test_warnings(void **state)
{
    g_autoptr(Config) config = read_good("name = 'g'\n"
                                         "disk = [ 'a,b', [ 'c', 1 ],\n"
                                         "         'd' ]\n"
                                         "memory = 64\n"
                                         "on_reboot = 'preserve'\n"
                                         "extra = 'a'\n"
                                         "cmdline = 'b'\n");

    (void)state;
    assert_int_equal(config->warnings->len, 3);
    assert_warning(config, 0, "guest.cfg:2: disk: unknown key, ignored");
    assert_warning(config, 1, "guest.cfg:5: on_reboot: unknown key, ignored");
    assert_warning(config, 2, "guest.cfg: extra: ignored in favour of cmdline");
    assert_int_equal(config->memory, 64);
}

static void test_bad_values(void **state)
{
    (void)state;
    assert_refused("name = 5\n", "guest.cfg:1: name: expected a quoted string");
    assert_refused("\nname = \"g\n", "guest.cfg:2: name: expected a quoted string");
    assert_refused("memory = much\n", "guest.cfg:1: memory: expected a number");
    assert_refused("memory = -1\n", "guest.cfg:1: memory: expected a number");
    assert_refused("memory = 512m\n", "guest.cfg:1: memory: expected a number");
    assert_refused("memory = '512m'\n", "guest.cfg:1: memory: expected a number");
    assert_refused("memory = [ 512 ]\n", "guest.cfg:1: memory: expected a number");
    assert_refused("\nmemory =\nvcpus = 1\n", "guest.cfg:2: memory: expected a number");
    assert_refused("memory = 0\n", "guest.cfg:1: memory: must be 1 to 16777216");
    assert_refused("memory = 16777217\n", "guest.cfg:1: memory: must be 1 to 16777216");
    assert_refused("vcpus = 0\n", "guest.cfg:1: vcpus: must be 1 to 128");
    assert_refused("vcpus = 129\n", "guest.cfg:1: vcpus: must be 1 to 128");
    assert_refused("poison = 2\n", "guest.cfg:1: poison: must be 0 or 1");
    assert_refused("poison = on\n", "guest.cfg:1: poison: expected a number");
    assert_refused("check = 'yes'\n", "guest.cfg:1: check: expected a number");
    assert_refused("check = -1\n", "guest.cfg:1: check: expected a number");
    assert_refused("device_model_args = \"-s\"\n",
                   "guest.cfg:1: device_model_args: expected a list: [ \"...\", \"...\" ]");
    assert_refused("device_model_args = [\n\"-s\"\n\"-S\" ]\n",
                   "guest.cfg:1: device_model_args: expected , or ] in the list");
    assert_refused("device_model_args = [ 1 ]\n",
                   "guest.cfg:1: device_model_args: expected a quoted string");
}

static void test_bad_syntax(void **state)
{
    (void)state;
    assert_refused("memory 512\n", "guest.cfg:1: memory: expected = after it");
    assert_refused("memory = 512 MB\n",
                   "guest.cfg:1: memory: expected the end of the line after its value");
    assert_refused("\n= 5\n", "guest.cfg:2: expected KEY = VALUE");
    assert_refused("\x7f"
                   "ELF",
                   "guest.cfg:1: expected KEY = VALUE");
    assert_refused("disk = [ 'a'\n", "guest.cfg:1: disk: expected a number, a string or a list");
    assert_refused("disk = ]\n", "guest.cfg:1: disk: ] without [");
    assert_refused("disk =\n", "guest.cfg:1: disk: expected a number, a string or a list");
}

static void test_checks(void **state)
{
    (void)state;
    assert_refused("", "guest.cfg: name: missing");
    assert_refused("name='g'\n", "guest.cfg: memory: missing");
    assert_refused("name='g'\nmemory=512\nmaxmem=256\n",
                   "guest.cfg: memory: 512 is more than maxmem, 256");
    assert_refused("name='g'\nmemory=256\nxen_version='4.x'\n",
                   "guest.cfg: xen_version: \"4.x\" is not MAJOR.MINOR");
    assert_refused("name='g'\nmemory=256\nxen_version='4'\n",
                   "guest.cfg: xen_version: \"4\" is not MAJOR.MINOR");
    assert_refused("name='g'\nmemory=256\ntype='pv'\n",
                   "guest.cfg: type: \"pv\" is not supported, only these are: hvm, pvh");
    assert_refused("name='17'\nmemory=1\n",
                   "guest.cfg: name: \"17\" is a number, which would be a domain id");
    for (const char *const *name =
             (const char *const[]){"", "../x", "a/b", ".x", "-x", "a b", "a,b", "a\n", NULL};
         *name; name++) {
        g_autofree char *text = g_strdup_printf("name='%s'\nmemory=1\n", *name);
        g_autofree char *message = g_strdup_printf("guest.cfg: name: \"%s\" must begin with a "
                                                   "letter, digit or _ and go on with these or "
                                                   ". + -",
                                                   *name);
        assert_refused(text, message);
    }
}

static void test_no_file(void **state)
{
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(config_read("missing.cfg", &error));
    assert_non_null(strstr(error->message, "missing.cfg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_keys),   cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_accel),      cmocka_unit_test(test_last_one_counts),
        cmocka_unit_test(test_warnings),   cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_bad_syntax), cmocka_unit_test(test_checks),
        cmocka_unit_test(test_no_file),
    };

    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
