/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tiny: a guest that boots, uses memory and follows its target, by the policy that its command line
 * names.  It does one thing at a time and sleeps when there is nothing to do.
 */
#include "balloon.h"
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "pages.h"
#include "print.h"
#include "text.h"
#include "upcall.h"
#include "work.h"
#include "xenstore.h"

#include <xen/sched.h>

enum watch { WATCH_TARGET, WATCH_SHUTDOWN };

static const struct policy *const policies[] = {
    &linux_policy, &solaris_policy, &windows_policy, &freebsd_policy, &no_policy,
};

/* What the command line says: policy=NAME late=SECONDS hold=MIB work=MIB. */
static const struct policy *policy = &linux_policy;
static uint64_t late, hold, work;

/* When there is something to do, by timer_now(). */
static uint64_t driver_due = UINT64_MAX, step_due = UINT64_MAX, work_due = UINT64_MAX;

__attribute__((noreturn)) void main(const struct hvm_start_info *info);

/* --- The command line ----------------------------------------------------------------- */

static bool set_policy(const char **s)
{
    char name[16];

    if (!take_name(s, name, sizeof(name))) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (text_equal(policies[i]->name, name)) {
            policy = policies[i];
            return true;
        }
    }
    return false;
}

static bool set_option(const char **s)
{
    char key[16];

    if (!take_name(s, key, sizeof(key)) || !take_char(s, '=')) {
        return false;
    }
    if (text_equal(key, "policy")) {
        return set_policy(s);
    }
    if (text_equal(key, "late")) {
        return take_number(s, &late);
    }
    if (text_equal(key, "hold")) {
        return take_number(s, &hold);
    }
    return text_equal(key, "work") && take_number(s, &work);
}

static bool set_options(const char *line)
{
    for (;;) {
        while (take_char(&line, ' ')) {
        }
        if (*line == '\0') {
            return true;
        }
        if (!set_option(&line) || (*line != ' ' && *line != '\0')) {
            return false;
        }
    }
}

/* --- What is to be done --------------------------------------------------------------- */

/* A number of KiB as pages; 0 when there is none. */
static unsigned long read_pages(const char *path)
{
    const char *value = xenstore_read(path);
    uint64_t kib = 0;

    return value && take_number(&value, &kib) && *value == '\0' ? kib / KIB_PER_PAGE : 0;
}

static void start_driver(void)
{
    const char *error = policy->start ? policy->start() : NULL;

    if (error) {
        print("balloon: %s: %s\n", policy->name, error);
    }
    error = xenstore_watch("memory/target", WATCH_TARGET);
    print("balloon: %s%s%s\n", policy->name, error ? ": watch: " : "", error ? error : "");
}

static void retarget(void)
{
    const struct target target = {
        .pages = read_pages("memory/target"),
        .static_max = read_pages("memory/static-max"),
        .video_ram = read_pages("memory/videoram"),
    };

    if (target.pages) {
        policy->retarget(&target);
        step_due = 0;
    }
}

/* Says where it has come to, but not again and again of one that tries for ever. */
static uint64_t step(void)
{
    static bool said_so;
    unsigned long before = pages_owned();
    uint64_t delay = policy->step();

    said_so = said_so && pages_owned() == before;
    if (delay == ARRIVED) {
        print("balloon: at rest with %lu of %lu pages\n", pages_owned(), pages_seen());
        said_so = false;
    } else if (delay && !said_so) {
        print("balloon: stuck with %lu of %lu pages, tries again\n", pages_owned(), pages_seen());
        said_so = true;
    }
    return delay;
}

static void shut_down(void)
{
    const char *how = xenstore_read("control/shutdown");
    bool reboot;

    if (!how || *how == '\0') {
        return;
    }
    reboot = text_equal(how, "reboot");
    xenstore_write("control/shutdown", "");
    end(reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
}

/* --- One after the other -------------------------------------------------------------- */

static uint64_t earliest(void)
{
    uint64_t first = driver_due < step_due ? driver_due : step_due;

    return first < work_due ? first : work_due;
}

static bool has_work(void)
{
    return xenstore_has_events() || earliest() <= timer_now();
}

static uint64_t after(uint64_t delay)
{
    return delay == UINT64_MAX ? UINT64_MAX : timer_now() + delay;
}

static void do_work(void)
{
    uint32_t events = xenstore_events();
    uint64_t now = timer_now();

    if (events & 1u << WATCH_SHUTDOWN) {
        shut_down();
    }
    if (events & 1u << WATCH_TARGET) {
        retarget();
    }
    if (driver_due <= now) {
        driver_due = UINT64_MAX;
        start_driver();
    }
    if (step_due <= now) {
        step_due = after(step());
    }
    if (work_due <= now) {
        work_due = after(work_step());
    }
}

static void wait(void)
{
    uint64_t when = earliest();

    if (when != UINT64_MAX) {
        timer_set(when);
    }
    sleep_unless(has_work);
}

static void start(const struct hvm_start_info *info)
{
    const char *line = info->cmdline_paddr ? (const char *)(uintptr_t)info->cmdline_paddr : "";
    bool found, understood;

    cpu_start();
    found = hypercall_start() && events_start();
    if (found) {
        console_start();
    }
    print("tiny: %s\n", line);
    understood = set_options(line);
    pages_start(info);
    if (!found || !understood || !upcall_start(xenstore_port()) || !work_hold(hold)) {
        print("tiny: %s\n", !found ? "no Xen" : !understood ? "what is that?" : "cannot start");
        end(SHUTDOWN_crash);
    }
    work_start(work);
    if (policy->boot) {
        policy->boot();
    }
}

void main(const struct hvm_start_info *info)
{
    start(info);
    xenstore_watch("control/shutdown", WATCH_SHUTDOWN);
    driver_due = after(late * SECOND);
    work_due = timer_now();
    for (;;) {
        do_work();
        wait();
    }
}
