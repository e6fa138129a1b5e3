/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The toolstack's memory arithmetic, with the numbers real Xen gave.
 */
#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MIB 1024 /* KiB */

static void assert_size(const char *text, kib_t expected)
{
    g_autoptr(GError) error = NULL;
    kib_t size = 0;

    if (!memory_parse_size(text, &size, &error)) {
        fail_msg("\"%s\": expected %" G_GUINT64_FORMAT " KiB, got the error %s", text, expected,
                 error->message);
    }
    if (size != expected) {
        fail_msg("\"%s\": expected %" G_GUINT64_FORMAT " KiB, got %" G_GUINT64_FORMAT, text,
                 expected, size);
    }
}

static void assert_no_size(const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    kib_t size;

    if (memory_parse_size(text, &size, &error)) {
        fail_msg("\"%s\": expected an error, got %" G_GUINT64_FORMAT " KiB", text, size);
    }
    assert_string_equal(error->message, message);
}

/* xl's man page says that a bare number is in KiB; xl itself takes MiB. */
static void test_units(void **state)
{
    (void)state;
    assert_size("500", 500 * MIB);
    assert_size("0", 0);
    assert_size("500m", 500 * MIB);
    assert_size("500M", 500 * MIB);
    assert_size("2g", 2048 * MIB);
    assert_size("1T", 1024 * 1024 * MIB);
    assert_size("4100k", 4100);
    assert_size("8192b", 8);
    assert_size("1023b", 0);
}

static void test_bad_sizes(void **state)
{
    (void)state;
    assert_no_size("", ": invalid memory size");
    assert_no_size("much", "much: invalid memory size");
    assert_no_size("m", "m: invalid memory size");
    assert_no_size("-5", "-5: invalid memory size");
    assert_no_size(" 5", " 5: invalid memory size");
    assert_no_size("5mb", "5mb: invalid memory size");
    assert_no_size("5 m", "5 m: invalid memory size");
    assert_no_size("5x", "5x: invalid memory size");
    assert_no_size("0x200", "0x200: invalid memory size");
    assert_no_size("9000000t", "9000000t: memory size too large");
    assert_no_size("99999999999999999999999", "99999999999999999999999: memory size too large");
}

static void assert_plan(kib_t requested, kib_t videoram, kib_t static_max, kib_t target,
                        pages_t max_pages, pages_t pod_target)
{
    struct mem_set plan;

    assert_true(memory_plan_mem_set(requested, videoram, static_max, &plan, NULL));
    assert_int_equal(plan.target, target);
    assert_int_equal(plan.max_pages, max_pages);
    assert_int_equal(plan.pod_target, pod_target);
}

static void assert_refused(kib_t requested, kib_t videoram, kib_t static_max)
{
    g_autoptr(GError) error = NULL;
    struct mem_set plan;

    assert_false(memory_plan_mem_set(requested, videoram, static_max, &plan, &error));
    assert_string_equal(error->message,
                        "memory_dynamic_max must be less than or equal to memory_static_max");
}

/* maxmem = 1024 MiB, 8 MiB of video RAM. */
static void test_plan_with_video_ram(void **state)
{
    const kib_t videoram = 8 * MIB, static_max = 1024 * MIB;

    (void)state;
    assert_plan(512 * MIB, videoram, static_max, 516096, 131328, 129280);
    assert_plan(768 * MIB, videoram, static_max, 778240, 196864, 194816);
    assert_plan(8 * MIB, videoram, static_max, 0, 2304, 256);
    /* The check is of the size without video RAM. */
    assert_plan(1032 * MIB, videoram, static_max, 1024 * MIB, 264448, 262400);
    assert_refused(1033 * MIB, videoram, static_max);
    /* Less than the video RAM: the subtraction wraps. */
    assert_refused(4 * MIB, videoram, static_max);
}

/* maxmem = 512 MiB, as measured on Xen 4.17.7. */
static void test_plan_without_video_ram(void **state)
{
    (void)state;
    assert_plan(384 * MIB, 0, 512 * MIB, 384 * MIB, 98560, 98560);
    assert_plan(512 * MIB, 0, 512 * MIB, 512 * MIB, 131328, 131328);
    assert_plan(200 * MIB, 0, 512 * MIB, 200 * MIB, 51456, 51456);
    assert_plan(0, 0, 512 * MIB, 0, 256, 256);
    assert_refused(600 * MIB, 0, 512 * MIB);
    assert_refused(512 * MIB + 1, 0, 512 * MIB);
}

static void assert_mem_max(kib_t requested, kib_t target, pages_t expected)
{
    pages_t max_pages;

    assert_true(memory_plan_mem_max(requested, target, &max_pages, NULL));
    assert_int_equal(max_pages, expected);
}

static void assert_mem_max_refused(kib_t requested, kib_t target)
{
    g_autoptr(GError) error = NULL;
    pages_t max_pages;

    assert_false(memory_plan_mem_max(requested, target, &max_pages, &error));
    assert_string_equal(error->message,
                        "memory_static_max must be greater than or or equal to memory_dynamic_max");
}

static void test_mem_max(void **state)
{
    /* memory = 768, maxmem = 1024, 8 MiB of video RAM: it is off the target, not off the limit. */
    const kib_t target = 777216;

    (void)state;
    assert_mem_max_refused(700 * MIB, target);
    assert_mem_max_refused(target - 1, target);
    assert_mem_max(target, target, 194560);
    assert_mem_max(target + 3, target, 194560);
    assert_mem_max(1024 * MIB, target, 262400);
    /* Above the maxmem it booted with. */
    assert_mem_max(2048 * MIB, target, 524544);
    /* memory = 256, maxmem = 512, as measured on Xen 4.17.7. */
    assert_mem_max(400 * MIB, 256 * MIB, 102656);
    assert_mem_max(0, 0, 256);
}

static void test_target_reached(void **state)
{
    (void)state;
    /* Where Linux comes to rest: PVH on Xen 4.17.7, and an HVM guest. */
    assert_true(memory_target_reached(51216, 200 * MIB, 0));
    assert_true(memory_target_reached(51184, 200 * MIB, 0));
    /* Still on its way down, then one page from the limit on either side. */
    assert_false(memory_target_reached(77088, 200 * MIB, 0));
    assert_false(memory_target_reached(51457, 200 * MIB, 0));
    assert_true(memory_target_reached(51456, 200 * MIB, 0));
    assert_true(memory_target_reached(50944, 200 * MIB, 0));
    assert_false(memory_target_reached(50943, 200 * MIB, 0));
    /* Video RAM counts as owned with one driver, not with another. */
    assert_true(memory_target_reached(51200 + 2048, 200 * MIB, 8 * MIB));
    assert_true(memory_target_reached(51200, 200 * MIB, 8 * MIB));
    /* A target below the slack. */
    assert_true(memory_target_reached(0, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_plan_with_video_ram),
        cmocka_unit_test(test_plan_without_video_ram),
        cmocka_unit_test(test_mem_max),
        cmocka_unit_test(test_target_reached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
