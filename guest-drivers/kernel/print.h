/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text out of the guest.
 */
#ifndef KERNEL_PRINT_H
#define KERNEL_PRINT_H

/*
 * Formats %s, %c, %u, %d and %x, with the modifiers l and ll, the flags # and 0, and a
 * width.  A '\n' sends what was printed on its way.
 */
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);

/* Find where text goes; before it, it goes to the ports. */
void console_start(void);

/* Wait until somebody has read everything, for a while. */
void console_flush(void);

void console_put(char c);

#endif
