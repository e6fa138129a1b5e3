/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probe: what the words on the command line say, one after the other.
 *
 * A word is VERB or VERB:ARGUMENTS.  One row of the table below is one verb; the
 * function gets the arguments and returns false when it cannot read them.  Output
 * is the same for the same words whatever the domain runs on, so that runs under
 * Xen and under something that claims to be like it can be compared line by line.
 */
#include "buffers.h"
#include "call.h"
#include "cpu.h"
#include "events.h"
#include "hypercall.h"
#include "print.h"
#include "reservation.h"
#include "text.h"
#include "touch.h"
#include "xenstore.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/sched.h>

#define WORD_SIZE 2048
#define PATH_SIZE 256

/* Between two looks at xenstore, in cycles: some milliseconds. */
#define POLL_CYCLES (1ull << 24)

struct word {
    const char *verb;
    bool (*run)(const char *args);
    const char *args;
    const char *help;
};

__attribute__((noreturn)) void main(const struct hvm_start_info *info);

static char words_line[PAGE_SIZE] BUFFER, current[WORD_SIZE] BUFFER;

static bool word_xs(const char *args)
{
    const char *value = xenstore_read(args);

    print("xs %s = %s\n", args, value ? value : "(none)");
    return true;
}

/* "PATH=VALUE": returns VALUE, or NULL. */
static const char *split(const char *args, char path[PATH_SIZE])
{
    size_t length = 0;

    while (args[length] && args[length] != '=') {
        length++;
    }
    if (args[length] == '\0' || length >= PATH_SIZE) {
        return NULL;
    }
    memcpy(path, args, length);
    path[length] = '\0';
    return args + length + 1;
}

static bool word_xswait(const char *args)
{
    char path[PATH_SIZE];
    const char *expected = split(args, path), *value;

    if (!expected) {
        return false;
    }
    for (;;) {
        value = xenstore_read(path);
        if (value && text_equal(value, expected)) {
            break;
        }
        for (uint64_t next = cycles() + POLL_CYCLES; cycles() < next;) {
            yield();
        }
    }
    print("xs %s is %s\n", path, value);
    return true;
}

static bool word_xsset(const char *args)
{
    char path[PATH_SIZE];
    const char *value = split(args, path), *error;

    if (!value) {
        return false;
    }
    error = xenstore_write(path, value);
    print("xs %s set: %s\n", path, error ? error : "OK");
    return true;
}

static bool word_cpuid(const char *args)
{
    uint64_t leaf, subleaf = 0;
    uint32_t regs[4];

    if (!take_number(&args, &leaf) || (take_char(&args, ',') && !take_number(&args, &subleaf)) ||
        *args != '\0') {
        return false;
    }
    cpuid_count(leaf, subleaf, regs);
    print("cpuid %#x,%#x: %#x %#x %#x %#x\n", (uint32_t)leaf, (uint32_t)subleaf, regs[0], regs[1],
          regs[2], regs[3]);
    return true;
}

static bool word_tsc(const char *args)
{
    if (*args != '\0') {
        return false;
    }
    print("tsc %#llx\n", (unsigned long long)cycles());
    return true;
}

static bool word_exit(const char *args)
{
    uint64_t reason;

    if (!take_number(&args, &reason) || *args != '\0') {
        return false;
    }
    end(reason);
}

static bool word_help(const char *args);

