/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for the arguments of hypercalls, and ways to point at it wrongly.
 */
#ifndef PROBE_BUFFERS_H
#define PROBE_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum buffer {
    BUFFER_LIST,
    BUFFER_LIST2,
    BUFFER_LIST3,
    BUFFER_ARG,
    BUFFER_COUNT,
};

/*
 * What a hypercall is to be given as a pointer.  In a buffer, memory is where the
 * same bytes can be written, as many as room up to the buffer's end; elsewhere it
 * is NULL.
 */
struct place {
    uint64_t address;
    unsigned char *memory;
    size_t room;
};

/* Map the buffers, and unmap page 0. */
void buffers_map(void);

/*
 * Reads "list", "list2", "list3" or "arg", then ".ro" or not, "+BYTES", "-BYTES" or
 * neither; or "null", "nowhere"; or a number.
 */
bool take_place(const char **s, struct place *place);

/* Where a buffer's elements start. */
struct place buffer_place(enum buffer buffer);

/* How many elements the last list word gave it. */
unsigned long buffer_elements(enum buffer buffer);

/* The list words: "[@OFFSET,]GFN[+COUNT][*TIMES],..." */
bool word_list(const char *args);
bool word_list2(const char *args);
bool word_list3(const char *args);

/* The word show: "PLACE,COUNT[,4]" */
bool word_show(const char *args);

#endif
