/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See discard.c. */
#ifndef XENBED_EMU_DISCARD_H
#define XENBED_EMU_DISCARD_H

#include "xenbed/emu/xenbed.h"

/* Fills in the interface of the class. */
void discard_manager_class_init(ObjectClass *oc);

/* Make the object the RamDiscardManager of guest RAM; after trap_init(). */
void discard_manager_init(XenBed *xb);

#endif
