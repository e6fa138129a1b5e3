/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the words of the command line.
 *
 * A number is 64 bits in the 32-bit build too: fields of Xen's structures are, and
 * a value that does not fit a field is one that a test may want cut off.
 */
#include "layout.h"
#include "text.h"

/* The compiler calls these two by name, and makes them out of loops; so no loops. */
void *memcpy(void *to, const void *from, size_t bytes)
{
    void *end = to;

    __asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *end = to;

    __asm__ volatile("rep stosb" : "+D"(end), "+c"(bytes) : "a"(value) : "memory");
    return to;
}

size_t text_length(const char *s)
{
    size_t length = 0;

    while (s[length]) {
        length++;
    }
    return length;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

bool take_char(const char **s, char c)
{
    if (**s != c) {
        return false;
    }
    ++*s;
    return true;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

bool take_name(const char **s, char *name, size_t size)
{
    size_t length = 0;

    while (is_name((*s)[length])) {
        length++;
    }
    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(name, *s, length);
    name[length] = '\0';
    *s += length;
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return 16;
}

bool take_number(const char **s, uint64_t *value)
{
    const char *at = *s;
    bool negative = take_char(&at, '-');
    int base = 10;

    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    if (digit(*at) >= base) {
        return false;
    }
    *value = 0;
    while (digit(*at) < base) {
        *value = *value * base + digit(*at++);
    }
    if (negative) {
        *value = -*value;
    }
    *s = at;
    return true;
}

bool take_gfn(const char **s, unsigned long *gfn)
{
    bool mib = (*s)[0] != '0' || (*s)[1] != 'x';
    uint64_t number;

    if (!take_number(s, &number)) {
        return false;
    }
    *gfn = mib ? number << (20 - PAGE_SHIFT) : number;
    return true;
}

bool take_range(const char **s, unsigned long *first, unsigned long *end)
{
    return take_gfn(s, first) && take_char(s, '-') && take_gfn(s, end);
}
