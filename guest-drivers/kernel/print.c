/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * printf's formats, as few as are needed.
 *
 * The 32-bit build must print 64-bit numbers but has no libgcc to divide them
 * with; the CPU divides 64 bits by 32 as long as the quotient fits 32, so the
 * number is divided in two steps, as on paper.
 */
#include <stdarg.h>
#include <stdint.h>

#include "print.h"
#include "text.h"

struct format {
    unsigned width;
    char pad;
    bool prefix;
    unsigned longs;
    char kind;
};

/* *value /= base; returns the remainder. */
static unsigned divide(uint64_t *value, uint32_t base)
{
    uint32_t high = *value >> 32, low = *value, rest;

    rest = high % base;
    high /= base;
    __asm__("divl %2" : "+a"(low), "+d"(rest) : "rm"(base) : "cc");
    *value = (uint64_t)high << 32 | low;
    return rest;
}

static void put_number(uint64_t value, const struct format *f)
{
    char digits[20];
    unsigned count = 0, before = 0;
    bool negative = f->kind == 'd' && (int64_t)value < 0;

    if (negative) {
        value = -value;
        before = 1;
    } else if (f->prefix) {
        before = 2;
    }
    do {
        digits[count++] = "0123456789abcdef"[divide(&value, f->kind == 'x' ? 16 : 10)];
    } while (value);

    for (unsigned i = count + before; i < f->width && f->pad == ' '; i++) {
        console_put(' ');
    }
    if (negative) {
        console_put('-');
    } else if (f->prefix) {
        console_put('0');
        console_put('x');
    }
    for (unsigned i = count + before; i < f->width && f->pad == '0'; i++) {
        console_put('0');
    }
    while (count) {
        console_put(digits[--count]);
    }
}

static const char *take_format(const char *s, struct format *f)
{
    *f = (struct format){.pad = ' '};
    f->prefix = take_char(&s, '#');
    if (take_char(&s, '0')) {
        f->pad = '0';
    }
    while (*s >= '0' && *s <= '9') {
        f->width = f->width * 10 + (*s++ - '0');
    }
    while (take_char(&s, 'l')) {
        f->longs++;
    }
    f->kind = *s;
    return s + 1;
}

static void put_text(const char *s)
{
    while (*s) {
        console_put(*s++);
    }
}

void print(const char *format, ...)
{
    struct format f;
    va_list args;

    va_start(args, format);
    while (*format) {
        if (*format != '%') {
            console_put(*format++);
            continue;
        }
        format = take_format(format + 1, &f);
        if (f.kind == 's') {
            put_text(va_arg(args, const char *));
        } else if (f.kind == 'c') {
            console_put(va_arg(args, int));
        } else if (f.longs == 2) {
            put_number(va_arg(args, uint64_t), &f);
        } else if (f.longs == 1) {
            put_number(f.kind == 'd' ? (uint64_t)va_arg(args, long) : va_arg(args, unsigned long),
                       &f);
        } else {
            put_number(f.kind == 'd' ? (uint64_t)va_arg(args, int) : va_arg(args, unsigned), &f);
        }
    }
    va_end(args);
}
