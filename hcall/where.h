/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HERE: this line, as the log says what domain_crash() is called from.
 */
#ifndef HCALL_WHERE_H
#define HCALL_WHERE_H

#define HCALL_STRING(x) #x
#define HCALL_LINE(x) HCALL_STRING(x)
#define HERE(file) file ":" HCALL_LINE(__LINE__)

#endif