static const struct word words[] = {
    {"info", word_info, "", "what Xen says of the domain's memory"},
    {"e820", word_e820, "", "the memory map, from Xen and from the start_info"},
    {"w", word_write, "A-B[/S]", "write gfn+1 to the first word of each page; a line every S MiB"},
    {"z", word_zero, "A-B[/S]", "write zeroes to all of each page"},
    {"r", word_read, "A-B[/S]", "read the first word of each page, count those that are not 0"},
    {"v", word_verify, "A-B", "count the pages that do not hold what w wrote"},
    {"fill", word_fill, "A-B,V", "write the 64-bit V to all of each page"},
    {"look", word_look, "A-B", "read all of each page, say what is in which run of pages"},
    {"peek", word_peek, "ADDRESS", "read 64 bits"},
    {"poke", word_poke, "ADDRESS,V", "write 64 bits"},
    {"wait", word_wait, "ADDRESS,V", "read 64 bits until they are V"},
    {"dec", word_decrease, "G,N", "decrease_reservation of N pages from G on"},
    {"dec9", word_decrease9, "G,N", "decrease_reservation of N extents of 2 MiB"},
    {"pop", word_populate, "G,N", "populate_physmap of N pages from G on"},
    {"pop9", word_populate9, "G,N", "populate_physmap of N extents of 2 MiB"},
    {"inc", word_increase, "N", "increase_reservation by N pages"},
    {"rm", word_remove, "G,N", "remove_from_physmap of N pages, one at a time"},
    {"list", word_list, "[@OFFSET,]G[+N][*T],...", "fill the buffer list with gfns"},
    {"list2", word_list2, "...", "... the buffer list2"},
    {"list3", word_list3, "...", "... the buffer list3"},
    {"show", word_show, "PLACE,N[,4]", "print N longs (or 4-byte ints) of a buffer"},
    {"call", word_call, "NAME[,KEY=VALUE]...", "one hypercall; see below"},
    {"hypercall", word_hypercall, "NUMBER[,PLACE]...", "any hypercall, up to 5 arguments"},
    {"via", word_via, "page|cpu|vmcall|vmmcall", "the way into Xen from here on"},
    {"xs", word_xs, "PATH", "read from xenstore"},
    {"xsset", word_xsset, "PATH=V", "write to xenstore"},
    {"xswait", word_xswait, "PATH=V", "wait until xenstore has V at PATH"},
    {"cpuid", word_cpuid, "LEAF[,SUBLEAF]", "print eax, ebx, ecx, edx"},
    {"tsc", word_tsc, "", "print the TSC"},
    {"exit", word_exit, "REASON", "shut down: 0 power-off, 1 reboot, 2 suspend, 3 crash"},
    {"help", word_help, "", "this"},
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static bool word_help(const char *args)
{
    if (*args != '\0') {
        return false;
    }
    for (unsigned i = 0; i < WORDS; i++) {
        print("%s%s%s  %s\n", words[i].verb, *words[i].args ? ":" : "", words[i].args,
              words[i].help);
    }
    print("call's names, each with its keys; and at, start, cpl, multi:\n");
    print_ops();
    return true;
}

static bool run_word(const char *word)
{
    char verb[16];

    if (!take_name(&word, verb, sizeof(verb)) || (!take_char(&word, ':') && *word != '\0')) {
        return false;
    }
    for (unsigned i = 0; i < WORDS; i++) {
        if (text_equal(words[i].verb, verb)) {
            return words[i].run(word);
        }
    }
    return false;
}

/* Copies the next word to current and returns what is behind it; NULL at the end. */
static const char *next_word(const char *line)
{
    size_t length = 0;

    while (take_char(&line, ' ')) {
    }
    while (line[length] && line[length] != ' ' && length < WORD_SIZE - 1) {
        length++;
    }
    memcpy(current, line, length);
    current[length] = '\0';
    return length ? line + length : NULL;
}

/* The loader chose where the command line is; keep it where nothing happens to it. */
static const char *keep_line(const struct hvm_start_info *info)
{
    const char *from = (const char *)(uintptr_t)info->cmdline_paddr;
    size_t length = info->cmdline_paddr ? text_length(from) : 0;

    if (length >= PAGE_SIZE) {
        length = PAGE_SIZE - 1;
    }
    memcpy(words_line, from, length);
    words_line[length] = '\0';
    return words_line;
}

void main(const struct hvm_start_info *info)
{
    const char *line = keep_line(info);
    bool found, understood = true;

    reservation_start(info);
    buffers_map();
    cpu_start();
    found = hypercall_start() && events_start();
    if (found) {
        console_start();
    }

    print("podprobe\ncmdline '%s'\n", line);
    if (!found) {
        print("no Xen, or no shared_info\nTest result: ERROR\n");
        end(SHUTDOWN_crash);
    }
    while (understood && (line = next_word(line))) {
        understood = run_word(current);
    }
    if (!understood) {
        print("cannot do '%s'\n", current);
    }
    print("Test result: %s\n", understood ? "SUCCESS" : "ERROR");
    end(SHUTDOWN_poweroff);
}
